"""Endpoints of one process call each other, and a bare socket says what endpoints never say. Every wait is for an event."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from hubbub.clock import ManualClock
from hubbub.errors import SipError
from hubbub.sip import digest, sdp
from hubbub.sip.endpoint import SipCall, SipEnd
from hubbub.sip.sippy_endpoint import SippyEndpoint

OFFER = sdp.make_offer(("127.0.0.1", 4000), session=1, version=1)
NOWHERE = (ipaddress.ip_network("192.0.2.0/24"),)
Start = Callable[..., Awaitable[SippyEndpoint]]


def answer_to(offer: str | None, version: int = 1) -> str:
    if offer is None:
        return sdp.make_offer(("127.0.0.1", 5000), session=2, version=version)
    return sdp.make_answer(sdp.parse_sdp(offer), ("127.0.0.1", 5000), session=2, version=version)[0]


class Ear:
    """Collects what a call reports, as (name, values)."""

    def __init__(self, call: SipCall) -> None:
        self.call = call
        self.heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        for name in ("progress", "answer", "digit", "end"):
            setattr(call, f"on_{name}", lambda *values, name=name: self.heard.put_nowait((name, values)))

    async def next(self, name: str) -> Any:
        async with asyncio.timeout(3):
            got, values = await self.heard.get()
        assert got == name, (got, values)
        return values

    async def end(self) -> SipEnd:
        (end,) = await self.next("end")
        assert isinstance(end, SipEnd)
        return end


class Inbox:
    """Takes the calls of an endpoint."""

    def __init__(self, endpoint: SippyEndpoint, react: Callable[[Any], None] | None = None) -> None:
        self.calls: asyncio.Queue[Ear] = asyncio.Queue()
        self.react = react
        endpoint.on_invite = self.take

    def take(self, call: SipCall) -> None:
        ear = Ear(call)
        self.calls.put_nowait(ear)
        if self.react is not None:
            self.react(call)

    async def next(self) -> Ear:
        async with asyncio.timeout(3):
            return await self.calls.get()


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    opened: list[SippyEndpoint] = []

    async def begin(**options: Any) -> SippyEndpoint:
        endpoint = SippyEndpoint(options.pop("listen", ("127.0.0.1", 0)), **options)
        await endpoint.start()
        opened.append(endpoint)
        return endpoint

    yield begin
    for endpoint in opened:
        await endpoint.stop()


def uri(endpoint: SippyEndpoint, user: str = "room") -> str:
    host, port = endpoint.address
    return f"sip:{user}@{f'[{host}]' if ':' in host else host}:{port}"


async def connected(start: Start, **options: Any) -> tuple[Ear, Ear]:
    """A running call: the caller's ear and the callee's."""
    phone, server = await start(), await start(**options)
    inbox = Inbox(server, lambda call: call.answer(answer_to(call.remote_sdp)))
    here = Ear(phone.dial(uri(server), OFFER, caller="sip:alice@127.0.0.1"))
    there = await inbox.next()
    await here.next("answer")
    there.call.on_offer = lambda offer: answer_to(offer, 2)
    here.call.on_offer = lambda offer: answer_to(offer, 2)
    while "confirmed" not in repr(there.call):
        await asyncio.sleep(0)
    return here, there


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


class Wire:
    """A bare UDP socket with a little SIP grammar."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[str] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport
        self.cseq = 0

    async def open(self, server: SippyEndpoint) -> Wire:
        queue = self.got

        class Protocol(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, _: Any) -> None:
                queue.put_nowait(data.decode())

        self.transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            Protocol, local_addr=("127.0.0.1", 0), remote_addr=server.address
        )
        self.port = self.transport.get_extra_info("sockname")[1]
        self.server = server
        return self

    def request(
        self, method: str, *headers: str, body: str = "", to_tag: str = "", call: str = "c1", branch: str = "", cseq: int = 0
    ) -> str:
        self.cseq = cseq or self.cseq + 1
        tag = f";tag={to_tag}" if to_tag else ""
        branch = branch or f"{method}{self.cseq}"
        contact = (
            ()
            if any(item.startswith("Contact") for item in headers) or method == "REGISTER"
            else (f"Contact: <sip:w@127.0.0.1:{self.port}>",)
        )
        lines = (
            f"{method} sip:room@127.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch=z9hG4bK{branch}",
            "From: <sip:alice@127.0.0.1>;tag=w1",
            f"To: <sip:alice@127.0.0.1>{tag}",
            f"Call-ID: {call}",
            f"CSeq: {self.cseq} {method}",
            *contact,
            *headers,
        )
        if body and not any(item.startswith("Content-Type") for item in headers):
            lines += ("Content-Type: application/sdp",)
        return "\r\n".join((*lines, f"Content-Length: {len(body.encode())}", "", body))

    async def ask(self, *args: Any, **options: Any) -> str:
        self.transport.sendto(self.request(*args, **options).encode())
        while (got := await self.receive()).startswith("SIP/2.0 100"):
            pass
        return got

    async def receive(self) -> str:
        async with asyncio.timeout(3):
            return await self.got.get()

    def ack(self, response: str, **options: Any) -> None:
        self.transport.sendto(self.request("ACK", to_tag=to_tag(response), cseq=self.cseq, **options).encode())


