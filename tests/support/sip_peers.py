"""Peers of an endpoint: what a call reports, who takes calls, and a bare UDP socket with a little SIP grammar."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

from hubbub.sip import digest, sdp
from hubbub.sip.description import parse_sdp
from hubbub.sip.endpoint import SipCall, SipEnd
from hubbub.sip.sippy_endpoint import SippyEndpoint

OFFER = sdp.make_offer(("127.0.0.1", 4000), session=1, version=1)
NOWHERE = (ipaddress.ip_network("192.0.2.0/24"),)
Start = Callable[..., Awaitable[SippyEndpoint]]


def answer_to(offer: str | None, version: int = 1) -> str:
    if offer is None:
        return sdp.make_offer(("127.0.0.1", 5000), session=2, version=version)
    return sdp.make_answer(parse_sdp(offer), ("127.0.0.1", 5000), session=2, version=version)[0]


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


async def register(wire: Wire, *headers: str, password: str = "secret", username: str = "alice") -> str:
    first = await wire.ask("REGISTER", *headers)
    assert first.startswith("SIP/2.0 401"), first
    challenges = [line.partition(":")[2].strip() for line in first.split("\r\n") if line.lower().startswith("www-authenticate")]
    value = digest.answer_challenge(
        challenges, username=username, password=password, method="REGISTER", uri="sip:room@127.0.0.1", cnonce="c"
    )
    return await wire.ask("REGISTER", *headers, f"Authorization: {value}")


async def crash(endpoint: SippyEndpoint) -> tuple[str, int]:
    """The port is closed and nobody is told."""
    address = endpoint.address
    endpoint.transactions.shutdown()
    await asyncio.sleep(0)
    return address
