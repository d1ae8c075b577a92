"""What a room asks of its members and allows them: frozen when the room is born."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hubbub.events import Link, RecordingSource, RoomEventKind, Track


@dataclass(frozen=True)
class Policy:
    """Rules that belong to the room, taken from its creator's dialect."""

    minimum_to_start: int = 2
    """Members that must be present, one of them with start-on-enter, before the room starts."""
    capacity: int = 250
    max_age_seconds: float | None = None
    coach_limit: int | None = None
    """How many members may coach at a time; None: any."""
    end_when_alone: bool = False
    """Whether a room that has started ends when one member is left."""
    beeps: bool = True
    recorded_by_any: bool = False
    """Whether every member may ask for a recording before the start; else its creator alone."""
    keys_heard: bool = True
    """Whether a key that a member presses is heard by the others, as the tones that it stands for."""
    wait_music: bool = True
    """Whether a member that names no wait audio hears hold music; else silence."""


@dataclass(frozen=True)
class Subscription:
    """Who wants to know what happens in a room."""

    link: Link
    events: frozenset[RoomEventKind]
    replies: bool = False
    """Whether the answer to a notice is a document that the room executes."""
    style: str = ""
    """How notices are rendered, where a dialect has several ways."""


@dataclass(frozen=True)
class RecordingWish:
    """Who wants to know about a recording, and of what."""

    link: Link | None = None
    events: frozenset[str] = frozenset({"completed"})
    format: str = "wav"
    style: str = ""
    storage: Link | None = None
    """Where its sound is put when it is whole."""
    transcribe: bool = False
    """Whether what is said is to be transcribed when it is whole."""
    transcript_link: Link | None = None
    """Told of the transcript."""
    transcript_language: str = ""
    end_link: Link | None = None
    """Told besides when it is whole, by dialects that have a word for the end alone."""


@dataclass(frozen=True)
class RecordingOrder:
    """What is to be recorded of a leg or a room, and who wants to know about it."""

    source: RecordingSource
    dialect: str
    """Its notices speak it."""
    track: Track = "both"
    channels: int = 1
    """Of a leg whose both sides are recorded: 1 is their sum, 2 is what it says in the first and what it hears in the second."""
    trim: bool = False
    wish: RecordingWish | None = None
    name: str = ""
    per_speaker: bool = False
    """Of a room: a channel for each speaker, on one clock, instead of the mix."""


@dataclass(frozen=True)
class Wait:
    """What a leg hears before the room starts, or while it is held."""

    link: Link | None = None
    """None: the built-in music."""
    silent: bool = False
    dialect: str = ""
    """What the document behind the link speaks; empty: what the leg speaks."""


@dataclass(frozen=True)
class RoomSettings:
    """Everything the first joiner decides for the whole room."""

    dialect: str
    policy: Policy = Policy()
    subscription: Subscription | None = None
    record: bool = False
    trim: bool = True
    recording: RecordingWish | None = None
    region: str = ""
    tag: str = ""
    timeout: float | None = None
    """Seconds for the room's requests, where their link names none."""


Jitter = int | Literal["adaptive"]
"""Milliseconds that packets wait before they are played, or as little as the network allows."""


@dataclass(frozen=True)
class Joining:
    """How a leg joins: its own attributes, and the settings it would give a new room."""

    settings: RoomSettings
    muted: bool = False
    held: bool = False
    start_on_enter: bool = True
    end_on_exit: bool = False
    beep_on_enter: bool = True
    beep_on_exit: bool = True
    label: str = ""
    tag: str | None = None
    """None leaves the call's tag as it is; the empty text clears it."""
    wait: Wait = Wait()
    jitter_ms: Jitter = 60
    namespace: str = ""
    """Rooms of different namespaces may have the same name; the empty one is that of most."""
    alone: bool = False
    """Whether it opens a room of its own, whatever other one has its name: that is found by its id only."""