def to_tag(response: str) -> str:
    return header(response, "To").partition("tag=")[2]


def header(message: str, name: str) -> str:
    found = [line.partition(":")[2].strip() for line in message.split("\r\n") if line.lower().startswith(name.lower() + ":")]
    return ", ".join(found)


async def test_late_offer(start: Start) -> None:
    """RFC 3261 13.3.1: an INVITE without offer gets one in the 200; the answer is in the ACK."""
    server = await start()
    inbox = Inbox(server, lambda call: call.answer(answer_to(call.remote_sdp)))
    wire = await Wire().open(server)
    response = await wire.ask("INVITE")
    there = await inbox.next()
    assert there.call.remote_sdp is None
    assert "m=audio 5000 RTP/AVP 0 8 101" in response
    wire.ack(response, body=OFFER)
    assert await there.next("answer") == (OFFER,)
    there.call.on_offer = lambda offer: answer_to(offer, 3)
    again = await wire.ask("INVITE", to_tag=to_tag(response))
    assert again.startswith("SIP/2.0 200")
    assert "m=audio 5000 RTP/AVP 0 8 101" in again  # a re-INVITE without SDP gets an offer too (14.2)
    wire.ack(again, body=OFFER)
    assert await there.next("answer") == (OFFER,)
    assert (await wire.ask("BYE", to_tag=to_tag(response))).startswith("SIP/2.0 200")
    assert (await there.end()).by == "remote"


async def dialog(start: Start) -> tuple[Wire, Ear, str]:
    """A call between a bare socket and an endpoint: socket, callee's ear, tag."""
    server = await start()
    inbox = Inbox(server, lambda call: call.answer(answer_to(call.remote_sdp)))
    wire = await Wire().open(server)
    response = await wire.ask("INVITE", body=OFFER)
    there = await inbox.next()
    there.call.on_offer = lambda offer: answer_to(offer, 2)
    wire.ack(response)
    while "confirmed" not in repr(there.call):
        await asyncio.sleep(0)
    return wire, there, to_tag(response)


