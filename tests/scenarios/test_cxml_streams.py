"""cXML's media streams, of a call and of a room, its echo, and what it says of a conference's recording at its end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from tests.support.far_side import FarSide, listening
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, assert_matrix, call_in, level_at

from hubbub.testing import Application, HubbubServer, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
SAID = 2951.0
AMONG = (SAID, *TONE.values())


def config(application: Application) -> dict[str, Any]:
    return {"numbers": [{"number": "+15550001000", "account": "dev", "dialect": "cxml", "url": application.url("/voice")}]}


running, application, hubbub_server, phone, rest = shared(config)


@pytest_asyncio.fixture(loop_scope="module")
async def far_side() -> AsyncIterator[FarSide]:
    async with listening() as side:
        yield side


def heard(samples: np.ndarray[Any, Any]) -> set[float]:
    return {tone for tone in AMONG if level_at(samples, tone) > -35}


def stream_events(application: Application) -> list[str]:
    return [request.params["StreamEvent"] for request in application.requests("/stream")]


async def test_a_room_is_streamed_both_ways_and_its_recording_is_told(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, far_side: FarSide
) -> None:
    """1.5: `<Stream>` inside `<Conference>`: `bidir` true; stream callbacks; `eventCallbackUrl`: POST at the end, with the recording."""
    stream = (
        f'<Stream name="room" url="{far_side.url}" statusCallback="/stream" authBearerToken="t"><Parameter name="a" value="b"/></Stream>'
    )
    attributes = 'beep="false" record="record-from-start" eventCallbackUrl="/ended" recordingStatusCallback="/taped"'
    application.on("/voice", f"<Response><Dial><Conference {attributes}>Room 1234{stream}</Conference></Dial></Response>")
    application.on("/stream", None)
    application.on("/ended", None)
    application.on("/taped", None)
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    start = await far_side.wait("start")
    assert far_side.messages[0]["version"] == "0.2.0"
    assert str(uuid.UUID(start["streamSid"])) == start["streamSid"]
    assert start["start"]["customParameters"] == {"a": "b"}
    assert far_side.headers["Authorization"] == "Bearer t"
    assert far_side.headers["X-SignalWire-Signature"] == far_side.headers["X-Twilio-Signature"]
    await asyncio.sleep(1.0)
    assert heard(far_side.heard("inbound", last=30)) == {TONE["alice"], TONE["bob"]}
    await far_side.say(SAID, 4.0)
    await assert_hears(calls["alice"], {SAID, TONE["bob"]}, among=AMONG)
    for call in calls.values():
        await call.hangup()
    await far_side.wait("stop")
    await application.wait_for("/stream", lambda request: request.params["StreamEvent"] == "stream-stopped")
    assert stream_events(application) == ["stream-started", "stream-stopped"]
    told = application.requests("/stream")[0].params
    assert (told["StreamName"], told["StreamTrack"], told["StreamSid"]) == ("room", "inbound_track", start["streamSid"])
    taped = (await application.wait_for("/taped")).params
    assert taped["RecordingStatus"] == "completed"
    ended = (await application.wait_for("/ended")).params
    assert (ended["EventName"], ended["FriendlyName"], ended["ConferenceSid"]) == (
        "conference-record-end",
        "Room 1234",
        told["ConferenceSid"],
    )
    assert int(ended["RecordingFileSize"]) > 1000


async def test_a_stream_that_cannot_begin_and_an_echo(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """`stream-error` with `connection_refused`; `<Echo>`: the caller hears itself for so long."""
    stream = '<Start><Stream url="ws://127.0.0.1:9/none" statusCallback="/stream"/></Start>'
    application.on("/voice", f'<Response>{stream}<Echo timeout="5"/><Redirect>/after</Redirect></Response>')
    application.on("/stream", None)
    application.on("/after", "<Response/>")
    calls = await call_in(hubbub_server, phone, "alice")
    await assert_hears(calls["alice"], {TONE["alice"]}, among=AMONG)
    failed = (await application.wait_for("/stream")).params
    assert (failed["StreamEvent"], failed["StreamError"]) == ("stream-error", "connection_refused")
    await application.wait_for("/after", timeout=10)


async def test_rest_streams_a_room(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, far_side: FarSide) -> None:
    """2.2: `POST /Conferences/{Sid}/Streams` with its parameters; `POST …/Streams/{Sid}` with `Status=stopped`."""
    application.on("/voice", '<Response><Dial><Conference beep="false">Room 1234</Conference></Dial></Response>')
    application.on("/stream", None)
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    project, token = "00000000-0000-4000-8000-000000000001", "PT0123456789"
    base = hubbub_server.http_url(f"/api/laml/2010-04-01/Accounts/{project}/Conferences/Room 1234/Streams")
    given = {"Url": far_side.url, "Name": "ears", "StreamCodec": "PCMU", "StatusCallback": application.url("/stream")}
    given |= {"Parameter1.Name": "a", "Parameter1.Value": "b", "AuthorizationBearerToken": "t"}
    async with aiohttp.ClientSession(headers={"Authorization": aiohttp.encode_basic_auth(project, token)}) as session:

        async def post(url: str, fields: dict[str, str]) -> tuple[int, Any]:
            async with session.post(url, data=fields) as reply:
                return reply.status, await reply.json()

        status, begun = await post(base, given)
        assert (status, begun["status"], begun["name"]) == (200, "in-progress", "ears")
        assert str(uuid.UUID(begun["sid"])) == begun["sid"]
        assert begun["uri"].endswith(f"/Conferences/{begun['conference_sid']}/Streams/{begun['sid']}.json")
        start = await far_side.wait("start")
        assert (start["streamSid"], start["start"]["customParameters"]) == (begun["sid"], {"a": "b"})
        assert far_side.headers["Authorization"] == "Bearer t"
        await asyncio.sleep(1.0)
        assert heard(far_side.heard("inbound", last=30)) == {TONE["alice"], TONE["bob"]}
        assert (await post(f"{base}/{begun['sid']}", {"Status": "stopped"}))[1]["status"] == "stopped"
        await application.wait_for("/stream", lambda request: request.params["StreamEvent"] == "stream-stopped")
        assert (await post(base, {"Url": "http://127.0.0.1/x"}))[1]["code"] == 31922
        assert (await post(f"{base}/{uuid.uuid4()}", {"Status": "stopped"}))[0] == 404
    for call in calls.values():
        await call.hangup()
