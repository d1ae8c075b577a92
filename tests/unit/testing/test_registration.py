"""REGISTER from the phone's own port: the registrar then calls it there."""

import pytest

from hubbub.sip.sippy_endpoint import SippyEndpoint
from hubbub.testing.phone import Phone


async def test_a_phone_registers_and_is_called_by_name() -> None:
    endpoint = SippyEndpoint(("127.0.0.1", 0), phones={"alice": "secret"})
    await endpoint.start()
    try:
        async with Phone("alice", password="secret") as alice:
            before = alice.address
            await alice.register(endpoint.address)
            assert alice.address == before
            contact = endpoint.contact_of("alice")
            assert contact == f"sip:alice@127.0.0.1:{before[1]}"
            assert endpoint.next_hop_of("alice") == before
            endpoint.dial(
                contact,
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n",
                caller="sip:x@127.0.0.1",
            )
            call = await alice.wait_call()
            assert call.callee == "alice"
        assert endpoint.contact_of("alice") is None, "a phone that stops gives its registration back"
        async with Phone("alice", password="wrong") as mallory:
            with pytest.raises(AssertionError, match=r"REGISTER of alice at .* was answered 403"):
                await mallory.register(endpoint.address)
    finally:
        await endpoint.stop()
