"""Accounts that are suspended, and accounts with limits (1.10: 10001, 10003, 10004, 16021)."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.client import RestError
from tests.support.rest import Rest
from tests.support.shared import rest_of, shared
from tests.support.stage import PhoneMaker, call_in, event, room, sid_of

from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
from hubbub.testing import Application, HubbubServer

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
FACES = {name: {"sid": f"AC{name.encode().hex():0>32}", "token": 32 * "e"} for name in ("closed", "small")}
ACCOUNTS = [
    DEVELOPMENT_ACCOUNT,
    {"name": "closed", "suspended": True, "twilio": FACES["closed"]},
    {"name": "small", "calls_at_a_time": 2, "rooms_at_a_time": 1, "twilio": FACES["small"]},
]
running, application, hubbub_server, phone, rest = shared(
    lambda app: {
        "accounts": ACCOUNTS,
        "dial": {"allow_sip": ["127.0.0.1"]},
        "numbers": [
            {"number": number, "account": account, "dialect": "twiml", "url": app.url("/voice")}
            for number, account in (("+15550001000", "small"), ("+15550001001", "closed"))
        ],
    }
)


closed, small = rest_of(FACES["closed"]), rest_of(FACES["small"])


async def noted(rest: Rest, code: str) -> bool:
    """Whether the account is notified of a code, soon."""
    for _ in range(100):
        if code in [note["error_code"] for note in (await rest.get("/Notifications.json"))["notifications"]]:
            return True
        await asyncio.sleep(0.05)
    return False


async def test_a_suspended_account_takes_and_makes_no_calls(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, closed: Rest
) -> None:
    """1.10: 10003, an incoming call to an inactive account; 10001, the account is not active."""
    caller, callee = await phone("alice"), await phone("bob")
    call = await caller.call(hubbub_server.uri("+15550001001"))
    await asyncio.wait_for(call.ended.wait(), 10)
    assert call.end is not None
    assert call.end.code == 403
    assert await noted(closed, "10003")
    with pytest.raises(RestError) as error:
        await closed.post("/Calls.json", To=callee.uri, From="+15550001001", Twiml="<Response/>")
    assert (error.value.status, error.value.body["code"]) == (403, 10001)
    assert application.requests() == []


async def test_an_account_has_so_many_calls_and_rooms_at_a_time(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, small: Rest
) -> None:
    """1.10: 10004, call concurrency, for calls in and out; 16021, "account conference concurrency exceeded: join / create rejected"."""
    application.on(
        "/voice", lambda request: room(name="other" if "bob" in str(request.params["From"]) else "standup", dial='action="/after"')
    )
    application.on("/after", "<Response><Pause length='20'/></Response>")
    callee = await phone("callee")
    await call_in(hubbub_server, phone, "alice")
    await application.wait_for("/events", event("participant-join"))
    await call_in(hubbub_server, phone, "bob")
    assert (await application.wait_for("/after")).params["DialCallStatus"] == "failed"
    found = (await small.get(f"/Calls/{sid_of(application, 'bob')}/Notifications.json"))["notifications"]
    assert [note["error_code"] for note in found] == ["16021"]
    carol = await phone("carol")
    third = await carol.call(hubbub_server.uri("+15550001000"))
    await asyncio.wait_for(third.ended.wait(), 10)
    assert third.end is not None
    assert third.end.code == 503
    assert await noted(small, "10004")
    for path in ("/Calls.json", "/Conferences/standup/Participants.json"):
        with pytest.raises(RestError) as error:
            await small.post(path, To=callee.uri, From="+15550001000", Url=application.url("/voice"))
        assert (error.value.status, error.value.body["code"]) == (429, 10004), path
