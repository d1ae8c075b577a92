"""hubbub's own REST on a running server: rooms made before anybody comes, callbacks changed live, tokens, upgrades in place."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from tests.support.client import RestError
from tests.support.own import Own
from tests.support.rest import Rest
from tests.support.stage import TONE, PhoneMaker, assert_matrix, by_caller, call_in, event, level_at, room, sid_of, tone_wav

from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
from hubbub.testing import Application, HubbubServer, PhoneCall, assert_hears
from hubbub.testing.fixtures import phones

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
ACCOUNT = {**DEVELOPMENT_ACCOUNT, "room_in_actions": True, "fallback_music": True, "preflight_audio": True}
CONFIG = {"accounts": [ACCOUNT], "dial": {"allow_sip": ["127.0.0.1"], "allow_prefixes": ["+1555"]}}
HOLD = 2951.0
AMONG = (*TONE.values(), HOLD)
Running = tuple[Application, HubbubServer, Rest, Own]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    """One server for all tests of this module: each has rooms, phones and documents of its own."""
    async with Application() as app, HubbubServer(app.url("/voice"), config=CONFIG) as server, Rest(server) as rest, Own(server) as own:
        yield app, server, rest, own


@pytest_asyncio.fixture(loop_scope="module")
async def application(running: Running) -> Application:
    running[0].forget()
    return running[0]


@pytest.fixture
def hubbub_server(running: Running) -> HubbubServer:
    return running[1]


@pytest.fixture
def rest(running: Running) -> Rest:
    return running[2]


@pytest.fixture
def own(running: Running) -> Own:
    return running[3]


@pytest_asyncio.fixture(loop_scope="module")
async def phone() -> AsyncIterator[PhoneMaker]:
    async with phones() as start:
        yield start


async def until(application: Application, path: str, count: int) -> list[dict[str, Any]]:
    """What came to a path, as soon as so much came."""
    async with asyncio.timeout(8):
        while len(application.requests(path)) < count:
            await asyncio.sleep(0.02)
    return [dict(request.params) for request in application.requests(path)]


async def test_a_room_is_made_before_anybody_comes(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest, own: Own
) -> None:
    """P5: "deterministic create endpoint, read-your-writes, CF SID in the action/wait requests"."""
    made = await own.post("/rooms", name="made", status_url=application.url("/made"), status_events="start end join leave")
    assert (made["new"], made["status"], made["size"], made["dialect"]) == (True, "init", 0, "twiml")
    sid = f"CF{made['id']}"
    assert (await rest.get("/Conferences.json", FriendlyName="made"))["conferences"][0]["sid"] == sid, "read at once"
    assert (await rest.get(f"/Conferences/{sid}.json"))["status"] == "init"
    again = await own.post("/rooms", name="made")
    assert (again["new"], again["id"]) == (False, made["id"])
    with pytest.raises(RestError) as refused:
        await own.post("/rooms")
    assert (refused.value.status, refused.value.body["error"]) == (400, "bad-room-parameter")
    application.on("/voice", room('waitUrl="/wait"', 'action="/after"', name=sid).replace('statusCallback="/events"', ""))
    application.on("/wait", "<Response><Pause length='20'/></Response>")
    application.on("/after", "<Response/>")
    calls = await call_in(hubbub_server, phone, "alice")
    waited = await application.wait_for("/wait")
    assert (waited.params["ConferenceSid"], waited.params["FriendlyName"]) == (sid, "made")
    await calls["alice"].press("1")
    await rest.delete(f"/Conferences/{sid}/Participants/{sid_of(application, 'alice')}.json")
    after = await application.wait_for("/after")
    assert after.params["ConferenceSid"] == sid, "told to the action too"
    told = await until(application, "/made", 3)
    assert [each["StatusCallbackEvent"] for each in told] == ["participant-join", "participant-leave", "conference-end"]
    by_vendor = await rest.post("/Conferences.json", FriendlyName="theirs", MaxParticipants="3")
    assert (by_vendor["friendly_name"], by_vendor["status"]) == ("theirs", "init")
    assert (await own.post("/rooms/theirs", status="completed"))["end_reason"] == "requested"
    soon = await own.post("/rooms", name="soon", keep_seconds=1)
    async with asyncio.timeout(5):
        while (await own.get(f"/rooms/{soon['id']}"))["status"] != "completed":
            await asyncio.sleep(0.05)


async def test_rooms_of_one_name(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, own: Own) -> None:
    """P17: "optional namespaces / unique-room mode": the same name, three rooms; the same namespace, one."""
    one, other = await own.post("/rooms", name="sales"), await own.post("/rooms", name="sales", namespace="berlin")
    alone = await own.post("/rooms", name="sales", alone=True)
    assert len({one["id"], other["id"], alone["id"]}) == 3
    assert (await own.post("/rooms", name="sales", namespace="berlin"))["id"] == other["id"]
    assert (await own.get("/rooms/sales"))["id"] == one["id"], "a name is that of the usual namespace"
    assert (await own.get(f"/rooms/{alone['id']}"))["status"] == "init"
    application.on("/voice", room('namespace="berlin" beep="false"', name="sales"))
    await call_in(hubbub_server, phone, "alice")
    async with asyncio.timeout(5):
        while not (await own.get(f"/rooms/{other['id']}/members"))["members"]:
            await asyncio.sleep(0.02)
    assert (await own.get(f"/rooms/{one['id']}/members"))["members"] == []
    application.on("/voice", room('unique="true" beep="false"', name="sales"))
    await call_in(hubbub_server, phone, "bob")
    joined = await application.wait_for("/events", lambda request: request.params.get("CallSid") == sid_of(application, "bob"))
    assert str(joined.params["ConferenceSid"])[2:] not in (one["id"], other["id"], alone["id"])
    for each in (one, other, alone):
        await own.post(f"/rooms/{each['id']}", status="completed")


async def test_who_is_told_is_changed_while_it_goes_on(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest, own: Own
) -> None:
    """P20: "allow it; also change room callbacks live", by the own REST and by a row of the vendor's; P9: ringing and answered apart."""
    application.on("/voice", room('beep="false"', name="told"))
    calls = await call_in(hubbub_server, phone, "alice")
    await application.wait_for("/events", event("participant-join"))
    await own.post("/rooms/told", status_url=application.url("/other"), status_events="ringing answered join leave")
    bob = await phone("bob", auto_answer=False)
    added = await rest.post("/Conferences/told/Participants.json", To=bob.uri, From="+15550001000", EarlyMedia="false")
    ringing = await bob.wait_call()
    ringing.ring()
    told = await until(application, "/other", 1)
    assert (told[0]["StatusCallbackEvent"], told[0]["CallSid"]) == ("participant-ringing", added["call_sid"])
    await asyncio.sleep(0)
    assert len(application.requests("/other")) == 1, "nothing of it says that it has come"
    ringing.answer()
    told = await until(application, "/other", 3)
    assert [each["StatusCallbackEvent"] for each in told[1:3]] == ["participant-answered", "participant-join"]
    assert [int(each["SequenceNumber"]) for each in told[:3]] == [2, 3, 4], "the numbers of the room go on"
    await rest.post("/Conferences/told.json", StatusCallback=application.url("/third"), StatusCallbackEvent="mute")
    member = f"/Conferences/told/Participants/{added['call_sid']}.json"
    await rest.post(member, Muted="true")
    assert (await until(application, "/third", 1))[0]["StatusCallbackEvent"] == "participant-mute"
    await own.post("/rooms/told", status_url="")
    await rest.post(member, Muted="false")
    changed = await own.post(f"/calls/{sid_of(application, 'alice')}", progress_url=application.url("/late"), progress_events="completed")
    assert changed["status"] == "in-progress"
    await calls["alice"].hangup()
    done = await application.wait_for("/late")
    assert (done.params["CallStatus"], done.params["CallSid"]) == ("completed", sid_of(application, "alice"))
    assert len(application.requests("/third")) == 1, "nobody is told any more"
    await own.post("/rooms/told", status="completed")


