"""The neutral operations behind REST for rooms."""

from __future__ import annotations

from collections.abc import Mapping

from hubbub.api.lists import filters, page_of, stored
from hubbub.api.request import Asked, Operation
from hubbub.conference.room import Room
from hubbub.dialects.tables import Page
from hubbub.errors import Refused
from hubbub.events import EndReason, Link, RoomRecord, RoomStatus


async def list_rooms(asked: Asked) -> Page:
    """Rooms, newest first."""
    return await page_of(asked, "rooms", RoomRecord, filters(asked, "name", "status"))


async def fetch_room(asked: Asked) -> RoomRecord:
    """One room: by id, or by its name while it lives."""
    live = live_room(asked)
    return live.record if live is not None else await stored(asked, "rooms", RoomRecord, asked.identity("room"))


async def update_room(asked: Asked) -> RoomRecord:
    """End a room, or announce something in it. Ending an ended room changes nothing."""
    room = live_room(asked)
    values = asked.values
    if room is None:
        record = await stored(asked, "rooms", RoomRecord, asked.identity("room"))
        if values.get("announce_url"):
            raise Refused("not-bridged")
        return record
    if values.get("announce_url"):
        if room.record.status is RoomStatus.INIT:
            raise Refused("not-bridged", "nobody hears an announcement before the conference has started")
        link = Link(values["announce_url"], values.get("announce_method", "POST"))
        room.announce(link, dialect=asked.face.dialect.name)
    if values.get("status") == "completed":
        room.end(EndReason.REQUESTED)
    await room.settled()
    return room.record


def live_room(asked: Asked) -> Room | None:
    """The live room of a path: by id or by name."""
    spelled = asked.path["room"]
    identity = asked.face.identity("room", spelled)
    if identity is not None:
        return asked.hub.rooms.by_id(asked.account.name, identity)
    return asked.hub.rooms.by_name(asked.account.name, spelled)


def needed_room(asked: Asked) -> Room:
    """The live room of a path. Raises Refused (not-found)."""
    room = live_room(asked)
    if room is None:
        raise Refused("not-found")
    return room


OPERATIONS: Mapping[str, Operation] = {operation.__name__: operation for operation in (list_rooms, fetch_room, update_room)}
