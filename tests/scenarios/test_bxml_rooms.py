"""BXML in rooms: their queue, what freezes, limits, webhooks that fail, coaching by REST, rooms of mixed dialects (4, 5)."""

from __future__ import annotations

import asyncio
import io
import time
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.support.rest import Rest
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, Stage, assert_matrix, level_at, room, tone_wav
from tests.support.v2 import V2

from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
from hubbub.testing import TONES, Application, HubbubServer, Request, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]

BXML, TWIML, SMALL = "+15550001002", "+15550001001", "+15550001004"
ONE, TWO, OTHER = 2451.0, 2651.0, 2951.0
AMONG = (*TONE.values(), ONE, TWO, OTHER)


def config(application: Application) -> dict[str, Any]:
    face = {"username": "small", "password": "p", "application": "00000000-0000-4000-8000-000000000003"}
    small = {"name": "small", "bandwidth": {**face, "account": "9900002", "room_capacity": "2", "room_hours": "0.0012"}}
    numbers = [
        {"number": number, "account": account, "dialect": dialect, "url": application.url(path)}
        for number, account, dialect, path in (
            (BXML, "dev", "bxml", "/bxml"),
            (TWIML, "dev", "twiml", "/twiml"),
            (SMALL, "small", "bxml", "/bxml"),
        )
    ]
    return {"accounts": [DEVELOPMENT_ACCOUNT, small], "numbers": numbers}


running, application, hubbub_server, phone, rest = shared(config)


@pytest.fixture(autouse=True)
def tones(application: Application) -> None:
    for name, tone in (("one", ONE), ("two", TWO), ("other", OTHER)):
        application.on(f"/{name}.wav", tone_wav(tone, 1.5))


def kind(name: str, call: str = "") -> Callable[[Request], bool]:
    return lambda request: request.json["eventType"] == name and call in (request.json.get("callId", ""), "")


def caller(request: Request) -> str:
    return str(request.json["from"]).removeprefix("sip:").partition("@")[0]


def conference(attributes: str = 'conferenceEventUrl="/conf"', after: str = "") -> str:
    return f"<Response><Conference {attributes}>room.1</Conference>{after}</Response>"


async def dial(server: HubbubServer, phone: PhoneMaker, number: str, *names: str) -> Stage:
    calls = {}
    for name in names:
        calls[name] = await (await phone(name)).call(server.uri(number))
        await calls[name].wait_answered()
        calls[name].tone(TONE[name])
    return calls


