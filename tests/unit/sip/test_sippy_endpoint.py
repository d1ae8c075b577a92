"""Endpoints of one process call each other. Every wait is for an event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.support.sip_peers import (
    NOWHERE,
    OFFER,
    Ear,
    Inbox,
    Start,
    Wire,
    answer_to,
    connected,
    header,
    uri,
)

from hubbub.errors import ConfigurationError, SipError
from hubbub.sip import sdp
from hubbub.sip.description import parse_sdp
from hubbub.sip.endpoint import SipCall, SipEnd
from hubbub.sip.sippy_endpoint import SippyEndpoint


async def test_call_with_names_headers_and_bodies(start: Start) -> None:
    phone, server = await start(), await start()
    inbox = Inbox(server)
    call = phone.dial(
        uri(server, "+15550001000"), OFFER, caller="sip:alice@127.0.0.1:5070", display='Zoë "Z"', headers={"X-Room-Id": "grün\r\nVia: x"}
    )
    here, there = Ear(call), await inbox.next()
    got = there.call
    assert (got.direction, got.from_user, got.to_user, got.from_display) == ("in", "alice", "+15550001000", "Zoë 'Z'")
    assert (got.from_uri, got.request_uri) == ("sip:alice@127.0.0.1:5070", uri(server, "+15550001000"))
    assert got.headers == {"X-Room-Id": "grün Via: x"}
    assert got.remote_sdp == OFFER
    assert got.source == phone.address
    assert got.id == call.id
    assert got.user is None
    got.ring()
    assert await here.next("progress") == (180, None)
    got.ring(answer_to(OFFER))
    assert await here.next("progress") == (183, answer_to(OFFER))
    got.answer(answer_to(OFFER), {"X-Answer": "yes", "Contact": "<sip:evil@h>"})
    assert await here.next("answer") == (answer_to(OFFER),)
    assert call.headers == {"X-Answer": "yes"}
    call.hangup({"X-Why": "done"})
    assert await there.end() == SipEnd(200, "BYE", "remote", True, {"X-Why": "done"})
    assert await here.end() == SipEnd(200, "BYE", "local", True)
    assert phone.counters()["calls"] == server.counters()["calls"] == 0


async def test_callee_hangs_up(start: Start) -> None:
    here, there = await connected(start)
    there.call.hangup()
    assert (await here.end()).by == "remote"
    assert (await there.end()).by == "local"


async def test_hangup_before_the_ack_waits_for_it(start: Start) -> None:
    """RFC 3261 15: the callee MUST NOT send BYE before the ACK."""
    phone, server = await start(), await start()

    def react(call: SipCall) -> None:
        call.answer(answer_to(call.remote_sdp))
        call.hangup()

    inbox = Inbox(server, react)
    here = Ear(phone.dial(uri(server), OFFER, caller="sip:a@127.0.0.1"))
    assert (await (await inbox.next()).end()).by == "local"
    await here.next("answer")
    assert (await here.end()).by == "remote"


async def test_rejections(start: Start) -> None:
    phone, server = await start(), await start()
    reactions: list[tuple[Callable[[SipCall], None], SipEnd]] = [
        (lambda call: call.reject(486, headers={"X-Why": "1"}), SipEnd(486, "Busy Here", "remote", False, {"X-Why": "1"})),
        (lambda call: call.reject(404, "No Such Room"), SipEnd(404, "No Such Room", "remote", False)),
        (lambda call: call.hangup(), SipEnd(603, "Decline", "remote", False)),
        (lambda call: call.redirect("sip:b@192.0.2.9"), SipEnd(302, "Moved Temporarily", "remote", False, {"Contact": "sip:b@192.0.2.9"})),
    ]
    for react, expected in reactions:
        inbox = Inbox(server, react)
        here = Ear(phone.dial(uri(server), OFFER, caller="sip:a@127.0.0.1"))
        assert await here.end() == expected
        end = await (await inbox.next()).end()
        assert (end.code, end.by, end.answered) == (expected.code, "local", False)


async def test_cancel_by_the_caller(start: Start) -> None:
    phone, server = await start(), await start()
    inbox = Inbox(server, lambda call: call.ring())
    here = Ear(phone.dial(uri(server), OFFER, caller="sip:a@127.0.0.1"))
    there = await inbox.next()
    await here.next("progress")
    here.call.hangup()
    assert await here.end() == SipEnd(487, "Cancelled", "local", False)
    assert await there.end() == SipEnd(487, "Cancelled", "remote", False)
    there.call.answer(answer_to(OFFER))  # too late: harmless


async def test_cancel_crossing_the_answer_ends_with_bye(start: Start) -> None:
    """RFC 3261 9.1, 15: a 200 that arrives after CANCEL is acknowledged and followed by BYE."""
    phone, server = await start(), await start()

    def react(call: SipCall) -> None:
        call.answer(answer_to(call.remote_sdp))
        here.call.hangup()

    inbox = Inbox(server, react)
    here = Ear(phone.dial(uri(server), OFFER, caller="sip:a@127.0.0.1"))
    assert (await here.end()).code == 487
    assert await (await inbox.next()).end() == SipEnd(200, "BYE", "remote", True)


async def test_hold_and_resume_both_ways(start: Start) -> None:
    here, there = await connected(start)
    hold = sdp.make_offer(("127.0.0.1", 4000), session=1, version=2, direction="sendonly")
    for ear, other in ((here, there), (there, here)):
        assert "a=recvonly" in await ear.call.reinvite(hold)
        assert other.call.remote_sdp == hold
        assert "a=sendrecv" in await ear.call.reinvite(OFFER)
    here.call.hangup()
    await there.end()


async def test_refused_change_leaves_the_call(start: Start) -> None:
    """RFC 3261 14.1: after a non-2xx answer to re-INVITE the session goes on unchanged."""
    here, there = await connected(start)
    there.call.on_offer = lambda _: None
    with pytest.raises(SipError) as caught:
        await here.call.reinvite(OFFER)
    assert caught.value.code == 488
    there.call.on_offer = lambda _: 1 / 0  # type: ignore[assignment, return-value]
    with pytest.raises(SipError, match="500"):
        await here.call.reinvite(OFFER)
    assert await here.call.info("application/dtmf-relay", "Signal=1\r\n") == 200


async def test_digits_by_info(start: Start) -> None:
    here, there = await connected(start)
    assert await here.call.info("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n") == 200
    assert await there.next("digit") == ("5",)
    assert await here.call.info("application/dtmf", "1#") == 200
    assert [await there.next("digit"), await there.next("digit")] == [("1",), ("#",)]
    assert await here.call.info("text/plain", "grüße") == 415


async def test_refer_keeps_the_call(start: Start) -> None:
    """RFC 3515: 202 and NOTIFY with a sipfrag; nobody hangs up by itself."""
    here, there = await connected(start)
    assert await here.call.refer("sip:carol@127.0.0.1:9") == 603
    asked: list[str] = []
    there.call.on_refer = lambda target: not asked.append(target)
    assert await here.call.refer("sip:carol@127.0.0.1:9") == 202
    assert asked == ["sip:carol@127.0.0.1:9"]
    told: asyncio.Queue[tuple[int, bool]] = asyncio.Queue()
    here.call.on_referral = lambda code, last: told.put_nowait((code, last))
    there.call.refer_result(180)
    there.call.refer_result(200)
    async with asyncio.timeout(3):
        assert [await told.get(), await told.get()] == [(180, False), (200, True)]
    assert await here.call.info("application/dtmf", "1") == 200
    assert await there.next("digit") == ("1",)


async def test_a_request_waits_for_the_ack(start: Start) -> None:
    """RFC 3261 13.3.1.4: between the 200 and its ACK the call is not confirmed; what is asked then goes out with the ACK."""
    phone, server = await start(), await start()
    asked: list[asyncio.Task[int]] = []

    def answer(call: SipCall) -> None:
        call.answer(answer_to(call.remote_sdp))
        asked.append(asyncio.ensure_future(call.refer("sip:carol@127.0.0.1:9")))

    inbox = Inbox(server, answer)
    here = Ear(phone.dial(uri(server), OFFER, caller="sip:alice@127.0.0.1"))
    here.call.on_refer = lambda target: True
    await inbox.next()
    async with asyncio.timeout(3):
        assert await asked[0] == 202


async def test_asking_an_ended_call(start: Start) -> None:
    here, there = await connected(start)
    pending = asyncio.ensure_future(here.call.reinvite(OFFER))
    await asyncio.sleep(0)
    here.call.hangup()
    with pytest.raises(SipError, match="481"):
        await pending
    with pytest.raises(SipError, match="481"):
        await here.call.info("text/plain", "x")
    await there.end()
    here.call.hangup()
    assert here.heard.qsize() == 1  # one end, and only one


async def test_callbacks_are_dropped_with_the_call(start: Start) -> None:
    here, there = await connected(start)
    here.call.hangup()
    await here.end()
    await there.end()
    await asyncio.sleep(0)
    for call in (here.call, there.call):
        assert not any(
            getattr(call, name) for name in ("on_progress", "on_answer", "on_offer", "on_digit", "on_refer", "on_referral", "on_end")
        )


async def test_exceptions_in_callbacks(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    phone, server = await start(), await start()

    def broken(*_: object) -> None:
        raise RuntimeError("application error")

    server.on_invite = broken
    assert (await Ear(phone.dial(uri(server), OFFER, caller="sip:a@127.0.0.1")).end()).code == 500
    inbox = Inbox(server, lambda call: call.answer(answer_to(call.remote_sdp)))
    call = phone.dial(uri(server), OFFER, caller="sip:a@127.0.0.1")
    here = Ear(call)
    call.on_answer = broken
    assert await here.end() == SipEnd(200, "BYE", "local", True)
    assert (await (await inbox.next()).end()).by == "remote"
    assert server.counters()["callback_failed"] == phone.counters()["callback_failed"] == 1
    assert "sip_callback_failed" in capsys.readouterr().out


async def test_limit_and_drain_answer_503_with_retry_after(start: Start) -> None:
    here, there = await connected(start, max_calls=1)
    phone, server = await start(), there.call._endpoint  # type: ignore[attr-defined]
    assert (await Ear(phone.dial(uri(server), OFFER, caller="sip:b@127.0.0.1")).end()).code == 503
    here.call.hangup()
    await there.end()
    Inbox(server, lambda call: call.reject(486))
    assert (await Ear(phone.dial(uri(server), OFFER, caller="sip:b@127.0.0.1")).end()).code == 486
    server.drain()
    assert (await Ear(phone.dial(uri(server), OFFER, caller="sip:b@127.0.0.1")).end()).code == 503


async def test_stop_ends_calls(start: Start) -> None:
    here, there = await connected(start)
    await there.call._endpoint.stop()  # type: ignore[attr-defined]
    assert (await there.end()).by == "local"
    assert (await here.end()).by == "remote"


async def test_digest_from_outside_trust(start: Start) -> None:
    phone, server = await start(), await start(trust=NOWHERE, phones={"alice": "secret"})
    inbox = Inbox(server, lambda call: call.answer(answer_to(call.remote_sdp)))

    def dial(username: str, password: str) -> Ear:
        return Ear(phone.dial(uri(server), OFFER, caller="sip:alice@127.0.0.1", username=username, password=password))

    assert (await dial("", "").end()).code == 401
    assert (await dial("alice", "guess").end()).code == 403
    assert (await dial("mallory", "secret").end()).code == 403
    here = dial("alice", "secret")
    there = await inbox.next()
    await here.next("answer")
    assert there.call.user == "alice"
    assert server.counters()["wrong_password"] == 2
    here.call.hangup()
    await there.end()


async def test_call_to_itself(start: Start) -> None:
    endpoint = await start()
    inbox = Inbox(endpoint, lambda call: call.answer(answer_to(call.remote_sdp)))
    here = Ear(endpoint.dial(uri(endpoint), OFFER, caller="sip:a@127.0.0.1"))
    there = await inbox.next()
    await here.next("answer")
    there.call.hangup()
    assert (await here.end()).by == "remote"


async def test_ipv6_loopback(start: Start) -> None:
    try:
        phone, server = await start(listen=("::1", 0)), await start(listen=("::1", 0))
    except OSError:
        pytest.skip("no IPv6 loopback here")
    inbox = Inbox(server, lambda call: call.answer(answer_to(call.remote_sdp)))
    here = Ear(phone.dial(uri(server), OFFER, caller="sip:a@[::1]"))
    there = await inbox.next()
    await here.next("answer")
    assert there.call.source == phone.address
    there.call.hangup()
    await here.end()


async def test_host_names_are_resolved(start: Start) -> None:
    phone, server = await start(), await start()
    inbox = Inbox(server, lambda call: call.answer(answer_to(call.remote_sdp)))
    here = Ear(phone.dial(f"sip:room@localhost:{server.address[1]}", OFFER, caller="sip:a@127.0.0.1"))
    await here.next("answer")
    here.call.hangup()
    await (await inbox.next()).end()
    end = await Ear(phone.dial("sip:room@nowhere.invalid", OFFER, caller="sip:a@127.0.0.1")).end()
    assert (end.code, end.by) == (503, "error")


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("tel:+1", 400),
        ("sip:", 400),
        ("sip:a@h:99999", 400),
        ("sip:a b@h", 400),
        ("sips:a@h", 416),
        ("sip:a@h;transport=tcp", 503),
        ("", 400),
    ],
)
async def test_targets_that_cannot_be_called(start: Start, target: str, code: int) -> None:
    phone = await start()
    with pytest.raises(SipError) as caught:
        phone.dial(target, OFFER, caller="sip:a@127.0.0.1")
    assert caught.value.code == code


async def test_headers_in_the_uri_and_next_hop(start: Start) -> None:
    """RFC 3261 19.1.5: headers of a URI go into the request; only X- and P- are followed."""
    phone, server = await start(), await start()
    inbox = Inbox(server, lambda call: call.reject(486))
    target = "sip:room@elsewhere.invalid?X-Room=7&Subject=no"
    await Ear(phone.dial(target, OFFER, caller="sip:a@127.0.0.1", next_hop=server.address)).end()
    call = (await inbox.next()).call
    assert call.headers == {"X-Room": "7"}
    assert call.request_uri == "sip:room@elsewhere.invalid"


async def test_advertised_address_is_in_contact_and_via(start: Start) -> None:
    server = await start(advertise="203.0.113.5")
    Inbox(server, lambda call: call.answer(answer_to(call.remote_sdp)))
    wire = await Wire().open(server)
    response = await wire.ask("INVITE", body=OFFER)
    assert header(response, "Contact") == f"<sip:room@203.0.113.5:{server.address[1]}>"
    server.dial(f"sip:x@127.0.0.1:{wire.port}", OFFER, caller="sip:b@127.0.0.1").hangup()
    while not (got := await wire.receive()).startswith("INVITE"):
        pass
    assert header(got, "Via").startswith(f"SIP/2.0/UDP 203.0.113.5:{server.address[1]};")
    assert header(got, "Contact") == f"<sip:b@203.0.113.5:{server.address[1]}>"


async def test_wildcard_listen_shows_each_peer_a_real_address(start: Start) -> None:
    server = await start(listen=("0.0.0.0", 0))
    Inbox(server, lambda call: call.answer(answer_to(call.remote_sdp)))
    wire = Wire()
    wire.server = server
    server_at = ("127.0.0.1", server.address[1])
    fake = type("At", (), {"address": server_at})()
    response = await (await wire.open(fake)).ask("INVITE", body=OFFER)
    assert header(response, "Contact") == f"<sip:room@127.0.0.1:{server.address[1]}>"


async def test_bodies_and_names_that_are_not_ascii(start: Start) -> None:
    """Content-Length counts bytes (RFC 3261 20.14); what is not ASCII must neither break nor change."""
    server = await start()
    inbox = Inbox(server, lambda call: call.reject(486))
    wire = await Wire().open(server)
    body = OFFER.replace("s=hubbub", "s=Grüße … Å")
    response = await wire.ask("INVITE", "X-Name: Å…ü", "Subject: Å", body=body)
    assert response.startswith("SIP/2.0 486")
    call = (await inbox.next()).call
    assert call.remote_sdp == body
    assert call.headers == {"X-Name": "Å…ü"}


async def test_sdp_in_multipart(start: Start) -> None:
    """RFC 5621: SDP may come with other parts."""
    server = await start()
    inbox = Inbox(server, lambda call: call.reject(486))
    wire = await Wire().open(server)
    body = f"--b1\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b1\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n--b1--\r\n"
    await wire.ask("INVITE", 'Content-Type: multipart/mixed;boundary="b1"', body=body)
    found = (await inbox.next()).call.remote_sdp
    assert found is not None
    assert parse_sdp(found).port == 4000


async def test_restart_on_the_same_loop_and_taken_port(start: Start) -> None:
    first = await start()
    with pytest.raises(ConfigurationError, match="in use"):
        await SippyEndpoint(first.address).start()
    await first.stop()
    again = await start(listen=first.address)
    assert again.address == first.address