class Callee:
    """A bare socket that is called: answers by hand."""

    def __init__(self, wire: Wire, endpoint: SippyEndpoint) -> None:
        self.wire, self.endpoint = wire, endpoint

    async def expect(self, method: str) -> str:
        while not (got := await self.wire.receive()).startswith(method + " "):
            assert got.startswith(("ACK", "INVITE")), got  # a retransmission at most
        return got

    def respond(self, request: str, status: str, *headers: str, body: str = "", tag: str = ";tag=callee") -> None:
        kept = [line for line in request.split("\r\n") if line.lower().startswith(("via:", "from:", "call-id:", "cseq:", "record-route:"))]
        to = "To: " + header(request, "To") + ("" if "tag=" in header(request, "To") else tag)
        more = ("Content-Type: application/sdp",) if body else ()
        length = f"Content-Length: {len(body)}"
        contact = f"Contact: <sip:callee@127.0.0.1:{self.wire.port}>"
        text = "\r\n".join((f"SIP/2.0 {status}", *kept, to, contact, *headers, *more, length, "", body))
        self.wire.transport.sendto(text.encode())


async def called(start: Start, *headers: str, **options: Any) -> tuple[Callee, Ear]:
    """A call from an endpoint to a bare socket, up to its INVITE."""
    endpoint = await start()
    wire = await Wire().open(endpoint)
    call = endpoint.dial(f"sip:callee@127.0.0.1:{wire.port}", OFFER, caller="sip:hub@127.0.0.1", **options)
    return Callee(wire, endpoint), Ear(call)


async def test_route_set_of_the_answer_is_used_for_ack_bye_and_re_invite(start: Start) -> None:
    """RFC 3261 12.1.2: Record-Route reversed; a re-INVITE's 2xx that carries none leaves the route set as it is."""
    callee, here = await called(start)
    invite = await callee.expect("INVITE")
    port = callee.wire.port
    routes = (f"Record-Route: <sip:10.0.0.9;lr>, <sip:127.0.0.1:{port};lr>",)
    callee.respond(invite, "200 OK", *routes, body=answer_to(OFFER))
    expected = f"<sip:127.0.0.1:{port};lr>, <sip:10.0.0.9;lr>"
    ack = await callee.expect("ACK")
    assert ack.startswith(f"ACK sip:callee@127.0.0.1:{port} SIP/2.0")
    assert header(ack, "Route") == expected
    await here.next("answer")
    change = asyncio.ensure_future(here.call.reinvite(OFFER))
    again = await callee.expect("INVITE")
    assert header(again, "Route") == expected
    callee.respond(again, "200 OK", body=answer_to(OFFER))
    assert header(await callee.expect("ACK"), "Route") == expected
    assert "m=audio" in await change
    here.call.hangup()
    bye = await callee.expect("BYE")
    assert header(bye, "Route") == expected
    callee.respond(bye, "200 OK")


async def test_strict_router(start: Start) -> None:
    """RFC 3261 12.2.1.1: without `lr` the first route becomes the Request-URI and the target the last Route."""
    callee, here = await called(start)
    port = callee.wire.port
    callee.respond(await callee.expect("INVITE"), "200 OK", f"Record-Route: <sip:old@127.0.0.1:{port}>", body=answer_to(OFFER))
    ack = await callee.expect("ACK")
    assert ack.startswith(f"ACK sip:old@127.0.0.1:{port} SIP/2.0")
    assert header(ack, "Route") == f"<sip:callee@127.0.0.1:{port}>"
    await here.next("answer")


async def test_proxy_challenge_is_answered_after_the_ack(start: Start) -> None:
    callee, here = await called(start, username="trunk", password="sesame")
    invite = await callee.expect("INVITE")
    callee.respond(
        invite, "407 Proxy Authentication Required", 'Proxy-Authenticate: Digest realm="t", nonce="n", qop="auth", algorithm=SHA-256'
    )
    assert (await callee.wire.receive()).startswith("ACK")
    second = await callee.expect("INVITE")
    given = digest.parse(header(second, "Proxy-Authorization"))
    assert given is not None
    assert given["response"] == digest.response(given, username="trunk", password="sesame", method="INVITE")
    assert int(header(second, "CSeq").split()[0]) == int(header(invite, "CSeq").split()[0]) + 1
    assert header(second, "Call-ID") == header(invite, "Call-ID")
    callee.respond(
        second, "407 Proxy Authentication Required", 'Proxy-Authenticate: Digest realm="t", nonce="m", qop="auth", algorithm=SHA-256'
    )
    assert (await here.end()).code == 407  # the password is wrong: asked once, not for ever


