"""The HTTP client when it fails: attempts, time, broken and refused connections, names, TLS, and what may not be sent or asked."""

from __future__ import annotations

import asyncio
import ipaddress
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult
from tests.support.http_peers import failure, raw_server

from hubbub.errors import RequestFailed
from hubbub.webhooks.failures import Disconnected, Progress, explain_failure
from hubbub.webhooks.requester import HttpRequest, Limits, Requester

QUICK = Limits(connect=0.1, total=0.5)


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port where connections hang: its queue of one is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for item in waiting:
            item.setblocking(False)
            item.connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()[1]
        finally:
            for item in waiting:
                item.close()


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("retry_on", "status", "attempts"),
    [({"5xx"}, 500, 3), ({"4xx"}, 500, 1), ({"4xx", "5xx"}, 404, 3), ({"connect"}, 503, 1), ({"5xx"}, 200, 1)],
)
async def test_statuses_are_retried_when_named(receiver: Any, requester: Requester, retry_on: set[str], status: int, attempts: int) -> None:
    """spec/twilio.md 1.4: "rp: what is retried"; "same token on all attempts"."""

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=status)

    receiver.handler = answer
    request = HttpRequest("POST", receiver.url(), {"X-Idempotency": "t"}, limits=Limits(retries=2, retry_on=frozenset(retry_on)))
    reply = await requester.send(request)
    assert (reply.status, reply.attempts) == (status, attempts)
    assert [seen.headers["x-idempotency"] for seen in receiver.seen] == ["t"] * attempts


async def test_the_last_status_counts(receiver: Any, requester: Requester) -> None:
    async def second_time(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=500 if len(receiver.seen) == 1 else 200)

    receiver.handler = second_time
    reply = await requester.send(HttpRequest("POST", receiver.url(), limits=Limits(retry_on=frozenset({"5xx"}))))
    assert (reply.status, reply.attempts) == (200, 2)


async def test_refused(requester: Requester) -> None:
    failed = await failure(requester, HttpRequest("GET", f"http://u:secret@127.0.0.1:{closed_port()}/"))
    assert failed.kind == "refused"
    assert "secret" not in f"{failed} {failed.url}"


async def test_connect_timeout_is_per_attempt(requester: Requester) -> None:
    """spec/twilio.md 1.3: "TCP connect: 5 s per attempt, 2 attempts"."""
    loop = asyncio.get_running_loop()
    with deaf_port() as port:
        for retries in (0, 2):
            started = loop.time()
            failed = await failure(requester, HttpRequest("GET", f"http://127.0.0.1:{port}/", limits=Limits(0.1, 5, retries=retries)))
            assert failed.kind == "connect_timeout"
            assert 0.1 * (retries + 1) - 0.02 < loop.time() - started < 3


async def test_total_is_a_ceiling_over_all_attempts(requester: Requester) -> None:
    loop = asyncio.get_running_loop()
    with deaf_port() as port:
        started = loop.time()
        failed = await failure(requester, HttpRequest("GET", f"http://127.0.0.1:{port}/", limits=Limits(0.2, 0.3, retries=5)))
        assert failed.kind == "connect_timeout"
        assert loop.time() - started < 1.0  # six attempts would take 1.2


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_total_time_without_an_answer(requester: Requester) -> None:
    async with raw_server(silent) as url:
        assert (await failure(requester, HttpRequest("GET", url, limits=QUICK))).kind == "timeout"


async def test_first_byte_time_is_retried_when_named(requester: Requester) -> None:
    asked: list[int] = []

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        await silent(reader, writer)

    limits = Limits(total=5, first_byte=0.1, retries=1, retry_on=frozenset({"timeout"}))
    async with raw_server(counting) as url:
        assert (await failure(requester, HttpRequest("POST", url, limits=limits))).kind == "timeout"
    assert len(asked) == 2


async def test_between_packets(requester: Requester) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        await reader.read()

    async with raw_server(half) as url:
        failed = await failure(requester, HttpRequest("GET", url, limits=Limits(total=5, first_byte=0.1)))
    assert (failed.kind, failed.status) == ("timeout", 200)


