"""cXML: the same rooms in other words, beside the compatible dialect; its REST on both base paths."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import aiohttp
import pytest
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, assert_matrix, call_in

from hubbub.testing import Application, HubbubServer, Request

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]

PROJECT, TOKEN = "00000000-0000-4000-8000-000000000001", "PT0123456789"
EVENTS = 'statusCallback="/events" statusCallbackEvent="start end join leave mute hold"'


def config(application: Application) -> dict[str, Any]:
    numbers = [
        {"number": "+15550001000", "account": "dev", "dialect": "cxml", "url": application.url("/voice")},
        {"number": "+15550002000", "account": "dev", "dialect": "twiml", "url": application.url("/other")},
    ]
    return {"numbers": numbers}


running, application, hubbub_server, phone, rest = shared(config)


def conference(attributes: str = "", dial: str = "") -> str:
    return f"<Response><Dial {dial}><Conference {EVENTS} {attributes}>Room 1234</Conference></Dial></Response>"


def is_event(kind: str) -> Any:
    return lambda request: request.params.get("StatusCallbackEvent") == kind


class Compatible:
    """A bare client: forms or JSON, below any base."""

    def __init__(self, server: HubbubServer, base: str) -> None:
        self._base = server.http_url(f"{base}/Accounts/{PROJECT}")
        self._headers = {"Authorization": aiohttp.encode_basic_auth(PROJECT, TOKEN)}

    async def send(self, method: str, path: str, *, auth: bool = True, **more: Any) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession(headers=self._headers if auth else {}) as session,
            session.request(method, self._base + path, **more) as reply,
        ):
            return reply.status, await reply.json() if reply.content_type == "application/json" else await reply.read()


async def test_two_start_and_are_told_in_uuids(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.6: starts with two; 1.7: every event once, in order; ids are UUIDs; Dial's action reports `answered`."""
    application.on("/voice", conference(dial='action="/after"'))
    application.on("/after", "<Response/>")
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await calls["alice"].hangup()
    await calls["bob"].hangup()
    await application.wait_for("/events", is_event("conference-end"))
    await application.wait_for("/after")
    told = [request.params for request in application.requests("/events")]
    kinds = [fields["StatusCallbackEvent"] for fields in told]
    assert sorted(kinds[:3]) == ["conference-start", "participant-join", "participant-join"]
    assert kinds[3:] == ["participant-leave", "participant-leave", "conference-end"]
    for fields in told:
        assert fields["AccountSid"] == PROJECT
        assert str(uuid.UUID(fields["ConferenceSid"])) == fields["ConferenceSid"]
        assert fields["FriendlyName"] == "Room 1234"
    assert {fields["Direction"] for fields in told if fields["StatusCallbackEvent"].startswith("participant")} == {"inbound"}
    assert application.requests("/after")[0].params["DialCallStatus"] == "answered"
    first = application.requests("/voice")[0]
    assert first.headers["X-SignalWire-Signature"] == first.headers["X-Twilio-Signature"]
    assert len(first.headers["X-Signalwire-SHA256-Signature"]) == 64


@pytest.mark.parametrize("base", ["/api/laml/2010-04-01", "/2010-04-01"])
async def test_rest_on_both_base_paths(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, base: str) -> None:
    """2.1: both prefixes, with and without `.json`, forms and JSON bodies; `uri` begins with the vendor's own path."""
    application.on("/voice", conference('record="record-from-start"'))
    application.on("/events", None)
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    client = Compatible(hubbub_server, base)
    status, page = await client.send("GET", "/Conferences", params={"FriendlyName": "Room 1234", "Status": "in-progress"})
    assert status == 200
    assert [key for key, value in page.items() if isinstance(value, list)] == ["conferences"]
    (room,) = page["conferences"]
    assert room["uri"] == f"/api/laml/2010-04-01/Accounts/{PROJECT}/Conferences/{room['sid']}.json"
    assert {"reason_conference_ended", "call_sid_ending_conference", "region"} <= set(room)
    path = f"/Conferences/{room['sid']}/Participants"
    _, people = await client.send("GET", f"{path}.json")
    alice = next(p for p in people["participants"] if p["call_sid"] == application.requests("/voice")[0].params["CallSid"])
    assert (alice["status"], alice["call_sid_to_coach"], alice["coaching"]) == ("in-progress", None, False)
    _, muted = await client.send("POST", f"{path}/{alice['call_sid']}", json={"Muted": True})
    assert muted["muted"] is True
    await assert_matrix(calls, {"alice": "b", "bob": ""})
    _, muted = await client.send("POST", f"{path}/{alice['call_sid']}.json", data={"Muted": "false"})
    assert muted["muted"] is False
    _, call = await client.send("GET", f"/Calls/{alice['call_sid']}.json")
    assert (call["direction"], call["status"], call["duration"]) == ("inbound", "in-progress", None)
    _, ended = await client.send("POST", f"/Conferences/{room['sid']}", data={"Status": "completed"})
    assert ended["status"] == "completed"
    await asyncio.gather(*(call.ended.wait() for call in calls.values()))
    sid = await _recorded(client, room["sid"])
    _, recording = await client.send("GET", f"/Recordings/{sid}.json")
    assert recording["subresource_uris"] == {
        "transcriptions": f"/api/laml/2010-04-01/Accounts/{PROJECT}/Recordings/{sid}/Transcriptions.json"
    }
    assert (await client.send("GET", f"/Recordings/{sid}/Transcriptions.json"))[1]["transcriptions"] == []
    assert (await client.send("GET", f"/Recordings/{sid}.wav", auth=False))[1][:4] == b"RIFF"
    assert (await client.send("GET", f"/Recordings/{sid}", auth=False))[1][:4] == b"RIFF"
    assert (await client.send("GET", f"/Recordings/{sid}.json", auth=False))[0] == 401
    status, missing = await client.send("GET", f"/Conferences/{uuid.uuid4()}.json")
    assert (status, missing["code"], missing["status"]) == (404, 20404, 404)
    assert (await client.send("POST", f"/Conferences/{room['sid']}", data={"Status": "init"}))[1]["code"] == 21475


