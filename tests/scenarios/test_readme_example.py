"""The example of `docs/testing.md`: a user tests an own conference application offline."""

from collections.abc import Awaitable, Callable
from importlib.util import find_spec

import pytest

from hubbub.testing import Application, HubbubServer, Phone, assert_hears

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(find_spec("hubbub.server") is None, reason="there is no server yet"),
]


async def test_two_callers_hear_each_other(
    application: Application, hubbub_server: HubbubServer, phone: Callable[[str], Awaitable[Phone]]
) -> None:
    application.on("/voice", '<Response><Dial><Conference beep="false">support</Conference></Dial></Response>')
    alice = await (await phone("alice")).call(hubbub_server.uri("+15550001000"))
    bob = await (await phone("bob")).call(hubbub_server.uri("+15550001000"))
    alice.tone(574)
    bob.tone(1074)
    await assert_hears(alice, {1074})
    await assert_hears(bob, {574})
    await alice.hangup()
    assert [request.params["From"] for request in application.requests("/voice")] == [alice.sip.from_uri, bob.sip.from_uri]
