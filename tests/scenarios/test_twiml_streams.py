"""Media streams (8.2): real audio over a real WebSocket, one way and both ways."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.support.client import RestError
from tests.support.far_side import FarSide, listening
from tests.support.rest import Rest
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, assert_matrix, call_in, level_at, room, sid_of

from hubbub.testing import Application, HubbubServer, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
running, application, hubbub_server, phone, rest = shared()

SAID = 2951.0


@pytest_asyncio.fixture(loop_scope="module")
async def far_side() -> AsyncIterator[FarSide]:
    async with listening() as side:
        yield side


async def test_a_stream_both_ways(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, far_side: FarSide) -> None:
    """8.2: `<Connect><Stream>`: connected, start, media, dtmf, mark, stop; media, mark and clear back; the far side's close goes on."""
    stream = f'<Stream url="{far_side.url}"><Parameter name="room" value="7"/></Stream>'
    application.on("/voice", f'<Response><Connect action="/after">{stream}</Connect></Response>')
    application.on("/after", "<Response><Pause length='20'/></Response>")
    calls = await call_in(hubbub_server, phone, "alice")
    start = await far_side.wait("start")
    sid = sid_of(application, "alice")
    assert far_side.messages[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert (start["sequenceNumber"], start["streamSid"][:2], start["start"]["callSid"]) == ("1", "MZ", sid)
    assert start["start"]["customParameters"] == {"room": "7"}
    assert start["start"]["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    token = hubbub_server.faces["twilio"]["token"]
    made = base64.b64encode(hmac.digest(token.encode(), far_side.url.encode(), hashlib.sha1)).decode()
    assert far_side.headers["X-Twilio-Signature"] == made, "6.1: handshakes are signed too"

    await far_side.say(SAID, 3.0)
    await far_side.send("mark", mark={"name": "said"})
    await assert_hears(calls["alice"], {SAID}, among=(*TONE.values(), SAID))
    media = await far_side.wait("media")
    assert (media["media"]["track"], len(base64.b64decode(media["media"]["payload"]))) == ("inbound", 160)
    await asyncio.sleep(1.0)
    assert level_at(far_side.heard("inbound"), TONE["alice"]) > -30
    assert level_at(far_side.heard("inbound"), SAID) < -50, "what is said to the caller is not on the inbound track"
    await calls["alice"].press("5")
    assert (await far_side.wait("dtmf"))["dtmf"]["digit"] == "5"
    assert (await far_side.wait("mark"))["mark"]["name"] == "said"

    await far_side.say(SAID, 20.0)
    await assert_hears(calls["alice"], {SAID}, among=(*TONE.values(), SAID))
    await far_side.send("clear")
    await assert_hears(calls["alice"], set(), among=(*TONE.values(), SAID))
    assert far_side.socket is not None
    await far_side.socket.close()
    await application.wait_for("/after")
    assert not calls["alice"].ended.is_set()
    numbers = [int(message["sequenceNumber"]) for message in far_side.messages[1:]]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_stream_of_a_leg_in_a_room(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, far_side: FarSide
) -> None:
    """8.2: "In a room: inbound = that leg's own voice, outbound = what it hears (the mix)"; it ends with the call."""
    start = f'<Start><Stream name="both" url="{far_side.url}" track="both_tracks"/></Start>'
    plain = room()
    streamed = plain.replace("<Response>", f"<Response>{start}")
    application.on("/voice", lambda request: streamed if "alice" in str(request.params["From"]) else plain)
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    assert (await far_side.wait("start"))["start"]["tracks"] == ["inbound", "outbound"]
    await asyncio.sleep(1.5)
    inbound, outbound = far_side.heard("inbound"), far_side.heard("outbound")
    assert level_at(inbound, TONE["alice"]) > -30 > -50 > level_at(inbound, TONE["bob"])
    assert level_at(outbound, TONE["bob"]) > -30 > -50 > level_at(outbound, TONE["alice"])
    await calls["alice"].hangup()
    assert (await far_side.wait("stop"))["stop"]["callSid"] == sid_of(application, "alice")


async def notified(rest: Rest, sid: str, *codes: str) -> None:
    """Wait until a call has exactly these notifications."""
    found: list[str] = []
    for _ in range(100):
        found = sorted(note["error_code"] for note in (await rest.get(f"/Calls/{sid}/Notifications.json"))["notifications"])
        if len(found) >= len(codes):
            break
        await asyncio.sleep(0.05)
    assert found == sorted(codes)


async def test_a_stream_that_cannot_be_opened(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """31902: the connection is refused; the call goes on with what follows."""
    application.on(
        "/voice",
        '<Response><Connect><Stream url="ws://127.0.0.1:9/media" name="tap" statusCallback="/told"/></Connect>'
        "<Redirect>/next</Redirect></Response>",
    )
    application.on("/next", "<Response><Pause length='20'/></Response>")
    application.on("/told", None)
    await call_in(hubbub_server, phone, "alice")
    await application.wait_for("/next")
    told = (await application.wait_for("/told")).params
    assert (told["StreamEvent"], told["StreamName"], told["CallSid"]) == ("stream-error", "tap", sid_of(application, "alice"))
    assert told["StreamError"]
    await notified(rest, told["CallSid"], "31902")


async def test_what_a_far_side_does_wrong_is_told_once(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, far_side: FarSide, rest: Rest
) -> None:
    """31950: bytes; 31951: a message of no known kind, "sent once per Stream"; 31921: closed without a good reason."""
    application.on("/voice", f'<Response><Connect><Stream url="{far_side.url}"/></Connect><Redirect>/next</Redirect></Response>')
    application.on("/next", "<Response><Pause length='20'/></Response>")
    await call_in(hubbub_server, phone, "alice")
    await far_side.wait("start")
    assert far_side.socket is not None
    for _ in range(3):
        await far_side.send("shout")
        await far_side.socket.send_bytes(b"audio")
    await far_side.socket.close(code=1011)
    await application.wait_for("/next")
    await notified(rest, sid_of(application, "alice"), "31921", "31950", "31951")


async def test_a_far_side_that_refuses_the_handshake_or_the_protocol(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, far_side: FarSide, rest: Rest
) -> None:
    """31920: handshake; 31904: host unreachable; 31924: "not conformant with WebSocket protocol"."""
    nowhere = far_side.url.replace("/media", "/nothing")
    unknown = "ws://nobody.invalid/media"
    application.on(
        "/voice",
        "<Response>"
        + "".join(f'<Connect><Stream url="{url}"/></Connect>' for url in (nowhere, unknown, far_side.url))
        + "<Redirect>/next</Redirect></Response>",
    )
    application.on("/next", "<Response><Pause length='20'/></Response>")
    await call_in(hubbub_server, phone, "alice")
    await far_side.wait("start")
    assert far_side.socket is not None
    assert far_side.socket._req is not None
    transport = far_side.socket._req.transport
    assert transport is not None
    transport.write(b"\x8f\x00")  # opcode 15 is reserved (RFC 6455 5.2)
    await application.wait_for("/next")
    await notified(rest, sid_of(application, "alice"), "31904", "31920", "31924")


async def test_a_stream_by_request(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, far_side: FarSide, rest: Rest
) -> None:
    """8.2: "REST `POST /Calls/{CA}/Streams.json` … → MZ; stop with Status=stopped"; Parameter1.Name and .Value."""
    application.on("/voice", "<Response><Pause length='20'/></Response>")
    await call_in(hubbub_server, phone, "alice")
    path = f"/Calls/{sid_of(application, 'alice')}/Streams"
    more = [("Parameter1.Name", "room"), ("Parameter1.Value", "7"), ("StatusCallback", application.url("/told"))]
    application.on("/told", None)
    made = await rest.post(f"{path}.json", [("Url", far_side.url), ("Name", "tap"), ("Track", "inbound_track"), *more])
    assert (made["sid"][:2], made["name"], made["status"]) == ("MZ", "tap", "in-progress")
    start = await far_side.wait("start")
    assert (start["streamSid"], start["start"]["customParameters"]) == (made["sid"], {"room": "7"})
    await far_side.wait("media")
    await asyncio.sleep(1.0)
    assert level_at(far_side.heard("inbound"), TONE["alice"]) > -30
    stopped = await rest.post(f"{path}/{made['sid']}.json", Status="stopped")
    assert stopped["status"] == "stopped"
    await far_side.wait("stop")
    await application.wait_for("/told", count=2)
    began, ended = (request.params for request in application.requests("/told"))
    assert (began["StreamEvent"], ended["StreamEvent"]) == ("stream-started", "stream-stopped")
    assert set(began) == {"AccountSid", "CallSid", "StreamSid", "StreamName", "StreamEvent", "Timestamp"}
    assert (began["StreamSid"], began["StreamName"]) == (made["sid"], "tap")
    with pytest.raises(RestError) as error:
        await rest.post(f"{path}.json", Url="http://127.0.0.1/x")
    assert (error.value.status, error.value.body["code"]) == (400, 21205)
