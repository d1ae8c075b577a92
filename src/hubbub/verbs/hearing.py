"""What documents want to have heard: speech that is understood."""

from __future__ import annotations

from dataclasses import dataclass, field

from hubbub.events import Link
from hubbub.speech.machine import Thresholds


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


@dataclass(frozen=True, kw_only=True)
class Detection:
    """Who answered shall be found out: a person or a machine."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    waits: bool = False
    """Whether the call's document waits for it."""
    link: Link | None = None
    """Told."""
