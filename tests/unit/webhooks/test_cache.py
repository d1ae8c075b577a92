"""Replies used again: what may be kept, for how long, and how it is asked whether a reply still holds (RFC 9111)."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from aiohttp import web

from hubbub.webhooks.cache import ReplyCache
from hubbub.webhooks.requester import HttpReply, HttpRequest, Requester

NOW = 1_800_000_000.0
KEY = ("dev", "http://a/", "", "")


def reply(body: bytes = b"<Response/>", status: int = 200, **headers: str) -> HttpReply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(status, named, "text/xml", body, "http://a/", 0.1, 1)


@pytest.mark.parametrize(
    ("headers", "fresh", "asked"),
    [
        ({"cache_control": "max-age=60"}, True, {}),
        ({"cache_control": "max-age=60", "etag": '"1"'}, True, {"If-None-Match": '"1"'}),
        ({"etag": 'W/"1"', "last_modified": "Mon, 02 Mar 2026 09:00:00 GMT"}, False, None),
        ({"cache_control": "no-cache", "etag": '"1"'}, False, {"If-None-Match": '"1"'}),
        ({"cache_control": "no-store, max-age=60", "etag": '"1"'}, False, {}),
        ({"cache_control": "max-age=60", "vary": "Cookie"}, False, {}),
        ({"cache_control": "max-age=60", "vary": "Accept-Encoding, User-Agent"}, True, {}),
        ({"cache_control": "max-age=60", "set_cookie": "a=1"}, False, {}),
        ({"cache_control": "max-age=0"}, False, {}),
        ({}, False, {}),
    ],
)
def test_what_may_be_used_again(headers: dict[str, str], fresh: bool, asked: dict[str, str] | None) -> None:
    """1.3: "honours ETag / Last-Modified / Cache-Control"."""
    cache = ReplyCache()
    cache.put(KEY, reply(**headers), NOW)
    assert (cache.fresh(KEY, NOW + 59) is not None) is fresh
    assert cache.fresh(KEY, NOW + 60) is None
    expected = {"If-None-Match": 'W/"1"', "If-Modified-Since": "Mon, 02 Mar 2026 09:00:00 GMT"} if asked is None else asked
    assert cache.conditions(KEY) == expected
    assert cache.fresh(("other", *KEY[1:]), NOW) is None


def test_failures_are_not_kept() -> None:
    cache = ReplyCache()
    cache.put(KEY, reply(status=500, cache_control="max-age=60"), NOW)
    assert cache.fresh(KEY, NOW) is None


def test_a_reply_that_still_holds_is_fresh_again() -> None:
    cache = ReplyCache()
    cache.put(KEY, reply(b"kept", etag='"1"', cache_control="max-age=1"), NOW)
    renewed = cache.renewed(KEY, {"cache-control": "max-age=60", "content-length": "0"}, NOW + 5)
    assert renewed is not None
    assert (renewed.body, renewed.headers["etag"], "content-length" in renewed.headers) == (b"kept", '"1"', False)
    assert cache.fresh(KEY, NOW + 64) == renewed
    assert cache.renewed(("x",), {}, NOW) is None


def test_the_least_recently_used_goes_first() -> None:
    cache = ReplyCache(100)
    for name in ("a", "b"):
        cache.put((name,), reply(b"x" * 40, cache_control="max-age=60"), NOW)
    assert cache.fresh(("a",), NOW) is not None
    cache.put(("c",), reply(b"x" * 40, cache_control="max-age=60"), NOW)
    cache.put(("d",), reply(b"x" * 200, cache_control="max-age=60"), NOW)
    assert [cache.fresh((name,), NOW) is not None for name in "abcd"] == [True, False, True, False]
    cache.put(("a",), reply(b"y" * 90, cache_control="max-age=60"), NOW)
    assert [cache.fresh((name,), NOW) is not None for name in "abc"] == [True, False, False]


async def test_a_document_is_fetched_once_while_it_is_fresh(receiver: Any) -> None:
    """1.3: "caching: only GET; POST never cached"; then it is asked whether it still holds."""
    now = [NOW]
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(f"{request.method} {request.headers.get('If-None-Match', '-')}")
        if request.headers.get("If-None-Match") == '"1"':
            return web.Response(status=304, headers={"ETag": '"1"', "Cache-Control": "max-age=60"})
        return web.Response(body=b"<Response/>", content_type="text/xml", headers={"ETag": '"1"', "Cache-Control": "max-age=60"})

    receiver.handler = answer
    requester = Requester([ipaddress.ip_network("127.0.0.1/32")], now=lambda: now[0])
    await requester.start()
    try:
        wanted = HttpRequest("GET", receiver.url("/doc?x=1"), cache="dev")
        replies = [await requester.send(wanted), await requester.send(wanted)]
        now[0] += 61
        replies += [await requester.send(wanted), await requester.send(wanted)]
        assert [(each.status, each.body, each.attempts, each.content_type) for each in replies] == [
            (200, b"<Response/>", attempts, "text/xml") for attempts in (1, 0, 1, 0)
        ]
        assert asked == ["GET -", 'GET "1"']
        await requester.send(HttpRequest("GET", receiver.url("/doc?x=1")))
        await requester.send(HttpRequest("GET", receiver.url("/doc?x=1"), cache="other"))
        for _ in range(2):
            await requester.send(HttpRequest("POST", receiver.url("/doc?x=1"), cache="dev"))
        assert asked[2:] == ["GET -", "GET -", "POST -", "POST -"]
    finally:
        await requester.stop()
