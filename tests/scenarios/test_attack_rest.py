"""Hostile and careless REST requests: each gets the face's own error, none is ignored in silence, none is a 500."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from tests.support.rest import Pairs, Rest
from tests.support.shared import shared
from tests.support.stage import PhoneMaker, call_in, event, room, sid_of
from tests.support.watch import gauge

from hubbub.testing import Application, HubbubServer

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
running, application, hubbub_server, phone, rest = shared()

PARTICIPANTS = "/Conferences/standup/Participants.json"
RECORDING = {
    "sid", "account_sid", "api_version", "call_sid", "conference_sid", "channels", "source", "status", "duration", "start_time",
    "date_created", "date_updated", "price", "price_unit", "error_code", "encryption_details", "uri",
}  # fmt: skip
CONFERENCE = {
    "sid", "account_sid", "friendly_name", "status", "region", "api_version", "date_created", "date_updated",
    "reason_conference_ended", "call_sid_ending_conference", "uri", "subresource_uris",
}  # fmt: skip
PARTICIPANT = {
    "account_sid", "call_sid", "label", "conference_sid", "date_created", "date_updated", "muted", "hold", "coaching",
    "call_sid_to_coach", "start_conference_on_enter", "end_conference_on_exit", "status", "queue_time", "uri",
}  # fmt: skip


class Raw:
    """REST without a client's manners."""

    def __init__(self, server: HubbubServer) -> None:
        self.server = server
        self.sid = server.faces["twilio"]["sid"]
        self.token = server.faces["twilio"]["token"]

    async def __call__(self, method: str, path: str, *, account: str = "", auth: bool = True, **more: Any) -> tuple[int, Any]:
        headers = {"Authorization": aiohttp.encode_basic_auth(self.sid, self.token)} if auth else {}
        headers |= more.pop("headers", {})
        url = self.server.http_url(f"/2010-04-01/Accounts/{account or self.sid}{path}")
        async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers, **more) as reply:
            text = await reply.text()
            return reply.status, json.loads(text) if text[:1] in "{[" and text else text

    async def code(self, method: str, path: str, fields: Pairs = (), **more: Any) -> tuple[int, int]:
        """Status and error code."""
        status, body = await self(method, path, data=list(fields), **more)
        return status, body.get("code", 0) if isinstance(body, dict) else 0


