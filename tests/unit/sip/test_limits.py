"""Floods, scanners and guessers: counted, banned, forgotten; and an endpoint that stays small and answers others meanwhile."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import time
import tracemalloc
from collections.abc import Callable

import pytest

from hubbub.sip import digest
from hubbub.sip.endpoint import SipEnd
from hubbub.sip.limits import PROVED_SECONDS, SOURCES_REMEMBERED, Bucket, Guard, Limits
from hubbub.sip.sippy_endpoint import SippyEndpoint

NOWHERE = (ipaddress.ip_network("192.0.2.0/24"),)
PHONES = {"alice": "secret"}
FLAT_BYTES = 8_000_000  # a transaction kept for each of 5,000 requests would be 50 MB


def test_a_bucket_leaks() -> None:
    bucket = Bucket()
    assert [bucket.take(0.0, 1.0, 2.0) for _ in range(3)] == [True, True, False]
    assert not bucket.take(0.5, 1.0, 2.0)
    assert bucket.take(1.1, 1.0, 2.0)
    assert bucket.take(0.9, 1.0, 9.0), "a clock that steps back fills nothing"


def test_calls_a_second_are_counted_by_address() -> None:
    guard = Guard(Limits(invites=10))
    assert sum(guard.invite("198.51.100.1", 0.0) for _ in range(100)) == 20
    assert guard.invite("198.51.100.2", 0.0)
    assert sum(guard.invite("198.51.100.1", 1.0) for _ in range(100)) == 10
    unlimited = Guard(Limits(invites=0))
    assert all(unlimited.invite("198.51.100.1", 0.0) for _ in range(1000))


def test_wrong_passwords_ban_for_a_while() -> None:
    guard = Guard(Limits(wrong_passwords=5, ban_seconds=60))
    assert [guard.wrong_password("a", 0.0) for _ in range(6)] == [False] * 5 + [True]
    assert (guard.banned("a", 59.0), guard.banned("b", 0.0), guard.banned_now(59.0)) == (True, False, 1)
    assert (guard.banned_now(60.0), guard.banned("a", 60.0), guard.bans) == (0, False, 1)
    assert not guard.wrong_password("a", 61.0), "a new chance, from the start"


def test_nobody_is_banned_by_speaking_in_his_name() -> None:
    guard = Guard(Limits(wrong_passwords=1, strangers=1), lambda host: host == "trunk")
    guard.proved("phone", 0.0)
    for _ in range(100):
        assert not guard.strange("trunk", 0.0)
        assert not guard.wrong_password("phone", 10.0)
    assert guard.strange("phone", PROVED_SECONDS + 1.0) is False
    assert guard.strange("phone", PROVED_SECONDS + 1.0) is True


def test_whoever_is_called_is_listened_to() -> None:
    """Somebody forged a trunk's address before we called it: what it answers is heard, for as long as calls last."""
    guard = Guard(Limits(strangers=1))
    assert [guard.strange("trunk", 0.0) for _ in range(2)] == [False, True]
    assert guard.banned("trunk", 1.0)
    guard.called("trunk", 2.0)
    assert not guard.banned("trunk", 2.0)
    assert not any(guard.strange("trunk", 3.0) for _ in range(100))


async def test_a_trunk_that_is_called_cannot_be_banned_by_forging_its_address() -> None:
    """It is in no `sip.trust`, for it only takes calls. The forger's packets come from its very address and port."""
    server = await opened(trust=NOWHERE)
    trunk = Flooder(server)
    await trunk.flood(200, lambda number: request("OPTIONS", number, trunk.port, "Require: nothing-known"))
    assert server.counters()["banned_sources"] == 1
    ended: asyncio.Future[SipEnd] = asyncio.get_running_loop().create_future()
    call = server.dial(f"sip:bob@127.0.0.1:{trunk.port}", "v=0\r\n", caller="sip:a@127.0.0.1")
    call.on_end = ended.set_result
    while not (invite := await asyncio.wait_for(asyncio.get_running_loop().sock_recv(trunk.socket, 65535), 3)).startswith(b"INVITE"):
        pass
    await trunk.flood(200, lambda number: request("OPTIONS", 1000 + number, trunk.port, "Require: nothing-known"))
    head = re.findall(rb"(?im)^(?:via|from|call-id|cseq):[^\r\n]*", invite) + re.findall(rb"(?im)^to:[^\r\n]*", invite)
    trunk.socket.sendto(b"\r\n".join((b"SIP/2.0 486 Busy Here", *head)) + b";tag=x\r\nContent-Length: 0\r\n\r\n", server.address)
    assert (await asyncio.wait_for(ended, 3)).code == 486
    await server.stop()


