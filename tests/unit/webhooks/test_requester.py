"""The HTTP client against a real receiver on loopback: the request as it arrives, limits of the reply, redirects, credentials, cookies."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.support.http_peers import failure, raw_server
from yarl import URL

from hubbub.webhooks.cookies import COOKIES, Jars
from hubbub.webhooks.requester import HttpRequest, Limits, Requester

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


async def test_no_header_of_a_document_says_where_a_message_ends(receiver: Any, requester: Requester) -> None:
    """RFC 9112 6.1: Transfer-Encoding beside Content-Length "might indicate an attempt to perform request smuggling"."""
    lies = {
        "Transfer-Encoding": "chunked",
        "content-length": "1",
        "Connection": "upgrade",
        "HOST": "evil.example",
        "": "a",
        "X Y": "b",
        "X:": "c",
    }
    reply = await requester.send(HttpRequest("POST", receiver.url(), {**lies, "Expect": "100-continue", "X-Good": "1"}, b"hello=1"))
    assert reply.status == 200
    (seen,) = receiver.seen
    assert seen.body == b"hello=1"
    assert seen.headers["x-good"] == "1"
    assert seen.headers["content-length"] == "7"
    assert seen.headers["host"] in receiver.url()
    assert not {"transfer-encoding", "expect", "", "x y", "x:"} & set(seen.headers)
    assert seen.headers.get("connection", "").lower() != "upgrade"


@pytest.mark.parametrize("method", ["", "CONNECT", "TRACE", "GET / HTTP/1.1\r\nX: y"])
async def test_methods_that_no_application_is_asked_with(receiver: Any, requester: Requester, method: str) -> None:
    assert (await failure(requester, HttpRequest(method, receiver.url()))).kind == "protocol"
    assert receiver.seen == []


async def test_repr_hides_the_password() -> None:
    assert "hush" not in repr(HttpRequest("GET", "http://h/", username="u", password="hush"))


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