async def test_a_token_changes_one_call_and_nothing_else(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, own: Own
) -> None:
    """P22: "in-call control tokens": a client holds itself; P27: "scoped tokens (only mute/hold of one participant)"."""
    application.on("/voice", room('beep="false"', name="tokens"))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    sid = sid_of(application, "alice")
    async with asyncio.timeout(5):
        while {one["call"] for one in (await own.get("/rooms/tokens/speakers"))["speakers"] if one["speaking"]} != {
            sid_of(application, name)[2:] for name in calls
        }:
            await asyncio.sleep(0.05)
    grant = await own.post(f"/calls/{sid}/grants", may=["hold", "see"], seconds=60)
    assert (grant["call"], grant["may"]) == (sid[2:], ["hold", "see"])
    async with Own(hubbub_server, grant["token"], "me") as client:
        assert (await client.get("/control"))["held"] is False
        assert (await client.post("/control", held=True))["held"] is True
        await assert_matrix(calls, {"bob": ""})
        assert (await client.post("/control", held=False))["held"] is False
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        for attempt in (
            lambda: client.post("/control", muted=True),
            lambda: client.post("/control", leave=True),
            lambda: client.get("/rooms"),
            lambda: client.post("/rooms/tokens", status="completed"),
            lambda: client.post(f"/rooms/tokens/members/{sid}", held=True),
            lambda: client.post(f"/calls/{sid}/grants", may=["mute"]),
        ):
            with pytest.raises(RestError) as refused:
                await attempt()
            assert refused.value.status == 403
    link = hubbub_server.http_url(f"/hubbub/recordings/{'0' * 32}/link")
    headers = {"Authorization": f"Bearer {grant['token']}"}
    async with aiohttp.ClientSession() as session, session.post(link, headers=headers) as answer:
        assert answer.status == 401, "elsewhere it is nobody's credentials, not even to be told that there is no such recording"
    for token, account, status in ((grant["token"][:-2] + "AA", "me", 401), (grant["token"], "nobody", 403)):
        async with Own(hubbub_server, token, account) as forged:
            with pytest.raises(RestError) as refused:
                await forged.get("/control")
            assert refused.value.status == status
    with pytest.raises(RestError) as refused:
        await own.get("/control")
    assert refused.value.status == 403, "an account's own credentials are no token"
    await own.post("/rooms/tokens", status="completed")
    async with Own(hubbub_server, grant["token"], "me") as client:
        with pytest.raises(RestError) as refused:
            await client.post("/control", held=True)
        assert refused.value.status == 404, "its call is over"


