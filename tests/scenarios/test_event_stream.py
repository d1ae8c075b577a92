"""P2: the event stream over server-sent events, with replay; nothing is missed, nothing comes twice, in the order in which it happened."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from tests.support.shared import shared
from tests.support.stage import PhoneMaker, call_in, room

from hubbub.testing import Application, HubbubServer

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
running, application, hubbub_server, phone, rest = shared()


async def read(server: HubbubServer, until: str, **params: str) -> list[dict[str, Any]]:
    """Events of the stream up to one of that type."""
    found: list[dict[str, Any]] = []
    async with (
        aiohttp.ClientSession() as session,
        asyncio.timeout(20),
        session.get(server.http_url("/hubbub/events"), params=params) as reply,
    ):
        assert reply.content_type == "text/event-stream"
        one: dict[str, Any] = {}
        async for line in reply.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name in ("id", "event", "data"):
                one[name] = json.loads(value) if name == "data" else value
            if name == "" and len(one) == 3:
                found.append(one)
                if one["event"] == until:
                    break
                one = {}
    return found


async def test_events_are_streamed_and_replayed(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """P2: "ordered delivery, gap-free, replay, SSE feed"."""
    application.on("/voice", room('participantLabel="first"'))
    reading = asyncio.create_task(read(hubbub_server, "room.ended", after="0"))
    calls = await call_in(hubbub_server, phone, "alice")
    await calls["alice"].hangup()
    live = await reading
    kinds = [event["event"] for event in live]
    assert kinds[0] == "call.answered"
    assert [kind for kind in kinds if kind.startswith("room.")] == ["room.created", "room.joined", "room.left", "room.ended"]
    joined = next(event["data"] for event in live if event["event"] == "room.joined")
    assert (joined["name"], joined["label"], joined["account"], joined["size"]) == ("standup", "first", "dev", 1)
    assert live[-1]["data"]["reason"] == "last-left"

    await hubbub_server.restart()
    half = live[2]["id"]
    assert await read(hubbub_server, "room.ended", after=half) == live[3:], "what was missed is sent again, also after a restart"
    of_room = await read(hubbub_server, "room.ended", after="0", room=joined["room"])
    assert [event["event"] for event in of_room] == ["room.created", "room.joined", "room.left", "room.ended"]
    async with aiohttp.ClientSession() as session, session.get(hubbub_server.http_url("/hubbub/events?after=x")) as reply:
        assert reply.status == 400


async def test_a_stream_ends_with_its_server(hubbub_server: HubbubServer) -> None:
    """An open stream does not keep the server from stopping."""
    async with aiohttp.ClientSession() as session, session.get(hubbub_server.http_url("/hubbub/events")) as reply:
        assert await reply.content.readline() == b": hubbub\n"
        begun = asyncio.get_running_loop().time()
        assert await hubbub_server.stop() == 0
        assert asyncio.get_running_loop().time() - begun < 4
