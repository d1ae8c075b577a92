"""The neutral operations behind REST for media streams of a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hubbub.api.request import Asked
from hubbub.errors import Refused
from hubbub.events import Link
from hubbub.verbs.model import OpenStream
from hubbub.verbs.session import Session
from hubbub.verbs.streams import OpenedStream


async def create_stream(asked: Asked) -> OpenedStream:
    """Carry a live call's audio over a WebSocket."""
    session, values = _session(asked), asked.values
    if "target" not in values:
        raise Refused("url-missing")
    url, speaks = values["target"]
    if not session.call.answered:
        raise Refused("call-over")
    names = {key.removeprefix("parameter-name-"): value for key, value in values.items() if key.startswith("parameter-name-")}
    verb = OpenStream(
        url=url,
        name=values.get("name", ""),
        tracks=values.get("tracks", ("inbound",)),
        parameters={name: values.get(f"parameter-value-{number}", "") for number, name in names.items()},
        speaks=speaks,
        notices=Link(values["notices"], values.get("notices_method", "POST")) if values.get("notices") else None,
    )
    opened = session.open_stream(verb)
    if opened is None:
        raise Refused("busy", "the stream was rejected")
    return opened


async def update_stream(asked: Asked) -> OpenedStream:
    """End it."""
    found = _session(asked).streams.get(asked.identity("stream"))
    if found is None:
        raise Refused("not-found")
    if asked.values.get("status") == "stopped":
        found.task.cancel()
    return found


def _session(asked: Asked) -> Session:
    call = asked.hub.calls.get(asked.account.name, asked.identity("call"))
    session = asked.hub.sessions.get(call.id) if call is not None else None
    if session is None:
        raise Refused("not-found")
    return session


OPERATIONS: Mapping[str, Callable[[Asked], Awaitable[Any]]] = {
    operation.__name__: operation for operation in (create_stream, update_stream)
}
