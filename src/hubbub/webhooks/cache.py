"""Replies that may be used again: RFC 9111 for GET, as far as a reply says how long it is fresh or how to ask whether it still holds.

A pure core: time is an argument. There is no heuristic freshness: a reply that says nothing is not kept.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Protocol, TypeVar

LARGEST = 8 << 20
"""Bytes of all replies together."""
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


Kept = TypeVar("Kept", bound=Reply)


@dataclass(frozen=True)
class _Entry:
    reply: Reply
    until: float


class ReplyCache:
    """Replies by what they were asked for with; the least recently used go first."""

    def __init__(self, limit: int = LARGEST) -> None:
        self._limit = limit
        self._held = 0
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()

    def fresh(self, key: Key, now: float) -> Reply | None:
        """A reply that needs no request."""
        found = self._entries.get(key)
        if found is None or found.until <= now:
            return None
        self._entries.move_to_end(key)
        return found.reply

    def conditions(self, key: Key) -> dict[str, str]:
        """Headers that ask whether the reply that is kept still holds (RFC 9110 13.1); none where nothing is kept."""
        found = self._entries.get(key)
        headers = found.reply.headers if found is not None else {}
        wanted = {"If-None-Match": headers.get("etag"), "If-Modified-Since": headers.get("last-modified")}
        return {name: value for name, value in wanted.items() if value}

    def renewed(self, key: Key, headers: Mapping[str, str], now: float) -> Reply | None:
        """The reply that a 304 with these headers speaks of (RFC 9111 4.3.4)."""
        found = self._entries.get(key)
        if found is None:
            return None
        told = {name: value for name, value in headers.items() if name not in ("content-length", "content-encoding", "content-type")}
        reply = replace(found.reply, headers={**found.reply.headers, **told})  # type: ignore[type-var]
        self.put(key, reply, now)
        return reply

    def put(self, key: Key, reply: Reply, now: float) -> None:
        """Keep a reply, if it may be."""
        self._drop(key)
        until = now + fresh_seconds(reply.headers, now)
        if not _may_be_kept(reply) or len(reply.body) > self._limit:
            return
        self._entries[key] = _Entry(reply, until)
        if until <= now and not self.conditions(key):
            del self._entries[key]
            return
        self._held += len(reply.body)
        while self._held > self._limit:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Key) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self._held -= len(found.reply.body)


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
