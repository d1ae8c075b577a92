"""Races and hostile documents: nobody is left in silence, nothing rings for ever, nothing loops."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.support.client import RestError
from tests.support.rest import Rest
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, assert_matrix, by_caller, call_in, event, room, sid_of, tone_wav
from tests.support.watch import gauge, gauges

from hubbub.testing import Application, HubbubServer, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
running, application, hubbub_server, phone, rest = shared()


@pytest.mark.parametrize("how", ["room ended", "removed", "caller leaves"])
async def test_an_invited_callee_is_not_left_ringing(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest, how: str
) -> None:
    """3.4: "POST /Participants (no document): on room end or kick: hang up": also while it rings; participant_add_failed, canceled."""
    application.on("/voice", room('endConferenceOnExit="true"'))
    before = len((await rest.get("/Conferences.json", PageSize="1000"))["conferences"])
    calls = await call_in(hubbub_server, phone, "alice")
    bob = await phone("bob", auto_answer=False)
    created = await rest.post("/Conferences/standup/Participants.json", To=bob.uri, From="+15550001000", Label="agent")
    ringing = await bob.wait_call()
    if how == "room ended":
        await rest.post("/Conferences/standup.json", Status="completed")
    elif how == "removed":
        await rest.delete("/Conferences/standup/Participants/agent.json")
    else:
        await calls["alice"].hangup()
    await ringing.wait_ended()
    left = await application.wait_for("/events", lambda r: r.params.get("CallSid") == created["call_sid"])
    assert left.params["StatusCallbackEvent"] == "participant-leave"
    assert (left.params["ReasonParticipantLeft"], left.params["ParticipantCallStatus"]) == ("participant_add_failed", "canceled")
    shown = await rest.get(f"/Calls/{created['call_sid']}.json")
    assert shown["status"] == "canceled"
    listed = (await rest.get("/Conferences.json", PageSize="1000"))["conferences"]
    assert len(listed) == before + 1, "no second room was born of the invitation"


async def test_hang_up_at_every_moment(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Hang-up during the document request, the wait document, the join: no call, session or room stays."""
    application.on("/voice", room('waitUrl="/wait" startConferenceOnEnter="false"', dial='action="/after"'))
    application.on("/wait", "<Response><Redirect/></Response>")
    application.on("/after", "<Response/>")
    application.fault("/voice", delay=0.1, times=6)
    alice = await phone("alice")
    for index in range(12):
        call = await alice.call(hubbub_server.uri("+15550001000"))
        if index >= 6:
            await call.wait_answered()
        await asyncio.sleep(0.02 * index)
        await call.hangup()
    for name in ("hubbub_calls", "hubbub_sessions", "hubbub_rooms", "hubbub_media_legs", "hubbub_media_playbacks"):
        await gauge(hubbub_server, name, 0)
    answered = [r for r in application.requests("/after") if r.params["DialCallStatus"] == "answered"]
    assert all(request.params["DialBridged"] == "true" for request in answered)
    assert "task_failed" not in hubbub_server.log
    assert "Traceback" not in hubbub_server.log