async def test_every_bad_parameter_has_its_own_error(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """5.2: 20002 FriendlyName, 21217 To, 21206 SendDigits, 21208 Timeout, 21209 Method, 21609, 21201 To, 21213 From, 16002 rooms."""
    raw = Raw(hubbub_server)
    good = [("To", "sip:bob@127.0.0.1:9"), ("From", "+15550001000")]
    url = ("Url", application.url("/voice"))
    for path, fields, expected in (
        ("/Calls.json", [good[1], url], (400, 21201)),
        ("/Calls.json", [good[0], url], (400, 21213)),
        ("/Calls.json", [("To", ""), good[1], url], (400, 21201)),
        ("/Calls.json", good, (400, 21205)),
        ("/Calls.json", [*good, ("Url", "voice")], (400, 21205)),
        ("/Calls.json", [*good, ("Url", "ftp://host/x")], (400, 21205)),
        ("/Calls.json", [*good, url, ("Method", "PUT")], (400, 21209)),
        ("/Calls.json", [*good, url, ("Timeout", "soon")], (400, 21208)),
        ("/Calls.json", [*good, url, ("SendDigits", "12x")], (400, 21206)),
        ("/Calls.json", [*good, url, ("StatusCallback", "nowhere")], (400, 21609)),
        ("/Calls.json", [*good, ("Twiml", "<Response>" + " " * 4000 + "</Response>")], (400, 32018)),
        ("/Calls.json", [("To", "sip:a@127.0.0.1;x=\r\nX-Evil: 1"), good[1], url], (400, 21211)),
        ("/Calls.json", [("To", "sip:a\r\nX: y@127.0.0.1"), good[1], url], (400, 21211)),
        ("/Calls.json", [good[0], ("From", "sip:a\r\nX: y@127.0.0.1"), url], (400, 21212)),
        ("/Calls.json", [("To", "+١٢٣٤٥"), good[1], url], (400, 21211)),
        ("/Calls.json", [("To", "+1234567890123456"), good[1], url], (400, 21217)),
        ("/Calls.json", [("To", "5550001000"), good[1], url], (400, 21217)),
        ("/Calls.json", [good[0], ("From", "5550001000"), url], (400, 21212)),
        ("/Applications.json", [("FriendlyName", "x" * 65)], (400, 20002)),
        (PARTICIPANTS, [*good, ("ConferenceStatusCallback", "x")], (400, 16002)),
        (PARTICIPANTS, [*good, ("MaxParticipants", "251")], (400, 16002)),
        (PARTICIPANTS, [*good, ("Coaching", "true")], (400, 16002)),
        (PARTICIPANTS, [*good, ("CallSidToCoach", "CA" + "0" * 32)], (400, 16001)),
        (PARTICIPANTS, [*good, ("Label", "a/b")], (400, 16024)),
        (PARTICIPANTS, [*good, ("Label", "CA" + "0" * 32)], (400, 16024)),
        (PARTICIPANTS, [*good, ("Label", "x" * 129)], (400, 16024)),
        (f"/Conferences/CF{'0' * 32}/Participants.json", good, (404, 16022)),
        (f"/Conferences/{'n' * 129}/Participants.json", good, (400, 16002)),
    ):
        assert await raw.code("POST", path, fields) == expected, (path, fields)
    assert (await rest.get("/Conferences.json"))["conferences"] == [], "a refused invitation leaves no room"
    await gauge(hubbub_server, "hubbub_calls", 0)
    await gauge(hubbub_server, "hubbub_media_legs", 0)


async def test_wrong_methods_accounts_bodies_and_pages(application: Application, hubbub_server: HubbubServer) -> None:
    """5.2: 20422, 20423, 405/20004, 401 and 403/20003, 404/20404, 400/20007, 400/21481; a body of 2 MB or of JSON is refused."""
    raw = Raw(hubbub_server)
    for method, path, more, expected in (
        ("DELETE", "/Conferences.json", {}, (405, 20004)),
        ("PUT", PARTICIPANTS, {}, (405, 20004)),
        ("GET", "/calls.json", {}, (404, 20404)),
        ("GET", "/Calls.json", {"auth": False}, (401, 20003)),
        ("GET", "/Calls.json", {"account": "AC" + "9" * 32}, (403, 20003)),
        ("GET", "/Calls.json", {"headers": {"Authorization": "Basic =bad="}}, (401, 20003)),
        ("GET", "/Calls/CAzz.json", {}, (404, 20404)),
        ("GET", "/Conferences/nobody.json", {}, (404, 20404)),
        ("GET", "/Calls.json?PageSize=1001", {}, (400, 20007)),
        ("GET", "/Calls.json?Page=" + "9" * 30, {}, (400, 20007)),
        ("GET", "/Calls.json?PageToken=zz", {}, (400, 21481)),
        ("GET", "/Conferences.json?DateCreated=2026-01-01T00:00:00Z", {}, (400, 20001)),
        ("GET", "/Calls.json?StartTime=99999-01-01", {}, (400, 20001)),
        ("GET", "/Calls.json?StartTime=0001-01-01", {}, (200, 0)),
        ("GET", "/Calls.json?ParentCallSid=CF1", {}, (400, 20423)),
        ("GET", "/Recordings.json?CallSid=CA1", {}, (400, 20423)),
        ("GET", "/Recordings.json?ConferenceSid=standup", {}, (400, 20423)),
        ("POST", PARTICIPANTS, {"headers": {"Content-Type": "application/json"}}, (400, 20422)),
    ):
        body = {"data": b'{"To":"+1"}'} if "Content-Type" in more.get("headers", {}) else {}
        status, answer = await raw(method, path, **more, **body)
        assert (status, answer.get("code", 0)) == expected, (method, path, answer)
    status, answer = await raw(
        "POST", PARTICIPANTS, data=b"To=" + b"x" * (2 << 20), headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (status, answer["code"]) == (400, 20001)
    status, answer = await raw(
        "POST", PARTICIPANTS, data=b"\xff\xfe=%zz&&&=;", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (status, answer["code"]) == (400, 21201)
    assert "Traceback" not in hubbub_server.log


async def test_odd_labels_repeated_keys_and_a_second_delete(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """5.6: "Labels are percent-decoded"; of repeated keys the last counts; 16026; what is gone is 404."""
    application.on("/voice", room())
    await call_in(hubbub_server, phone, "alice")
    raw = Raw(hubbub_server)
    bob = await phone("bob")
    labels = {
        "a b": "a%20b",
        "ä✓": "%C3%A4%E2%9C%93",
        "a?b#c": "a%3Fb%23c",
        "100%": "100%25",
        "CA" + "AB" * 16: "CA" + "AB" * 16,
    }
    for label in labels:
        fields = [("To", bob.uri), ("From", "+15550001000"), ("Label", "first"), ("Label", label), ("Beep", "false")]
        status, created = await raw("POST", PARTICIPANTS, data=fields)
        assert (status, created["label"]) == (201, label)
        assert set(created) == PARTICIPANT
        assert await raw.code("POST", PARTICIPANTS, fields) == (400, 16026)
        call = await bob.wait_call()
        await call.wait_answered()
        member = f"/Conferences/standup/Participants/{labels[label]}.json"
        shown = await rest.get(member)
        assert (shown["label"], set(shown)) == (label, PARTICIPANT)
        assert (await rest.post(member, [("Muted", "nonsense"), ("Muted", "TRUE")]))["muted"] is True
        await rest.delete(member)
        assert await raw.code("DELETE", member) == (404, 20404)
        await call.wait_ended()
    room_shown = await rest.get("/Conferences/standup.json")
    assert set(room_shown) == CONFERENCE
    await rest.post(f"/Conferences/{room_shown['sid']}.json", Status="completed")
    await rest.post(f"/Conferences/{room_shown['sid']}.json", Status="completed")
    assert await raw.code("POST", f"/Conferences/{room_shown['sid']}.json", [("AnnounceUrl", "http://127.0.0.1/a")]) == (400, 16001)


async def test_what_has_no_effect_is_notified(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """5.1: unknown params "ignored (20001 warning)"; 4.3: a bad event name "still answers 201, logs 21626", no callback; 32019."""
    bob = await phone("bob")
    application.on("/progress", None)
    application.on("/answered", "<Response><Hangup/></Response>")
    created = await rest.post(
        "/Calls.json",
        [("StatusCallbackEvent", "answered finished")],
        To=f"{bob.uri}?x-ticket=42&y=7",
        From="+15550001000",
        Url=application.url("/answered"),
        Twiml="<Response/>",
        StatusCallback=application.url("/progress"),
        Recrod="true",
        MachineDetection="Enable",
        SendDigits="1w2",
    )
    call = await bob.wait_call()
    await call.wait_ended()
    assert {name.lower(): value for name, value in call.sip.headers.items()} == {"x-ticket": "42", "x-y": "7"}
    assert call.digits == "12"
    found = []
    for _ in range(40):
        found = (await rest.get(f"/Calls/{created['sid']}/Notifications.json"))["notifications"]
        if len(found) >= 3:
            break
        await asyncio.sleep(0.05)
    assert sorted(item["error_code"] for item in found) == ["20001", "21626", "32019"]
    assert {item["log"] for item in found} == {"1"}
    await asyncio.sleep(0.3)
    assert application.requests("/progress") == []
    listed = await rest.get("/Calls.json", To=bob.uri)
    assert [item["sid"] for item in listed["calls"]] == [created["sid"]]


async def test_first_joiner_freezes_the_room_by_either_way_in(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """2: "room-scope settings freeze on creation by the first joiner, whether it came by TwiML or by POST /Participants"."""
    application.on("/first", None)
    application.on("/voice", room('maxParticipants="5"', name="rest first"))
    bob = await phone("bob")
    await rest.post(
        "/Conferences/rest%20first/Participants.json",
        [("ConferenceStatusCallbackEvent", "join"), ("ConferenceStatusCallbackEvent", "end")],
        To=bob.uri, From="+15550001000", MaxParticipants="2", ConferenceStatusCallback=application.url("/first"),
    )  # fmt: skip
    calls = await call_in(hubbub_server, phone, "alice")
    await application.wait_for("/first", event("participant-join"), count=2)
    assert application.requests("/events") == []
    code = await Raw(hubbub_server).code("POST", "/Conferences/rest%20first/Participants.json", [("To", bob.uri), ("From", "+15550001000")])
    assert code == (400, 16020)
    await rest.post("/Conferences/rest%20first.json", Status="completed")
    told = await application.wait_for("/first", event("conference-end"))
    assert told.params["SequenceNumber"] == "3", "only events that are sent are counted"
    application.on("/voice", room(name="document first"))
    await calls["alice"].wait_ended()
    await call_in(hubbub_server, phone, "carol")
    await rest.post(
        "/Conferences/document%20first/Participants.json",
        To=bob.uri, From="+15550001000", ConferenceStatusCallback=application.url("/never"),
    )  # fmt: skip
    await application.wait_for("/events", event("conference-start"))
    assert application.requests("/never") == []


async def test_recordings_show_what_their_path_shows(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """5.7, 5.10: exact keys of a conference recording; account-wide adds media_url and subresource_uris; 16113 for two channels."""
    application.on("/voice", room('record="record-from-start" recordingStatusCallback="/recording" beep="false"'))
    application.on("/recording", None)
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await asyncio.sleep(1.0)
    for call in calls.values():
        await call.hangup()
    told = await application.wait_for("/recording")
    assert set(told.params) == {
        "AccountSid", "RecordingSid", "RecordingUrl", "RecordingStatus", "ConferenceSid", "RecordingDuration", "RecordingChannels",
        "RecordingStartTime", "RecordingSource",
    }  # fmt: skip
    conference, recording = told.params["ConferenceSid"], told.params["RecordingSid"]
    by_room = await rest.get(f"/Conferences/{conference}/Recordings/{recording}.json")
    assert set(by_room) == RECORDING
    wide = await rest.get(f"/Recordings/{recording}.json")
    assert set(wide) == RECORDING | {"media_url", "subresource_uris"}
    assert "/Conferences/" in by_room["uri"]
    assert "/Conferences/" not in wide["uri"]
    raw = Raw(hubbub_server)
    assert await raw.code("GET", f"/Recordings/{recording}.wav?RequestedChannels=2") == (400, 16113)
    assert by_room["call_sid"] in {sid_of(application, "alice"), sid_of(application, "bob")}