async def test_a_warm_transfer_by_one_request(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest, own: Own
) -> None:
    """P8: "transfer primitive (one call)": the customer is parked, the specialist is called, both consult, the agent leaves: although its
    exit was to end the conference, the customer and the specialist talk on. A specialist who does not come gives the customer back."""
    documents = {"alice": room('beep="false" role="customer"', name="desk"), "bob": room('beep="false" role="moderator"', name="desk")}
    application.on("/voice", by_caller(**documents))
    application.on("/hold", "<Response><Play loop='0'>/hold.wav</Play></Response>")
    application.on("/hold.wav", tone_wav(HOLD))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    customer, agent = sid_of(application, "alice"), sid_of(application, "bob")
    members = {member["call"]: member for member in (await own.get("/rooms/desk/members"))["members"]}
    assert (members[customer[2:]]["start_on_enter"], members[customer[2:]]["end_on_exit"]) == (False, True), "roles are presets of flags"
    assert members[agent[2:]]["end_on_exit"] is True
    busy = await phone("dave", auto_answer=False)
    wanted = {"giver": agent, "hold_url": application.url("/hold")}
    failing = await own.post("/rooms/desk/transfers", to=busy.uri, **wanted)
    assert (failing["state"], failing["parked"]) == ("calling", [customer[2:]])
    await assert_hears(calls["alice"], {HOLD}, among=AMONG)
    with pytest.raises(RestError) as refused:
        await own.post("/rooms/desk/transfers", to=busy.uri, **wanted)
    assert (refused.value.status, refused.value.body["error"]) == (409, "no-transfer")
    (await busy.wait_call()).reject(486)
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    failed = await own.get(f"/rooms/desk/transfers/{failing['id']}")
    assert (failed["state"], failed["reason"]) == ("failed", "the target did not come")
    assert (await own.get(f"/rooms/desk/members/{agent}"))["end_on_exit"] is True, "as it was"
    carol = await phone("carol")
    made = await own.post("/rooms/desk/transfers", to=carol.uri, label="specialist", **wanted)
    calls["carol"] = await carol.wait_call()
    calls["carol"].tone(TONE["carol"])
    await assert_matrix(calls, {"bob": "c", "carol": "b"})
    await assert_hears(calls["alice"], {HOLD}, among=AMONG)
    one = f"/rooms/desk/transfers/{made['id']}"
    assert (await own.get(one))["state"] == "consulting"
    assert (await own.post(one, action="complete"))["state"] == "completed"
    await asyncio.wait_for(calls["bob"].ended.wait(), 5)
    await assert_matrix({name: calls[name] for name in ("alice", "carol")}, {"alice": "c", "carol": "a"})
    assert (await own.get("/rooms/desk/members/specialist"))["end_on_exit"] is False
    assert [each["state"] for each in (await own.get("/rooms/desk/transfers"))["transfers"]] == ["completed", "failed"]
    await calls["alice"].hangup()
    await asyncio.wait_for(calls["carol"].ended.wait(), 5)