async def test_bye_from_on_answer_does_not_overtake_the_ack(start: Start) -> None:
    callee, here = await called(start)
    here.call.on_answer = lambda _: here.call.hangup()
    callee.respond(await callee.expect("INVITE"), "200 OK", body=answer_to(OFFER))
    assert (await callee.wire.receive()).startswith("ACK")
    assert (await callee.wire.receive()).startswith("BYE")


async def test_early_answer_stands_for_a_200_without_sdp(start: Start) -> None:
    callee, here = await called(start)
    invite = await callee.expect("INVITE")
    callee.respond(invite, "183 Session Progress", body=answer_to(OFFER))
    assert await here.next("progress") == (183, answer_to(OFFER))
    callee.respond(invite, "200 OK")
    assert await here.next("answer") == (answer_to(OFFER),)


async def test_nobody_answers_the_invite(start: Start) -> None:
    """RFC 3261 17.1.1.2: timer B (32 s) ends the transaction; here it is pulled by hand."""
    callee, here = await called(start)
    await callee.expect("INVITE")
    transactions = callee.endpoint.transactions
    (transaction,) = transactions.tclient.values()
    transactions.timerB(transaction)
    assert await here.end() == SipEnd(408, "Request Timeout", "error", False)


async def test_rings_for_ever(start: Start) -> None:
    """RFC 3261 9.1: a ringing INVITE that is given up is cancelled."""
    callee, here = await called(start)
    callee.respond(await callee.expect("INVITE"), "180 Ringing")
    await here.next("progress")
    transactions = callee.endpoint.transactions
    (transaction,) = transactions.tclient.values()
    transactions.timerB(transaction)
    assert (await here.end()).code == 408
    await callee.expect("CANCEL")


async def test_no_ack_ends_the_call_with_bye(start: Start) -> None:
    """RFC 3261 13.3.1.4: no ACK in 64*T1: the session should be terminated with BYE; timer pulled by hand."""
    server = await start()
    inbox = Inbox(server, lambda call: call.answer(answer_to(call.remote_sdp)))
    wire = await Wire().open(server)
    assert (await wire.ask("INVITE", body=OFFER)).startswith("SIP/2.0 200")
    (transaction,) = server.transactions.tserver.values()
    server.transactions.timerD(transaction)
    assert await (await inbox.next()).end() == SipEnd(408, "No ACK", "error", True)
    while not (got := await wire.receive()).startswith("BYE"):
        assert got.startswith("SIP/2.0 200")


async def test_lost_dialog_ends_the_call(start: Start) -> None:
    """RFC 3261 12.2.1.2: 481 to a request in a dialog means that the other side knows no such call."""
    callee, here = await called(start)
    callee.respond(await callee.expect("INVITE"), "200 OK", body=answer_to(OFFER))
    await here.next("answer")
    asked = asyncio.ensure_future(here.call.info("application/dtmf", "1"))
    await callee.expect("ACK")
    callee.respond(await callee.expect("INFO"), "481 Gone")
    assert await asked == 481
    end = await here.end()
    assert (end.code, end.by, end.answered) == (481, "error", True)


async def test_session_timer_of_the_other_side_is_kept(start: Start) -> None:
    """RFC 4028 7.2: the 200 may make us the refresher; an UPDATE without SDP does it where it is allowed."""
    callee, here = await called(start)
    headers = ("Session-Expires: 1800;refresher=uac", "Require: timer", "Allow: INVITE, UPDATE, BYE")
    callee.respond(await callee.expect("INVITE"), "200 OK", *headers, body=answer_to(OFFER))
    await here.next("answer")
    await callee.expect("ACK")
    here.call._send_refresh()  # type: ignore[attr-defined]
    update = await callee.expect("UPDATE")
    assert header(update, "Session-Expires") == "1800;refresher=uac"
    callee.respond(update, "200 OK", "Session-Expires: 1800;refresher=uac")
    here.call._refresh_missed()  # type: ignore[attr-defined]
    assert await here.end() == SipEnd(408, "Session timer expired", "error", True)
    assert "Session timer" in header(await callee.expect("BYE"), "Reason")


