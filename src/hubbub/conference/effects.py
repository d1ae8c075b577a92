"""What the conference core asks of its shell: effects, to be done in the order in which they are given."""

from __future__ import annotations

from dataclasses import dataclass

from hubbub.conference.policy import Wait
from hubbub.events import LeaveReason, RoomEvent
from hubbub.ids import Id


@dataclass(frozen=True)
class Audio:
    """What a member sends to and hears from the room."""

    speak: bool
    hear: bool
    whisper: frozenset[Id] = frozenset()
    """Calls that hear it although the room does not."""


SILENT = Audio(speak=False, hear=False)


@dataclass(frozen=True)
class Route:
    """Connect a member's audio like this."""

    call: Id
    audio: Audio


@dataclass(frozen=True)
class StartWait:
    """Let a member hear its wait audio."""

    call: Id
    wait: Wait


@dataclass(frozen=True)
class StopWait:
    """End a member's wait audio."""

    call: Id


@dataclass(frozen=True)
class StartHold:
    """Let a held member hear its hold audio."""

    call: Id
    audio: Wait


@dataclass(frozen=True)
class StopHold:
    """End a member's hold audio."""

    call: Id


@dataclass(frozen=True)
class Beep:
    """Sound the enter or exit beep in the room."""

    entering: bool
    call: Id


@dataclass(frozen=True)
class BeginRecording:
    """Record the room: its first two members are bridged."""


@dataclass(frozen=True)
class Release:
    """A member has left: its call goes on elsewhere."""

    call: Id
    reason: LeaveReason


@dataclass(frozen=True)
class Notify:
    """Something happened that the world may want to know."""

    event: RoomEvent


@dataclass(frozen=True)
class Close:
    """The room is over: nothing of it is needed any more."""


Effect = Route | StartWait | StopWait | StartHold | StopHold | Beep | BeginRecording | Release | Notify | Close
