"""The neutral operations behind REST for media streams of calls and of rooms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hubbub.api.request import Asked
from hubbub.api.rooms import needed_room
from hubbub.errors import Refused
from hubbub.events import Link, RoomStatus
from hubbub.verbs.capture import OpenStream
from hubbub.verbs.streams import OpenedStream


async def create_stream(asked: Asked) -> OpenedStream:
    """Carry a live call's audio over a WebSocket."""
    session, verb = asked.needed_session(), _ordered(asked)
    if not session.call.answered or session.call.over:
        raise Refused("call-over")
    opened = session.open_stream(verb)
    if opened is None:
        raise Refused("busy", "the stream was rejected")
    return opened


async def create_room_stream(asked: Asked) -> OpenedStream:
    """Carry a live room's audio over a WebSocket."""
    room, verb = needed_room(asked), _ordered(asked)
    present = [session for call in room.core.members if (session := asked.hub.sessions.get(call)) is not None]
    if room.record.status is not RoomStatus.IN_PROGRESS or not present:
        raise Refused("not-bridged", "nobody is heard before the conference has started")
    opened = asked.hub.services.beside.streams.begin(room, verb, present[0].record, asked.face.dialect)
    if opened is None:
        raise Refused("busy", "the stream was rejected")
    return opened


async def update_room_stream(asked: Asked) -> OpenedStream:
    """End it."""
    wanted = asked.identity("stream")
    found = next((each for each in asked.hub.services.beside.streams.of(needed_room(asked).id) if each.id == wanted), None)
    return _changed(asked, found)


def _ordered(asked: Asked) -> OpenStream:
    values = asked.values
    if "target" not in values:
        raise Refused("url-missing")
    url, speaks = values["target"]
    codec, rate = values.get("wire", ("", 8000))
    names = {key.removeprefix("parameter-name-"): value for key, value in values.items() if key.startswith("parameter-name-")}
    return OpenStream(
        url=url,
        name=values.get("name", ""),
        tracks=values.get("tracks", ("inbound",)),
        parameters={name: values.get(f"parameter-value-{number}", "") for number, name in names.items()},
        speaks=speaks,
        notices=Link(values["notices"], values.get("notices_method", "POST")) if values.get("notices") else None,
        codec=codec,
        rate=rate,
        password=values.get("bearer", ""),
    )


async def update_stream(asked: Asked) -> OpenedStream:
    """End it."""
    return _changed(asked, asked.needed_session().streams.get(asked.identity("stream")))


def _changed(asked: Asked, found: OpenedStream | None) -> OpenedStream:
    if found is None:
        raise Refused("not-found")
    if asked.values.get("status") == "stopped":
        found.stop()
    return found


OPERATIONS: Mapping[str, Callable[[Asked], Awaitable[Any]]] = {
    operation.__name__: operation for operation in (create_stream, update_stream, create_room_stream, update_room_stream)
}
