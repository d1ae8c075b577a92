"""Codecs through SIP: what was agreed, and what each phone hears with a codec that is not the server's."""

from __future__ import annotations

import pytest
from tests.support.stage import TONE, PhoneMaker, assert_matrix, room

from hubbub.testing import Application, HubbubServer

pytestmark = pytest.mark.scenario


async def test_phones_of_three_codecs_meet(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """RFC 3264 6.1: each answer takes the first codec of the offer; G.722, PCMA and PCMU hear each other, and hold keeps the codec."""
    application.on("/voice", room('jitterBufferSize="small"'))
    calls = {}
    for name, codecs in (("alice", ("G722", "PCMU")), ("bob", ("PCMA", "PCMU", "G722")), ("carol", ("PCMU",))):
        caller = await phone(name, codecs=codecs)
        calls[name] = await caller.call(hubbub_server.uri("+15550001000"))
        await calls[name].wait_answered()
        calls[name].tone(TONE[name])
    assert {name: call.codec for name, call in calls.items()} == {"alice": "G722", "bob": "PCMA", "carol": "PCMU"}
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
    await calls["alice"].hold()
    await calls["alice"].resume()
    assert calls["alice"].codec == "G722"
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