@pytest.mark.parametrize("said", [b"rubbish\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"])
async def test_not_http(requester: Requester, said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()

    async with raw_server(talk) as url:
        assert (await failure(requester, HttpRequest("POST", url, limits=QUICK))).kind == "protocol"


async def test_a_connection_that_breaks_before_the_reply(requester: Requester) -> None:
    asked = 0

    async def slam(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")

    async with raw_server(slam) as url:
        failed = await failure(requester, HttpRequest("POST", url, limits=Limits(retries=3)))
    assert isinstance(failed, Disconnected)
    assert failed.kind == "network"
    assert asked == 1  # the request may have arrived: not a failure to connect


async def test_a_kept_connection_that_was_closed_is_replaced(requester: Requester) -> None:
    """Servers close idle connections; the next POST must not fail for it."""
    connections = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await reader.readuntil(b"\r\n\r\n")  # and now, instead of an answer, the end

    async with raw_server(once) as url:
        for _ in range(2):
            assert (await requester.send(HttpRequest("POST", url, limits=QUICK))).attempts == 1
    assert connections == 2


async def test_tls_failure(receiver: Any, requester: Requester) -> None:
    assert (await failure(requester, HttpRequest("GET", f"https://127.0.0.1:{receiver.port}/"))).kind == "tls"


async def test_unknown_name(requester: Requester) -> None:
    """RFC 6761 6.4: names below .invalid do not exist."""
    assert (await failure(requester, HttpRequest("GET", "http://nowhere.invalid/", limits=Limits(total=5)))).kind == "dns"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.2:1/", "http://[::1]:1/", "http://[::ffff:127.0.0.2]:1/", "http://10.1.1.1/", "http://0.0.0.0:1/"]
)
async def test_blocked(requester: Requester, url: str) -> None:
    assert (await failure(requester, HttpRequest("GET", url, limits=QUICK))).kind == "blocked"


async def test_a_name_that_changes_is_judged_by_the_address_that_is_connected_to(
    receiver: Any, requester: Requester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the name leads where it may, then inside. It is asked for once per connection, and that answer is judged."""
    answers = [["127.0.0.1"], ["127.0.0.2"], ["169.254.169.254", "10.0.0.1", "127.0.0.2"]]
    asked: list[str] = []

    async def resolve(_names: Any, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        asked.append(host)
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=found, port=port, family=socket.AF_INET, proto=6, flags=flags)
            for found in answers[len(asked) - 1]
        ]

    monkeypatch.setattr("hubbub.webhooks.names.Names.resolve", resolve)

    async def closing(_request: web.BaseRequest) -> web.Response:
        return web.Response(headers={"Connection": "close"})

    receiver.handler = closing
    for number, host in enumerate(("first.example", "second.example", "third.example"), 1):
        request = HttpRequest("GET", f"http://{host}:{receiver.port}/", limits=Limits(retries=0))
        if number == 1:
            assert (await requester.send(request)).status == 200
        else:
            assert (await failure(requester, request)).kind == "blocked"
        assert len(asked) == number
    assert len(receiver.seen) == 1


async def test_a_name_is_judged_by_its_address() -> None:
    closed = Requester()
    await closed.start()
    assert (await failure(closed, HttpRequest("GET", "http://localhost:1/"))).kind == "blocked"
    await closed.stop()
    assert (await failure(closed, HttpRequest("GET", "http://localhost:1/"))).kind == "network"


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (HttpRequest("GET", "nonsense"), "bad_url"),
        (HttpRequest("G ET", "http://127.0.0.1:1/"), "protocol"),
    ],
)
async def test_requests_that_cannot_be_sent(requester: Requester, request_: HttpRequest, kind: str) -> None:
    assert (await failure(requester, request_)).kind == kind


async def test_a_header_cannot_smuggle_another(receiver: Any, requester: Requester) -> None:
    assert (await failure(requester, HttpRequest("GET", receiver.url(), {"X": "a\r\nY: b"}))).kind == "protocol"
    assert receiver.seen == []


async def test_https_works_with_a_given_context(tmp_path: Any) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate of this test")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    async def handle(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="safe")

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
    outcomes = []
    for context in (ssl.create_default_context(cafile=str(tmp_path / "cert.pem")), None):
        client = Requester([ipaddress.ip_network("127.0.0.0/8")], tls=context)
        await client.start()
        try:
            outcomes.append((await client.send(HttpRequest("GET", url))).body.decode())
        except RequestFailed as failed:
            outcomes.append(failed.kind)
        await client.stop()
    await runner.cleanup()
    assert outcomes == ["safe", "tls_chain"]


@pytest.mark.parametrize(("code", "kind"), [(10, "tls_expired"), (62, "tls_name"), (20, "tls_chain"), (18, "tls_chain")])
def test_what_is_wrong_with_a_certificate(code: int, kind: str) -> None:
    """TLS 11220, 11235 (name), 11236 (expired), 11237 (chain)."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    assert explain_failure(error, Progress(), "https://app.test/").kind == kind
    assert explain_failure(ssl.SSLError(1, "handshake"), Progress(), "https://app.test/").kind == "tls"
