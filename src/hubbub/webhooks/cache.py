"""Replies that may be used again: RFC 9111 for GET, as far as a reply says how long it is fresh or how to ask whether it still holds.

A pure core: time is an argument. There is no heuristic freshness: a reply that says nothing is not kept.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Generic, Protocol, TypeVar

LARGEST = 8 << 20
"""Bytes of all replies together."""
PER_ENTRY, PER_HEADER = 1024, 128
"""Bytes that a reply and a header of it take beside their texts, roughly: so the limit bounds how many there are, too."""
INDIFFERENT = frozenset({"", "accept", "accept-encoding", "user-agent"})
"""What a reply may depend on, because all requests for it are the same in that."""

Key = tuple[str, ...]
"""Who asks, for what, with which credentials."""


class Reply(Protocol):
    """As much of a reply as the cache looks at; names of headers are in lower case."""

    @property
    def status(self) -> int:
        """Its status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers."""

    @property
    def body(self) -> bytes:
        """Its body."""

    @property
    def url(self) -> str:
        """Where it came from in the end."""


Kept = TypeVar("Kept", bound=Reply)


@dataclass(frozen=True)
class _Entry(Generic[Kept]):
    reply: Kept
    until: float
    size: int


class ReplyCache(Generic[Kept]):
    """Replies by what they were asked for with; the least recently used go first."""

    def __init__(self, limit: int = LARGEST) -> None:
        self._limit = limit
        self._held = 0
        self._entries: OrderedDict[Key, _Entry[Kept]] = OrderedDict()

    def find(self, key: Key, now: float) -> tuple[Kept, bool] | None:
        """A reply that is kept, and whether it is fresh. One that is not is to be held while it is asked whether it still holds."""
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found.reply, found.until > now

    def renewed(self, key: Key, reply: Kept, headers: Mapping[str, str], now: float) -> Kept:
        """The reply, when a 304 with these headers has said that it still holds (RFC 9111 4.3.4)."""
        told = {name: value for name, value in headers.items() if name not in ("content-length", "content-encoding", "content-type")}
        reply = replace(reply, headers={**reply.headers, **told})  # type: ignore[type-var]
        self.put(key, reply, now)
        return reply

    def put(self, key: Key, reply: Kept, now: float) -> None:
        """Keep a reply, if it may be."""
        self._drop(key)
        until, size = now + fresh_seconds(reply.headers, now), _size(key, reply)
        useless = until <= now and not conditions(reply)
        if useless or not _may_be_kept(reply) or size > self._limit:
            return
        self._entries[key] = _Entry(reply, until, size)
        self._held += size
        while self._held > self._limit:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Key) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self._held -= found.size


def conditions(reply: Reply) -> dict[str, str]:
    """Headers that ask whether a reply still holds (RFC 9110 13.1); none where it does not say how to ask."""
    wanted = {"If-None-Match": reply.headers.get("etag"), "If-Modified-Since": reply.headers.get("last-modified")}
    return {name: value for name, value in wanted.items() if value}


def _size(key: Key, reply: Reply) -> int:
    headers = sum(PER_HEADER + len(name) + len(value) for name, value in reply.headers.items())
    return PER_ENTRY + sum(map(len, key)) + len(reply.url) + headers + len(reply.body)


def _may_be_kept(reply: Reply) -> bool:
    headers = reply.headers
    depends = {name.strip().lower() for name in headers.get("vary", "").split(",")}
    forbidden = re.search(r"\bno-store\b", headers.get("cache-control", ""), re.IGNORECASE)
    return reply.status == 200 and not forbidden and depends <= INDIFFERENT and "set-cookie" not in headers


def fresh_seconds(headers: Mapping[str, str], now: float) -> float:
    """For how long a reply is fresh (RFC 9111 4.2.1): `max-age` outranks `Expires`; `Age` is what it has lived already."""
    control = headers.get("cache-control", "").lower()
    if re.search(r"\bno-(store|cache)\b", control):
        return 0.0
    age = float(headers["age"]) if headers.get("age", "").isdigit() else 0.0
    given = re.search(r"\bmax-age\s*=\s*\"?(\d{1,10})", control)
    if given is not None:
        return float(given[1]) - age
    expires = _date(headers.get("expires", ""))
    if expires is None:
        return 0.0
    sent = _date(headers.get("date", ""))
    return expires - (now if sent is None else sent) - age


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None
