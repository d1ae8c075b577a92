"""The event stream: everything that happened, in order, over server-sent events; what was missed is sent again.

    GET /hubbub/events?account=NAME&room=ID&call=ID&after=SEQ

Each event is a row of table `events`: `id` is its place in the one order of this server, `event` its type (`room.joined`,
`call.answered`, `recording.completed`…), `data` its facts as JSON. A client that comes back names the last id it has seen, by `after` or by
the header `Last-Event-ID`, as browsers do; one that names none begins with what happens next.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from hubbub.errors import StorageUnavailable
from hubbub.storage.store import Condition, Query, Row, Store

AT_ONCE: Final = 200
HEARTBEAT: Final = 15.0
"""Seconds of silence after which a comment is sent, so that proxies keep the connection."""
FILTERS: Final = ("account", "room", "call")


class News:
    """Wakes all who wait for something to happen."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()
        self.closed = False

    def tell(self) -> None:
        """Something was committed."""
        for event in self._waiting:
            event.set()

    def close(self) -> None:
        """The server stops: nobody shall wait any longer."""
        self.closed = True
        self.tell()

    def subscribe(self) -> asyncio.Event:
        """An event that is set by every `tell`."""
        event = asyncio.Event()
        self._waiting.add(event)
        return event

    def leave(self, event: asyncio.Event) -> None:
        """No longer interested."""
        self._waiting.discard(event)


def stream_route(store: Store, news: News, allowed: Callable[[Request], bool]) -> Route:
    """The route of the stream."""

    async def endpoint(request: Request) -> Response:
        if not allowed(request):
            return PlainTextResponse("authorization needed\n", 401, {"WWW-Authenticate": "Bearer"})
        last = request.headers.get("last-event-id") or request.query_params.get("after", "")
        if last and not (last.isascii() and last.isdigit() and len(last) < 19):
            return PlainTextResponse("after must be the id of an event\n", 400)
        where = tuple(Condition(name, "=", request.query_params[name]) for name in FILTERS if name in request.query_params)
        try:
            begin = int(last) if last else await _newest(store)
        except StorageUnavailable:
            return PlainTextResponse("the database cannot be read now\n", 503)
        return StreamingResponse(_events(store, news, where, begin), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    return Route("/hubbub/events", endpoint, methods=["GET"])


async def _newest(store: Store) -> int:
    rows = await store.find(Query("events", (), (("seq", "desc"),), 1))
    return int(rows[0]["seq"]) if rows else 0


async def _events(store: Store, news: News, where: tuple[Condition, ...], last: int) -> AsyncIterator[str]:
    woken = news.subscribe()
    try:
        yield ": hubbub\n\n"
        while not news.closed:
            woken.clear()
            rows = await store.find(Query("events", (*where, Condition("seq", ">", last)), (("seq", "asc"),), AT_ONCE))
            for row in rows:
                last = int(row["seq"])
                yield _text(row)
            if rows:
                continue
            try:
                await asyncio.wait_for(woken.wait(), HEARTBEAT)
            except TimeoutError:
                yield ": \n\n"
    finally:
        news.leave(woken)


def _text(row: Row) -> str:
    facts = {name: row[name] for name in ("account", "room", "call", "at")}
    return f"id: {row['seq']}\nevent: {row['type']}\ndata: {json.dumps({**facts, **row['data']}, ensure_ascii=False)}\n\n"
