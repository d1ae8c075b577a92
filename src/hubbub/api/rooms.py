"""The neutral operations behind REST for rooms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hubbub.api.calls import within_capacity
from hubbub.api.checks import preflight
from hubbub.api.lists import filters, page_of, stored
from hubbub.api.request import Asked, Operation
from hubbub.conference.policy import Subscription
from hubbub.conference.room import Room
from hubbub.dialects.tables import Page
from hubbub.errors import Refused
from hubbub.events import EndReason, Link, RoomRecord, RoomStatus
from hubbub.verbs.model import Stage


async def create_room(asked: Asked) -> tuple[RoomRecord, bool]:
    """Make a room before anybody comes, or find the one of that name; and whether it is new. It can be read as soon as this is answered."""
    values = {"dialect": asked.face.habits.room_dialect(asked.account) or asked.face.dialect.name, **asked.values}
    name = values.get("name", "")
    if not name:
        raise Refused("bad-room-parameter", "a room needs a name")
    wanted = asked.face.join(values, name).joining
    dialect = asked.hub.services.dialects[wanted.settings.dialect]
    joining = dialect.settled(asked.account, None, wanted)
    rooms = asked.hub.rooms
    found = None if joining.alone else rooms.open_in(asked.account.name, name, joining.namespace)
    if found is None:
        room = within_capacity(lambda: rooms.open(asked.account.name, name, joining))
        room.open(values.get("keep_seconds", asked.hub.limits.keep_empty_seconds))
    else:
        room = found
    await room.settled()
    return room.record, found is None


def _subscription(asked: Asked, room: Room) -> Subscription | None:
    """Who is to be told what happens in a live room, from who is told now and what was asked for. Raises Refused."""
    now, values = room.settings.subscription, asked.values
    if values.get("status_url") == "":
        return None
    events = values.get("status_events") or (now.events if now is not None else None)
    url = values.get("status_url") or (now.link.url if now is not None else None)
    if not url or not events:
        raise Refused("bad-room-parameter", "nobody is told yet: say who, and what")
    method = values.get("status_method") or (now.link.method if now is not None else "POST")
    link = Link(url, method) if now is None else replace(now.link, url=url, method=method)
    if now is not None:
        return replace(now, link=link, events=events)
    fresh = asked.face.join({"status_url": url, "status_events": events, "dialect": room.record.dialect}, room.record.name)
    made = fresh.joining.settings.subscription
    return None if made is None else replace(made, link=link)


async def list_rooms(asked: Asked) -> Page:
    """Rooms, newest first."""
    return await page_of(asked, "rooms", RoomRecord, filters(asked, "name", "status"))


async def fetch_room(asked: Asked) -> RoomRecord:
    """One room: by id, or by its name while it lives."""
    live = live_room(asked)
    return live.record if live is not None else await stored(asked, "rooms", RoomRecord, asked.identity("room"))


async def update_room(asked: Asked) -> RoomRecord:
    """End a room, or announce something in it. Ending an ended room changes nothing."""
    values = asked.values
    room = live_room(asked)
    if room is not None and values.get("announce_url"):
        method = values.get("announce_method", "POST")
        await preflight(asked, values["announce_url"], method, asked.speaks(room), Stage.ANNOUNCEMENT)
        room = live_room(asked)  # it may have ended meanwhile
    if room is None:
        record = await stored(asked, "rooms", RoomRecord, asked.identity("room"))
        if values.get("announce_url"):
            raise Refused("not-bridged")
        return record
    if values.get("announce_url"):
        if room.record.status is RoomStatus.INIT:
            raise Refused("not-bridged", "nobody hears an announcement before the conference has started")
        link = Link(values["announce_url"], values.get("announce_method", "POST"))
        room.announce(link, dialect=asked.speaks(room))
    if any(name in values for name in ("status_url", "status_method", "status_events")):
        room.subscribe(_subscription(asked, room))
    if values.get("status") == "completed":
        room.end(EndReason.REQUESTED)
    await room.settled()
    return room.record


def live_room(asked: Asked) -> Room | None:
    """The live room of a path: by id or by name."""
    return asked.room


def needed_room(asked: Asked) -> Room:
    """The live room of a path. Raises Refused (not-found)."""
    room = live_room(asked)
    if room is None:
        raise Refused("not-found")
    return room


OPERATIONS: Mapping[str, Operation] = {operation.__name__: operation for operation in (create_room, list_rooms, fetch_room, update_room)}
