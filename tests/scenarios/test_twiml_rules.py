"""Statements of the specification's sections 1 to 5 on real calls, one server for all; each test quotes its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import numpy as np
import pytest
from tests.support.client import RestError
from tests.support.recorded import channels
from tests.support.rest import Rest
from tests.support.shared import shared
from tests.support.stage import EVENTS, TONE, PhoneMaker, assert_matrix, by_caller, call_in, event, level_at, room, sid_of, tone_wav

from hubbub.testing import Application, HubbubServer, Phone, PhoneCall, assert_hears
from hubbub.webhooks.signatures import hmac_sha1_form

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
CONFIG = {
    "phones": [{"username": "DE1", "password": "secret", "account": "dev"}],
    "dial": {"allow_sip": ["127.0.0.1"], "allow_prefixes": ["+1555"]},
}


running, application, hubbub_server, phone, rest = shared(CONFIG, answers={"/after": "<Response/>"})


async def codes_of(rest: Rest, call: str, wanted: str) -> list[str]:
    """The codes of a call's notifications, once the wanted one is there."""
    for _ in range(50):
        found = [each["error_code"] for each in (await rest.get(f"/Calls/{call}/Notifications.json"))["notifications"]]
        if wanted in found:
            return found
        await asyncio.sleep(0.05)
    return found