def test_memory_is_bounded_whatever_the_number_of_sources() -> None:
    guard = Guard(Limits(strangers=1))
    for number in range(3 * SOURCES_REMEMBERED):
        host = str(number)
        guard.invite(host, 0.0)
        guard.wrong_password(host, 0.0)
        guard.proved(host, -1e9)
        guard.strange(host, 0.0)
        guard.strange(host, 0.0)
    tables = (guard._invites, guard._wrong, guard._strange, guard._proved, guard._banned)
    assert max(len(table) for table in tables) <= SOURCES_REMEMBERED
    assert guard.banned(str(3 * SOURCES_REMEMBERED - 1), 1.0)


def request(method: str, number: int, port: int, *headers: str, user: str = "alice") -> bytes:
    lines = (
        f"{method} sip:room@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK{method}{number}",
        f"From: <sip:{user}@127.0.0.1>;tag=f{number}",
        f"To: <sip:{user}@127.0.0.1>",
        f"Call-ID: flood{number}",
        f"CSeq: 1 {method}",
        f"Contact: <sip:{user}@127.0.0.1:{port}>",
        *headers,
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


class Flooder:
    """A socket that sends without listening, then counts what came back."""

    def __init__(self, server: SippyEndpoint) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]
        self.server = server
        self.answers: list[bytes] = []

    def _collect(self) -> None:
        while True:
            try:
                self.answers.append(self.socket.recv(65535)[:11])
            except OSError:
                return

    async def flood(self, count: int, packet: Callable[[int], bytes]) -> None:
        """Send `count` packets, never more than the port's buffer holds."""
        for number in range(count):
            self.socket.sendto(packet(number), self.server.address)
            if number % 100 == 99:
                await asyncio.sleep(0)
                self._collect()
        for _ in range(20):
            await asyncio.sleep(0)
            self._collect()

    async def ask(self, packet: bytes) -> str:
        """One request and its answer."""
        self.socket.sendto(packet, self.server.address)
        return (await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 65535), 3)).decode()


async def opened(**more: object) -> SippyEndpoint:
    server = SippyEndpoint(("127.0.0.1", 0), phones=PHONES, **more)  # type: ignore[arg-type]
    server.on_invite = lambda call: call.reject(486)
    await server.start()
    return server


