"""SIP and SDP: whatever comes, only their own errors come out; a reader takes any packet."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fuzz.budget import fuzz, mutated

from hubbub.sip import digest, sdp
from hubbub.sip.description import SdpError, parse_sdp
from hubbub.sip.fields import extension_headers, info_digits, option_tags, safe_headers, session_expires
from hubbub.sip.limits import Guard, Limits
from hubbub.sip.sdes import KEY_BYTES, Keyring, Wish
from hubbub.sip.sippy_endpoint import SippyEndpoint

HERE = ("192.0.2.1", 4000)
PIECES = [
    b"\r\n",
    b"\n",
    b";",
    b"<",
    b">",
    b'"',
    b",",
    b":",
    b"=",
    b"\0",
    b"\xff\xfe",
    b"%",
    b"[",
    b"]",
    b"sip:",
    b"sips:",
    b"tel:",
    b"99999999999",
    b"-1",
    b" ",
    b"\t",
    b"@",
    b";tag=",
    b"Via: ",
    b"m=audio ",
    b"a=rtpmap:",
    b"c=IN IP6 ",
    b"\r\n\r\n",
    b"z9hG4bK",
]
WISHES: tuple[Wish, ...] = ("accept", "require")
OFFERS = [
    sdp.make_offer(HERE, session=1, version=1).encode(),
    sdp.make_offer(HERE, session=1, version=1, direction="sendonly", telephone_event=None).encode(),
    sdp.make_offer(HERE, session=1, version=1, keys=Keyring("require", tuple(KEY_BYTES), lambda size: b"k" * size)).encode(),
    b"v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n"
    b"c=IN IP6 ::1\r\na=rtpmap:111 opus/48000/2\r\n"
    b"a=fmtp:111 minptime=10;useinbandfec=1\r\na=ptime:20\r\na=rtcp-mux\r\n",
]
PACKETS = [
    b"\r\n".join(
        (
            method + b" sip:room@127.0.0.1 SIP/2.0",
            b"Via: SIP/2.0/UDP 127.0.0.1:5070;rport;branch=z9hG4bKx",
            b'From: "A, B" <sip:t@127.0.0.1>;tag=t1',
            b"To: <sip:room@127.0.0.1>",
            b"Call-ID: x",
            b"CSeq: 1 " + method,
            b"Contact: <sip:t@127.0.0.1:5070>",
            b"Max-Forwards: 70",
            b"Route: <sip:a;lr>",
            b'Authorization: Digest username="a", realm="hubbub", nonce="n", uri="sip:x", response="r", nc=00000001, cnonce="c", qop=auth',
            b"Session-Expires: 1800;refresher=uac",
            b"Supported: timer",
            b"Content-Type: application/sdp",
            b"Content-Length: %d" % len(OFFERS[0]),
            b"",
            OFFERS[0],
        )
    )
    for method in (b"INVITE", b"REGISTER", b"OPTIONS", b"BYE", b"INFO", b"UPDATE", b"REFER", b"CANCEL", b"ACK", b"NOTIFY")
]
PACKETS.append(PACKETS[0].replace(b"INVITE sip:room@127.0.0.1 SIP/2.0", b"SIP/2.0 200 OK"))


def answered(text: str) -> None:
    """Anything gets an answer that can be read, or its error; keys are agreed on where they can be."""
    for wish in WISHES:
        keys = Keyring(wish, tuple(KEY_BYTES), bytes)
        try:
            answer, agreed = sdp.make_answer(parse_sdp(text, keys), HERE, session=1, version=1, keys=keys)
        except SdpError:
            continue
        assert parse_sdp(answer, Keyring("accept", tuple(KEY_BYTES), lambda size: b"r" * size)).port == HERE[1]
        assert agreed.cipher is not None or wish == "accept"


@fuzz(mutated(OFFERS, PIECES))
def test_sdp(case: bytes) -> None:
    answered(case.decode("utf-8", "replace"))


@fuzz(mutated(PACKETS, PIECES))
def test_parts_of_messages(case: bytes) -> None:
    text = case.decode("utf-8", "surrogateescape")
    for line in text.split("\r\n"):
        name, _, value = line.partition(":")
        digest.parse(value.strip())
        session_expires(value)
        option_tags([value])
        info_digits(name, value)
        good, _ = safe_headers({name: value})
        assert not any(character in part for pair in good for part in pair for character in "\r\n\0")
    extension_headers(text)


class Listener:
    """An endpoint whose every packet is put into its reader by hand, on a loop of its own. What it would send is dropped."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self._open())

    async def _open(self) -> None:
        self.endpoint = SippyEndpoint(("127.0.0.1", 0), phones={"alice": "secret"}, limits=Limits(0, 0, 0, 1))
        await self.endpoint.start()
        self.endpoint.on_invite = self._take
        port: Any = self.endpoint._port
        self.receive, self.face = port._receive, port.face(("127.0.0.1", 9))
        port._send = lambda data, host, to: None
        self.endpoint._guard = Guard(Limits(0, 0, 0, 1), lambda host: True)

    def _take(self, call: Any) -> None:
        call.ring()
        try:
            call.answer(sdp.make_answer(parse_sdp(call.remote_sdp or OFFERS[0].decode()), HERE, session=1, version=1)[0])
        except SdpError:
            call.reject(488)

    def take(self, data: bytes) -> None:
        async def once() -> None:
            self.receive(data, ("127.0.0.1", 9), self.face)
            await asyncio.sleep(0)
            for call in list(self.endpoint._calls.values()):
                call.leave()

        self.loop.run_until_complete(once())
        failed = {name: count for name, count in self.endpoint._counts.items() if name.startswith(("garbage_failed", "callback_failed"))}
        assert not failed, (failed, data)

    def close(self) -> None:
        self.loop.run_until_complete(self.endpoint.stop())
        self.loop.close()


def test_any_packet() -> None:
    """No packet makes the reader, the transactions or a call fail in a way that nobody foresaw."""
    listener = Listener()

    @fuzz(mutated(PACKETS, PIECES))
    def packets(case: bytes) -> None:
        listener.take(case)

    try:
        packets()
    finally:
        listener.close()
