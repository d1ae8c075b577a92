"""The HTTP client against a real receiver on loopback: limits, attempts, redirects, credentials, cookies, and every kind of failure."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from hubbub.errors import RequestFailed
from hubbub.webhooks.cookies import COOKIES, Jars
from hubbub.webhooks.failures import Disconnected, Progress, explain_failure
from hubbub.webhooks.requester import HttpRequest, Limits, Requester

QUICK = Limits(connect=0.1, total=0.5)


async def failure(requester: Requester, request: HttpRequest) -> RequestFailed:
    with pytest.raises(RequestFailed) as failed:
        await requester.send(request)
    return failed.value


@asynccontextmanager
async def raw_server(talk: Any) -> AsyncIterator[str]:
    """A TCP server; `talk(reader, writer)` plays the peer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


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


# ---- the request as it arrives ----------------------------------------------------------------------------------------


async def test_what_arrives_is_what_was_asked(receiver: Any, requester: Requester) -> None:
    reply = await requester.send(
        HttpRequest("POST", receiver.url("/a%2fb?x=%41#ct=5"), {"User-Agent": "agent/1", "Content-Type": "text/x", "X-Id": "7"}, b"body")
    )
    (seen,) = receiver.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/a%2fb?x=%41", b"body")  # untouched: it was signed so
    assert seen.headers["user-agent"] == "agent/1"
    assert (seen.headers["content-type"], seen.headers["x-id"]) == ("text/x", "7")
    assert (reply.status, reply.body, reply.content_type, reply.attempts) == (200, b"ok", "text/plain", 1)
    assert reply.url == receiver.url("/a%2fb?x=%41")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.seconds > 0


async def test_a_file_is_sent_piece_by_piece(receiver: Any, requester: Requester, tmp_path: Path) -> None:
    """Whoever stores a recording is told its length, and a repeated request begins at its first byte; it is never in memory as a whole."""
    sound = bytes(range(256)) * 4096
    (tmp_path / "a.wav").write_bytes(sound)
    request = HttpRequest(
        "PUT", receiver.url(), {"Content-Type": "audio/x-wav"}, tmp_path / "a.wav", limits=Limits(retries=1, retry_on=frozenset({"5xx"}))
    )

    async def once(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=503 if len(receiver.seen) == 1 else 200)

    receiver.handler = once
    assert (await requester.send(request)).status == 200
    assert [seen.body == sound for seen in receiver.seen] == [True, True]
    headers = receiver.seen[1].headers
    assert (headers["content-length"], headers["content-type"]) == (str(len(sound)), "audio/x-wav")
    assert "content-disposition" not in headers
    assert "transfer-encoding" not in headers


async def test_a_file_that_is_gone_is_no_fault_of_the_receiver(receiver: Any, requester: Requester, tmp_path: Path) -> None:
    assert (await failure(requester, HttpRequest("PUT", receiver.url(), body=tmp_path / "gone.wav"))).kind == "protocol"
    assert receiver.seen == []


async def test_no_content_type_is_made_up(receiver: Any, requester: Requester) -> None:
    async def bare(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=204)

    receiver.handler = bare
    reply = await requester.send(HttpRequest("POST", receiver.url(), body=b"x"))
    assert "content-type" not in receiver.seen[0].headers
    assert reply.content_type == ""
    await requester.send(HttpRequest("GET", receiver.url()))
    assert receiver.seen[1].headers["user-agent"] == "hubbub"


@pytest.mark.parametrize("status", [204, 400, 404, 500, 503, 304, 300])
async def test_any_status_is_a_reply(receiver: Any, requester: Requester, status: int) -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=status)

    receiver.handler = answer
    assert (await requester.send(HttpRequest("GET", receiver.url()))).status == status


async def test_compressed_replies_are_limited_by_their_real_size(receiver: Any, requester: Requester) -> None:
    async def bomb(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=gzip.compress(b"0" * 1_000_000), headers={"Content-Encoding": "gzip"})

    receiver.handler = bomb
    failed = await failure(requester, HttpRequest("GET", receiver.url()))
    assert (failed.kind, failed.status) == ("too_large", 200)
    assert len((await requester.send(HttpRequest("GET", receiver.url(), max_body=1_000_000))).body) == 1_000_000


async def test_body_of_exactly_the_limit_passes(receiver: Any, requester: Requester) -> None:
    """spec/twilio.md 1.3: "body size: > 64 kB → 11750"."""

    async def big(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"x" * int(request.path[1:]))

    receiver.handler = big
    assert len((await requester.send(HttpRequest("GET", receiver.url("/65536")))).body) == 65536
    assert (await failure(requester, HttpRequest("GET", receiver.url("/65537")))).kind == "too_large"


