"""A bridge becomes a room, in place: the two go on hearing each other without a gap, and others can come.

The room takes over the mix of the bridge, so nothing of the audio is touched; recordings of the legs go on. The verb that
connected the two lasts until its call has left the room; the other call goes on with its own document (or ends) when it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from hubbub.calls.bridge import Bridge
from hubbub.conference.policy import Joining, Wait
from hubbub.conference.room import Room, new_member
from hubbub.conference.state import RoomCore
from hubbub.errors import Refused
from hubbub.events import LeaveReason, MemberRecord
from hubbub.verbs.handlers import room_keys
from hubbub.verbs.services import VerbServices
from hubbub.verbs.session import Session


def upgrade(services: VerbServices, session: Session, name: str, own: Joining, others: Joining) -> Room:
    """Make a room of the bridge that a call is in; `own` and `others` say how the two are in it.

    Raises Refused: not-bridged; room-exists where a room of that name lives (its mix is another one); too-many-rooms, and what
    joining raises. Then the two are connected as before.
    """
    bridge = session.call.bridge
    if bridge is None or not bridge.joined or bridge.over.done():
        raise Refused("not-bridged", "the call is connected with no other")
    account = services.accounts[session.record.account]
    own = session.dialect.settled(account, session.record, own)
    if services.rooms.open_in(account.name, name, own.namespace) is not None:
        raise Refused("room-exists", f"a conference {name!r} is under way already")
    both = _both(services, session, bridge)
    room = services.rooms.open(account.name, name, own, bridge.mix)
    wishes = (replace(own, settings=room.settings), replace(others, settings=room.settings))
    now = services.clock.now()
    members = [
        new_member(room, each.call.id, wish, (), now, is_coach=False, goes_on=each.more_to_do)
        for each, wish in zip(both, wishes, strict=True)
    ]
    try:
        _rehearse(room, members, now)
    except Refused:
        services.rooms.discard_if_empty(room)
        raise
    stays = bridge.hand_over()
    for each, member in zip(both, members, strict=True):
        _bring_in(room, each, member, stays[each.call])
    return room


def _rehearse(room: Room, members: Sequence[MemberRecord], now: float) -> None:
    """Let them join a copy that nobody hears: once the bridge has handed over, there is no way back. Raises Refused."""
    core = RoomCore(room.record, room.settings)
    for member in members:
        core.join(member, Wait(silent=True), now)


def _both(services: VerbServices, session: Session, bridge: Bridge) -> tuple[Session, Session]:
    """The session that asks, and the one of the other call."""
    other = bridge.second if bridge.first is session.call else bridge.first
    return session, services.hub.sessions[other.id]


def _bring_in(room: Room, session: Session, member: MemberRecord, stay: asyncio.Future[None]) -> None:
    """One of the two becomes a member; `stay` ends when it is none any more."""
    call = session.call
    left: asyncio.Future[LeaveReason] = asyncio.get_running_loop().create_future()
    session.room, session.released_by = room, left
    deaf = call.hear_keys(room_keys(room, session, leave_on_star=False))
    left.add_done_callback(_ended(deaf, stay))
    room.join(member, session, Wait(silent=True))


def _ended(deaf: Callable[[], None], stay: asyncio.Future[None]) -> Callable[[asyncio.Future[LeaveReason]], None]:
    def ended(_left: asyncio.Future[LeaveReason]) -> None:
        deaf()
        if not stay.done():
            stay.set_result(None)

    return ended


__all__ = ["upgrade"]