async def _recorded(client: Compatible, room: str) -> str:
    for _ in range(50):
        _, page = await client.send("GET", f"/Conferences/{room}/Recordings.json")
        found = page["recordings"]
        if found and found[0]["status"] == "completed":
            assert (found[0]["channel"], found[0]["channels"], found[0]["conference_sid"]) == ("1", "1", room)
            assert isinstance(found[0]["duration"], int)
            return str(found[0]["sid"])
        await asyncio.sleep(0.1)
    raise AssertionError(page)


async def test_mixed_room(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.6: one namespace per account: callers of both dialects share the room, told in the first joiner's words."""
    application.on("/voice", conference())
    application.on("/other", "<Response><Dial><Conference>Room 1234</Conference></Dial></Response>")
    calls = await call_in(hubbub_server, phone, "alice")
    bob = await phone("bob")
    calls["bob"] = await bob.call(hubbub_server.uri("+15550002000"))
    await calls["bob"].wait_answered()
    calls["bob"].tone(TONE["bob"])
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await application.wait_for("/events", is_event("conference-start"))
    assert application.requests("/events")[0].params["AccountSid"] == PROJECT


async def test_a_coach_that_names_nobody_fails(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.9: unknown id: join fails, the action is requested with `failed`, error 13240 in the log."""

    def document(request: Request) -> str:
        return conference(f'coach="{uuid.uuid4()}"', 'action="/after"')

    application.on("/voice", document)
    application.on("/after", "<Response><Hangup/></Response>")
    caller = await phone("alice")
    call = await caller.call(hubbub_server.uri("+15550001000"))
    await asyncio.wait_for(call.ended.wait(), 10)
    assert application.requests("/after")[0].params["DialCallStatus"] == "failed"
    _, page = await Compatible(hubbub_server, "/api/laml/2010-04-01").send("GET", "/Notifications.json")
    assert "13240" in {notification["error_code"] for notification in page["notifications"]}


async def test_call_callbacks_say_who_hung_up(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.2: `HangupBy`, `HangupDirection`, `SipResultCode`, `SipInviteResultPhrase` of a call that was answered, and of one that was not."""
    client = Compatible(hubbub_server, "/api/laml/2010-04-01")
    bob = await phone("bob")
    given = {"From": "+15550001000", "To": bob.uri, "Laml": "<Response><Pause length='60'/></Response>"}
    given["StatusCallback"] = application.url("/progress")
    assert (await client.send("POST", "/Calls", data=given))[0] == 200
    await (await (await bob.wait_call()).wait_answered()).hangup()
    told = (await application.wait_for("/progress")).params
    assert (told["HangupBy"], told["HangupDirection"], told["SipInviteResultPhrase"]) == ("callee", "inbound", "OK")
    assert all(told[name].isdigit() for name in ("AudioInMediaPacketCount", "AudioInDtmfPacketCount", "AudioOutMediaPacketCount"))
    busy = await phone("busy", auto_answer=False)
    assert (await client.send("POST", "/Calls", data={**given, "To": busy.uri}))[0] == 200
    (await busy.wait_call()).reject(486)
    told = (await application.wait_for("/progress", lambda request: request.params["CallStatus"] == "busy")).params
    assert (told["SipResultCode"], told["SipInviteResultPhrase"], told["HangupDirection"]) == ("486", "Busy Here", "inbound")


async def test_a_call_that_pauses_first_is_not_answered_yet(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """1.3: `Pause` "as first verb delays answering"; `Reject` busy leaves a call that was never answered."""
    application.on("/voice", '<Response><Pause length="1"/><Reject reason="busy"/></Response>')
    call = await (await phone("carol")).call(hubbub_server.uri("+15550001000"))
    assert ((await call.wait_ended()).code, call.answered.is_set()) == (486, False)
    assert [await _status(hubbub_server, application)] == ["busy"]


async def _status(server: HubbubServer, application: Application) -> str:
    identity = application.requests("/voice")[-1].params["CallSid"]
    client = Compatible(server, "/api/laml/2010-04-01")
    async with asyncio.timeout(5):
        while (found := (await client.send("GET", f"/Calls/{identity}"))[1]["status"]) == "ringing":
            await asyncio.sleep(0.05)
    return str(found)