async def test_music_when_audio_cannot_be_had(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest, own: Own
) -> None:
    """P11: "failing waitUrl drops callers silently": here they hear the built-in music, and the account is told why; "preflight": a hold
    document that cannot be had is refused before anybody is put on hold."""
    application.on("/voice", room('beep="false" waitUrl="/nothing"', name="music"))
    application.fault("/nothing", status=404)
    calls = await call_in(hubbub_server, phone, "alice")
    await application.wait_for("/nothing")
    async with asyncio.timeout(8):
        while (await calls["alice"].heard(0.5)).level < -45:
            pass
    sid = sid_of(application, "alice")
    assert (await own.get("/rooms/music/members"))["members"][0]["call"] == sid[2:], "it is not taken out"
    notes = (await rest.get(f"/Calls/{sid}/Notifications.json"))["notifications"]
    assert "11200" in [note["error_code"] for note in notes]
    calls |= await call_in(hubbub_server, phone, "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    with pytest.raises(RestError) as refused:
        await own.post(f"/rooms/music/members/{sid}", held=True, hold_url=application.url("/nothing"))
    assert (refused.value.status, "11200" in refused.value.body["message"]) == (400, True)
    with pytest.raises(RestError) as refused:
        await rest.post(f"/Conferences/music/Participants/{sid}.json", Hold="true", HoldUrl=application.url("/nothing"))
    assert (refused.value.status, refused.value.body["code"]) == (400, 16002)
    with pytest.raises(RestError):
        await rest.post("/Conferences/music.json", AnnounceUrl=application.url("/nothing"))
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await own.post("/rooms/music", status="completed")


async def test_documents_are_checked_before_anybody_calls(application: Application, own: Own) -> None:
    """P8, P21: "dry-run lint", "lint endpoint": codes and lines as the vendor has them, advice beside them; nothing is done."""
    application.on("/bad", "<Response>\n<Dial><Conference beep='loud' endConferenceOnExit='true'>a</Conference></Dial></Response>")
    found = (await own.post("/check", url=application.url("/bad"), method="GET"))["findings"]
    assert [(each["level"], each["code"], each["line"]) for each in found] == [("warning", "13235", 2), ("advice", "end-on-exit", 2)]
    (asked,) = application.requests("/bad")
    assert "CallSid" in asked.params, "as for a call"
    assert "X-Twilio-Signature" in asked.headers
    found = (await own.post("/check", document="<Bxml><Conference>a</Conference><Dance/></Bxml>"))["findings"]
    assert [(each["level"], each["code"]) for each in found] == [("error", "invalid-bxml")]
    wrong = await own.post("/check", document="<Response><Gather/></Response>", dialect="twiml", stage="wait")
    assert [each["code"] for each in wrong["findings"]] == ["13238"]
    with pytest.raises(RestError):
        await own.post("/check")


def largest_hole(samples: np.ndarray[Any, Any], frequency: float, rate: int = 8000) -> float:
    """Milliseconds of the longest time for which a tone is 6 dB below its usual level, looked at every 5 ms."""
    window, step = rate // 50, rate // 200
    levels = np.array([level_at(samples[start : start + window], frequency) for start in range(0, len(samples) - window, step)])
    low = levels < np.median(levels) - 6
    longest = run = 0
    for each in low:
        run = run + 1 if each else 0
        longest = max(longest, run)
    return longest * 5.0


@pytest.mark.alone
async def test_a_bridged_call_becomes_a_conference_without_a_gap(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest, own: Own
) -> None:
    """P19: "move leg into a room seamlessly (upgrade in place), continuous recording": no sample of the talk is lost to either ear, no
    second document is asked for, the recording is one file without a hole, and a third can come."""
    bob = await phone("bob")
    recorded = 'record="record-from-answer" recordingStatusCallback="/recorded"'
    application.on("/voice", f"<Response><Dial action='/after' {recorded}><Sip>{bob.uri}</Sip></Dial></Response>")
    application.on("/after", "<Response><Pause length='5'/></Response>")
    alice = await (await phone("alice")).call(hubbub_server.uri("+15550001000"))
    alice.tone(TONE["alice"])
    answered = await bob.wait_call()
    answered.tone(TONE["bob"])
    calls: dict[str, PhoneCall] = {"alice": alice, "bob": answered}
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    marks = {name: call.mark() for name, call in calls.items()}
    await asyncio.sleep(0.4)
    sid = sid_of(application, "alice")
    made = await own.post(f"/calls/{sid}/room", name="upgraded", label="caller", other_label="agent")
    assert made["status"] == "in-progress"
    await asyncio.sleep(0.8)
    for name, other in (("alice", "bob"), ("bob", "alice")):
        heard = await calls[name].since(marks[name])
        assert largest_hole(np.asarray(heard.pcm, float), TONE[other]) == 0, f"{name} never ceased to hear {other}"
        assert heard.clicks() == []
    members = (await own.get("/rooms/upgraded/members"))["members"]
    assert {member["label"]: member["call"] for member in members}["caller"] == sid[2:]
    carol = await phone("carol")
    added = await rest.post("/Conferences/upgraded/Participants.json", To=carol.uri, From="+15550001000", Beep="false")
    calls["carol"] = await carol.wait_call()
    calls["carol"].tone(TONE["carol"])
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
    assert application.requests("/after") == [], "no document was asked for"
    await answered.hangup()
    await assert_matrix(calls, {"alice": "c", "carol": "a"})
    await rest.delete(f"/Conferences/upgraded/Participants/{sid}.json")
    after = await application.wait_for("/after")
    assert (after.params["DialCallStatus"], after.params["DialBridged"]) == ("completed", "true")
    told = await application.wait_for("/recorded")
    data = await rest.media(f"/Recordings/{told.params['RecordingSid']}.wav")
    with wave.open(io.BytesIO(data)) as file:
        rate, pcm = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    begun = int(rate * 0.3)
    both = pcm[begun : begun + int(rate * 1.5)]
    for name in ("alice", "bob"):
        assert largest_hole(both, TONE[name], rate) == 0, f"{name} is in the recording from before the upgrade until after it"
    assert level_at(pcm[-rate // 2 :][: rate // 4], TONE["carol"]) > -40, "and it went on in the conference"
    await rest.post(f"/Calls/{added['call_sid']}.json", Status="completed")
    await alice.hangup()