async def test_documents_are_queued_and_never_overlap(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "All conference BXML goes through one FIFO per room; nothing overlaps; a failing verb is skipped"; PUT appends."""
    application.on("/bxml", conference(""))
    calls = await dial(hubbub_server, phone, BXML, "alice", "bob")
    async with V2(hubbub_server) as rest:
        path = f"/conferences/{(await rest.room())['id']}"
        urls = {name: f"<PlayAudio>{application.url(f'/{name}.wav')}</PlayAudio>" for name in ("one", "two", "missing", "other")}
        application.on("/missing.wav", (404, "text/plain", "no"))
        mark = calls["alice"].mark()
        assert (await rest.bxml(path, f"<Bxml>{urls['one']}{urls['missing']}</Bxml>")).status == 204
        assert (await rest.bxml(path, f"<Bxml>{urls['two']}</Bxml>", "text/xml")).status == 204
        await assert_hears(calls["bob"], {TONE["alice"], ONE}, among=AMONG)
        await assert_hears(calls["bob"], {TONE["alice"], TWO}, among=AMONG)
        await asyncio.sleep(1.0)
        whole = await calls["alice"].since(mark)
        step = 320
        pieces = [whole.pcm[place : place + step] for place in range(0, len(whole.pcm) - step, step)]
        heard = [{tone for tone in (ONE, TWO) if level_at(piece, tone) > -35} for piece in pieces]
        assert sum(ONE in tones for tones in heard) > 4 < sum(TWO in tones for tones in heard)
        assert heard.count({ONE, TWO}) <= 1, "one follows the other: a piece of 40 ms may hold the end and the beginning"
        for document, status in (("<Bxml><Hangup/></Bxml>", 400), ("no xml", 400), ("<Bxml><PlayAudio>/relative</PlayAudio></Bxml>", 400)):
            assert (await rest.bxml(path, document)).status == status
        assert (await rest.bxml(path, "<Bxml/>", "text/plain;charset=UTF-8")).body["description"] == (
            "Content type 'text/plain;charset=UTF-8' not supported"
        )
        assert (await rest.bxml("/conferences/conf-00000000-00000000-0000-0000-0000-000000000000", "<Bxml/>")).status == 404


async def test_the_creator_decides_where_events_go_and_how_long_they_may_take(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """Frozen by the creator; `callbackTimeout`; "if the primary does not respond, the same event goes to the fallback URL"."""
    first = 'conferenceEventUrl="/slow" conferenceEventMethod="GET" conferenceEventFallbackUrl="/conf" callbackTimeout="1" tag="mine"'
    later = 'conferenceEventUrl="/other" tag="other" callbackTimeout="25"'
    application.on("/bxml", lambda request: conference(first if caller(request) == "alice" else later))
    application.on("/conf", "<Response><PlayAudio>/one.wav</PlayAudio></Response>")
    application.fault("/slow", hang=True)
    began = time.monotonic()
    calls = await dial(hubbub_server, phone, BXML, "alice")
    created = await application.wait_for("/conf", kind("conferenceCreated"))
    assert 0.9 < time.monotonic() - began < 4
    await assert_hears(calls["alice"], {ONE}, among=AMONG)
    calls |= await dial(hubbub_server, phone, BXML, "bob")
    join = await application.wait_for("/conf", lambda r: r.json["eventType"] == "conferenceMemberJoin" and caller(r) == "bob", timeout=8)
    assert (created.json["tag"], join.json["tag"]) == ("mine", "mine")
    assert application.requests("/other") == []
    slow = application.requests("/slow")[0]
    assert (slow.method, slow.params["eventType"], slow.params["tag"]) == ("GET", "conferenceCreated", "mine")
    async with V2(hubbub_server) as rest:
        shown = await rest.room()
        assert (shown["conferenceEventUrl"], shown["conferenceEventMethod"]) == (application.url("/slow"), "GET")
    for call in calls.values():
        await call.hangup()
    await application.wait_for("/conf", kind("conferenceCompleted"), timeout=15)


async def test_limits_belong_to_the_account(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "21st joiner: verb fails for that call, continue"; too old: "same as `completed`". Both limits by configuration."""
    application.on("/bxml", conference(after="<PlayAudio>/other.wav</PlayAudio><Pause duration='20'/>"))
    calls = await dial(hubbub_server, phone, SMALL, "alice", "bob", "carol")
    await assert_hears(calls["carol"], {OTHER}, among=AMONG)
    completed = await application.wait_for("/conf", kind("conferenceCompleted"), timeout=8)
    assert completed.json["name"] == "room.1"
    told = [request.json["eventType"] for request in application.requests("/conf")]
    assert told.count("conferenceMemberJoin") == told.count("conferenceMemberExit") == 2
    await assert_hears(calls["alice"], {OTHER}, among=AMONG)


async def test_twenty_calls_fill_a_room(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.4 "calls in one room: 20"; 11 "21st joiner: verb fails for that call, continue; log": nobody in the room notices."""
    application.on("/bxml", conference(after="<PlayAudio>/other.wav</PlayAudio><Pause duration='20'/>"))
    callers = [await (await phone(f"p{number}")).call(hubbub_server.uri(BXML)) for number in range(20)]
    for call, tone in zip(callers, TONES, strict=False):
        await call.wait_answered()
        call.tone(tone, level_db=-25)
    await application.wait_for("/conf", kind("conferenceMemberJoin"), count=20, timeout=20)
    for number in (0, 19):
        await assert_hears(callers[number], {*TONES[:20]} - {TONES[number]}, among=TONES)
    late = await (await phone("late")).call(hubbub_server.uri(BXML))
    await late.wait_answered()
    late.tone(TONES[20])
    await assert_hears(late, {OTHER}, among=AMONG)
    await assert_hears(callers[7], {*TONES[:20]} - {TONES[7]}, among=TONES)
    async with V2(hubbub_server) as rest:
        found = await rest.room()
        members = (await rest.get(f"/conferences/{found['id']}")).body["activeMembers"]
        assert [member["callId"] for member in members] == [request.json["callId"] for request in application.requests("/bxml")[:20]]
        told = [each for each in (await rest.get("/notifications")).body if each["code"] == "full"]
        assert [(problem["code"], problem["callId"]) for problem in told] == [("full", application.requests("/bxml")[20].json["callId"])]
    joins = [request.json["callId"] for request in application.requests("/conf") if request.json["eventType"] == "conferenceMemberJoin"]
    assert len(joins) == len(set(joins)) == 20


async def test_coaching_is_changed_by_request(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """4.3: no coach: the member becomes coach; another one: 400; an empty list stops; the coached need not be there."""
    application.on("/bxml", conference())
    calls = await dial(hubbub_server, phone, BXML, "alice", "bob", "carol")
    joined = {caller(request): request.json["callId"] for request in application.requests("/bxml")}
    async with V2(hubbub_server) as rest:
        members = f"/conferences/{(await rest.room())['id']}/members"
        absent = "c-00000000-00000000-0000-0000-0000-000000000000"
        assert (await rest.put(f"{members}/{joined['carol']}", callIdsToCoach=[joined["alice"], absent])).status == 204
        await assert_matrix(calls, {"alice": "bc", "bob": "a", "carol": "ab"})
        refused = await rest.put(f"{members}/{joined['bob']}", callIdsToCoach=[joined["alice"]])
        assert (refused.status, refused.body["type"]) == (400, "validation")
        assert (await rest.put(f"{members}/{joined['carol']}", callIdsToCoach=None, hold=True)).status == 204
        await assert_matrix(calls, {"alice": "b", "bob": "a", "carol": ""})
        assert (await rest.put(f"{members}/{joined['carol']}", callIdsToCoach=[], hold=False)).status == 204
        await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
        assert (await rest.put(f"{members}/{absent}", mute=True)).status == 404
        assert [member["callId"] for member in (await rest.get(members)).body] == list(joined.values())


async def test_what_a_rooms_recording_holds(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """4.4: "single channel; content = members neither muted nor on hold + audio verbs"; 11: the coach is left out; who is held hears no
    verb of the room; a call's own recording, begun before the room, holds what the member says and what it hears."""
    attributes = {"bob": 'mute="true"', "carol": 'hold="true"'}

    def document(request: Request) -> str:
        first = application.requests("/bxml")[0].json["callId"]
        mine = {**attributes, "dave": f'callIdsToCoach="{first}"'}.get(caller(request), 'conferenceEventUrl="/conf"')
        own = '<StartRecording multiChannel="true" recordingAvailableUrl="/own"/>' if caller(request) == "alice" else ""
        return conference(mine).replace("<Response>", f"<Response>{own}")

    application.on("/bxml", document)
    application.on("/conf", None)
    application.on("/own", None)
    application.on("/room", None)
    calls = await dial(hubbub_server, phone, BXML, "alice", "bob", "carol", "dave")
    await assert_matrix(calls, {"alice": "d", "bob": "a", "carol": "", "dave": "a"})
    async with V2(hubbub_server) as rest:
        path = f"/conferences/{(await rest.room())['id']}"
        verbs = f"<StartRecording recordingAvailableUrl='{application.url('/room')}' multiChannel='true'/><StartRecording/>"
        played = f"<PlayAudio>{application.url('/one.wav')}</PlayAudio>"
        mark = calls["carol"].mark()
        assert (await rest.bxml(path, f"<Bxml>{verbs}{played}{played}<StopRecording/></Bxml>")).status == 204
        told = (await application.wait_for("/room")).json
        assert (told["eventType"], told["channels"], told["status"]) == ("conferenceRecordingAvailable", 1, "complete")
        assert (await calls["carol"].since(mark)).silent
        room = samples_of((await rest.send("GET", told["mediaUrl"])).body)[0]
        assert {tone for tone in AMONG if loudest(room, tone) > -35} == {TONE["alice"], ONE}
        assert len((await rest.get(f"{path}/recordings")).body) == 1, "a second one while one is under way is ignored"
        await calls["alice"].hangup()
        own = (await application.wait_for("/own")).json
        said, heard = samples_of((await rest.send("GET", own["mediaUrl"])).body)
        assert {tone for tone in AMONG if loudest(said, tone) > -35} == {TONE["alice"]}
        assert {tone for tone in AMONG if loudest(heard, tone) > -35} == {TONE["dave"], ONE}


def samples_of(body: bytes) -> list[Any]:
    """The channels of a WAV."""
    with wave.open(io.BytesIO(body)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        rate = file.getframerate()
    return [samples[:: rate // 8000, channel] for channel in range(samples.shape[1])]


def loudest(samples: Any, frequency: float) -> float:
    """The level of a tone where it is loudest."""
    return max(level_at(samples[place : place + 4000], frequency) for place in range(0, len(samples) - 4000, 2000))


async def test_a_second_coach_goes_on_with_its_document(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "at most one coach per room"; "the verb fails and the call goes on to its next verb"."""

    def document(request: Request) -> str:
        coach = f'callIdsToCoach="{application.requests("/bxml")[0].json["callId"]}"'
        return conference("" if caller(request) == "alice" else coach, "<PlayAudio>/other.wav</PlayAudio><Pause duration='20'/>")

    application.on("/bxml", document)
    calls = await dial(hubbub_server, phone, BXML, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    calls |= await dial(hubbub_server, phone, BXML, "carol")
    await assert_hears(calls["carol"], {OTHER}, among=AMONG)


async def test_a_mixed_room_is_shown_by_both(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Rule: heard by each other, each leg's callbacks in its own dialect, the room's in its creator's, both REST faces show it."""
    application.on("/twiml", room('participantLabel="a" startConferenceOnEnter="true"', name="room.1"))
    application.on("/bxml", conference('conferenceEventUrl="/never" mute="true"', "<Redirect redirectUrl='/left'/>"))
    application.on("/events", None)
    application.on("/left", "<Response><Pause duration='9'/></Response>")
    application.on("/asked", "<Response><PlayAudio>/one.wav</PlayAudio></Response>")
    calls = await dial(hubbub_server, phone, TWIML, "alice") | await dial(hubbub_server, phone, BXML, "bob")
    await assert_matrix(calls, {"alice": "", "bob": "a"})
    async with V2(hubbub_server) as v2, Rest(hubbub_server) as v1:
        found = await v2.room()
        path = f"/conferences/{found['id']}"
        members = (await v2.get(path)).body["activeMembers"]
        people = await v1.members("room.1")
        assert [member["mute"] for member in members] == [False, True]
        assert sorted(person["muted"] for person in people) == [False, True]
        assert (await v2.put(f"{path}/members/{members[1]['callId']}", mute=False)).status == 204
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        await application.wait_for("/events", lambda r: r.params["StatusCallbackEvent"] == "participant-unmute")
        await v1.post("/Conferences/room.1/Participants/a.json", Muted="true")
        assert (await v2.get(f"{path}/members/{members[0]['callId']}")).body["mute"] is True
        assert (await v2.post(path, redirectUrl=application.url("/asked"))).status == 204
        asked = await application.wait_for("/asked", kind("conferenceRedirect"))
        assert asked.json["conferenceId"] == found["id"]
        await assert_hears(calls["alice"], {TONE["bob"], ONE}, among=AMONG)
        assert {each["direction"] for each in (await v2.get("/calls")).body} == {"inbound"}
        await v1.post("/Conferences/room.1.json", Status="completed")
        left = await application.wait_for("/left", kind("redirect"))
        assert left.json["callId"] == members[1]["callId"]
        assert (await v2.get(path)).body["completedTime"]
    ended = await application.wait_for("/events", lambda r: r.params["StatusCallbackEvent"] == "conference-end")
    assert ended.params["FriendlyName"] == "room.1"
    assert application.requests("/never") == []


async def test_a_member_is_pulled_out_by_its_call_or_removed(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """ "A single member is removed through the call endpoints"; also by DELETE, and its document goes on."""
    application.on("/bxml", conference(after="<PlayAudio>/other.wav</PlayAudio><Pause duration='20'/>"))
    calls = await dial(hubbub_server, phone, BXML, "alice", "bob", "carol")
    joined = {caller(request): request.json["callId"] for request in application.requests("/bxml")}
    async with V2(hubbub_server) as rest:
        path = f"/conferences/{(await rest.room())['id']}"
        document = f"<Response><PlayAudio>{application.url('/two.wav')}</PlayAudio><Pause duration='20'/></Response>"
        assert (await rest.bxml(f"/calls/{joined['bob']}", document)).status == 204
        await assert_hears(calls["bob"], {TWO}, among=AMONG)
        assert (await rest.delete(f"{path}/members/{joined['carol']}")).status == 204
        await assert_hears(calls["carol"], {OTHER}, among=AMONG)
        assert (await rest.post(f"/calls/{joined['alice']}", state="completed")).status == 200
        await application.wait_for("/conf", kind("conferenceCompleted"))
        exits = [request.json["callId"] for request in application.requests("/conf") if request.json["eventType"] == "conferenceMemberExit"]
        assert exits == [joined["bob"], joined["carol"], joined["alice"]]
