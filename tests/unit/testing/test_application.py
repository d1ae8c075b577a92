"""The application answers as told, fails as told, and forgets nothing."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from hubbub.testing.application import Application, Request


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
        yield session


async def test_answers_by_kind(application: Application, client: aiohttp.ClientSession) -> None:
    application.on("/xml", "<Response/>")
    application.on("/json", {"version": "1.0.0"})
    application.on("/text", (404, "text/html", "gone"))
    application.on("/audio", b"RIFF")
    application.on("/called", lambda request: f"<Say>{request.params['Digits']}</Say>")
    shown = {}
    for path in ("/xml", "/json", "/text", "/audio", "/called", "/notices"):
        async with client.post(application.url(path), data={"Digits": "12"}) as reply:
            shown[path] = (reply.status, reply.content_type, await reply.text())
    assert shown == {
        "/xml": (200, "application/xml", "<Response/>"),
        "/json": (200, "application/json", '{"version": "1.0.0"}'),
        "/text": (404, "text/html", "gone"),
        "/audio": (200, "audio/wav", "RIFF"),
        "/called": (200, "application/xml", "<Say>12</Say>"),
        "/notices": (204, "application/octet-stream", ""),
    }


async def test_an_answer_may_wait(application: Application, client: aiohttp.ClientSession) -> None:
    async def slow(request: Request) -> str:
        await asyncio.sleep(0)
        return request.method

    application.on("/slow", slow)
    async with client.get(application.url("/slow")) as reply:
        assert await reply.text() == "GET"


async def test_requests_are_remembered_whole(application: Application, client: aiohttp.ClientSession) -> None:
    await client.post(application.url("/voice?room=blue"), data=[("To", "+1555"), ("Label", ""), ("To", "b")], headers={"X-Signature": "s"})
    await client.post(application.url("/json"), json={"event": "start", "n": 1})
    form, document = application.requests()
    assert form.params == {"room": "blue", "To": "b", "Label": ""}
    assert form.fields == (("To", "+1555"), ("Label", ""), ("To", "b"))
    assert form.headers["x-signature"] == "s"
    assert form.url == application.url("/voice?room=blue")
    assert document.params["event"] == "start"
    assert document.json == {"event": "start", "n": 1}
    assert [request.number for request in application.requests()] == [1, 2]


async def test_waiting(application: Application, client: aiohttp.ClientSession) -> None:
    waiting = asyncio.create_task(application.wait_for("/events", lambda request: request.params["Event"] == "end"))
    for event in ("start", "join", "end"):
        await client.post(application.url("/events"), data={"Event": event})
    assert (await waiting).number == 3
    assert (await application.wait_for("/events", count=2)).params["Event"] == "join"
    with pytest.raises(AssertionError, match=r"no such request for /other within 0\.01 s \(0 of 1\); requests seen:\n  #1 POST /events"):
        await application.wait_for("/other", timeout=0.01)


async def test_faults(application: Application, client: aiohttp.ClientSession) -> None:
    application.on("/voice", "<Response/>")
    application.fault("/voice", status=503, times=2)
    seen = []
    for _ in range(3):
        async with client.get(application.url("/voice")) as reply:
            seen.append(reply.status)
    assert seen == [503, 503, 200]
    application.fault("/voice", close=True, times=1)
    with pytest.raises(aiohttp.ClientError):
        await client.post(application.url("/voice"))
    application.fault("/voice", hang=True)
    hanging = asyncio.create_task(client.get(application.url("/voice")))
    await application.wait_for("/voice", count=len(application.requests()) + 1)
    assert not hanging.done()
    application.heal("/voice")
    assert (await hanging).status == 503


async def test_stopped_it_refuses_and_comes_back_on_its_port(application: Application, client: aiohttp.ClientSession) -> None:
    url = application.url("/voice")
    await application.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.get(url)
    await application.start()
    async with client.get(url) as reply:
        assert reply.status == 204
