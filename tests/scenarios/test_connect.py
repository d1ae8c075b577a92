"""Bridged calls and queues heard, on one server for all: callers and callees with tones, measured on the audio that each received."""

from __future__ import annotations

import asyncio
import io
import random
import wave
from typing import Any

import numpy as np
import pytest
from tests.support.rest import Rest
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, assert_matrix, caller_of, level_at, tone_wav
from tests.support.watch import gauge, gauges

from hubbub.sip.endpoint import Address
from hubbub.sip.sippy_endpoint import SippyEndpoint
from hubbub.testing import Application, HubbubServer, Phone, PhoneCall, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
AMONG = (*TONE.values(), 2951.0)
ALL = 'statusCallback="/progress" statusCallbackEvent="initiated ringing answered completed"'
CONFIG = {
    "phones": [{"username": "carol", "password": "secret", "account": "dev"}],
    "dial": {"allow_sip": ["127.0.0.1"], "allow_prefixes": ["+1555"]},
}


running, application, hubbub_server, phone, rest = shared(CONFIG, answers={"/after": "<Response/>"})


def dial(nouns: str, attributes: str = 'action="/after"', then: str = "") -> str:
    return f"<Response><Dial {attributes}>{nouns}</Dial>{then}</Response>"


def sip(phone: Phone, attributes: str = "") -> str:
    return f"<Sip {attributes}>{phone.uri}</Sip>"


async def call(server: HubbubServer, phone: PhoneMaker, name: str = "alice") -> PhoneCall:
    caller = await phone(name)
    made = await caller.call(server.uri("+15550001000"))
    made_tone(made, name)
    return made


def made_tone(call: PhoneCall, name: str) -> None:
    call.tone(TONE[name])


async def talk(calls: dict[str, PhoneCall]) -> None:
    """Both hear each other, and nobody else."""
    first, second = calls
    await assert_matrix(calls, {first: second[0], second: first[0]})


async def after(application: Application, path: str = "/after") -> tuple[Any, ...]:
    params = (await application.wait_for(path)).params
    return params["DialCallStatus"], params["DialBridged"], params.get("DialCallDuration")


