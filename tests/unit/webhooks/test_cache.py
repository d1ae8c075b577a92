"""Replies used again: what may be kept, for how long, and how it is asked whether a reply still holds (RFC 9111)."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from aiohttp import web

from hubbub.webhooks.cache import PER_ENTRY, ReplyCache, conditions
from hubbub.webhooks.requester import HttpReply, HttpRequest, Requester

NOW = 1_800_000_000.0
KEY = ("dev", "http://a/", "", "")
Cache = ReplyCache[HttpReply]


def fresh(cache: Cache, key: tuple[str, ...], now: float) -> HttpReply | None:
    found = cache.find(key, now)
    return found[0] if found is not None and found[1] else None


def reply(body: bytes = b"<Response/>", status: int = 200, **headers: str) -> HttpReply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(status, named, "text/xml", body, "http://a/", 0.1, 1)


@pytest.mark.parametrize(
    ("headers", "again", "asked"),
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
def test_what_may_be_used_again(headers: dict[str, str], again: bool, asked: dict[str, str] | None) -> None:
    """1.3: "honours ETag / Last-Modified / Cache-Control"."""
    cache = Cache()
    cache.put(KEY, reply(**headers), NOW)
    assert (fresh(cache, KEY, NOW + 59) is not None) is again
    assert fresh(cache, KEY, NOW + 60) is None
    expected = {"If-None-Match": 'W/"1"', "If-Modified-Since": "Mon, 02 Mar 2026 09:00:00 GMT"} if asked is None else asked
    kept = cache.find(KEY, NOW)
    assert (conditions(kept[0]) if kept else {}) == expected
    assert cache.find(("other", *KEY[1:]), NOW) is None


def test_failures_are_not_kept() -> None:
    cache = Cache()
    cache.put(KEY, reply(status=500, cache_control="max-age=60"), NOW)
    assert cache.find(KEY, NOW) is None


def test_a_reply_that_still_holds_is_fresh_again() -> None:
    cache = Cache()
    kept = reply(b"kept", etag='"1"', cache_control="max-age=1")
    cache.put(KEY, kept, NOW)
    renewed = cache.renewed(KEY, kept, {"cache-control": "max-age=60", "content-length": "0"}, NOW + 5)
    assert (renewed.body, renewed.headers["etag"], "content-length" in renewed.headers) == (b"kept", '"1"', False)
    assert fresh(cache, KEY, NOW + 64) == renewed


def test_the_least_recently_used_goes_first() -> None:
    cache = Cache(100_000)
    for name in ("a", "b"):
        cache.put((name,), reply(b"x" * 40_000, cache_control="max-age=60"), NOW)
    assert fresh(cache, ("a",), NOW) is not None
    cache.put(("c",), reply(b"x" * 40_000, cache_control="max-age=60"), NOW)
    cache.put(("d",), reply(b"x" * 200_000, cache_control="max-age=60"), NOW)
    assert [cache.find((name,), NOW) is not None for name in "dbac"] == [False, False, True, True]
    cache.put(("a",), reply(b"y" * 90_000, cache_control="max-age=60"), NOW)
    assert [cache.find((name,), NOW) is not None for name in "abc"] == [True, False, False]


def test_who_is_asked_whether_it_still_holds_was_used() -> None:
    cache = Cache(100_000)
    for name in ("a", "b"):
        cache.put((name,), reply(b"x" * 40_000, etag='"1"'), NOW)
    assert cache.find(("a",), NOW) is not None  # not fresh: it is asked about
    cache.put(("c",), reply(b"x" * 40_000, etag='"1"'), NOW)
    assert [cache.find((name,), NOW) is not None for name in "abc"] == [True, False, True]


@pytest.mark.parametrize(
    ("name", "body", "headers"),
    [("http://a/?CallSid={}", b"", {}), ("{}" + "x" * 5000, b"", {}), ("{}", b"", {"x": "y" * 5000}), ("{}", b"z" * 5000, {})],
)
def test_all_that_an_entry_takes_is_counted(name: str, body: bytes, headers: dict[str, str]) -> None:
    """The address of a document holds the parameters of its call, so each call makes an entry, however short the reply."""
    cache = Cache(100 * PER_ENTRY)
    for number in range(200):
        cache.put(("dev", name.format(number)), reply(body, cache_control="max-age=60", **headers), NOW)
    kept = sum(cache.find(("dev", name.format(number)), NOW) is not None for number in range(200))
    assert 0 < kept <= (100 if not (body or headers or "xx" in name) else 17)
    for number in range(200):
        cache.put(("dev", name.format(number)), reply(status=404), NOW)
    cache.put(("dev", "all"), reply(b"x" * 98 * PER_ENTRY, cache_control="max-age=60"), NOW)
    assert cache.find(("dev", "all"), NOW) is not None, "what went is counted no more"


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


async def test_what_goes_while_it_is_asked_about_is_answered_nevertheless(receiver: Any) -> None:
    """RFC 9111 4.3.4: a 304 speaks of the reply whose validators were sent, whatever was kept or dropped meanwhile."""
    requester = Requester([ipaddress.ip_network("127.0.0.1/32")], now=lambda: NOW)

    async def answer(request: web.BaseRequest) -> web.Response:
        if request.headers.get("If-None-Match") == '"1"':
            requester._cache = ReplyCache()  # evicted
            return web.Response(status=304, headers={"ETag": '"1"'})
        return web.Response(body=b"<Response/>", content_type="text/xml", headers={"ETag": '"1"'})

    receiver.handler = answer
    await requester.start()
    try:
        wanted = HttpRequest("GET", receiver.url("/doc"), cache="dev")
        replies = [await requester.send(wanted), await requester.send(wanted)]
        assert [(each.status, each.body) for each in replies] == [(200, b"<Response/>")] * 2
    finally:
        await requester.stop()
