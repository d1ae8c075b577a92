"""Phones that register, and the passwords they are asked for."""

from __future__ import annotations

from tests.support.sip_peers import (
    OFFER,
    Inbox,
    Start,
    Wire,
    header,
    register,
)

from hubbub.clock import ManualClock
from hubbub.sip import digest


async def test_register_needs_the_password_even_in_trust(start: Start) -> None:
    clock = ManualClock()
    server = await start(phones={"alice": "secret", "bob": "secret"}, clock=clock)
    wire = await Wire().open(server)
    contact = f"Contact: <sip:alice@127.0.0.1:{wire.port};ob>;expires=120"
    assert (await register(wire, contact, password="guess")).startswith("SIP/2.0 403")
    assert (await register(wire, contact, username="bob")).startswith("SIP/2.0 403")  # bob may not register alice
    assert (await register(wire, contact, username="carol")).startswith("SIP/2.0 403")
    response = await register(wire, contact)
    assert response.startswith("SIP/2.0 200"), response
    assert header(response, "Contact") == f"<sip:alice@127.0.0.1:{wire.port};ob>;expires=120"
    assert server.contact_of("alice") == f"sip:alice@127.0.0.1:{wire.port};ob"
    assert server.next_hop_of("alice") == ("127.0.0.1", wire.port)
    assert server.counters()["registered"] == 1
    brief = await register(wire, contact.replace("120", "10"))
    assert brief.startswith("SIP/2.0 423")
    assert header(brief, "Min-Expires") == "60"
    clock.advance(121)
    assert server.contact_of("alice") is None
    await register(wire, contact)
    assert (await register(wire, "Contact: *", "Expires: 0")).startswith("SIP/2.0 200")
    assert server.contact_of("alice") is None


async def test_a_registered_phone_is_known_when_it_calls_and_is_called_where_it_is(start: Start) -> None:
    server = await start(phones={"alice": "secret"})
    inbox = Inbox(server, lambda call: call.reject(486))
    wire = await Wire().open(server)
    await register(wire, "Contact: <sip:alice@192.0.2.55:7>")
    await wire.ask("INVITE", body=OFFER, call="c2")
    assert (await inbox.next()).call.user == "alice"
    contact = server.contact_of("alice")
    assert contact == "sip:alice@192.0.2.55:7"
    server.dial(contact, OFFER, caller="sip:b@127.0.0.1").hangup()
    while not (got := await wire.receive()).startswith("INVITE"):
        pass
    assert got.startswith("INVITE sip:alice@192.0.2.55:7 SIP/2.0")


async def test_stale_nonce_is_asked_again(start: Start) -> None:
    clock = ManualClock()
    server = await start(phones={"alice": "secret"}, clock=clock)
    wire = await Wire().open(server)
    first = await wire.ask("REGISTER")
    clock.advance(3600)
    challenges = [line.partition(":")[2].strip() for line in first.split("\r\n") if line.lower().startswith("www-authenticate")]
    value = digest.answer_challenge(challenges, username="alice", password="secret", method="REGISTER", uri="sip:x", cnonce="c")
    second = await wire.ask("REGISTER", f"Authorization: {value}")
    assert second.startswith("SIP/2.0 401")
    assert "stale=true" in second
