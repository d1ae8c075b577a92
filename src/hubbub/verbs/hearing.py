"""What documents want to have heard: speech that is understood."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from hubbub.events import Link
from hubbub.speech.machine import Thresholds
from hubbub.verbs.program import Verb

if TYPE_CHECKING:
    from hubbub.verbs.model import Followed


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Speech that is listened for."""

    language: str = ""
    """A BCP 47 tag in any spelling; empty: the recogniser's own."""
    hints: tuple[str, ...] = ()
    """Words and phrases that are expected."""
    pause_seconds: float = 1.0
    """Of silence after which it is over."""
    most_seconds: float = 60.0
    """How long it may last."""
    keys: bool = True
    """Whether keys count too: the first that comes decides."""
    stops_prompts: bool = True
    on_partial: Link | None = None
    """Told the words so far."""


class Timers:
    """The wait for the first input of a gathering: it begins when somebody says so."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    def start(self) -> None:
        """It begins now, if it has not begun."""
        self._begun.set()

    async def begun(self) -> None:
        """Wait until it has begun."""
        await self._begun.wait()


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a gathering goes on that is followed closely."""

    continuous: bool = False
    """Whether it goes on after each result, which is told (`heard`), until it is stopped. Only the first input has a time limit."""
    partial: bool = False
    """Whether what there is so far is told (`partly`)."""
    beginning: bool = False
    """Whether it is told that somebody begins (`input`)."""
    timers: Timers | None = None
    """None: the first time limit runs from the end of the prompts."""


@dataclass(frozen=True, kw_only=True)
class Detection:
    """Who answered shall be found out: a person or a machine."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    waits: bool = False
    """Whether the call's document waits for it."""
    link: Link | None = None
    """Told."""


@dataclass(frozen=True, kw_only=True)
class StartTranscription(Verb):
    """Transcribe the call beside everything else, until it is stopped or the call is over. What is told: `verbs/transcribing.py`."""

    name: str = ""
    tracks: tuple[Literal["inbound", "outbound"], ...] = ("inbound", "outbound")
    link: Link | None = None
    partial: bool = False
    """Whether the words so far are told too."""
    language: str = ""
    pause_seconds: float = 0.7
    """Of silence after which an utterance is over."""
    hints: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    """What its dialect tells beside the text."""
    followed: Followed | None = None
    """Told too, and of all that was said when it ends."""


@dataclass(frozen=True, kw_only=True)
class StopTranscription(Verb):
    """End the transcription of that name; all for the empty name."""

    name: str = ""
