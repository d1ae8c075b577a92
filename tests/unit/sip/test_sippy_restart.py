"""What a server that crashed left open is ended by the one that comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.sip_peers import (
    OFFER,
    Ear,
    Inbox,
    Start,
    answer_to,
    called,
    crash,
    header,
    uri,
)

from hubbub.errors import SipError
from hubbub.sip import digest
from hubbub.sip.endpoint import SipEnd


async def test_a_ringing_phone_is_cancelled_by_the_server_that_comes_back(start: Start) -> None:
    """RFC 3261 9.1: CANCEL has the branch of its INVITE; law 4: what a crash left open is ended."""
    phone, gone = await start(), await start()
    inbox = Inbox(phone, lambda call: call.ring())
    call = gone.dial(uri(phone), OFFER, caller="sip:hub@127.0.0.1")
    here, there = Ear(call), await inbox.next()
    assert (await here.next("progress"))[0] == 180
    kept = json.loads(json.dumps(call.dialog))
    back = await start(listen=await crash(gone))
    back.abandon(kept)
    assert await there.end() == SipEnd(487, "Cancelled", "remote", False)
    assert back.counters()["cancel_after_restart"] == 1
    assert inbox.calls.empty(), "the INVITE that came again was no second call"


async def test_a_phone_that_was_answered_meanwhile_is_hung_up(start: Start) -> None:
    """Its 200 found nobody: the server that comes back acknowledges it and says BYE."""
    phone, gone = await start(), await start()
    inbox = Inbox(phone, lambda call: call.ring())
    call = gone.dial(uri(phone), OFFER, caller="sip:hub@127.0.0.1")
    here, there = Ear(call), await inbox.next()
    await here.next("progress")
    kept = json.loads(json.dumps(call.dialog))
    address = await crash(gone)
    there.call.answer(answer_to(OFFER))
    back = await start(listen=address)
    back.abandon(kept)
    assert await there.end() == SipEnd(200, "BYE", "remote", True)


async def test_a_trunk_that_asks_for_a_password_with_bye_gets_it(start: Start) -> None:
    callee, here = await called(start, username="trunk", password="sesame")
    callee.respond(await callee.expect("INVITE"), "200 OK", body=answer_to(OFFER))
    await callee.expect("ACK")
    await here.next("answer")
    kept = json.loads(json.dumps(here.call.dialog))
    assert "sesame" not in json.dumps(kept)
    back = await start(listen=await crash(callee.endpoint))
    back.abandon(kept, "sesame")
    first = await callee.expect("BYE")
    callee.respond(first, "407 Proxy Authentication Required", 'Proxy-Authenticate: Digest realm="t", nonce="n", qop="auth"')
    second = await callee.expect("BYE")
    given = digest.parse(header(second, "Proxy-Authorization"))
    assert given is not None
    assert given["response"] == digest.response(given, username="trunk", password="sesame", method="BYE")
    assert int(header(second, "CSeq").split()[0]) > int(header(first, "CSeq").split()[0])


@pytest.mark.parametrize("kept", [{}, {"invite": "x"}, {"invite": 5, "sent_to": []}])
async def test_a_kept_dialog_that_cannot_be_read(start: Start, kept: dict[str, Any]) -> None:
    endpoint = await start()
    with pytest.raises(SipError):
        endpoint.abandon(kept)
