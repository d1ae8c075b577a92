"""Transfer, Bridge, Forward, Refer and Connect heard, with their webhooks in order."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, assert_matrix, tone_wav
from tests.support.v2 import V2

from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
from hubbub.testing import Application, HubbubServer, PhoneCall, Request, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
AMONG = (*TONE.values(), 2951.0)
NUMBER, SMALL = "+15550001002", "+15550001004"


def config(application: Application) -> dict[str, Any]:
    number = {
        "number": "*",
        "account": "dev",
        "dialect": "bxml",
        "url": application.url("/initiate"),
        "status_callback": application.url("/over"),
    }
    phones = [{"username": "desk", "password": "secret", "account": "dev"}]
    face = {"username": "small", "password": "p", "application": "00000000-0000-4000-8000-000000000003", "account": "9900002"}
    small = {"name": "small", "bandwidth": {**face, "concurrent_calls": "1"}}
    return {
        "accounts": [DEVELOPMENT_ACCOUNT, small],
        "numbers": [{**number, "number": SMALL, "account": "small"}, number],
        "phones": phones,
    }


running, application, hubbub_server, phone, rest = shared(config, answers={"/next.wav": tone_wav(2951.0)})


async def call(server: HubbubServer, phone: PhoneMaker, name: str) -> PhoneCall:
    made = await (await phone(name)).call(server.uri(NUMBER))
    made.tone(TONE[name])
    return made


async def talk(calls: dict[str, PhoneCall]) -> None:
    first, second = calls
    await assert_matrix(calls, {first: second[0], second: first[0]})


def of(request: Request, *names: str) -> tuple[Any, ...]:
    return tuple(request.json.get(name) for name in names)


async def test_a_transfer_and_its_webhooks(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """3 Transfer: "simultaneous ring, first answer wins"; "the answer document runs on the B-leg before bridging"; an unanswered
    caller goes on ringing; transferDisconnect of the B-leg, then the A-leg goes on with what transferComplete answers."""
    bob, carol = await phone("bob"), await phone("carol", auto_answer=False)
    first = f"<SipUri transferAnswerUrl='/answer' transferDisconnectUrl='/gone' tag='b-leg' uui='abc'>{bob.uri}</SipUri>"
    uris = f"{first}<SipUri>{carol.uri}</SipUri>"
    application.on(
        "/initiate",
        f"<Response><Transfer transferCallerId='+15550009999' transferCallerDisplayName='Desk' transferCompleteUrl='/complete' tag='a-leg'>"
        f"{uris}</Transfer></Response>",
    )
    application.on("/answer", "<Response><Pause duration='1.5'/></Response>")
    application.on("/complete", "<Response><PlayAudio>/next.wav</PlayAudio><PlayAudio>/next.wav</PlayAudio></Response>")
    alice = await call(hubbub_server, phone, "alice")
    answered = await bob.wait_call()
    assert (answered.caller, answered.sip.from_display) == ("+15550009999", "Desk")
    assert not alice.answered.is_set()
    answered.tone(TONE["bob"])
    assert (await (await carol.wait_call()).wait_ended()).code == 487
    await alice.wait_answered()
    await talk({"alice": alice, "bob": answered})
    await answered.hangup()
    complete = await application.wait_for("/complete")
    await assert_hears(alice, {2951.0}, among=AMONG)
    parent = (await application.wait_for("/initiate")).json["callId"]
    asked = application.requests("/answer")[0]
    assert of(asked, "eventType", "direction", "parentCallId", "transferCallerId", "transferTo", "tag") == (
        *("transferAnswer", "outbound", parent, "+15550009999"),
        *(bob.uri, "b-leg"),
    )
    assert of(complete, "eventType", "callId", "transferTo", "cause", "tag") == ("transferComplete", parent, bob.uri, "hangup", "a-leg")
    gone = await application.wait_for("/gone")
    assert of(gone, "eventType", "callId", "parentCallId", "cause") == ("transferDisconnect", asked.json["callId"], parent, "hangup")


async def test_a_transfer_that_nobody_takes(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """5.3 transferComplete adds `cause`; execution of the new document goes on."""
    bob = await phone("bob", auto_answer=False)
    application.on("/initiate", f"<Response><Transfer transferCompleteUrl='/complete'><SipUri>{bob.uri}</SipUri></Transfer></Response>")
    application.on("/complete", "<Response><PlayAudio>/next.wav</PlayAudio></Response>")
    alice = await call(hubbub_server, phone, "alice")
    ringing = await bob.wait_call()
    assert ringing.caller == "alice"
    ringing.reject(486)
    assert (await application.wait_for("/complete")).json["cause"] == "busy"
    await assert_hears(alice, {2951.0}, among=AMONG)


async def test_a_bridge_takes_its_target_from_what_it_does(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """3 Bridge: "aborts whatever the target was executing (so a member is pulled out of its room)"; with its own URL the target goes on."""
    application.on("/initiate", "<Response><Conference>room</Conference></Response>")
    bob = await call(hubbub_server, phone, "bob")
    await bob.wait_answered()
    target = (await application.wait_for("/initiate")).json["callId"]
    attributes = "bridgeCompleteUrl='/complete' bridgeTargetCompleteUrl='/target'"
    application.on("/initiate", f"<Response><Bridge {attributes}>{target}</Bridge></Response>")
    application.on("/target", "<Response><PlayAudio>/next.wav</PlayAudio><PlayAudio>/next.wav</PlayAudio></Response>")
    alice = await call(hubbub_server, phone, "alice")
    await alice.wait_answered()
    await talk({"alice": alice, "bob": bob})
    await alice.hangup()
    after = await application.wait_for("/target")
    assert of(after, "eventType", "callId") == ("bridgeTargetComplete", target)
    await assert_hears(bob, {2951.0}, among=AMONG)
    await bob.hangup()
    application.on("/initiate", f"<Response><Bridge {attributes}>{target}</Bridge></Response>")
    await call(hubbub_server, phone, "dave")
    assert of(await application.wait_for("/complete"), "eventType", "cause") == ("bridgeComplete", "unknown")


async def test_a_bridge_whose_target_hangs_up(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Without a target-complete URL the target is hung up after; when the target hangs up the caller goes on."""
    calls: list[str] = []

    def initiate(request: Request) -> str:
        calls.append(request.json["callId"])
        bridge = f"<Bridge bridgeCompleteUrl='/complete'>{calls[0]}</Bridge>"
        return "<Response>" + ("<Pause duration='60'/>" if len(calls) == 1 else bridge) + "</Response>"

    application.on("/initiate", initiate)
    application.on("/complete", "<Response><PlayAudio>/next.wav</PlayAudio></Response>")
    bob = await call(hubbub_server, phone, "bob")
    await bob.wait_answered()
    alice = await call(hubbub_server, phone, "alice")
    await talk({"alice": alice, "bob": bob})
    await bob.hangup()
    assert of(await application.wait_for("/complete"), "eventType", "cause") == ("bridgeComplete", None)
    await assert_hears(alice, {2951.0}, among=AMONG)