async def test_chunks_that_hold_nothing(receiver: Any, requester: Requester) -> None:
    """spec/twilio.md 1.3: "empty chunked body 11770": it can be told from a body that says it is empty."""

    async def nothing(request: web.BaseRequest) -> web.StreamResponse:
        reply = web.StreamResponse()
        if request.path == "/chunked":
            reply.enable_chunked_encoding()
        else:
            reply.content_length = 0
        await reply.prepare(request)
        await reply.write_eof()
        return reply

    receiver.handler = nothing
    for path, encoding in (("/chunked", "chunked"), ("/empty", None)):
        reply = await requester.send(HttpRequest("GET", receiver.url(path)))
        assert (reply.body, reply.headers.get("transfer-encoding")) == (b"", encoding)


# ---- redirects -------------------------------------------------------------------------------------------------------


def redirecting(status: int, target: str = "/end") -> Any:
    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(text="end") if request.path == "/end" else web.Response(status=status, headers={"Location": target})

    return handler


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "POST", "GET", b""),
        (302, "POST", "GET", b""),
        (303, "POST", "GET", b""),
        (307, "POST", "POST", b"body"),
        (308, "POST", "POST", b"body"),
        (303, "PUT", "GET", b""),
        (302, "PUT", "PUT", b"body"),
        (303, "HEAD", "HEAD", b""),
        (301, "GET", "GET", b""),
    ],
)
async def test_redirects_as_browsers_do(receiver: Any, requester: Requester, status: int, method: str, then: str, body: bytes) -> None:
    receiver.handler = redirecting(status)
    sent = b"body" if method in ("POST", "PUT") else None
    reply = await requester.send(HttpRequest(method, receiver.url("/start"), {"Content-Type": "x/y"} if sent else {}, sent))
    assert (receiver.seen[1].method, receiver.seen[1].target, receiver.seen[1].body) == (then, "/end", body)
    assert ("content-type" in receiver.seen[1].headers) is bool(body)
    assert reply.url == receiver.url("/end")


async def test_at_most_ten_redirects(receiver: Any, requester: Requester) -> None:
    """spec/twilio.md 1.3: "follow 301/302/303/307…, at most 10 → 11215"."""

    async def countdown(request: web.BaseRequest) -> web.Response:
        left = int(request.path[1:])
        return web.Response(text="end") if left == 0 else web.Response(status=302, headers={"Location": f"/{left - 1}"})

    receiver.handler = countdown
    assert (await requester.send(HttpRequest("GET", receiver.url("/10")))).body == b"end"
    assert (await failure(requester, HttpRequest("GET", receiver.url("/11")))).kind == "redirects"
    assert (await failure(requester, HttpRequest("GET", receiver.url("/1"), max_redirects=0))).kind == "redirects"


async def test_a_redirect_without_a_target_is_a_reply(receiver: Any, requester: Requester) -> None:
    async def nowhere(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=302)

    receiver.handler = nowhere
    assert (await requester.send(HttpRequest("GET", receiver.url()))).status == 302


@pytest.mark.parametrize(("target", "kind"), [("http://127.0.0.2:1/", "blocked"), ("ftp://x/", "bad_url"), ("http://10.0.0.1/", "blocked")])
async def test_a_redirect_is_guarded_like_any_url(receiver: Any, requester: Requester, target: str, kind: str) -> None:
    receiver.handler = redirecting(302, target)
    assert (await failure(requester, HttpRequest("GET", receiver.url("/start")))).kind == kind


INSIDE = [
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.2", "169.254.169.254", "100.64.0.1", "224.0.0.1", "0.0.0.0", "192.0.0.192",
    "[::1]", "[fd00:ec2::254]", "[fe80::1]", "[ff02::1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[2002:a9fe:a9fe::1]", "[2001:0:1::1]",
    "[::ffff:169.254.169.254]", "[::a9fe:a9fe]", "[fec0::1]", "2852039166", "0x7f.2", "0177.0.0.2", "127.2",
]  # fmt: skip
"""Private, loopback, link-local, metadata, CGNAT, multicast, NAT64, 6to4, Teredo, mapped, site-local; and how else they may be written."""


@pytest.mark.parametrize("host", INSIDE)
@pytest.mark.parametrize("status", [302, 307])
async def test_no_redirect_leads_inside(receiver: Any, requester: Requester, host: str, status: int) -> None:
    """Rule: "redirects re-checked": from an address that may be asked to one that may not, for every range."""
    receiver.handler = redirecting(status, f"http://{host}:1/latest/meta-data")
    narrow = Requester([ipaddress.ip_network("127.0.0.1/32")])
    await narrow.start()
    try:
        found = await failure(narrow, HttpRequest("GET", receiver.url("/start"), limits=Limits(connect=2, total=4, retries=0)))
    finally:
        await narrow.stop()
    expected = ("blocked",) if host[0] == "[" or (host.count(".") == 3 and host[0] != "0") else ("blocked", "bad_url", "dns")
    assert found.kind in expected, "refused as an address, or as a spelling of one"


# ---- credentials -----------------------------------------------------------------------------------------------------


def protected(challenge: str) -> Any:
    async def handler(request: web.BaseRequest) -> web.Response:
        if "Authorization" in request.headers:
            return web.Response(text="in")
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    return handler


