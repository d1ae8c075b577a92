"""Encrypted calls (SRTP, keys in SDP) by phones: rooms, hold, new keys, calls that are made, and who is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, assert_matrix, room

from hubbub.media import libsrtp
from hubbub.testing import Application, HubbubServer, PhoneCall

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(libsrtp.find() is None, reason=f"no libsrtp ({libsrtp.HOW_TO_GET_IT})"),
]
pytest.importorskip("pylibsrtp")
SUITE = "AES_CM_128_HMAC_SHA1_80"
CONFIG: dict[str, Any] = {
    "phones": [
        {"username": "carol", "password": "secret", "account": "dev", "srtp": "offer"},
        {"username": "dave", "password": "secret", "account": "dev", "srtp": "require"},
    ],
    "dial": {"allow_sip": ["127.0.0.1"]},
}


running, application, hubbub_server, phone, rest = shared(CONFIG, answers={"/after": "<Response/>"})


def strange(call: PhoneCall) -> int:
    """Packets that were not by the call's key."""
    cipher = call._line.cipher
    assert cipher is not None
    return cipher.strange


async def test_a_room_of_encrypted_and_plain_callers(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Who insists (RTP/SAVP), who only offers (RTP/AVP with keys, RFC 8643) and who knows nothing of it hear each other."""
    application.on("/voice", room('jitterBufferSize="small" beep="false"', name="mixed"))
    calls = {}
    for name, srtp, codecs in (("alice", "require", ("PCMU",)), ("bob", "off", ("PCMA",)), ("carol", "offer", ("G722",))):
        caller = await phone(name, srtp=srtp, codecs=codecs)
        calls[name] = await caller.call(hubbub_server.uri("+15550001000"))
        await calls[name].wait_answered()
        calls[name].tone(TONE[name])
    assert {name: call.suite for name, call in calls.items()} == {"alice": SUITE, "bob": "", "carol": SUITE}
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
    await calls["alice"].hold()
    await calls["alice"].resume()
    await calls["carol"].change_keys()
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
    assert strange(calls["alice"]) == 0
    for call in calls.values():
        await call.hangup()


async def test_keys_of_the_phone_and_other_codecs(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Telephone-events, prompts and a re-INVITE with another codec, all encrypted."""
    application.on("/voice", '<Response><Gather numDigits="2" action="/got" timeout="10"/></Response>')
    application.on("/got", room('beep="false"', name="codecs"))
    alice, bob = await phone("alice", srtp="require"), await phone("bob", srtp="require", codecs=("PCMA", "PCMU"))
    calls = {"alice": await alice.call(hubbub_server.uri("+15550001000")), "bob": await bob.call(hubbub_server.uri("+15550001000"))}
    for name, call in calls.items():
        await call.wait_answered()
        await call.press("42")
        call.tone(TONE[name])
    assert (await application.wait_for("/got")).params["Digits"] == "42"
    await assert_matrix(calls, {"alice": "b", "bob": "a"}, within=8)
    await calls["alice"].change_codecs(("G722",))
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    assert (calls["alice"].codec, calls["alice"].suite) == ("G722", SUITE)
    for call in calls.values():
        assert strange(call) == 0
        await call.hangup()


async def test_secure_addresses_are_called_encrypted_or_not_at_all(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """ "Append the secure=true parameter to your SIP URI for outbound calls": RTP/SAVP is offered; who refuses it is not connected."""
    alice, bob = await phone("alice"), await phone("bob", srtp="accept")
    application.on("/voice", f'<Response><Dial action="/after"><Sip>{bob.uri};secure=true</Sip></Dial></Response>')
    caller = await alice.call(hubbub_server.uri("+15550001000"))
    callee = await bob.wait_call()
    await caller.wait_answered()
    caller.tone(TONE["alice"])
    callee.tone(TONE["bob"])
    await assert_matrix({"alice": caller, "bob": callee}, {"alice": "b", "bob": "a"})
    assert (caller.suite, callee.suite) == ("", SUITE)
    await caller.hangup()
    await application.wait_for("/after")
    application.forget()
    carol = await phone("carol", auto_answer=False)
    application.on("/voice", f'<Response><Dial action="/after"><Sip>{carol.uri};secure=true</Sip></Dial></Response>')
    again = await alice.call(hubbub_server.uri("+15550001000"))
    refused = await carol.wait_call()
    refused.sip.reject(488, "Not Acceptable Here")
    after = await application.wait_for("/after")
    assert after.params["DialCallStatus"] == "failed"
    await again.wait_ended()


async def test_phones_are_called_as_they_are_configured(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """`srtp` of a phone: `offer` is answered with keys or without, `require` only with; a plain call from that phone gets 488."""
    alice = await phone("alice")
    for name, options, suite in (("carol", "accept", SUITE), ("carol", "off", ""), ("dave", "accept", SUITE)):
        callee = await phone(name, username=name, password="secret", srtp=options)
        await callee.register(hubbub_server.sip)
        application.on("/voice", f'<Response><Dial action="/after"><Client>{name}</Client></Dial></Response>')
        caller = await alice.call(hubbub_server.uri("+15550001000"))
        called = await callee.wait_call()
        await caller.wait_answered()
        caller.tone(TONE["alice"])
        called.tone(TONE["bob"])
        await assert_matrix({"alice": caller, "bob": called}, {"alice": "b", "bob": "a"})
        assert called.suite == suite, (name, options)
        await caller.hangup()
        await callee.stop()
    dave = await phone("dave", username="dave", password="secret")
    await dave.register(hubbub_server.sip)
    application.on("/voice", room(name="never"))
    plain = await dave.call(hubbub_server.uri("+15550001000"))
    assert (await plain.wait_ended()).code == 488


async def test_an_answer_without_keys_ends_a_call_that_must_have_them(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """A far end that answers RTP/SAVP with RTP/AVP is hung up on: nothing is ever sent plain."""
    alice, bob = await phone("alice"), await phone("bob", auto_answer=False)
    application.on("/voice", f'<Response><Dial action="/after"><Sip>{bob.uri};secure=true</Sip></Dial></Response>')
    caller = await alice.call(hubbub_server.uri("+15550001000"))
    callee = await bob.wait_call()
    offer = callee.sip.remote_sdp
    assert offer is not None
    assert "RTP/SAVP" in offer
    lines = [line for line in offer.split("\r\n") if not line.startswith("a=crypto")]
    callee.sip.answer(
        "\r\n".join(lines).replace("RTP/SAVP", "RTP/AVP").replace(offer.split("m=audio ")[1].split(" ")[0], str(callee._line.local[1]))
    )
    after = await application.wait_for("/after")
    assert after.params["DialCallStatus"] == "failed"
    await callee.wait_ended()
    with callee._line.lock:
        assert not callee._line.ear.arrivals
    await caller.wait_ended()


async def test_srtp_is_early_media_too(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """183 with keys: the caller hears the far end's encrypted ringing before the answer."""
    alice, bob = await phone("alice"), await phone("bob", srtp="accept", auto_answer=False)
    application.on("/voice", f'<Response><Dial action="/after" answerOnBridge="true"><Sip>{bob.uri};secure=true</Sip></Dial></Response>')
    caller = await alice.call(hubbub_server.uri("+15550001000"))
    callee = await bob.wait_call()
    callee.ring(early_media=True)
    callee.tone(TONE["bob"])
    assert callee.suite == SUITE
    await asyncio.sleep(0)
    callee.answer()
    await caller.wait_answered()
    caller.tone(TONE["alice"])
    await assert_matrix({"alice": caller, "bob": callee}, {"alice": "b", "bob": "a"})
    await caller.hangup()
