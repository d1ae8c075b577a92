"""The core of one room, and its members: what is done to them, and what the effects say."""

from __future__ import annotations

from hubbub.conference.effects import Audio, Effect, Notify, Route
from hubbub.conference.policy import Policy, RoomSettings, Subscription, Wait
from hubbub.conference.state import RoomCore
from hubbub.events import CallStatus, LeaveReason, Link, MemberRecord, Presence, RoomEventKind, RoomRecord, RoomStatus
from hubbub.ids import Id

ALICE, BOB, CAROL, DAVE = (Id(letter * 32) for letter in "abcd")
EVERYTHING = Subscription(Link("http://127.0.0.1/events"), frozenset(RoomEventKind))
NORMAL = Audio(speak=True, hear=True)


def room(policy: Policy = Policy(), **settings: object) -> RoomCore:
    """A room that tells everything, unless said otherwise."""
    wanted = {"subscription": EVERYTHING, **settings}
    record = RoomRecord(Id("0" * 32), "dev", "twiml", "standup", RoomStatus.INIT, 0.0, 0.0)
    return RoomCore(record, RoomSettings("twiml", policy, **wanted))  # type: ignore[arg-type]


def member(call: Id, **more: object) -> MemberRecord:
    """A member that waits, of that call."""
    return MemberRecord(Id(call[::-1]), call, Id("0" * 32), "dev", Presence.WAITING, 0.0, 0.0, **more)  # type: ignore[arg-type]


def join(core: RoomCore, call: Id, now: float = 0.0, **more: object) -> list[Effect]:
    """Somebody comes in."""
    return core.join(member(call, **more), Wait(), now)


def leave(core: RoomCore, call: Id, reason: LeaveReason = LeaveReason.HUNG_UP, now: float = 9.0) -> list[Effect]:
    """Somebody goes."""
    return core.leave(call, reason, now, CallStatus.COMPLETED)


def kinds(effects: list[Effect]) -> list[RoomEventKind]:
    """The events that are told, in order."""
    return [effect.event.kind for effect in effects if isinstance(effect, Notify)]


def routes(effects: list[Effect]) -> dict[Id, Audio]:
    """Whose audio is routed anew, and how."""
    return {effect.call: effect.audio for effect in effects if isinstance(effect, Route)}