async def test_a_document_that_only_redirects_is_paced(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """An empty `<Redirect/>` "= current document": ten at once, then one a second, on the call and beside it."""
    application.on("/voice", by_caller(alice="<Response><Redirect/></Response>", bob=room('waitUrl="/wait"')))
    application.on("/wait", "<Response><Play>/missing.wav</Play><Redirect/></Response>")
    application.on("/missing.wav", (404, "text/plain", "gone"))
    alice, bob = await phone("alice"), await phone("bob")
    first = await alice.call(hubbub_server.uri("+15550001000"))
    second = await bob.call(hubbub_server.uri("+15550001000"))
    await asyncio.sleep(3.0)
    assert 10 <= len(application.requests("/voice")) <= 16
    assert 10 <= len(application.requests("/wait")) <= 14
    await first.hangup()
    await second.hangup()


async def test_two_redirects_in_quick_succession(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """1.9: the Dial action once, answer discarded; the last redirect takes control."""
    application.on("/voice", room(dial='action="/after"'))
    application.on("/after", "<Response><Hangup/></Response>")
    application.fault("/after", delay=0.3)
    application.on("/one", "<Response><Play loop='0'>/one.wav</Play></Response>")
    application.on("/two", "<Response><Play loop='0'>/two.wav</Play></Response>")
    application.on("/one.wav", tone_wav(2951.0))
    application.on("/two.wav", tone_wav(TONE["carol"]))
    calls = await call_in(hubbub_server, phone, "alice")
    sid = sid_of(application, "alice")
    answers = await asyncio.gather(
        *(rest.post(f"/Calls/{sid}.json", Url=application.url(path)) for path in ("/one", "/two")), return_exceptions=True
    )
    assert all(not isinstance(answer, BaseException) for answer in answers)
    await assert_hears(calls["alice"], {TONE["carol"]}, among=(*TONE.values(), 2951.0))
    assert len(application.requests("/after")) == 1
    assert await rest.members("standup") == [] if (await rest.get("/Conferences.json", Status="in-progress"))["conferences"] else True


async def test_rest_ends_a_call_that_is_in_a_room(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """participant_updated_via_api: "REST redirect or hang-up of the call"; updates of a call that is over: 21220."""
    application.on("/voice", room())
    calls = await call_in(hubbub_server, phone, "alice")
    sid = sid_of(application, "alice")
    assert (await rest.post(f"/Calls/{sid}.json", Status="completed"))["status"] == "completed"
    await calls["alice"].wait_ended()
    left = await application.wait_for("/events", event("participant-leave"))
    assert (left.params["ReasonParticipantLeft"], left.params["ParticipantCallStatus"]) == ("participant_updated_via_api", "completed")
    with pytest.raises(RestError) as over:
        await rest.post(f"/Calls/{sid}.json", Url=application.url("/voice"))
    assert (over.value.status, over.value.body["code"]) == (400, 21220)


async def test_announcements_of_bare_audio_play_once_and_end_with_their_listener(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """2.1: announce "MP3, WAV or TwiML"; finished: announcement-end; "announcement-fail: we send it for every failure"."""
    application.on("/voice", room(dial='action="/after"'))
    application.on("/after", "<Response><Pause length='20'/></Response>")
    application.on("/once.wav", tone_wav(2951.0, 0.4))
    application.on("/long.wav", tone_wav(2951.0, 30.0))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await rest.post("/Conferences/standup.json", AnnounceUrl=application.url("/once.wav"))
    done = await application.wait_for("/events", event("announcement-end"))
    assert "CallSid" not in done.params
    await rest.post("/Conferences/standup.json", AnnounceUrl=application.url("/missing.wav"))
    failed = await application.wait_for("/events", event("announcement-fail"))
    assert failed.params["ReasonAnnouncementFailed"]
    bob = f"/Conferences/standup/Participants/{sid_of(application, 'bob')}.json"
    await rest.post(bob, AnnounceUrl=application.url("/long.wav"))
    await assert_hears(calls["bob"], {TONE["alice"], 2951.0}, among=(*TONE.values(), 2951.0))
    await rest.delete(bob)
    failed = await application.wait_for("/events", event("announcement-fail"), count=2)
    assert failed.params["CallSid"] == sid_of(application, "bob")
    assert "Muted" not in failed.params
    await asyncio.sleep(0.3)
    assert (await calls["bob"].heard(0.5)).silent


async def test_hold_speaks_the_dialect_of_whoever_asks(
    application: Application, phone: PhoneMaker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """ "A TwiML caller and a SWML caller can sit in one room": HoldUrl by REST is TwiML for both; a failure leaves the leg in."""
    numbers = [
        {"number": "+1", "account": "dev", "dialect": "twiml", "url": application.url("/twiml")},
        {"number": "+2", "account": "dev", "dialect": "swml", "url": application.url("/swml")},
    ]
    application.on("/twiml", room(name="mixed"))
    application.on("/swml", json.dumps({"sections": {"main": [{"join_conference": "mixed"}]}}))
    application.on("/events", None)
    application.on("/hold", "<Response><Play loop='0'>/hold.wav</Play></Response>")
    application.on("/hold.wav", tone_wav(2951.0))
    async with HubbubServer(config={"numbers": numbers}, folder=tmp_path_factory.mktemp("hubbub")) as server, Rest(server) as rest:
        calls = {}
        for name, number in (("alice", "+1"), ("bob", "+2")):
            calls[name] = await (await phone(name)).call(server.uri(number))
            await calls[name].wait_answered()
            calls[name].tone(TONE[name])
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        bob = next(m["call_sid"] for m in await rest.members("mixed") if m["call_sid"] != sid_of_path(application, "/twiml"))
        await rest.post(f"/Conferences/mixed/Participants/{bob}.json", Hold="true", HoldUrl=application.url("/hold"))
        await assert_hears(calls["bob"], {2951.0}, among=(*TONE.values(), 2951.0))
        application.on("/hold", (500, "text/plain", "no"))
        await rest.post(f"/Conferences/mixed/Participants/{bob}.json", Hold="false")
        await rest.post(f"/Conferences/mixed/Participants/{bob}.json", Hold="true", HoldUrl=application.url("/hold"))
        await application.wait_for("/hold", count=2)
        await asyncio.sleep(0.3)
        assert {n["error_code"] for n in (await rest.get("/Notifications.json"))["notifications"]} >= {"11200"}
        assert len(await rest.members("mixed")) == 2


def sid_of_path(app: Application, path: str, which: int = 0) -> str:
    return str(app.requests(path)[which].params["CallSid"])


async def notified(rest: Rest, call: str) -> set[str]:
    """The codes of a call's notifications, as soon as there are any."""
    for _ in range(50):
        found = (await rest.get(f"/Calls/{call}/Notifications.json"))["notifications"]
        if found:
            break
        await asyncio.sleep(0.05)
    return {item["error_code"] for item in found}


HOSTILE = {
    "deep": ("text/xml", "<Response>" + "<Say>" * 5000, "12100"),
    "large": ("text/xml", "<Response><Say>" + "x" * 70_000 + "</Say></Response>", "11750"),
    "entities": ("text/xml", '<!DOCTYPE r [<!ENTITY a "b">]><Response>&a;</Response>', "12100"),
    "bytes": ("text/xml", bytes(range(256)).decode("latin-1"), "12100"),
    "wrong root": ("text/xml", "<Answer/>", "12102"),
    "no type": ("application/octet-stream", "<Response/>", "12300"),
    "surrogates": ("text/xml", "<Response><Dial><Conference>&#xD800;</Conference></Dial></Response>", "12100"),
}


async def test_hostile_documents_get_their_code_and_end_the_call(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """1.5: 12100, 12102; 1.3: 12300, 11750; "FallbackUrl if configured, else canned apology prompt, then hang up"."""
    application.on("/voice", by_caller(**{key.replace(" ", "_"): "" for key in HOSTILE}))  # type: ignore[arg-type]
    caller = await phone("alice")
    for key, (kind, document, code) in HOSTILE.items():
        application.on("/voice", (200, kind, document))
        call = await caller.call(hubbub_server.uri("+15550001000"))
        await call.wait_answered()
        await call.hangup()
        found = await notified(rest, sid_of_path(application, "/voice", -1))
        assert found == {code}, key
    assert "Traceback" not in hubbub_server.log
    await gauge(hubbub_server, "hubbub_sessions", 0)


async def test_an_application_that_hangs_costs_its_own_call_only(application: Application, phone: PhoneMaker, tmp_path: object) -> None:
    """1.4: `tt` bounds the whole request; 11200; another caller is served meanwhile."""
    slow = {"number": "+1", "account": "dev", "dialect": "twiml", "url": application.url("/slow") + "#tt=1000"}
    quick = {"number": "+2", "account": "dev", "dialect": "twiml", "url": application.url("/voice")}
    application.fault("/slow", hang=True)
    application.on("/voice", room())
    async with HubbubServer(config={"numbers": [slow, quick]}) as server, Rest(server) as rest:
        waiting = await (await phone("alice")).call(server.uri("+1"))
        served = await (await phone("bob")).call(server.uri("+2"))
        await served.wait_answered(timeout=0.9)
        await waiting.wait_answered(timeout=5)  # the apology
        assert await notified(rest, sid_of_path(application, "/slow")) == {"11200"}
        await waiting.hangup()
        application.heal("/slow")


async def test_a_receiver_that_never_answers_is_not_heard(application: Application, phone: PhoneMaker) -> None:
    """Rule: "one slow receiver never delays another lane, nor audio": it has more lanes than places; a room beside it is heard and told."""
    application.on("/voice", room('beep="false"'))
    application.on("/short", "<Response><Pause length='1'/></Response>")
    async with Application() as hung:
        hung.fault("/status", hang=True)
        short = {
            "number": "+1",
            "account": "dev",
            "dialect": "twiml",
            "url": application.url("/short"),
            "status_callback": hung.url("/status"),
        }
        whole = {"number": "+15550001000", "account": "dev", "dialect": "twiml", "url": application.url("/voice")}
        async with HubbubServer(config={"numbers": [short, whole], "sip": {"invites_per_second": 1000}}) as server:
            caller = await phone("dave")
            for _ in range(60):
                call = await caller.call(server.uri("+1"))
                await call.wait_answered()
                await call.hangup()
            await gauge(server, "hubbub_notices_sending", 48)
            await gauge(server, "hubbub_notices_lanes", 60)
            calls = await call_in(server, phone, "alice", "bob")
            await assert_matrix(calls, {"alice": "b", "bob": "a"})
            heard = await calls["alice"].heard(2.0)
            assert heard.hears(TONE["bob"])
            await application.wait_for("/events", event("participant-join"), count=2)
            for call in calls.values():
                await call.hangup()
            await application.wait_for("/events", event("conference-end"))
            assert (await gauges(server))["hubbub_notices_sending"] == 48, "nobody has answered, or was given up, meanwhile"
            hung.heal("/status")


async def test_verbs_by_the_thousand_cost_nobody_else(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Rule: "verbs by the thousand": as many as 64 kB hold, on a running call, again and again; a room beside it hears no hole of it."""
    thousands = "<Response>" + "<Pause length='0'/>" * 3000 + "<Redirect/></Response>"
    assert 50_000 < len(thousands) < 65_536
    application.on("/voice", by_caller(mallory=thousands, other=room('beep="false"')))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    mallory = await (await phone("mallory")).call(hubbub_server.uri("+15550001000"))
    await mallory.wait_answered()
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    heard = await calls["alice"].heard(3.0)
    assert heard.hears(TONE["bob"])
    assert heard.longest_gap < 500
    calls |= await call_in(hubbub_server, phone, "carol")
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"}, within=10)
    asked = [request for request in application.requests("/voice") if "mallory" in str(request.params["From"])]
    assert 1 <= len(asked) <= 60
    await mallory.hangup()
    for call in calls.values():
        await call.hangup()
    await gauge(hubbub_server, "hubbub_sessions", 0)