async def test_offer_that_collides_is_tried_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 3261 14.1: after 491 wait a random while and try again."""
    monkeypatch.setattr("hubbub.sip.sippy_call.random.uniform", lambda *_: 0.0)
    callee, here = await called(start)
    callee.respond(await callee.expect("INVITE"), "200 OK", body=answer_to(OFFER))
    await here.next("answer")
    await callee.expect("ACK")
    change = asyncio.ensure_future(here.call.reinvite(OFFER))
    callee.respond(await callee.expect("INVITE"), "491 Request Pending")
    assert (await callee.wire.receive()).startswith("ACK")
    callee.respond(await callee.expect("INVITE"), "200 OK", body=answer_to(OFFER))
    assert "m=audio" in await change


async def test_update(start: Start) -> None:
    """RFC 3311 with SDP, RFC 4028 without: 200 with Session-Expires and Require: timer."""
    wire, there, tag = await dialog(start)
    response = await wire.ask("UPDATE", "Session-Expires: 1800", "Supported: timer", to_tag=tag)
    assert response.startswith("SIP/2.0 200")
    assert header(response, "Session-Expires") == "1800;refresher=uac"
    assert header(response, "Require") == "timer"
    response = await wire.ask("UPDATE", to_tag=tag, body=OFFER.replace("sendrecv", "sendonly"))
    assert "a=recvonly" in response
    response = await wire.ask("UPDATE", "x: 30", to_tag=tag)
    assert response.startswith("SIP/2.0 422")
    assert header(response, "Min-SE") == "90"
    there.call.on_offer = lambda _: None
    assert (await wire.ask("UPDATE", to_tag=tag, body=OFFER)).startswith("SIP/2.0 488")


async def test_in_dialog_requests_are_never_dropped(start: Start) -> None:
    wire, there, tag = await dialog(start)
    for method, code in (("PRACK", 405), ("MESSAGE", 405), ("FOO", 501), ("OPTIONS", 200), ("NOTIFY", 200)):
        response = await wire.ask(method, to_tag=tag)
        assert response.startswith(f"SIP/2.0 {code}"), response
        assert "INVITE" in header(response, "Allow")
    assert (await wire.ask("INFO", "Require: foo", to_tag=tag)).startswith("SIP/2.0 420")
    assert (await wire.ask("BYE", to_tag="wrong")).startswith("SIP/2.0 481")
    old = await wire.ask("INFO", to_tag=tag, cseq=1, branch="old")
    assert old.startswith("SIP/2.0 500")  # 12.2.2: a lower CSeq is out of order
    wire.cseq = 50
    assert (await wire.ask("BYE", "Reason: Q.850;cause=16", to_tag=tag)).startswith("SIP/2.0 200")
    assert await there.end() == SipEnd(200, "Q.850;cause=16", "remote", True)
    assert (await wire.ask("BYE", to_tag=tag)).startswith("SIP/2.0 200")  # crossed with ours perhaps
    assert (await wire.ask("INFO", to_tag=tag)).startswith("SIP/2.0 481")


async def test_second_re_invite_before_the_ack_waits(start: Start) -> None:
    """RFC 3261 14.2: an offer of ours is unanswered: 491."""
    wire, there, tag = await dialog(start)
    response = await wire.ask("INVITE", to_tag=tag)  # without SDP: we offered
    assert response.startswith("SIP/2.0 200")
    wire.transport.sendto(wire.request("UPDATE", to_tag=tag, body=OFFER).encode())
    while not (got := await wire.receive()).startswith("SIP/2.0 491"):
        assert got.startswith("SIP/2.0 200")
    there.call.hangup()


@pytest.mark.parametrize(
    ("method", "headers", "code", "name", "value"),
    [
        ("OPTIONS", (), 200, "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY, REGISTER"),
        ("OPTIONS", (), 200, "Accept", "application/sdp"),
        ("OPTIONS", (), 200, "Supported", "timer"),
        ("OPTIONS", ("Require: foo, timer, bar",), 420, "Unsupported", "foo, bar"),
        ("INVITE", ("Require: 100rel",), 420, "Unsupported", "100rel"),
        ("INVITE", ("Max-Forwards: 0",), 483, "", ""),
        ("INVITE", ("Max-Forwards: 256",), 400, "", ""),
        ("INVITE", ("Content-Type: text/plain",), 415, "Accept", "application/sdp"),
        ("INVITE", ("Contact: *",), 400, "", ""),
        ("INVITE", ("Session-Expires: 20",), 422, "Min-SE", "90"),
        ("SUBSCRIBE", (), 405, "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY, REGISTER"),
        ("WAVE", (), 501, "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY, REGISTER"),
        ("BYE", (), 481, "", ""),
        ("INFO", (), 481, "", ""),
    ],
)
async def test_requests_outside_dialogs(start: Start, method: str, headers: tuple[str, ...], code: int, name: str, value: str) -> None:
    server = await start()
    Inbox(server, lambda call: call.reject(486))
    wire = await Wire().open(server)
    body = "hello" if "text/plain" in str(headers) else ""
    response = await wire.ask(method, *headers, body=body)
    assert response.startswith(f"SIP/2.0 {code}"), response
    if name:
        assert header(response, name) == value


async def test_merged_request(start: Start) -> None:
    """RFC 3261 8.2.2.2: the same request by two ways gets 482 the second time."""
    server = await start()
    Inbox(server, lambda call: call.ring())
    wire = await Wire().open(server)
    assert (await wire.ask("INVITE", body=OFFER, branch="a", cseq=1)).startswith("SIP/2.0 180")
    assert (await wire.ask("INVITE", body=OFFER, branch="b", cseq=1)).startswith("SIP/2.0 482")


async def test_retransmission_gets_the_same_answer(start: Start) -> None:
    server = await start()
    inbox = Inbox(server, lambda call: call.reject(486))
    wire = await Wire().open(server)
    invite = wire.request("INVITE", body=OFFER).encode()
    for _ in range(2):
        wire.transport.sendto(invite)
    answers = {await wire.receive() for _ in range(3)}
    assert sorted(text[:11] for text in answers) == ["SIP/2.0 100", "SIP/2.0 486"]
    await inbox.next()
    assert inbox.calls.empty()


async def register(wire: Wire, *headers: str, password: str = "secret", username: str = "alice") -> str:
    first = await wire.ask("REGISTER", *headers)
    assert first.startswith("SIP/2.0 401"), first
    challenges = [line.partition(":")[2].strip() for line in first.split("\r\n") if line.lower().startswith("www-authenticate")]
    value = digest.answer_challenge(
        challenges, username=username, password=password, method="REGISTER", uri="sip:room@127.0.0.1", cnonce="c"
    )
    return await wire.ask("REGISTER", *headers, f"Authorization: {value}")


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
    assert sdp.parse_sdp(found).port == 4000


async def test_restart_on_the_same_loop_and_taken_port(start: Start) -> None:
    first = await start()
    with pytest.raises(OSError):
        await SippyEndpoint(first.address).start()
    await first.stop()
    again = await start(listen=first.address)
    assert again.address == first.address


async def crash(endpoint: SippyEndpoint) -> tuple[str, int]:
    """The port is closed and nobody is told."""
    address = endpoint.address
    endpoint.transactions.shutdown()
    await asyncio.sleep(0)
    return address


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
