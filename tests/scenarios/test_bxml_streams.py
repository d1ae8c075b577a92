"""Media streams of BXML calls (3, 3.3): real audio over a real WebSocket, one way and both ways, and what is told of them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.support.far_side import FarSide, listening, mulaw, tone
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, level_at

from hubbub.testing import Application, HubbubServer, PhoneCall, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
SAID = 2951.0
AMONG = (*TONE.values(), SAID)


running, application, hubbub_server, phone, rest = shared(
    path="/initiate", dialect="bxml", answers={"/after": "<Response><Pause duration='20'/></Response>"}
)


@pytest_asyncio.fixture(loop_scope="module")
async def far_side() -> AsyncIterator[FarSide]:
    async with listening("eventType") as side:
        yield side


async def dial(server: HubbubServer, phone: PhoneMaker, name: str = "alice") -> PhoneCall:
    made = await (await phone(name)).call(server.uri("+15550001002"))
    await made.wait_answered()
    made.tone(TONE[name])
    return made


async def told(application: Application, kind: str) -> Any:
    """The body of a webhook about a stream."""
    return (await application.wait_for("/stream", lambda request: request.json["eventType"] == kind)).json


async def test_one_way_from_inside_a_room(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, far_side: FarSide
) -> None:
    """ "features that keep working for a call inside a room when started before Conference: StartStream"; start, media, stop;
    custom parameters, both tracks, credentials of the destination; mediaStreamStarted and mediaStreamStopped."""
    start = (
        f"<StartStream destination='{far_side.url}' name='both' tracks='both' streamEventUrl='/stream' "
        f"destinationUsername='u' destinationPassword='p'><StreamParam name='room' value='7'/></StartStream>"
    )
    room = "<Conference>streamed</Conference>"
    application.on("/initiate", lambda r: f"<Response>{start if 'alice' in r.json['from'] else ''}{room}</Response>")
    alice = await dial(hubbub_server, phone)
    bob = await dial(hubbub_server, phone, "bob")
    await assert_hears(bob, {TONE["alice"]}, among=AMONG)
    await assert_hears(alice, {TONE["bob"]}, among=AMONG)
    call = application.requests("/initiate")[0].json
    event = await told(application, "mediaStreamStarted")
    stream = event["mediaStream"]
    assert {"accountId", "applicationId", "from", "to", "direction", "callId", "callUrl", "startTime", "answerTime"} <= set(event)
    assert (event["callId"], stream["name"], stream["destination"], stream["type"]) == (call["callId"], "both", far_side.url, "WebSocket")
    assert (stream["id"][:2], stream["tracks"], set(stream)) == (
        *("s-", ["inbound", "outbound"]),
        {"id", "name", "destination", "startTime", "tracks", "type"},
    )
    begun = await far_side.wait("start")
    formats = {"encoding": "PCMU", "sampleRate": 8000}
    assert begun == {
        "eventType": "start",
        "metadata": {
            "accountId": hubbub_server.faces["bandwidth"]["account"],
            "callId": call["callId"],
            "streamId": stream["id"],
            "streamName": "both",
            "tracks": [{"name": "inbound", "mediaFormat": formats}, {"name": "outbound", "mediaFormat": formats}],
        },
        "streamParams": {"room": "7"},
    }
    assert far_side.headers["Authorization"] == aiohttp.encode_basic_auth("u", "p")
    media = await far_side.wait("media")
    assert (set(media), media["track"], len(base64.b64decode(media["payload"]))) == (
        {"eventType", "track", "sequenceNumber", "payload"},
        *("inbound", 160),
    )
    await asyncio.sleep(1.2)
    inbound, outbound = far_side.heard("inbound"), far_side.heard("outbound")
    assert level_at(inbound, TONE["alice"]) > -30 > -50 > level_at(inbound, TONE["bob"])
    assert level_at(outbound, TONE["bob"]) > -30 > -50 > level_at(outbound, TONE["alice"])
    await alice.hangup()
    assert (await far_side.wait("stop"))["metadata"] == begun["metadata"]
    assert (await told(application, "mediaStreamStopped"))["mediaStream"] == stream
    assert [message["eventType"] for message in far_side.messages].count("start") == 1


async def test_both_ways_beside_other_verbs(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, far_side: FarSide
) -> None:
    """3.3: playAudio of PCMU and of 24 kHz samples, clear; "a bidirectional stream needs a blocking verb behind it": that verb goes on;
    no key on the socket; StopStream by name, and by id where it was given none."""
    application.on(
        "/initiate",
        f"<Response><StartStream destination='{far_side.url}' mode='bidirectional' streamEventUrl='/stream'/>"
        "<Gather maxDigits='1' firstDigitTimeout='30' gatherUrl='/gathered'/></Response>",
    )
    alice = await dial(hubbub_server, phone)
    stream = (await told(application, "mediaStreamStarted"))["mediaStream"]
    begun = await far_side.wait("start")
    assert stream["name"] == stream["id"] == begun["metadata"]["streamId"] == begun["metadata"]["streamName"]
    await far_side.send("playAudio", media={"contentType": "audio/pcmu", "payload": mulaw(tone(SAID, 2.0))})
    await assert_hears(alice, {SAID}, among=AMONG)
    await assert_hears(alice, set(), among=AMONG)
    wide = "audio/pcm;rate=24000;channels=1;bit-depth=16;endian=little;encoding=signed"
    long = base64.b64encode(tone(SAID, 15.0, 24_000).astype("<i2").tobytes()).decode()
    await far_side.send("playAudio", media={"contentType": wide, "payload": long})
    await assert_hears(alice, {SAID}, among=AMONG)
    await far_side.send("playAudio", media={"contentType": "audio/ogg", "payload": ""})
    await far_side.send("clear")
    await assert_hears(alice, set(), among=AMONG)
    application.on("/gathered", f"<Response><StopStream name='{stream['id']}' wait='true'/><Redirect redirectUrl='/after'/></Response>")
    await alice.press("5")
    assert (await application.wait_for("/gathered")).json["digits"] == "5"
    await application.wait_for("/after")
    assert {message["eventType"] for message in far_side.messages} == {"start", "media", "stop"}
    await told(application, "mediaStreamStopped")
    assert not alice.ended.is_set()


async def test_what_is_rejected(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, far_side: FarSide) -> None:
    """3.3: `mediaStreamRejected.cause`: connection-error, duplicate (with originalMediaStream), track-limit (4 of a call)."""
    one = f"<StartStream destination='{far_side.url}' name='%s' tracks='both' streamEventUrl='/stream'/>"
    nobody = "<StopStream name='b' wait='true'/><StartStream destination='ws://127.0.0.1:9/' name='nobody' streamEventUrl='/stream'/>"
    application.on(
        "/initiate",
        f"<Response>{one % 'a'}{one % 'a'}{one % 'b'}{one % 'c'}{nobody}<Pause duration='20'/></Response>",
    )
    await dial(hubbub_server, phone)
    refused = lambda cause: lambda r: r.json.get("cause") == cause  # noqa: E731
    duplicate = (await application.wait_for("/stream", refused("duplicate"))).json
    original = (await told(application, "mediaStreamStarted"))["mediaStream"]
    assert (duplicate["eventType"], duplicate["mediaStream"]["name"]) == ("mediaStreamRejected", "a")
    assert duplicate["originalMediaStream"]["id"] == original["id"] != duplicate["mediaStream"]["id"]
    limit = (await application.wait_for("/stream", refused("track-limit"))).json
    assert (limit["mediaStream"]["name"], "4 tracks" in limit["errorMessage"], "originalMediaStream" in limit) == ("c", True, False)
    failed = (await application.wait_for("/stream", refused("connection-error"))).json
    assert (failed["mediaStream"]["name"], failed["errorMessage"] != "") == ("nobody", True)