async def test_forward(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """3 Forward: "unanswered inbound only; app loses control"."""
    bob = await phone("bob")
    application.on("/initiate", f"<Response><Forward to='{bob.uri}' privacy='true'/><PlayAudio>/next.wav</PlayAudio></Response>")
    alice = await call(hubbub_server, phone, "alice")
    answered = await bob.wait_call()
    assert answered.caller == "anonymous"
    answered.tone(TONE["bob"])
    await talk({"alice": alice, "bob": answered})
    await answered.hangup()
    await alice.wait_ended()


@pytest.mark.parametrize("answer", [None, "<Response/>", "<Bxml><Tag>t</Tag></Bxml>"], ids=["204", "empty", "nothing that answers"])
async def test_nothing_to_do_rejects(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, answer: str | None) -> None:
    """2.1: "Empty `<Response/>` … on an unanswered call rejects it"; 2.4: "204 or empty body: an empty document"."""
    application.on("/initiate", answer)
    end = await (await (await phone("alice")).call(hubbub_server.uri(NUMBER))).wait_ended()
    assert (end.code, end.answered) == (603, False)
    mine = application.requests("/initiate")[0].json["callId"]
    assert (await application.wait_for("/over", lambda r: r.json["callId"] == mine)).json["cause"] == "rejected"


async def test_a_call_that_was_diverted_here_and_is_forwarded(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """5.3 initiate: `diversion`, `stirShaken`, `uui`, `sipHeaders` in lower case; the call's `identity`; a caller who says nothing of
    himself is `Anonymous`; "stack" puts the number that was called on top."""
    bob = await phone("bob")
    application.on(
        "/initiate", f"<Response><Forward to='{bob.uri}' diversionTreatment='stack' diversionReason='away' uui='42'/></Response>"
    )
    claims = base64.urlsafe_b64encode(json.dumps({"attest": "A", "origid": "o-1"}).encode()).decode().rstrip("=")
    identity = f"e30.{claims}.c2ln;info=<https://c.test/p.pem>;alg=ES256"
    headers = {
        "Diversion": "<sip:+15550009999@pbx.test>;reason=user-busy;privacy=off;counter=1",
        "User-to-User": "48656c6c6f;encoding=hex",
        "Identity": identity,
        "P-Asserted-Identity": "<sip:+15551112222@pbx.test;verstat=TN-Validation-Passed>",
        "X-Team": "blue",
    }
    alice = await (await phone("alice")).call(hubbub_server.uri(NUMBER), headers=headers, caller="sip:anonymous@anonymous.invalid")
    asked = (await application.wait_for("/initiate")).json
    assert asked["from"] == "Anonymous"
    assert asked["diversion"] == {"origTo": "+15550009999", "reason": "user-busy", "privacy": "off", "counter": "1"}
    assert asked["stirShaken"] == {"verstat": "TN-Validation-Passed", "attestationIndicator": "A", "originatingId": "o-1"}
    assert (asked["uui"], asked["sipHeaders"]) == ("48656c6c6f;encoding=hex", {"x-team": "blue"})
    forwarded = await bob.wait_call()
    top, _, before = forwarded.sip.signalled["diversion"].partition(", ")
    assert (top.startswith(f"<sip:{NUMBER}@"), top.endswith(">;reason=away;counter=1")) == (True, True)
    assert (before, forwarded.sip.signalled["user-to-user"]) == (headers["Diversion"], "42")
    async with V2(hubbub_server) as rest:
        shown = (await rest.get(f"/calls/{asked['callId']}")).body
        assert (shown["stirShaken"], shown["identity"], shown["from"]) == (asked["stirShaken"], identity, "Anonymous")
    await alice.wait_answered()
    await alice.hangup()


async def test_a_call_whose_caller_is_withheld(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """6.2 `privacy`, `uui`: the callee sees nobody and gets the information; webhooks and REST still say who called."""
    bob = await phone("bob")
    async with V2(hubbub_server) as rest:
        wanted = {"to": bob.uri, "from": "+15550002000", "applicationId": rest.face["application"], "answerUrl": application.url("/answer")}
        made = await rest.post("/calls", **wanted, privacy=True, displayName="Restricted", uui="a;encoding=jwt,b;encoding=hex")
        assert (made.status, made.body["from"]) == (201, "+15550002000")
        call = await bob.wait_call()
        assert (call.caller, call.sip.from_display, call.sip.signalled) == (
            *("anonymous", "Anonymous"),
            {"user-to-user": "a;encoding=jwt,b;encoding=hex"},
        )
        assert (await application.wait_for("/answer")).json["from"] == "+15550002000"
        for wrong in ("a;encoding=rot13", "x" * 351):
            assert (await rest.post("/calls", **wanted, uui=wrong)).status == 400


async def refer(server: HubbubServer, phone: PhoneMaker, code: int) -> PhoneCall:
    """A caller that is asked to call somebody else, and says how that went."""
    alice = await (await phone("alice")).call(server.uri(NUMBER))

    def obey(target: str) -> bool:
        assert target == "sip:next@127.0.0.1:9"
        alice._loop.call_later(0.05, alice.sip.refer_result, code)
        return True

    alice.sip.on_refer = obey
    return alice


async def test_refer(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """3 Refer; 5.1 "referComplete (only on failure)": then its answer goes on; else the call is over."""
    document = "<Refer referCompleteUrl='/complete' tag='handed'><SipUri>sip:next@127.0.0.1:9</SipUri></Refer>"
    application.on("/initiate", f"<Response>{document}<PlayAudio>/next.wav</PlayAudio></Response>")
    application.on("/complete", "<Response><PlayAudio>/next.wav</PlayAudio><PlayAudio>/next.wav</PlayAudio></Response>")
    alice = await refer(hubbub_server, phone, 486)
    complete = await application.wait_for("/complete")
    expected = ("referComplete", "failure", 202, 486, "handed")
    assert of(complete, "eventType", "referCallStatus", "referSipResponseCode", "notifySipResponseCode", "tag") == expected
    await assert_hears(alice, {2951.0}, among=AMONG)
    await alice.hangup()
    alice = await refer(hubbub_server, phone, 200)
    await alice.wait_ended()
    assert len(application.requests("/complete")) == 1


async def test_an_account_with_as_many_calls_as_it_may_have(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """2.4: "over rate on `Transfer`: `transferComplete` with `errorMessage`; on `Forward` allowed; inbound over limit: rejected"."""
    bob = await phone("bob")
    application.on("/initiate", f"<Response><Transfer transferCompleteUrl='/complete'><SipUri>{bob.uri}</SipUri></Transfer></Response>")
    application.on("/complete", "<Response><Pause duration='20'/></Response>")
    alice = await (await phone("alice")).call(hubbub_server.uri(SMALL))
    complete = await application.wait_for("/complete")
    assert of(complete, "cause", "errorMessage", "errorId" in complete.json and "eventType") == (
        *("account-limit", "the transfer could not be made", "transferComplete"),
    )
    await alice.wait_answered()
    end = await (await (await phone("carol")).call(hubbub_server.uri(SMALL))).wait_ended()
    assert (end.code, len(application.requests("/initiate"))) == (503, 1)
    await alice.hangup()
    application.on("/initiate", f"<Response><Forward to='{bob.uri}'/></Response>")
    await alice.wait_ended()
    await application.wait_for("/over", lambda r: r.json["callId"] == complete.json["callId"])
    dave = await (await phone("dave")).call(hubbub_server.uri(SMALL))
    assert (await bob.wait_call()).caller == "dave"
    await dave.wait_answered()


async def test_connect_to_an_endpoint(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """3 Connect: "one Endpoint (id as text)": the registered phone of that name; afterwards the next verb."""
    desk = await phone("desk", username="desk", password="secret")
    await desk.register(hubbub_server.sip)
    application.on("/initiate", "<Response><Connect><Endpoint>desk</Endpoint></Connect><PlayAudio>/next.wav</PlayAudio></Response>")
    alice = await call(hubbub_server, phone, "alice")
    answered = await desk.wait_call()
    answered.tone(TONE["bob"])
    await talk({"alice": alice, "bob": answered})
    await answered.hangup()
    await assert_hears(alice, {2951.0}, among=AMONG)