async def test_a_name_with_a_slash_is_addressable(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """2: "room name, 1-128 chars"; 5.6: "fetch/update/list by name also work while the room lives"; URIs stay addressable."""
    application.on("/voice", room(name="sales/north 1"))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    page = await rest.get("/Conferences/sales%2Fnorth%201/Participants.json")
    assert len(page["participants"]) == 2
    found = await rest.post(f"/Conferences/sales%2fnorth%201/Participants/{sid_of(application, 'alice')}.json", Muted="true")
    assert found["muted"] is True
    await assert_matrix(calls, {"alice": "b", "bob": ""})
    with pytest.raises(RestError) as refused:
        await rest.get("/Conferences/no%2Fsuch.json")
    assert "/Conferences/no%2Fsuch.json was not found" in refused.value.body["message"]


async def test_participant_call_status_says_whether_the_document_goes_on(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """3.3: "moderator_ended_conference, conference_ended_via_api: in-progress if TwiML continues, else completed"."""
    goes_on = room(name="ends", dial='action="/after"')
    follows = room(name="ends").replace("</Response>", "<Pause length='1'/></Response>")
    application.on("/voice", by_caller(alice=room(name="ends"), bob=goes_on, carol=follows))
    async with Phone("dave") as dave:
        await call_in(hubbub_server, phone, "alice", "bob", "carol")
        added = await rest.post("/Conferences/ends/Participants.json", From="+15550001000", To=dave.uri)
        await dave.wait_call()
        await application.wait_for("/events", lambda r: r.params.get("CallSid") == added["call_sid"] and event("participant-join")(r))
        await rest.post(f"/Conferences/{added['conference_sid']}.json", Status="completed")
        await application.wait_for("/events", lambda r: event("conference-end")(r) and r.params["FriendlyName"] == "ends")
    ours = [request for request in application.requests("/events") if request.params["FriendlyName"] == "ends"]
    leaves = [request.params for request in ours if event("participant-leave")(request)]
    told = {params["CallSid"]: params["ParticipantCallStatus"] for params in leaves}
    named = {name: told[sid_of(application, name)] for name in ("alice", "bob", "carol")}
    assert named == {"alice": "completed", "bob": "in-progress", "carol": "in-progress"}
    assert told[added["call_sid"]] == "completed"
    assert {params["ReasonParticipantLeft"] for params in leaves} == {"conference_ended_via_api"}


async def test_date_created_of_a_participant_is_when_it_was_made(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """5.6: date_created, date_updated: what REST made does not become younger when it answers."""
    async with Phone("dave", auto_answer=False) as dave:
        added = await rest.post("/Conferences/dates/Participants.json", From="+15550001000", To=dave.uri, JitterBufferSize="small")
        ringing = await dave.wait_call()
        await asyncio.sleep(1.1)  # dates have whole seconds
        ringing.answer()
        for _ in range(50):
            shown = await rest.get(f"/Conferences/dates/Participants/{added['call_sid']}.json")
            if shown["status"] == "connected":
                break
            await asyncio.sleep(0.05)
        assert shown["status"] == "connected"
        assert shown["date_created"] == added["date_created"]
        assert shown["date_updated"] != added["date_updated"]
        await ringing.hangup()


@pytest.mark.parametrize("attribute", ['eventCallbackUrl="/old"', 'statusCallback="/old"'])
async def test_conference_record_end(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest, attribute: str
) -> None:
    """4.1: "Deprecated conference-record-end: EventName, RecordingUrl, Duration, RecordingFileSize (+ ConferenceSid, FriendlyName, …)"."""
    document = room(f'record="record-from-start" {attribute}', name="taped")
    application.on("/voice", document if "event" in attribute else document.replace(EVENTS, ""))
    application.on("/old", None)
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await calls["alice"].hangup()
    await calls["bob"].hangup()
    told = (await application.wait_for("/old", timeout=10)).params
    assert set(told) == {
        *("EventName", "RecordingUrl", "Duration", "RecordingFileSize"),
        *("ConferenceSid", "FriendlyName", "AccountSid", "Timestamp"),
    }
    assert (told["EventName"], told["FriendlyName"]) == ("conference-record-end", "taped")
    recording = await rest.get(f"/Recordings/{told['RecordingUrl'].rpartition('/')[2]}.json")
    assert (recording["duration"], recording["conference_sid"]) == (told["Duration"], told["ConferenceSid"])
    assert len(application.requests("/old")) == 1


async def test_recording_status_callback_suppresses_conference_record_end(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """2 eventCallbackUrl: "not sent if recordingStatusCallback is set"."""
    application.on("/voice", room('record="record-from-start" eventCallbackUrl="/old" recordingStatusCallback="/taped"', name="taped"))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await calls["alice"].hangup()
    await calls["bob"].hangup()
    assert (await application.wait_for("/taped", timeout=10)).params["RecordingStatus"] == "completed"
    assert application.requests("/old") == []


@pytest.mark.parametrize(("code", "document"), [("13237", room(name="n" * 129)), ("16023", room('participantLabel="a/b"'))])
async def test_a_bad_name_or_label_is_notified_once(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest, code: str, document: str
) -> None:
    """1.10: 13237 "name empty or > 128 chars: join fails", 16023 "join rejected"; the next verb follows."""
    application.on("/voice", document.replace("</Response>", "<Play loop='0'>/next.wav</Play></Response>"))
    application.on("/next.wav", tone_wav(2951.0))
    caller = await (await phone("alice")).call(hubbub_server.uri("+15550001000"))
    await assert_hears(caller, {2951.0}, among=(2951.0,))
    assert await codes_of(rest, sid_of(application, "alice"), code) == [code]
    await caller.hangup()


async def test_sip_domain_is_sent(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.2: "SipDomain, SipCallId, SipSourceIp, SipHeader_*: SIP legs; pass every X-* header"."""
    application.on("/voice", "<Response><Hangup/></Response>")
    caller = await (await phone("alice")).call(hubbub_server.uri("+15550001000"), headers={"X-Team": "blue"})
    asked = (await application.wait_for("/voice")).params
    assert (asked["SipDomain"], asked["SipSourceIp"], asked["SipHeader_X-Team"]) == ("127.0.0.1", "127.0.0.1", "blue")
    assert asked["SipCallId"] == caller.sip.id
    await caller.wait_ended()


async def test_a_call_that_was_diverted_here(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.2: "ForwardedFrom … if available", "StirVerstat, StirPassportToken: carrier supplied"; nothing of it where nobody says it."""
    application.on("/voice", "<Response><Hangup/></Response>")
    headers = {
        "Diversion": "<sip:+15550009999@pbx.test>;reason=user-busy",
        "Identity": "e30.eyJhdHRlc3QiOiJBIn0.c2ln;info=<https://c.test/p.pem>",
        "P-Asserted-Identity": "<sip:+15551112222@pbx.test;verstat=TN-Validation-Passed>",
    }
    alice = await phone("alice")
    await (await alice.call(hubbub_server.uri("+15550001000"), headers=headers)).wait_ended()
    asked = (await application.wait_for("/voice")).params
    assert (asked["ForwardedFrom"], asked["StirVerstat"]) == ("+15550009999", "TN-Validation-Passed-A")
    assert asked["StirPassportToken"] == "e30.eyJhdHRlc3QiOiJBIn0.c2ln"
    plain = await alice.call(hubbub_server.uri("+15550001000"))
    await plain.wait_ended()
    asked = (await application.wait_for("/voice", lambda request: request.params["SipCallId"] == plain.sip.id)).params
    assert not {"ForwardedFrom", "StirVerstat", "StirPassportToken"} & set(asked)


@pytest.mark.parametrize(("named", "agreed"), [("G729,PCMA,PCMU", "PCMA"), ("PCMU", "PCMU"), ("AMR", "G722")])
async def test_codecs_of_a_sip_address(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, named: str, agreed: str
) -> None:
    """1.8 `codecs` of <Sip>: what is offered, in that order; RFC 3264 6.1: the answer takes the first that it knows."""
    bob = await phone("bob", codecs=("PCMU", "PCMA", "G722"))
    application.on("/voice", f"<Response><Dial><Sip codecs='{named}'>{bob.uri}</Sip></Dial></Response>")
    caller = await (await phone("alice")).call(hubbub_server.uri("+15550001000"))
    answered = await bob.wait_call()
    answered.tone(TONE["bob"])
    await assert_hears(caller, {TONE["bob"]})
    assert answered.codec == agreed
    await caller.hangup()


async def test_a_sim_is_called_as_a_registered_phone(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.8: "Queue, Sim, WhatsApp: as SDK"."""
    application.on("/voice", "<Response><Dial><Sim>DE1</Sim></Dial></Response>")
    sim = await phone("DE1", username="DE1", password="secret")
    await sim.register(hubbub_server.sip)
    caller = await (await phone("alice")).call(hubbub_server.uri("+15550001000"))
    answered = await sim.wait_call()
    answered.tone(TONE["bob"])
    await assert_hears(caller, {TONE["bob"]})
    await caller.hangup()


async def test_pages_neither_repeat_nor_skip_what_comes_meanwhile(
    hubbub_server: HubbubServer, application: Application, rest: Rest
) -> None:
    """5.3: "next pages carry Page=n&PageToken=PA{SID of this page's last item}, previous ones PageToken=PB{SID of its first item}"."""

    async def made() -> str:
        fields = {"To": "sip:nobody@127.0.0.1:9", "From": "+15550001000", "Url": application.url("/voice")}
        return str((await rest.post("/Calls.json", **fields))["sid"])

    async def page(uri: str) -> dict[str, Any]:
        return dict(await rest.get("/Calls.json" + uri.partition(".json")[2]))

    sids = [await made() for _ in range(5)][::-1]
    filters = "To=sip%3Anobody%40127.0.0.1%3A9"
    first = await page(f"/Calls.json?PageSize=2&{filters}")
    assert [call["sid"] for call in first["calls"]] == sids[:2]
    assert first["next_page_uri"].endswith(f"Page=1&PageToken=PA{sids[1]}")
    newer = [await made() for _ in range(3)]
    second = await page(first["next_page_uri"])
    assert [call["sid"] for call in second["calls"]] == sids[2:4]
    third = await page(second["next_page_uri"])
    assert ([call["sid"] for call in third["calls"]], third["next_page_uri"]) == (sids[4:], None)
    back = await page(second["previous_page_uri"])
    assert [call["sid"] for call in back["calls"]] == sids[:2]
    assert newer[0] not in {call["sid"] for call in (*second["calls"], *third["calls"], *back["calls"])}


async def test_echo_lets_a_caller_hear_itself(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.6: "accept Echo"."""
    application.on("/voice", "<Response><Echo/></Response>")
    calls = await call_in(hubbub_server, phone, "alice")
    await assert_hears(calls["alice"], {TONE["alice"]})
    calls["alice"].tone(TONE["bob"])
    await assert_hears(calls["alice"], {TONE["bob"]})
    await calls["alice"].hangup()


async def test_queues_and_their_members_by_rest(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """Queues: create, list, fetch, update, delete; members in order, the front one, and out with a document (QueueResult=redirected)."""
    made = await rest.post("/Queues.json", FriendlyName="support", MaxSize="2")
    assert (made["friendly_name"], made["max_size"], made["current_size"]) == ("support", 2, 0)
    path = f"/Queues/{made['sid']}"
    with pytest.raises(RestError) as taken:
        await rest.post("/Queues.json", FriendlyName="support")
    assert taken.value.status == 409
    application.on("/voice", '<Response><Enqueue waitUrl="" action="/left">support</Enqueue></Response>')
    application.on("/left", "<Response/>")
    application.on("/next", "<Response><Play loop='0'>/next.wav</Play></Response>")
    application.on("/next.wav", tone_wav(2951.0))
    calls = {}
    for number, name in enumerate(("alice", "bob"), 1):
        calls[name] = await (await phone(name)).call(hubbub_server.uri("+15550001000"))
        for _ in range(100):
            if (await rest.get(f"{path}.json"))["current_size"] == number:
                break
            await asyncio.sleep(0.05)
    alice, bob = (sid_of(application, name) for name in ("alice", "bob"))
    members = (await rest.get(f"{path}/Members.json"))["queue_members"]
    assert [(member["call_sid"], member["position"]) for member in members] == [(alice, 1), (bob, 2)]
    assert (await rest.get(f"{path}/Members/Front.json"))["call_sid"] == alice
    with pytest.raises(RestError) as busy:
        await rest.delete(f"{path}.json")
    assert busy.value.status == 409
    assert (await rest.post(f"{path}/Members/Front.json", Url=application.url("/next")))["call_sid"] == alice
    assert (await application.wait_for("/left")).params["QueueResult"] == "redirected"
    await assert_hears(calls["alice"], {2951.0}, among=(2951.0,))
    assert (await rest.get(f"{path}/Members/{bob}.json"))["position"] == 1
    assert (await rest.post(f"{path}.json", FriendlyName="sales", MaxSize="9"))["friendly_name"] == "sales"
    for call in calls.values():
        await call.hangup()
    for _ in range(100):
        if (await rest.get(f"{path}.json"))["current_size"] == 0:
            break
        await asyncio.sleep(0.05)
    assert [queue["sid"] for queue in (await rest.get("/Queues.json"))["queues"]] == [made["sid"]]
    await rest.delete(f"{path}.json")
    with pytest.raises(RestError) as gone:
        await rest.get(f"{path}.json")
    assert gone.value.status == 404


async def test_keys_of_a_room_are_heard_in_it(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """3.6: "In-room DTMF: passed as in-band audio to the room, no webhook": by all others; not of one who is muted."""
    application.on("/voice", room('beep="false"', name="keys"))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    for call in calls.values():
        call.silence()
    await assert_matrix(calls, {"alice": "", "bob": ""})

    async def loudest(key: str) -> dict[str, bool]:
        marks = {name: call.mark() for name, call in calls.items()}
        await calls["alice"].press(key)
        await asyncio.sleep(0.8)
        heard = {name: (await call.since(marks[name])).pcm for name, call in calls.items()}
        return {
            name: any(
                level_at(pcm[n : n + 480], 852.0) > -30 and level_at(pcm[n : n + 480], 1336.0) > -30 for n in range(0, len(pcm) - 480, 160)
            )
            for name, pcm in heard.items()
        }

    assert await loudest("8") == {"alice": False, "bob": True}
    asked = len(application.requests())
    await rest.post(f"/Conferences/keys/Participants/{sid_of(application, 'alice')}.json", Muted="true")
    await application.wait_for("/events", event("participant-mute"))
    assert await loudest("8") == {"alice": False, "bob": False}
    assert {r.path for r in application.requests()[asked:]} <= {"/events"}
    assert not any("Digits" in r.params for r in application.requests())


async def test_the_first_who_names_a_region_decides(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """2 region: "first leg that names one wins; later ignored; report in REST `region`"; 3.1: `unknown` before the start."""
    named = {"bob": room('region="ie1"', name="where"), "carol": room('region="de1"', name="where")}
    application.on("/voice", by_caller(alice=room(name="where"), **named))
    calls = await call_in(hubbub_server, phone, "alice")
    await application.wait_for("/events", event("participant-join"))
    assert (await rest.get("/Conferences/where.json"))["region"] == "unknown"
    calls |= await call_in(hubbub_server, phone, "bob", "carol")
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
    assert (await rest.get("/Conferences/where.json"))["region"] == "ie1"
    for call in calls.values():
        await call.hangup()
    await application.wait_for("/events", event("conference-end"))
    kept = (await rest.get("/Conferences.json", FriendlyName="where"))["conferences"]
    assert [found["region"] for found in kept] == ["ie1"]


async def test_wait_audio_that_cannot_be_had_ends_the_dial(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """2.1: "failure of waitUrl: leg is not fully placed in the room; Dial ends → action/next verb, else call drops"."""
    document = room('waitUrl="/nothing"', name="waiting")
    application.on("/voice", by_caller(alice=document.replace("</Response>", "<Play loop='0'>/next.wav</Play></Response>"), bob=document))
    application.on("/nothing", (404, "text/plain", "no"))
    application.on("/next.wav", tone_wav(2951.0))
    caller = await (await phone("alice")).call(hubbub_server.uri("+15550001000"))
    await assert_hears(caller, {2951.0}, among=(2951.0,))
    assert await codes_of(rest, sid_of(application, "alice"), "11200") == ["11200"]
    asked = application.requests("/nothing")[0]
    assert (asked.method, asked.params["FriendlyName"], asked.params["CallSid"]) == ("POST", "waiting", sid_of(application, "alice"))
    assert asked.params["ConferenceSid"].startswith("CF")
    other = await (await phone("bob")).call(hubbub_server.uri("+15550001000"))
    await other.wait_ended()
    await caller.hangup()


async def test_what_a_held_participant_hears_is_in_its_own_recording_and_not_in_the_rooms(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """0.3: "pre-start wait audio never; per-participant hold audio is not part of the mix, but is on that participant's own leg
    recording ch 2"; 2.1: hold is asked by GET, announcements and wait audio by POST; `<Play>` by GET and with no parameters."""
    conference = 'record="record-from-start" recordingStatusCallback="/taped" beep="false" waitUrl="/wait"'
    own = 'record="record-from-answer-dual" recordingStatusCallback="/own"'
    application.on("/voice", by_caller(alice=room(conference, own, name="held"), other=room(conference, name="held")))
    for path, tone in (("/hold", 2951.0), ("/wait", 2113.0), ("/say", 1493.0)):
        application.on(path, f"<Response><Play loop='0'>{path}.wav?a=b</Play></Response>" if path != "/say" else "<Response/>")
        application.on(f"{path}.wav", tone_wav(tone))
    calls = await call_in(hubbub_server, phone, "alice")
    among = (*TONE.values(), 2951.0, 2113.0)
    await assert_hears(calls["alice"], {2113.0}, among=among)
    calls |= await call_in(hubbub_server, phone, "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    alice = f"/Conferences/held/Participants/{sid_of(application, 'alice')}.json"
    await rest.post(alice, Hold="true", HoldUrl=application.url("/hold"))
    await assert_hears(calls["alice"], {2951.0}, among=among)
    await assert_hears(calls["bob"], set(), among=among)
    await asyncio.sleep(0.6)
    await rest.post(alice, Hold="false")
    await rest.post("/Conferences/held.json", AnnounceUrl=application.url("/say"))
    await application.wait_for("/events", event("announcement-end"))
    for call in calls.values():
        await call.hangup()
    room_done = await application.wait_for("/taped", timeout=10)
    own_done = await application.wait_for("/own", timeout=10)
    (mixed,) = channels(await rest.media(f"/Recordings/{room_done.params['RecordingSid']}"))
    said, heard = channels(await rest.media(f"/Recordings/{own_done.params['RecordingSid']}"))
    present = {
        name: {tone for tone in among if sounds(samples, tone)} for name, samples in (("mix", mixed), ("said", said), ("heard", heard))
    }
    assert present["mix"] == {TONE["alice"], TONE["bob"]}
    assert present["said"] == {TONE["alice"]}
    assert present["heard"] == {TONE["bob"], 2951.0, 2113.0}
    assert {application.requests(path)[0].method for path in ("/hold", "/hold.wav", "/wait.wav")} == {"GET"}
    assert {application.requests(path)[0].method for path in ("/wait", "/say")} == {"POST"}
    played = application.requests("/hold.wav")[0]
    assert dict(played.params) == {"a": "b"}
    assert played.headers["X-Twilio-Signature"] == hmac_sha1_form(hubbub_server.faces["twilio"]["token"], application.url("/hold.wav?a=b"))


def sounds(samples: np.ndarray[Any, Any], tone: float) -> bool:
    """Whether a tone is heard anywhere in it."""
    return any(level_at(samples[n : n + 1600], tone) > -40 for n in range(0, len(samples) - 1600, 800))


async def test_the_first_requests_of_calls(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """1.1: ringing is "also the value in the first inbound webhook"; 1.2: "TwiML is requested when the callee answers
    (`CallStatus=in-progress`, `Direction=outbound-api`)"; 1.6: a Hangup that is first answers; Reject that is first does not."""
    application.on("/voice", by_caller(alice="<Response><Hangup/></Response>", bob="<Response><Reject/></Response>"))
    hung_up = await (await phone("alice")).call(hubbub_server.uri("+15550001000"))
    await hung_up.wait_ended()
    assert hung_up.answered.is_set()
    rejected = await (await phone("bob")).call(hubbub_server.uri("+15550001000"))
    assert ((await rejected.wait_ended()).code, rejected.answered.is_set()) == (603, False)
    assert {(r.params["CallStatus"], r.params["Direction"]) for r in application.requests("/voice")} == {("ringing", "inbound")}
    carol = await phone("carol", auto_answer=False)
    application.on("/out", "<Response><Hangup/></Response>")
    made = await rest.post("/Calls.json", To=carol.uri, From="+15550001000", Url=application.url("/out"))
    assert (made["status"], made["start_time"], made["end_time"], made["duration"]) == ("queued", None, None, None)
    ringing = await carol.wait_call()
    assert made["sid"] in [call["sid"] for call in (await rest.get("/Calls.json", Status="queued", PageSize="1000"))["calls"]]
    ringing.ring()
    assert application.requests("/out") == []
    ringing.answer()
    asked = (await application.wait_for("/out")).params
    assert (asked["CallStatus"], asked["Direction"], asked["CallSid"]) == ("in-progress", "outbound-api", made["sid"])
    await ringing.wait_ended()


async def refused(wanted: Awaitable[Any]) -> tuple[int, int]:
    """Status and code of a request that is refused."""
    with pytest.raises(RestError) as error:
        await wanted
    return error.value.status, error.value.body["code"]


async def test_announcements_to_the_held(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """3.6: "400/16099 only for Coaching of a held target and for AnnounceUrl on a held leg": not where the same request takes it back."""
    application.on("/voice", room(name="announced"))
    application.on("/say", "<Response/>")
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await application.wait_for("/events", event("conference-start"))
    alice = f"/Conferences/announced/Participants/{sid_of(application, 'alice')}.json"
    await rest.post(alice, Hold="true")
    assert await refused(rest.post(alice, AnnounceUrl=application.url("/say"))) == (400, 16099)
    assert application.requests("/say") == []
    application.on("/loud", "<Response><Play loop='0'>/loud.wav</Play></Response>")
    application.on("/loud.wav", tone_wav(2951.0))
    made = await rest.post("/Conferences/announced/Announcements.json", AnnounceUrl=application.url("/loud"))
    await assert_hears(calls["bob"], {2951.0}, among=(2951.0,))
    assert not (await calls["alice"].heard(0.5)).hears(2951.0), "mixed to all non-held legs"
    await rest.delete(f"/Conferences/announced/Announcements/{made['sid']}.json")
    assert (await rest.post(alice, AnnounceUrl=application.url("/say"), Hold="false"))["hold"] is False
    await application.wait_for("/events", event("announcement-end"))


async def test_updates_of_calls(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """5.4: "Status (`canceled` = only queued/ringing; `completed` = hang up or cancel)"; a live call is not deleted (20009), one that
    is over is (204); 5.1: "also tolerate query parameters on POST"."""
    application.on("/out", "<Response><Pause length='20'/></Response>")
    bob = await phone("bob", auto_answer=False)

    async def calling() -> tuple[str, PhoneCall]:
        made = await rest.post("/Calls.json", To=bob.uri, From="+15550001000", Url=application.url("/out"))
        return f"/Calls/{made['sid']}.json", await bob.wait_call()

    path, ringing = await calling()
    assert await refused(rest.delete(path)) == (409, 20009)
    await rest.post(path, Status="canceled")
    assert ((await ringing.wait_ended()).answered, (await rest.get(path))["status"]) == (False, "canceled")
    path, ringing = await calling()
    await rest.post(path, Status="completed")
    assert ((await ringing.wait_ended()).answered, (await rest.get(path))["status"]) == (False, "canceled")
    path, ringing = await calling()
    ringing.answer()
    await application.wait_for("/out")
    assert await refused(rest.post(path, Status="canceled")) == (400, 20001)
    assert (await rest.post(f"{path}?Status=completed"))["status"] == "completed", "a parameter in the query of a POST"
    await ringing.wait_ended()
    assert await refused(rest.post(path, Url=application.url("/out"))) == (400, 21220)
    await rest.delete(path)
    assert await refused(rest.get(path)) == (404, 20404)


@pytest.mark.parametrize("early", ["true", "false"])
async def test_early_media_of_a_participant(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest, early: str
) -> None:
    """5.6 EarlyMedia "bool; true (room hears ringback)"; 3.1: "count a leg from early media only when EarlyMedia=true"."""
    name = f"early {early}"
    application.on("/voice", room('beep="false"', name=name))
    calls = await call_in(hubbub_server, phone, "alice")
    bob = await phone("bob", auto_answer=False)
    asked = {} if early == "true" else {"EarlyMedia": "false"}
    await rest.post(f"/Conferences/{name.replace(' ', '%20')}/Participants.json", To=bob.uri, From="+15550001000", Beep="false", **asked)
    ringing = await bob.wait_call()
    ringing.ring(early_media=True)
    ringing.tone(TONE["bob"])
    if early == "true":
        await assert_hears(calls["alice"], {TONE["bob"]})
        assert len([r for r in application.requests("/events") if event("conference-start")(r)]) == 1
        assert not (await ringing.heard(0.5)).hears(TONE["alice"]), "it is heard, and hears nothing yet"
    else:
        await asyncio.sleep(0.5)
        assert not (await calls["alice"].heard(0.5)).hears(TONE["bob"])
        assert [r for r in application.requests("/events") if event("conference-start")(r)] == []
    ringing.answer()
    await assert_matrix({**calls, "bob": ringing}, {"alice": "b", "bob": "a"})
    assert len([r for r in application.requests("/events") if event("conference-start")(r)]) == 1


async def test_music_where_nobody_names_another(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """0.3: "ship a local looped playlist; never fetch Twilio hosts"; 3.6, Q5: "default built-in music" on hold; waitUrl "" is silence;
    2.1: "end of document: wait/hold: silence (no auto-loop)"."""
    once = room('waitUrl="/once"', name="once")
    application.on("/once", "<Response><Play>/once.wav</Play></Response>")
    application.on("/once.wav", tone_wav(2951.0, 0.4))
    silent, alone = room('waitUrl=""', name="music"), room('startConferenceOnEnter="false"', name="alone")
    application.on("/voice", by_caller(alice=silent, bob=alone, carol=once))
    calls = await call_in(hubbub_server, phone, "carol", "alice", "bob")
    for call in calls.values():
        call.silence()
    await asyncio.sleep(0.5)
    assert (await calls["alice"].heard(0.8)).silent
    waiting = await calls["bob"].heard(0.8)
    assert not waiting.silent
    await rest.post(f"/Conferences/alone/Participants/{sid_of(application, 'bob')}.json", Hold="true")
    await asyncio.sleep(0.3)
    assert not (await calls["bob"].heard(0.8)).silent
    assert (await calls["carol"].heard(0.8)).silent
    assert [len(application.requests(path)) for path in ("/once", "/once.wav")] == [1, 1]
    assert {r.path for r in application.requests()} <= {"/voice", "/events", "/once", "/once.wav"}
