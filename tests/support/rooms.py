"""Rooms without a media plane and without a store: what they are told to do is done by nobody, and can be looked at."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from hubbub.clock import ManualClock
from hubbub.conference.policy import Joining, RoomSettings, Wait
from hubbub.conference.room import Room, RoomServices, new_member
from hubbub.conference.rooms import Rooms
from hubbub.events import CallStatus, LeaveReason
from hubbub.ids import Id

JOINING = Joining(RoomSettings("twiml"))


class SilentMix:
    """A mix that nobody hears."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        """It is gone."""
        self.closed = True


class SilentLeg:
    """A leg without audio; where it was routed last can be seen."""

    def __init__(self) -> None:
        self.on_speech: Any = None
        self.routed: tuple[Any, bool, bool] = (None, False, False)

    def route(self, mix: Any, *, speak: bool, hear: bool) -> None:
        """Remember it."""
        self.routed = (mix, speak, hear)

    def whisper(self, legs: Any) -> None:
        """Nobody listens."""


class Host:
    """The call of a member."""

    call_status = CallStatus.IN_PROGRESS

    def __init__(self) -> None:
        self.leg = SilentLeg()
        self.reasons: list[LeaveReason] = []

    def start_audio(self, kind: str, audio: Wait) -> None:
        """Nothing is played."""

    def stop_audio(self, kind: str) -> None:
        """Nothing was played."""

    def released(self, reason: LeaveReason) -> None:
        """Remember why."""
        self.reasons.append(reason)


class Journal:
    """Everything is committed at once."""

    def __init__(self) -> None:
        self.problems: list[Any] = []
        self.events: list[Any] = []

    def write(self, changes: Any, events: Any = (), notices: Any = ()) -> asyncio.Future[None]:
        """Keep what happened."""
        self.events += events
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        written.set_result(None)
        return written

    def report(self, problem: Any, now: float) -> None:
        """Keep it."""
        self.problems.append(problem)


def media(**more: Any) -> Any:
    """A media plane that has nothing but mixes."""
    return SimpleNamespace(open_mix=lambda near=None: SilentMix(), play=lambda *_args, **_more: None, **more)


def rooms(most: int = 0, beside: Any = None) -> Rooms:
    """Rooms of which an account may have so many."""
    nothing = SimpleNamespace(member_left=lambda *_: None, room_event=lambda *_: None, room_closed=lambda *_: None)
    render: Any = SimpleNamespace(room_notices=lambda *_: ())
    journal: Any = Journal()
    services = RoomServices(media(), journal, render, ManualClock(), None, beside or nothing)  # type: ignore[arg-type]
    return Rooms(services, lambda _account: most)


def come(room: Room, call: Id, **more: Any) -> Host:
    """Bring somebody into a room."""
    host: Any = Host()
    joining = Joining(room.settings, **more)
    room.join(new_member(room, call, joining, (), 0.0, is_coach=False), host, Wait(silent=True))
    return host


__all__ = ["JOINING", "Host", "Journal", "SilentLeg", "SilentMix", "come", "media", "rooms"]