@pytest.mark.parametrize("userinfo", ["user:pa%20ss@", ""])
async def test_credentials_only_after_a_challenge(receiver: Any, requester: Requester, userinfo: str) -> None:
    """spec/bandwidth.md 2.5: "First attempt carries none. If the answer is 401 + WWW-Authenticate: Basic, a second attempt carries
    Authorization: Basic"."""
    receiver.handler = protected('Basic realm="x"')
    given = {} if userinfo else {"username": "user", "password": "pa ss"}
    reply = await requester.send(HttpRequest("POST", receiver.url(userinfo=userinfo), body=b"b", **given))  # type: ignore[arg-type]
    assert reply.body == b"in"
    assert reply.attempts == 1
    assert "authorization" not in receiver.seen[0].headers
    assert receiver.seen[1].headers["authorization"] == "Basic dXNlcjpwYSBzcw=="
    assert receiver.seen[1].body == b"b"


async def test_no_challenge_no_credentials(receiver: Any, requester: Requester) -> None:
    """spec/bandwidth.md 2.5: "Without that header there is no second attempt"."""

    async def closed(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=401)

    receiver.handler = closed
    assert (await requester.send(HttpRequest("GET", receiver.url(userinfo="u:p@")))).status == 401
    assert len(receiver.seen) == 1


async def test_digest_is_answered(receiver: Any, requester: Requester) -> None:
    receiver.handler = protected('Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256')
    reply = await requester.send(HttpRequest("GET", receiver.url("/x?y=1", userinfo="u:p@")))
    assert reply.body == b"in"
    assert 'uri="/x?y=1"' in receiver.seen[1].headers["authorization"]


async def test_preemptive_credentials(receiver: Any, requester: Requester) -> None:
    receiver.handler = protected("Basic")
    await requester.send(HttpRequest("GET", receiver.url(), username="u", password="p", auth="preemptive"))
    assert [seen.headers.get("authorization") for seen in receiver.seen] == ["Basic dTpw"]


async def test_wrong_credentials_are_tried_once(receiver: Any, requester: Requester) -> None:
    async def never(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})

    receiver.handler = never
    assert (await requester.send(HttpRequest("GET", receiver.url(), username="u"))).status == 401
    assert len(receiver.seen) == 2
    await requester.send(HttpRequest("GET", receiver.url(), username="u", auth="preemptive"))
    assert len(receiver.seen) == 3


async def test_credentials_stay_with_their_origin(receiver: Any, requester: Requester) -> None:
    receiver.handler = protected("Basic")
    port = receiver.port

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:{port}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    async with raw_server(elsewhere) as url:
        reply = await requester.send(HttpRequest("GET", url, username="u", password="p", auth="preemptive"))
    assert reply.status == 401
    assert [seen.headers.get("authorization") for seen in receiver.seen] == [None]


# ---- cookies ---------------------------------------------------------------------------------------------------------


async def test_cookies_per_key(receiver: Any, requester: Requester) -> None:
    """spec/twilio.md 1.3: "stored and returned per call, like a browser"."""

    async def setting(request: web.BaseRequest) -> web.Response:
        response = web.Response()
        if request.path == "/set":
            response.set_cookie("a", "1")
            response.set_cookie("b", "2", path="/other")
        return response

    receiver.handler = setting
    for path, key in (("/set", "call1"), ("/x", "call1"), ("/x", "call2"), ("/x", None), ("/other", "call1")):
        await requester.send(HttpRequest("GET", receiver.url(path), cookies=key))
    requester.forget("call1")
    await requester.send(HttpRequest("GET", receiver.url("/x"), cookies="call1"))
    assert [seen.headers.get("cookie") for seen in receiver.seen] == [None, "a=1", None, None, "a=1; b=2", None]


async def test_cookies_of_a_redirect_are_kept(receiver: Any, requester: Requester) -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        if request.path == "/end":
            return web.Response()
        response = web.Response(status=302, headers={"Location": "/end"})
        response.set_cookie("a", "1")
        return response

    receiver.handler = handler
    await requester.send(HttpRequest("GET", receiver.url("/start"), cookies="k"))
    assert receiver.seen[1].headers.get("cookie") == "a=1"


async def test_jars_are_bounded() -> None:
    jars, url = Jars(limit=2), URL("http://127.0.0.1/")
    for key in "abc":
        jars.store(key, url, [f"n={key}"])
        jars.header("a", url)  # used, so b is the one to go
    assert [jars.header(key, url) for key in "abc"] == ["n=a", "", "n=c"]
    for number in range(COOKIES * 2):
        jars.store("c", url, [f"c{number}=1"])
    assert len(jars.header("c", url).split("; ")) == COOKIES


# ---- attempts, time and failures -------------------------------------------------------------------------------------


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
    asked = 0

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await silent(reader, writer)

    limits = Limits(total=5, first_byte=0.1, retries=1, retry_on=frozenset({"timeout"}))
    async with raw_server(counting) as url:
        assert (await failure(requester, HttpRequest("POST", url, limits=limits))).kind == "timeout"
    assert asked == 2


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


async def test_repr_hides_the_password() -> None:
    assert "hush" not in repr(HttpRequest("GET", "http://h/", username="u", password="hush"))


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
