"""What goes beyond the vendor, each off unless asked for (section 7), and the switches of an account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.client import RestError
from tests.support.rest import Rest
from tests.support.shared import rest_of, shared
from tests.support.stage import EVENTS, TONE, PhoneMaker, assert_matrix, call_in, event, room, sid_of, tone_wav

from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
from hubbub.testing import Application, HubbubServer, Request, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
SWITCHES: dict[str, dict[str, Any]] = {
    "parties": {"parties_in_events": True},
    "strict": {"strict": True, "waiting_rooms_in_progress": True, "held_keep_end_on_exit": True},
    "endless": {"loop_wait_audio": True},
    "signed": {},
}
"""Accounts that differ from the development account, each in what its test is about."""
FACES = {name: {"sid": f"AC{name.encode().hex():0>32}", "token": 32 * "e"} for name in SWITCHES}
NUMBERS = {name: f"+1555000200{index}" for index, name in enumerate(SWITCHES)}


def config(app: Application) -> dict[str, Any]:
    signed = {"shared_key": "webhooks_sharedkey_1", "shared_key_secret": "very secret"}
    faces = {**FACES, "signed": {**FACES["signed"], **signed}}
    usual = {"dialect": "twiml", "url": app.url("/voice")}
    return {
        "accounts": [DEVELOPMENT_ACCOUNT, *({"name": name, **switches, "twilio": faces[name]} for name, switches in SWITCHES.items())],
        "numbers": [
            *({"number": NUMBERS[name], "account": name, **usual} for name in SWITCHES),
            {"number": "*", "account": "dev", **usual},
        ],
    }


running, application, hubbub_server, phone, rest = shared(config)
parties, strict = rest_of(FACES["parties"]), rest_of(FACES["strict"])
PARTICIPANTS = "/Conferences/standup/Participants.json"
KEYS = EVENTS.replace("announcement", "announcement dtmf")


def about(sid: str) -> Callable[[Request], bool]:
    return lambda request: request.params.get("CallSid") == sid


async def test_a_key_pressed_in_a_room_is_told_and_the_room_ends_when_one_is_left(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, parties: Rest
) -> None:
    """P1: "`dtmf` event"; 4.1: From/To behind a switch; P6: "`endWhenAlone`"; P10: "history kept in REST"."""
    application.on("/voice", room('endConferenceWhenAlone="true"').replace(EVENTS, KEYS))
    calls = await call_in(hubbub_server, phone, "alice", "bob", number=NUMBERS["parties"])
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await calls["alice"].press("5#")
    first = await application.wait_for("/events", event("participant-dtmf"))
    assert (first.params["Digits"], first.params["CallSid"]) == ("5", sid_of(application, "alice"))
    assert str(first.params["From"]).startswith("sip:alice@")
    assert first.params["To"] == NUMBERS["parties"]
    listed = await parties.members("standup")
    conference = listed[0]["conference_sid"]
    await calls["bob"].hangup()
    ended = await application.wait_for("/events", event("conference-end"))
    assert ended.params["ReasonConferenceEnded"] == "last-participant-left"
    assert ended.params["CallSidEndingConference"] == sid_of(application, "bob")
    await asyncio.wait_for(calls["alice"].ended.wait(), 5)
    assert (await parties.get(f"/Conferences/{conference}/Participants.json"))["participants"] == [], (
        "compatible: an ended one lists nobody"
    )
    history = (await parties.get(f"/Conferences/{conference}/Participants.json", History="true"))["participants"]
    assert [(member["call_sid"], member["status"]) for member in history] == [
        (sid_of(application, "bob"), "complete"),
        (sid_of(application, "alice"), "complete"),
    ]


async def test_a_participant_of_rest_goes_on_with_its_exit_action(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """P26: "ExitActionUrl on Participants create"; without it the call is hung up (3.4)."""
    application.on("/voice", room())
    application.on("/exit", "<Response><Pause length='20'/></Response>")
    await call_in(hubbub_server, phone, "alice")
    bob, carol = await phone("bob"), await phone("carol")
    for callee, more in ((bob, {"ExitActionUrl": application.url("/exit")}), (carol, {})):
        made = await rest.post(PARTICIPANTS, To=callee.uri, From="+15550001000", **more)
        joined = await callee.wait_call(10)
        await joined.wait_answered()
        await application.wait_for("/events", about(made["call_sid"]))
        await rest.delete(f"/Conferences/standup/Participants/{made['call_sid']}.json")
        if more:
            asked = await application.wait_for("/exit")
            assert (asked.params["CallSid"], asked.params["DialCallStatus"]) == (made["call_sid"], "answered")
            assert not joined.ended.is_set()
        else:
            await asyncio.wait_for(joined.ended.wait(), 5)


async def test_a_strict_account_is_refused_what_others_are_noted(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, strict: Rest
) -> None:
    """P18: "strict mode 400"; 0.3: compat switch for `in-progress`; P7: "silently not applied while held", as a switch."""
    application.on("/voice", room('startConferenceOnEnter="false"'))
    await call_in(hubbub_server, phone, "alice", "bob", number=NUMBERS["strict"])
    bob = await phone("callee")
    good = {"To": bob.uri, "From": NUMBERS["strict"], "Url": application.url("/voice")}
    for more, code in (
        ({"StatusCallback": application.url("/p"), "StatusCallbackEvent": "hangup"}, 21626),
        ({"Colour": "red"}, 20001),
        ({"Twiml": "<Response/>"}, 32019),
    ):
        with pytest.raises(RestError) as error:
            await strict.post("/Calls.json", **good, **more)
        assert (error.value.status, error.value.body["code"]) == (400, code)
    for change in ({}, {"StatusCallback": application.url("/p")}, {"Status": "completed", "Twiml": "<Response/>"}):
        with pytest.raises(RestError) as error:
            await strict.post(f"/Calls/{sid_of(application, 'alice')}.json", **change)
        assert (error.value.status, error.value.body["code"]) == (400, 20001)
    assert (await strict.get("/Conferences.json"))["conferences"][0]["status"] == "in-progress"
    member = f"/Conferences/standup/Participants/{sid_of(application, 'alice')}.json"
    await strict.post(member, Hold="true")
    assert (await strict.post(member, EndConferenceOnExit="true"))["end_conference_on_exit"] is False
    await strict.post(member, Hold="false")
    assert (await strict.post(member, EndConferenceOnExit="true"))["end_conference_on_exit"] is True


async def test_mistakes_are_noted_and_the_request_goes_on(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """4.3: "Invalid event name: REST still answers 201, logs 21626, and no callback is ever sent"; 0.3: `init` while all wait."""
    application.on("/voice", room('startConferenceOnEnter="false"'))
    callee = await phone("callee")
    fields = {"StatusCallback": application.url("/p"), "StatusCallbackEvent": "hangup"}
    made = await rest.post("/Calls.json", To=callee.uri, From="+15550001000", Url=application.url("/voice"), **fields)
    call = await callee.wait_call(10)
    await call.wait_answered()
    await application.wait_for("/events", event("participant-join"))
    assert (await rest.get("/Conferences.json"))["conferences"][0]["status"] == "init"
    member = f"/Conferences/standup/Participants/{made['sid']}.json"
    alone = {"StatusCallback": application.url("/alone")}
    await rest.post(member, Hold="true")
    assert (await rest.post(member, EndConferenceOnExit="true"))["end_conference_on_exit"] is True, "P7: apply always"
    assert (await rest.post(f"/Calls/{made['sid']}.json", **alone))["status"] == "in-progress", "5.4: one of Url, Twiml, Status is expected"
    await call.hangup()
    await application.wait_for("/events", event("conference-end"))
    notes = (await rest.get(f"/Calls/{made['sid']}/Notifications.json"))["notifications"]
    assert sorted(note["error_code"] for note in notes) == ["20001", "21626"]
    assert application.requests("/p") == []
    assert application.requests("/alone") == [], "5.4: StatusCallback takes effect together with Url only"


async def test_wait_audio_begins_again(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """P11: "auto-loop"; 2.1: "no auto-loop" is the default."""
    application.on("/voice", room('waitUrl="/wait" startConferenceOnEnter="false"'))
    application.on("/wait", "<Response><Pause length='1'/></Response>")
    await call_in(hubbub_server, phone, "alice", number=NUMBERS["endless"])
    for _ in range(100):
        if len(application.requests("/wait")) >= 3:
            break
        await asyncio.sleep(0.1)
    assert len(application.requests("/wait")) >= 3


async def test_webhooks_are_signed_with_a_shared_key(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """6.2: "X-Twilio-Webhooks-Signature-Settings: key=<id>,algorithm=HMAC_SHA256 announces a SharedKey"."""
    from hubbub.webhooks.signatures import hmac_sha256_form

    application.on("/voice", room())
    await call_in(hubbub_server, phone, "alice", number=NUMBERS["signed"])
    asked = await application.wait_for("/voice")
    assert asked.headers["X-Twilio-Webhooks-Signature-Settings"] == "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"
    assert asked.headers["X-Twilio-Signature"] == hmac_sha256_form("very secret", asked.url, list(asked.fields))
    assert asked.headers["I-Twilio-Idempotency-Token"]


async def test_an_announcement_is_watched_and_stopped(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """P23: "unlimited announcements that start at once with progress and stop"; one that is stopped is told as failed, with the reason."""
    application.on("/voice", room())
    application.on("/long", "<Response><Play loop='0'>/tone.wav</Play></Response>")
    application.on("/tone.wav", tone_wav(2951.0))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    made = await rest.post("/Conferences/standup/Announcements.json", AnnounceUrl=application.url("/long"))
    assert (made["sid"][:2], made["call_sid"]) == ("AN", None)
    among = (*TONE.values(), 2951.0)
    await assert_hears(calls["alice"], {TONE["bob"], 2951.0}, among=among)
    own = f"/Conferences/standup/Announcements/{made['sid']}.json"
    assert (await rest.get(own))["seconds"] >= 0.3
    alone = await rest.post(
        "/Conferences/standup/Announcements.json", AnnounceUrl=application.url("/long"), CallSid=sid_of(application, "bob")
    )
    listed = (await rest.get("/Conferences/standup/Announcements.json"))["announcements"]
    assert [one["sid"] for one in listed] == [made["sid"], alone["sid"]]
    await rest.delete(own)
    failed = await application.wait_for("/events", event("announcement-fail"))
    assert failed.params["ReasonAnnouncementFailed"] == "stopped by request"
    await assert_hears(calls["alice"], {TONE["bob"]}, among=among)
    await assert_hears(calls["bob"], {TONE["alice"], 2951.0}, among=among)
    with pytest.raises(RestError):
        await rest.get(own)
