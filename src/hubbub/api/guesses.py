"""Wrong credentials, and who gives too many of them: a pure core, time is an argument.

An address that has given its share is told to come back later, and what it gives meanwhile is not judged: a right guess looks like a
wrong one. Credentials that were right at that very address lately are judged always, so that nobody who guesses behind a shared address
keeps others out.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import Request

from hubbub.errors import Refused, TooManyGuesses
from hubbub.sip.limits import Bucket, remember

WRONG = frozenset({"unauthenticated", "bad-credentials"})
RIGHT_SECONDS = 3600.0


@dataclass
class Guesses:
    """`a_minute` wrong credentials of one address are judged, in bursts of as many (0: all are); of IPv6 a /64 is one address."""

    a_minute: float
    wrong: int = 0
    slowed: int = 0
    _buckets: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)
    _right: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @contextmanager
    def judging(self, host: str, credentials: str, now: float) -> Iterator[None]:
        """Around the judgement of credentials, which raises Refused for wrong ones. Raises TooManyGuesses where none is to be made."""
        source = _source(host)
        known = self._known(source, credentials)
        self._admit(source, known, now)
        try:
            yield
        except Refused as refusal:
            if credentials and refusal.reason in WRONG:
                self._note(source, now)
            raise
        if credentials:
            remember(self._right, known, now + RIGHT_SECONDS)

    def counts(self) -> dict[str, float]:
        """What `/metrics` shows of them."""
        return {"http_wrong_credentials": self.wrong, "http_slowed_credentials": self.slowed}

    def _known(self, source: str, credentials: str) -> str:
        """What is remembered of credentials at an address: nothing that would tell them."""
        return hashlib.blake2b(f"{source} {credentials}".encode("utf-8", "surrogateescape"), key=self._key, digest_size=16).hexdigest()

    def _admit(self, source: str, known: str, now: float) -> None:
        bucket = self._buckets.get(source)
        if self.a_minute <= 0 or bucket is None or not bucket.full(now, self.a_minute / 60, self.a_minute):
            return
        if self._right.get(known, now) > now:
            return
        self.slowed += 1
        raise TooManyGuesses(max(1, math.ceil((bucket.level + 1 - self.a_minute) * 60 / self.a_minute - 1e-6)))

    def _note(self, source: str, now: float) -> None:
        self.wrong += 1
        bucket = self._buckets.get(source) or Bucket(at=now)
        bucket.take(now, self.a_minute / 60, self.a_minute)
        remember(self._buckets, source, bucket)


def host_of(request: Request) -> str:
    """The address that a request came from."""
    return request.client.host if request.client else ""


def _source(host: str) -> str:
    """What is one address here: of IPv6, whoever has one has a /64."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    return str(address.ipv4_mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))
