"""The neutral operations behind transfers: begun by one request, watched, completed, canceled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hubbub.api.calls import committed, outgoing, within_capacity
from hubbub.api.checks import preflight
from hubbub.api.lists import windowed
from hubbub.api.members import the_member
from hubbub.api.request import Asked, Operation
from hubbub.api.rooms import needed_room
from hubbub.conference.journal import within
from hubbub.conference.policy import Wait
from hubbub.conference.room import Room
from hubbub.conference.transfer import TransferRecord
from hubbub.dialects.tables import Page
from hubbub.errors import Refused
from hubbub.events import Link, MemberRecord, Presence, RoomStatus
from hubbub.ids import Id, new_id
from hubbub.verbs.transfer import Transfer


async def create_transfer(asked: Asked) -> TransferRecord:
    """Park the others, call somebody in, and let whoever gives them away go: at once, or when it says so."""
    values, hub = asked.values, asked.hub
    await preflight(asked, values.get("hold_url"), values.get("hold_method", "GET"), asked.speaks(needed_room(asked)))
    room = needed_room(asked)
    giver = _giver(asked, room)
    if room.record.status is not RoomStatus.IN_PROGRESS:
        raise Refused("not-bridged", "the conference has not started")
    if hub.transfers.under_way(room.id) is not None:
        raise Refused("no-transfer", "a transfer is under way in this conference")
    parked = _parked(asked, room, giver)
    own = hub.calls.get(asked.account.name, giver.call)
    if own is None:
        raise Refused("not-found")
    given = {"dialect": room.record.dialect, "role": "agent", "beep": "none", **values}
    verb = asked.face.join(given, room.record.name)
    dialect = hub.services.dialects[room.record.dialect]
    caller = own.record.callee if own.record.direction == "inbound" else own.record.caller
    wish = outgoing(replace(asked, values={"from": caller.uri, **values}))
    wish = wish if values.get("from") else replace(wish, caller=caller)
    call, send = within_capacity(lambda: hub.invite_to(room, asked.account, dialect, wish, verb, ()))
    record = TransferRecord(new_id(), room.id, giver.call, call.id, parked, values.get("consult", True))
    hold = Wait(Link(values["hold_url"], values.get("hold_method", "GET")), dialect=asked.speaks(room)) if values.get("hold_url") else None
    transfer = Transfer(hub, room, record, hold)
    hub.transfers.add(transfer)
    transfer.begin()
    await committed(call, within(call.written), room.settled())
    send()
    return transfer.record


def _giver(asked: Asked, room: Room) -> MemberRecord:
    """The member that gives the others away. Raises Refused (bad-parameter, not-found)."""
    spelled = asked.values.get("giver", "")
    if not spelled:
        raise Refused("bad-parameter", "giver: say whose call gives the others away, by its id or label")
    return the_member(replace(asked, path={**asked.path, "member": spelled}), room)


def _parked(asked: Asked, room: Room, giver: MemberRecord) -> tuple[Id, ...]:
    """Who is handed over: those that are named, or everybody else who can be heard. Raises Refused."""
    named = asked.values.get("parked", frozenset())
    if named:
        found = [the_member(replace(asked, path={**asked.path, "member": spelled}), room) for spelled in sorted(named)]
    else:
        found = [m for m in room.core.members.values() if m.presence is Presence.MIXED and not m.held and not m.is_coach]
    calls = tuple(member.call for member in found if member.call != giver.call)
    if not calls:
        raise Refused("no-transfer", "there is nobody to be handed over")
    return calls


async def list_transfers(asked: Asked) -> Page:
    """Transfers of a live room, newest first."""
    room = needed_room(asked)
    return windowed([each.record for each in asked.hub.transfers.of_room(asked.account.name, room.id)], asked.window)


async def fetch_transfer(asked: Asked) -> TransferRecord:
    """One transfer."""
    return _one(asked).record


async def update_transfer(asked: Asked) -> TransferRecord:
    """Complete it, or cancel it."""
    transfer, wanted = _one(asked), asked.values.get("action")
    if wanted is None:
        raise Refused("bad-parameter", "action: complete or cancel")
    transfer.complete() if wanted == "complete" else transfer.cancel()
    room = asked.hub.rooms.by_id(asked.account.name, transfer.record.room)
    if room is not None:
        await room.settled()
    return transfer.record


def _one(asked: Asked) -> Transfer:
    identity = asked.identity("transfer")
    room = asked.face.identity("room", asked.path["room"]) or needed_room(asked).id  # also of one that is over
    found = next((each for each in asked.hub.transfers.of_room(asked.account.name, room) if each.record.id == identity), None)
    if found is None:
        raise Refused("not-found")
    return found


OPERATIONS: Mapping[str, Operation] = {
    operation.__name__: operation for operation in (create_transfer, list_transfers, fetch_transfer, update_transfer)
}