async def grown_by(work: Callable[[], object]) -> int:
    """Bytes that are still held after work."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        await work()  # type: ignore[misc]
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("method", "headers"),
    [("OPTIONS", ("Require: nothing-known",)), ("OPTIONS", ()), ("INVITE", ()), ("REGISTER", ()), ("SUBSCRIBE", ()), ("NONSENSE", ())],
)
async def test_a_scanner_gets_a_few_answers_and_then_none(method: str, headers: tuple[str, ...]) -> None:
    """Rule: "scanner floods (answered or dropped cheaply, ban list, metrics) … memory flat"."""
    server = await opened(trust=NOWHERE)
    scanner, began = Flooder(server), time.monotonic()
    grown = await grown_by(lambda: scanner.flood(5000, lambda number: request(method, number, scanner.port, *headers, user=f"u{number}")))
    counters = server.counters()
    assert (counters["bans"], counters["banned_sources"]) == (1, 1)
    assert counters["banned_packets"] > 4500
    answered = sum(number for name, number in counters.items() if name.startswith("refused_"))  # 4xx are sent again until an ACK comes
    assert answered <= 61 + time.monotonic() - began
    assert grown < FLAT_BYTES
    await server.stop()


async def test_garbage_from_strangers_is_soon_not_read_any_more() -> None:
    server = await opened(trust=NOWHERE)
    scanner = Flooder(server)
    grown = await grown_by(lambda: scanner.flood(5000, lambda number: b"GET / HTTP/1.1\r\nHost: somewhere %d\r\n\r\n" % number))
    assert server.counters()["banned_packets"] > 4500
    assert grown < FLAT_BYTES
    await server.stop()


async def test_memory_is_flat_whatever_addresses_are_forged(monkeypatch: pytest.MonkeyPatch) -> None:
    """From ever new addresses nobody is banned; each request is remembered for 32 s. Whoever is known is heard all the same."""
    monkeypatch.setattr("hubbub.sip.sippy_reader.MOST_REMEMBERED", 300)
    server = await opened(trust=NOWHERE, limits=Limits(strangers=60))
    phone = Flooder(server)
    server._guard.proved("127.0.0.1", asyncio.get_running_loop().time())
    monkeypatch.setattr(server._port, "_socket", None)  # nothing goes out to whoever has those addresses

    def forged(number: int) -> None:
        source = (f"198.18.{number // 250}.{number % 250}", 5060)
        server._port._receive(request("INVITE", number, 5060), source, server._port.face(source))

    for number in range(2000):
        forged(number)
    assert len(server.transactions.tserver) <= 300
    assert len(server.transactions.l1rcache) <= 300
    assert server.counters()["crowded_out"] >= 1700
    monkeypatch.undo()
    assert (await phone.ask(request("INVITE", 9999, phone.port))).startswith("SIP/2.0 401")
    await server.stop()


async def test_memory_is_bounded_though_a_known_address_is_forged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trunk is read for longer than strangers are, and not for ever: its address can be forged too."""
    monkeypatch.setattr("hubbub.sip.sippy_reader.MOST_REMEMBERED", 50)
    server = await opened(trust=NOWHERE, limits=Limits(strangers=0))
    monkeypatch.setattr(server._port, "_socket", None)
    trunk = ("198.18.0.1", 5060)
    server._guard.proved(trunk[0], asyncio.get_running_loop().time())
    for number in range(400):
        server._port._receive(request("OPTIONS", number, 5060), trunk, server._port.face(trunk))
    remembered = max(len(server.transactions.tserver), len(server.transactions.l1rcache))
    assert 50 < remembered <= 250
    assert server.counters()["crowded_out"] >= 100
    await server.stop()


async def test_guessing_a_password_is_stopped() -> None:
    """Rule: "register brute force": ten guesses a minute; the right one comes too late."""
    server = await opened(trust=NOWHERE, limits=Limits(wrong_passwords=10, strangers=0))
    guesser = Flooder(server)

    async def guess(number: int, password: str) -> str:
        first = await guesser.ask(request("REGISTER", number, guesser.port))
        challenges = [line.partition(":")[2].strip() for line in first.split("\r\n") if line.startswith("WWW-Authenticate")]
        value = digest.answer_challenge(
            challenges, username="alice", password=password, method="REGISTER", uri="sip:room@127.0.0.1", cnonce="c"
        )
        return await guesser.ask(request("REGISTER", 1000 + number, guesser.port, f"Authorization: {value}"))

    codes = [(await guess(number, f"guess{number}"))[8:11] for number in range(11)]
    assert codes == ["403"] * 11
    await guesser.flood(1, lambda number: request("REGISTER", 99, guesser.port))
    assert (server.counters()["wrong_password"], server.counters()["banned_packets"], guesser.answers) == (11, 1, [])
    assert server.contact_of("alice") is None
    await server.stop()


