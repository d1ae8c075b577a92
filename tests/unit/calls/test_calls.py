"""How calls come to be: what a call to somewhere inside asks of its audio."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.calls.call import Call, CallServices
from hubbub.calls.calls import Calls
from hubbub.calls.inside import InsideCall
from hubbub.clock import ManualClock
from hubbub.events import Party
from hubbub.settings import Account, Number, Settings, Srtp
from hubbub.sip.sdes import KEY_BYTES

CALLER = Party("phone", "alice", "sip:alice@hubbub.test")
CALLEE = Party("sip", "bot", "sip:bot@hubbub.test")


class SomeLeg:
    """As much of a leg as a negotiation asks for."""

    near = local = ("127.0.0.1", 20000)
    on_digit = None

    def __init__(self) -> None:
        self.ciphers: list[Any] = []

    def jitter(self, depth: str) -> None: ...

    def connect(self, *_: Any, cipher: Any, **more: Any) -> None:
        self.ciphers.append(cipher)


@pytest.mark.parametrize("wish", ["require", "offer", None])
@pytest.mark.parametrize("general", ["require", "accept"])
async def test_an_application_inside_is_reached_without_keys_whatever_is_wished(wish: Srtp | None, general: Srtp) -> None:
    """Both ends are on this machine: neither offers keys, and neither insists on any."""
    media = SimpleNamespace(codecs=("PCMU",), suites=tuple(KEY_BYTES), open_leg=SomeLeg)
    journal = SimpleNamespace(write=lambda *_: None)
    services = CallServices(cast(Any, media), cast(Any, journal), ManualClock(), cast(Any, None), Path("recordings"))
    settings = Settings.model_validate({"sip": {"srtp": general}, "dial": {"srtp": general}})
    calls = Calls(services, cast(Any, SimpleNamespace(address=("127.0.0.1", 5060))), settings)
    account, number = Account(name="dev"), Number.model_construct(dialect="twiml")
    arrived: list[Call] = []

    def enter(call: Call, end: InsideCall) -> None:
        reached = calls.entering(end, number, account, CALLER, CALLEE)
        assert reached is not None
        assert "a=crypto" not in (end.remote_sdp or "")
        reached.answer()
        arrived.append(reached)
        call.sip.on_answer(call.sip.remote_sdp)  # type: ignore[union-attr,misc]

    call, send = calls.place(account, "twiml", callee=CALLEE, caller=CALLER, srtp=wish, enter=enter)
    send()
    assert (call.answered, arrived[0].answered, call.final_cause) == (True, True, "")
    assert cast(Any, call.leg).ciphers == cast(Any, arrived[0].leg).ciphers == [None]