async def test_a_dialled_callee_talks_with_the_caller(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """1.9: DialCallStatus completed, DialCallSid, DialCallDuration, DialBridged; the answer takes over; children have a ParentCallSid."""
    bob = await phone("bob")
    application.on("/voice", dial(sip(bob, ALL), 'action="/after" callerId="+15550009999"'))
    application.on("/after", "<Response><Play>/next.wav</Play><Pause length='10'/></Response>")
    application.on("/next.wav", tone_wav(2951.0))
    alice = await call(hubbub_server, phone)
    answered = await bob.wait_call()
    assert answered.caller == "+15550009999"
    answered.tone(TONE["bob"])
    await talk({"alice": alice, "bob": answered})
    await alice.press("42")
    await answered.wait_digits("42")
    await answered.hangup()
    params = (await application.wait_for("/after")).params
    assert (params["DialCallStatus"], params["DialBridged"], params["CallStatus"]) == ("completed", "true", "in-progress")
    assert int(params["DialCallDuration"]) >= 1
    assert (params["DialSipResponseCode"], params["DialSipCallId"]) == ("200", answered.sip.id)
    await assert_hears(alice, {2951.0}, among=AMONG)
    child = await rest.get(f"/Calls/{params['DialCallSid']}.json")
    assert (child["parent_call_sid"], child["direction"], child["status"]) == (params["CallSid"], "outbound-dial", "completed")
    told = application.requests("/progress")
    assert [request.params["CallStatus"] for request in told] == ["initiated", "ringing", "in-progress", "completed"]
    assert {request.params["ParentCallSid"] for request in told} == {params["CallSid"]}
    assert {request.params["CallSid"] for request in told} == {params["DialCallSid"]}


async def test_the_first_who_answers_wins_and_the_others_are_called_off(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """1.8: "<=10 parallel; first answer wins"; the caller hears ringing until then, and goes to the next verb without an action."""
    bob, carol = await phone("bob", auto_answer=False), await phone("carol", auto_answer=False)
    application.on("/voice", dial(sip(bob) + sip(carol, ALL), "ringTone='de'", "<Play>/next.wav</Play><Pause length='5'/>"))
    application.on("/next.wav", tone_wav(2951.0))
    alice = await call(hubbub_server, phone)
    ringing, late = await bob.wait_call(), await carol.wait_call()
    ringing.ring()
    late.ring()
    await assert_hears(alice, {425.0}, among=(425.0, 440.0, 480.0))
    ringing.answer()
    ringing.tone(TONE["bob"])
    end = await late.wait_ended()
    assert (end.code, end.answered) == (487, False)
    await talk({"alice": alice, "bob": ringing})
    assert not (await alice.heard(0.5)).hears(425.0)
    lost = await application.wait_for("/progress", lambda request: request.params["CallStatus"] == "canceled")
    assert lost.params["Direction"] == "outbound-dial"
    await ringing.hangup()
    await assert_hears(alice, {2951.0}, among=AMONG)


async def test_sequential_calls_one_after_the_other(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.7 sequential: busy, then no answer within the timeout (+5 s buffer), then one who answers."""
    bob, carol, dave = await phone("bob", auto_answer=False), await phone("carol", auto_answer=False), await phone("dave")
    application.on("/voice", dial(sip(bob) + sip(carol) + sip(dave), 'sequential="true" timeout="5" action="/after"'))
    alice = await call(hubbub_server, phone)
    (await bob.wait_call()).reject(486)
    silent = await carol.wait_call()
    assert not dave.calls
    silent.ring()
    began = asyncio.get_running_loop().time()
    answered = await dave.wait_call(20)
    assert 9.0 < asyncio.get_running_loop().time() - began < 14.0
    answered.tone(TONE["dave"])
    await talk({"alice": alice, "dave": answered})
    await alice.hangup()
    await answered.wait_ended()
    assert (await after(application))[:2] == ("completed", "true")


@pytest.mark.parametrize(("code", "status"), [(486, "busy"), (480, "no-answer"), (503, "failed")])
async def test_who_does_not_answer(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, code: int, status: str
) -> None:
    """1.9 DialCallStatus busy, no-answer, failed; answerOnBridge: "rings caller until answer": nobody was, so it is not answered."""
    bob = await phone("bob", auto_answer=False)
    application.on("/voice", dial(sip(bob), 'answerOnBridge="true" action="/after"'))
    application.on("/after", "<Response><Reject reason='busy'/></Response>")
    alice = await call(hubbub_server, phone)
    (await bob.wait_call()).reject(code)
    assert await after(application) == (status, "false", None)
    assert (await alice.wait_ended()).code == 486
    assert not alice.answered.is_set()


async def test_what_may_not_be_dialled_fails(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """Law 5: nothing is dialled unless configuration allows it: DialCallStatus=failed, and the account is told."""
    application.on("/voice", dial("<Sip>sip:x@192.0.2.1</Sip><Number>+442071838750</Number><Client>nobody</Client>"))
    await call(hubbub_server, phone)
    params = (await application.wait_for("/after")).params
    assert (params["DialCallStatus"], params["DialBridged"], "DialCallSid" in params) == ("failed", "false", False)
    told = (await rest.get(f"/Calls/{params['CallSid']}/Notifications.json"))["notifications"]
    assert sorted(item["error_code"] for item in told) == ["13224", "13225", "13225"]


async def test_a_callee_is_asked_before_it_is_connected(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.8: "`url` document runs on the callee before bridging": it presses a key to take the call; the caller hears ringing."""
    bob = await phone("bob")
    application.on("/voice", dial(sip(bob, 'url="/whisper"')))
    application.on("/whisper", "<Response><Gather numDigits='1' action='/pressed'><Play>/ask.wav</Play></Gather><Hangup/></Response>")
    application.on("/ask.wav", tone_wav(2951.0, 6.0))
    application.on("/pressed", lambda request: f"<Response>{'' if request.params['Digits'] == '1' else '<Hangup/>'}</Response>")
    alice = await call(hubbub_server, phone)
    answered = await bob.wait_call()
    answered.tone(TONE["bob"])
    await assert_hears(answered, {2951.0}, among=AMONG)
    heard = await alice.heard(0.5)
    assert not heard.hears(2951.0)
    assert not heard.hears(TONE["bob"])
    whisper = (await application.wait_for("/whisper")).params
    assert (whisper["Direction"], whisper["CallStatus"]) == ("outbound-dial", "in-progress")
    assert whisper["ParentCallSid"] == (await application.wait_for("/voice")).params["CallSid"]
    await answered.press("1")
    await talk({"alice": alice, "bob": answered})
    await answered.hangup()
    assert (await after(application))[0] == "completed"


async def test_a_callee_that_is_dropped_was_never_connected(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """1.8: its Hangup drops the callee; 13201: "Dial inside a callee `url` document: document fails"."""
    bob, carol = await phone("bob"), await phone("carol")
    nouns = sip(bob, 'url="/no"') + sip(carol, 'url="/dial"')
    application.on("/voice", dial(nouns, 'sequential="true" action="/after"'))
    application.on("/no", "<Response><Hangup/></Response>")
    application.on("/dial", "<Response><Dial>+15550001000</Dial></Response>")
    await call(hubbub_server, phone)
    await (await bob.wait_call()).wait_ended()
    await (await carol.wait_call()).wait_ended()
    params = (await application.wait_for("/after")).params
    assert (params["DialCallStatus"], params["DialBridged"]) == ("no-answer", "false")
    told = (await rest.get(f"/Calls/{params['DialCallSid']}/Notifications.json"))["notifications"]
    assert [item["error_code"] for item in told] == ["13201"]


async def test_star_and_time_limit_end_the_bridge(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.7 hangupOnStar, timeLimit: the callee is hung up, the caller goes on."""
    bob = await phone("bob")
    documents = iter(
        [
            dial(sip(bob), 'hangupOnStar="true" action="/after"'),
            dial(sip(bob), 'timeLimit="2" action="/limit"', ""),
        ]
    )
    application.on("/voice", lambda request: next(documents))
    application.on("/after", "<Response><Redirect>/voice</Redirect></Response>")
    application.on("/limit", "<Response><Play>/next.wav</Play></Response>")
    application.on("/next.wav", tone_wav(2951.0))
    alice = await call(hubbub_server, phone)
    first = await bob.wait_call()
    first.tone(TONE["bob"])
    await talk({"alice": alice, "bob": first})
    await alice.press("*")
    await first.wait_ended()
    assert (await after(application))[:2] == ("completed", "true")
    second = await bob.wait_call()
    second.tone(TONE["bob"])
    await talk({"alice": alice, "bob": second})
    await second.wait_ended()
    assert (await after(application, "/limit"))[:2] == ("completed", "true")
    await assert_hears(alice, {2951.0}, among=AMONG)
    await alice.wait_ended()


async def test_redirecting_a_bridged_caller(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """1.9 [L S14]: "first the Dial `action` (DialCallStatus=completed, answer discarded), then the new URL, which takes control"."""
    bob = await phone("bob")
    application.on("/voice", dial(sip(bob)))
    application.on("/after", "<Response><Hangup/></Response>")
    application.on("/new", "<Response><Play loop='0'>/next.wav</Play></Response>")
    application.on("/next.wav", tone_wav(2951.0))
    alice = await call(hubbub_server, phone)
    answered = await bob.wait_call()
    answered.tone(TONE["bob"])
    await talk({"alice": alice, "bob": answered})
    sid = (await application.wait_for("/voice")).params["CallSid"]
    await rest.post(f"/Calls/{sid}.json", Url=application.url("/new"))
    await answered.wait_ended()
    await assert_hears(alice, {2951.0}, among=AMONG)
    order = [request.path for request in application.requests() if request.path in ("/after", "/new")]
    assert order == ["/after", "/new"]
    assert (await after(application))[0] == "completed"


async def test_redirecting_a_bridged_callee(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """The callee goes on with its new document, the caller with its own."""
    bob = await phone("bob")
    application.on("/voice", dial(sip(bob)))
    application.on("/after", "<Response><Play loop='0'>/after.wav</Play></Response>")
    application.on("/after.wav", tone_wav(2951.0))
    application.on("/new", "<Response><Play loop='0'>/new.wav</Play></Response>")
    application.on("/new.wav", tone_wav(2113.0))
    alice = await call(hubbub_server, phone)
    answered = await bob.wait_call()
    answered.tone(TONE["bob"])
    await talk({"alice": alice, "bob": answered})
    sid = (await application.wait_for("/voice")).params["CallSid"]
    child = (await rest.get("/Calls.json", ParentCallSid=sid))["calls"][0]["sid"]
    await rest.post(f"/Calls/{child}.json", Url=application.url("/new"))
    among = (*TONE.values(), 2951.0, 2113.0)
    await assert_hears(answered, {2113.0}, among=among)
    await assert_hears(alice, {2951.0}, among=among)
    assert (await after(application))[:2] == ("completed", "true")


async def test_a_registered_phone_with_parameters_and_a_callee_with_credentials(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """1.8: Client: Identity, Parameter; Sip: "URI query -> custom headers"."""
    carol = await phone("carol", username="carol", password="secret")
    await carol.register(hubbub_server.sip)
    application.on(
        "/voice",
        dial("<Client><Identity>carol</Identity><Parameter name='order' value='42'/></Client>", then="<Say>bye</Say>"),
    )
    alice = await call(hubbub_server, phone)
    answered = await carol.wait_call()
    assert answered.headers["X-order"] == "42"
    answered.tone(TONE["carol"])
    await talk({"alice": alice, "carol": answered})
    await answered.hangup()
    assert (await after(application))[0] == "completed"
    bob = await phone("bob")
    application.on("/voice", dial(f"<Sip username='u' password='p'>{bob.uri}?x-shape=round&amp;X-Size=7</Sip>"))
    await call(hubbub_server, phone, "dave")
    answered = await bob.wait_call()
    assert {name.lower(): value for name, value in answered.headers.items()} == {"x-shape": "round", "x-size": "7"}


async def test_early_media_is_heard_and_the_caller_is_answered_on_the_bridge(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """What the far end says before it answers is heard instead of ringing; with answerOnBridge the caller rings until the answer."""
    bob = await phone("bob", auto_answer=False)
    application.on("/voice", lambda request: dial(sip(bob), f'answerOnBridge="{"true" if caller_of(request) == "dave" else "false"}"'))
    alice = await call(hubbub_server, phone)
    early = await bob.wait_call()
    early.ring(early_media=True)
    early.tone(TONE["bob"])
    await assert_hears(alice, {TONE["bob"]}, among=(*TONE.values(), 440.0))
    early.answer()
    await talk({"alice": alice, "bob": early})
    await early.hangup()
    dave = await call(hubbub_server, phone, "dave")
    ringing = await bob.wait_call()
    ringing.ring()
    await asyncio.sleep(0.5)
    assert not dave.answered.is_set()
    ringing.answer()
    ringing.tone(TONE["bob"])
    await dave.wait_answered()
    await talk({"dave": dave, "bob": ringing})


async def test_a_caller_who_gives_up_while_it_rings(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.9: "If the leg itself hung up, the action is still requested": canceled, and the callee stops ringing."""
    bob = await phone("bob", auto_answer=False)
    application.on("/voice", dial(sip(bob)))
    alice = await call(hubbub_server, phone)
    ringing = await bob.wait_call()
    ringing.ring()
    await alice.hangup()
    assert not (await ringing.wait_ended()).answered
    assert await after(application) == ("canceled", "false", None)


async def test_a_dial_is_recorded_with_both_sides_apart(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """1.7 record: `record-from-answer-dual`: the caller in channel 1, what it hears in channel 2; RecordingUrl in the action (1.9)."""
    bob = await phone("bob")
    record = 'record="record-from-answer-dual" recordingStatusCallback="/recorded"'
    application.on("/voice", dial(sip(bob), f'{record} action="/after"'))
    alice = await call(hubbub_server, phone)
    answered = await bob.wait_call()
    answered.tone(TONE["bob"])
    await talk({"alice": alice, "bob": answered})
    await answered.hangup()
    asked = (await application.wait_for("/after")).params
    told = (await application.wait_for("/recorded")).params
    assert (told["RecordingSource"], told["RecordingChannels"], told["CallSid"]) == ("DialVerb", "2", asked["CallSid"])
    assert asked["RecordingUrl"] == told["RecordingUrl"]
    content = await rest.media(f"/Recordings/{told['RecordingSid']}.wav?RequestedChannels=2")
    with wave.open(io.BytesIO(content)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    for channel, (own, other) in enumerate((("alice", "bob"), ("bob", "alice"))):
        assert level_at(middle[:, channel], TONE[own]) > level_at(middle[:, channel], TONE[other]) + 20


async def test_a_callee_that_refers_the_caller(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """1.7 referUrl: "SIP REFER from callee, adds ReferTransferTarget"; without it a REFER is refused."""
    bob = await phone("bob")
    application.on("/voice", dial(sip(bob), 'referUrl="/refer" action="/after"'))
    application.on("/refer", "<Response><Play loop='0'>/next.wav</Play></Response>")
    application.on("/next.wav", tone_wav(2951.0))
    alice = await call(hubbub_server, phone)
    answered = await bob.wait_call()
    answered.tone(TONE["bob"])
    await talk({"alice": alice, "bob": answered})
    assert await answered.sip.refer("sip:elsewhere@127.0.0.1") == 202
    asked = (await application.wait_for("/refer")).params
    assert (asked["ReferTransferTarget"], asked["DialCallStatus"]) == ("sip:elsewhere@127.0.0.1", "completed")
    await answered.wait_ended()
    await assert_hears(alice, {2951.0}, among=AMONG)
    assert application.requests("/after") == []
    application.on("/voice", dial(sip(bob)))
    dave = await call(hubbub_server, phone, "dave")
    answered = await bob.wait_call()
    answered.tone(TONE["bob"])
    await talk({"dave": dave, "bob": answered})
    assert await answered.sip.refer("sip:elsewhere@127.0.0.1") == 603
    await talk({"dave": dave, "bob": answered})
    sid = next(request.params["CallSid"] for request in application.requests("/voice") if caller_of(request) == "dave")
    notes = (await rest.get(f"/Calls/{sid}/Notifications.json"))["notifications"]
    assert [note["error_code"] for note in notes] == ["13802"]


class Guarded(Phone):
    """A phone that wants credentials from whoever calls it."""

    async def _open(self, address: Address) -> None:
        self._endpoint = SippyEndpoint(address, trust=(), phones={"trunk": "sesame"})
        self._endpoint.on_invite = self._on_invite
        await self._endpoint.start()
        self._running = True


async def test_a_callee_that_wants_credentials(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.8 Sip: username, password (RFC 8760 digest); without them the dial fails."""
    async with Guarded("bob") as bob:
        application.on("/voice", dial(sip(bob, "username='trunk' password='sesame'"), 'callerId="sip:trunk@127.0.0.1" action="/after"'))
        alice = await call(hubbub_server, phone)
        answered = await bob.wait_call()
        answered.tone(TONE["bob"])
        await talk({"alice": alice, "bob": answered})
        await answered.hangup()
        assert (await after(application))[0] == "completed"
        application.forget()
        application.on("/voice", dial(sip(bob)))
        await call(hubbub_server, phone)
        assert await after(application) == ("failed", "false", None)


# -- queues ----------------------------------------------------------------------------------------------------


def enqueue(attributes: str = "", then: str = "") -> str:
    return f"<Response><Enqueue {attributes}>support</Enqueue>{then}</Response>"


async def test_who_waits_in_a_queue_is_taken_in_order(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.6 Enqueue: waitUrl documents; action params QueueResult, QueueSid, QueueTime. 1.8 Queue: the first in line is connected."""
    application.on("/wait", "<Response><Play>/wait.wav</Play></Response>")
    application.on("/wait.wav", tone_wav(2951.0))
    application.on("/hello", "<Response><Play>/hello.wav</Play></Response>")
    application.on("/hello.wav", tone_wav(2113.0, 3.0))
    application.on("/gone", "<Response><Play loop='0'>/wait.wav</Play></Response>")
    application.on("/voice", enqueue('waitUrl="/wait" action="/gone"'))
    alice = await call(hubbub_server, phone, "alice")
    await alice.wait_answered()
    await assert_hears(alice, {2951.0}, among=AMONG)
    bob = await call(hubbub_server, phone, "bob")
    await application.wait_for("/wait", lambda request: caller_of(request) == "bob")
    waits = {caller_of(request): request.params for request in application.requests("/wait")}
    assert [(waits[name]["QueuePosition"], waits[name]["CurrentQueueSize"]) for name in ("alice", "bob")][1] == ("2", "2")
    assert waits["alice"]["QueueSid"].startswith("QU")
    assert int(waits["bob"]["AvgQueueTime"]) >= 0
    application.on("/voice", dial("<Queue url='/hello'>support</Queue>"))
    agent = await call(hubbub_server, phone, "dave")
    await assert_hears(alice, {2113.0}, among=(*AMONG, 2113.0))
    await talk({"alice": alice, "dave": agent})
    await assert_hears(bob, {2951.0}, among=AMONG)
    await agent.hangup()
    gone = (await application.wait_for("/gone")).params
    assert (gone["QueueResult"], gone["QueueSid"], caller_of(application.requests("/gone")[0])) == (
        "bridged",
        waits["alice"]["QueueSid"],
        "alice",
    )
    params = (await application.wait_for("/after")).params
    assert (params["DialCallStatus"], params["DialCallSid"]) == ("completed", gone["CallSid"])
    await bob.hangup()
    left = await application.wait_for("/gone", count=2)
    assert left.params["QueueResult"] == "hangup"
    await alice.hangup()


async def test_leaving_a_queue_and_waiting_for_somebody_to_come(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """1.6 Leave: only inside an Enqueue wait document; "If the queue is empty, Dial will wait until the next person joins"."""
    application.on("/wait", "<Response><Gather numDigits='1' action='/key'><Play loop='0'>/wait.wav</Play></Gather></Response>")
    application.on("/wait.wav", tone_wav(2951.0))
    application.on("/key", "<Response><Leave/></Response>")
    application.on("/next.wav", tone_wav(2113.0))
    document = enqueue('waitUrl="/wait"', "<Play loop='0'>/next.wav</Play>")
    application.on("/voice", document)
    alice = await call(hubbub_server, phone, "alice")
    await assert_hears(alice, {2951.0}, among=AMONG)
    await alice.press("1")
    await assert_hears(alice, {2113.0}, among=(*AMONG, 2113.0))
    assert "QueuePosition" in (await application.wait_for("/key")).params
    application.on("/voice", dial("<Queue>support</Queue>"))
    agent = await call(hubbub_server, phone, "dave")
    await assert_hears(agent, {440.0, 480.0}, among=(440.0, 480.0, 2951.0))
    application.on("/voice", document)
    bob = await call(hubbub_server, phone, "bob")
    await talk({"bob": bob, "dave": agent})
    await bob.hangup()
    assert (await after(application))[:2] == ("completed", "true")


async def test_full_and_unknown_queues(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """QueueResult queue-full; "If the queue does not exist, Dial will post an error status to its action URL"."""
    application.on("/voice", "<Response><Enqueue maxQueueSize='1' waitUrl='' action='/gone'>tiny</Enqueue></Response>")
    application.on("/gone", None)
    alice = await call(hubbub_server, phone, "alice")
    await alice.wait_answered()
    await asyncio.sleep(0.3)
    bob = await call(hubbub_server, phone, "bob")
    gone = await application.wait_for("/gone")
    assert (gone.params["QueueResult"], caller_of(gone)) == ("queue-full", "bob")
    await bob.hangup()
    application.on("/voice", dial("<Queue>nowhere</Queue>"))
    await call(hubbub_server, phone, "dave")
    assert await after(application) == ("failed", "false", None)


# -- races -----------------------------------------------------------------------------------------------------


async def test_nothing_is_left_of_calls_that_end_at_any_moment(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """Whoever hangs up, and whenever: no call, session, leg, mix, player or task stays behind, and nothing is reported as a bug."""
    await gauge(hubbub_server, "hubbub_calls", 0.0)
    before = await gauges(hubbub_server)
    bob, carol = await phone("bob", auto_answer=False), await phone("carol")
    application.on("/wait.wav", tone_wav(2951.0))
    application.on("/whisper", "<Response><Play>/wait.wav</Play></Response>")
    nouns = sip(bob) + sip(carol, 'url="/whisper"')
    documents = [dial(nouns), dial(nouns, 'sequential="true" timeout="5"'), enqueue(), dial("<Queue>support</Queue>"), dial(sip(carol))]
    chance = random.Random(7)

    async def one(number: int) -> None:
        await asyncio.sleep(chance.random() * 2)
        made = await call(hubbub_server, phone, chance.choice(("alice", "dave")))
        await asyncio.sleep(chance.random() * 1.5)
        if bob.calls and not bob.calls[-1].ended.is_set():
            chance.choice((bob.calls[-1].answer, bob.calls[-1].reject, lambda: None))()
        if carol.calls and number % 3 == 0:
            carol.calls[-1].sip.hangup()
        await asyncio.sleep(chance.random())
        made.sip.hangup()

    application.on("/voice", lambda request: chance.choice(documents))
    await asyncio.gather(*(one(number) for number in range(30)))
    for made in (*bob.calls, *carol.calls):
        made.sip.hangup()
    for name in ("calls", "sessions", "media_legs", "media_mixes", "media_playbacks"):
        await gauge(hubbub_server, f"hubbub_{name}" if f"hubbub_{name}" in before else name, 0.0)
    tasks = next(name for name in before if name.endswith("tasks"))
    await gauge(hubbub_server, tasks, before[tasks], timeout=15.0)
    bugs = [line for line in hubbub_server.log.splitlines() if "Traceback" in line or '"task_failed"' in line or "internal error" in line]
    assert bugs == []