def test_guesses_at_a_name_are_slowed_where_nobody_is_banned() -> None:
    """One address may be a proxy before many phones: only the name that is guessed at waits, and a minute later it is judged again."""
    guard = Guard(Limits(wrong_passwords=6), lambda host: host == "trunk")
    assert not any(guard.wrong_password("trunk", 0.0, "alice") for _ in range(6))
    assert guard.slowed("trunk", "alice", 1.0)
    assert not guard.slowed("trunk", "bob", 1.0)
    assert not guard.slowed("elsewhere", "alice", 1.0)
    assert not guard.slowed("trunk", "alice", 11.0), "six a minute are one in ten seconds"
    unlimited = Guard(Limits(wrong_passwords=0), lambda host: True)
    for _ in range(100):
        unlimited.wrong_password("trunk", 0.0, "alice")
    assert not unlimited.slowed("trunk", "alice", 0.0)


async def test_guessing_from_a_trusted_network_is_slowed() -> None:
    """Rule: "register brute force", from inside `trust`: a thousand guesses, ten of them judged; another name registers meanwhile."""
    server = await opened(limits=Limits(wrong_passwords=10))
    server._phones = {"alice": "guess500", "bob": "secret"}
    guesser, began = Flooder(server), time.monotonic()

    async def ask(number: int, user: str, password: str) -> str:
        first = await guesser.ask(request("REGISTER", number, guesser.port, user=user))
        challenges = [line.partition(":")[2].strip() for line in first.split("\r\n") if line.startswith("WWW-Authenticate")]
        value = digest.answer_challenge(
            challenges, username=user, password=password, method="REGISTER", uri="sip:room@127.0.0.1", cnonce="c"
        )
        return (await guesser.ask(request("REGISTER", 10_000 + number, guesser.port, f"Authorization: {value}", user=user)))[8:11]

    codes = [await ask(number, "alice", f"guess{number}") for number in range(1000)]
    judged = sum(code == "403" for code in codes)
    assert 10 <= judged <= 11 + (time.monotonic() - began) / 6
    assert codes.count("503") == 1000 - judged
    assert server.contact_of("alice") is None, "the right guess was one of those that nobody judged"
    assert await ask(5000, "bob", "secret") == "200"
    assert server.counters()["slowed_passwords"] == codes.count("503")
    await server.stop()


async def test_calls_beyond_the_limit_are_refused_without_a_transaction() -> None:
    """Rule: "INVITE floods over limits (503)"; a peer that is trusted is limited, and never banned."""
    server = await opened(limits=Limits(invites=10))
    trunk, began = Flooder(server), time.monotonic()
    grown = await grown_by(lambda: trunk.flood(5000, lambda number: request("INVITE", number, trunk.port)))
    counters = server.counters()
    assert counters["limited_invites"] > 4000
    assert counters["bans"] == 0
    busy = counters["failed_486"]  # each is sent again until an ACK comes
    refused = trunk.answers.count(b"SIP/2.0 503")
    assert 20 <= busy <= 21 + 10 * (time.monotonic() - began)
    assert 20 <= refused <= 101 + 50 * (time.monotonic() - began), "answered a little, dropped then"
    assert len(server.transactions.tserver) <= 2 * busy
    assert grown < FLAT_BYTES + 40_000 * busy, "no more than the calls that were let in"
    await server.stop()


async def test_calls_at_a_time() -> None:
    """`sip.max_calls`: one more gets 503 with Retry-After."""
    server = await opened(max_calls=1)
    server.on_invite = lambda call: call.ring()
    peer = Flooder(server)
    assert (await peer.ask(request("INVITE", 1, peer.port))).startswith("SIP/2.0 100")
    peer.socket.sendto(request("INVITE", 2, peer.port), server.address)
    answers: list[str] = []
    while not any(answer.startswith("SIP/2.0 503") for answer in answers):
        answers.append((await asyncio.wait_for(asyncio.get_running_loop().sock_recv(peer.socket, 65535), 3)).decode())
    assert any("Retry-After: 5" in answer for answer in answers)
    await server.stop()
