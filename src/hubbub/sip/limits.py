"""How much one address may ask of the SIP port, and who is not listened to for a while: a pure core, time is an argument.

Flooders, scanners and guessers of passwords cost least when their packets are thrown away before they are read. Source addresses of UDP
can be forged, therefore whoever is trusted, has proved a password lately, or was called, is never banned: nobody can have a phone or
a trunk banned by speaking in its name.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from hubbub.sip.registrar import MAX_EXPIRES

SOURCES_REMEMBERED = 10_000
PROVED_SECONDS = float(MAX_EXPIRES)
"""How long an address that proved a password cannot be banned: as long as a phone may be registered."""


@dataclass(frozen=True)
class Limits:
    """0 switches a limit off.

    `invites`: new calls a second from one address, with a burst of as many again. `wrong_passwords` and `strangers`: wrong passwords, and
    requests that prove nothing (challenged, refused, unreadable), that an address may send in a minute before it is banned for
    `ban_seconds`.
    """

    invites: float = 200.0
    wrong_passwords: float = 10.0
    strangers: float = 60.0
    ban_seconds: float = 300.0


@dataclass
class Bucket:
    """A leaky bucket: holds `size`, leaks `rate` a second."""

    level: float = 0.0
    at: float = 0.0

    def take(self, now: float, rate: float, size: float) -> bool:
        """Pour one in; False when it flows over (then nothing is poured)."""
        if self.full(now, rate, size):
            return False
        self.level += 1.0
        return True

    def full(self, now: float, rate: float, size: float) -> bool:
        """Whether one more would make it flow over."""
        self.level = max(0.0, self.level - max(0.0, now - self.at) * rate)
        self.at = now
        return self.level + 1.0 > size


Buckets = OrderedDict[str, Bucket]
Value = TypeVar("Value")


@dataclass
class Guard:
    """What is remembered of addresses: bounded, the longest silent forgotten first."""

    limits: Limits = field(default_factory=Limits)
    trusted: Callable[[str], bool] = lambda host: False
    _invites: Buckets = field(default_factory=OrderedDict)
    _wrong: Buckets = field(default_factory=OrderedDict)
    _guessed: Buckets = field(default_factory=OrderedDict)
    _strange: Buckets = field(default_factory=OrderedDict)
    _proved: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _banned: OrderedDict[str, float] = field(default_factory=OrderedDict)
    bans: int = 0

    def banned(self, host: str, now: float) -> bool:
        """Whether packets of this address are thrown away now."""
        until = self._banned.get(host)
        if until is None:
            return False
        if now < until:
            return True
        del self._banned[host]
        return False

    def banned_now(self, now: float) -> int:
        """How many addresses are banned."""
        for host in [host for host, until in self._banned.items() if until <= now]:
            del self._banned[host]
        return len(self._banned)

    def invite(self, host: str, now: float) -> bool:
        """Whether this address may make one more call now."""
        rate = self.limits.invites
        return rate <= 0 or _bucket(self._invites, host).take(now, rate, 2 * rate)

    def wrong_password(self, host: str, now: float, user: str = "") -> bool:
        """Note a wrong password for a name; True when the address is banned for it."""
        if self.limits.wrong_passwords > 0:
            _bucket(self._guessed, f"{host} {user}").take(now, self.limits.wrong_passwords / 60.0, self.limits.wrong_passwords)
        return self._note(self._wrong, host, now, self.limits.wrong_passwords)

    def slowed(self, host: str, user: str, now: float) -> bool:
        """Whether no guess at this name is judged now from an address that is never banned."""
        bucket, a_minute = self._guessed.get(f"{host} {user}"), self.limits.wrong_passwords
        return bucket is not None and self.known(host, now) and bucket.full(now, a_minute / 60.0, a_minute)

    def strange(self, host: str, now: float) -> bool:
        """Note a request that proves nothing; True when the address is banned for it."""
        return self._note(self._strange, host, now, self.limits.strangers)

    def proved(self, host: str, now: float) -> None:
        """Somebody at this address knows a password."""
        remember(self._proved, host, now + PROVED_SECONDS)
        self._strange.pop(host, None)

    def called(self, host: str, now: float) -> None:
        """We call this address: what it answers is waited for, whoever spoke in its name before."""
        self.proved(host, now)
        self._banned.pop(host, None)

    def known(self, host: str, now: float) -> bool:
        """Whether an address is trusted, has proved a password lately, or was called: it is never banned."""
        return self.trusted(host) or self._proved.get(host, now) > now

    def _note(self, buckets: Buckets, host: str, now: float, a_minute: float) -> bool:
        if a_minute <= 0 or self.known(host, now):
            return False
        if _bucket(buckets, host).take(now, a_minute / 60.0, a_minute):
            return False
        buckets.pop(host, None)
        remember(self._banned, host, now + self.limits.ban_seconds)
        self.bans += 1
        return True


def _bucket(buckets: Buckets, host: str) -> Bucket:
    bucket = buckets.get(host)
    if bucket is None:
        bucket = Bucket()
    remember(buckets, host, bucket)
    return bucket


def remember(table: OrderedDict[str, Value], host: str, value: Value) -> None:
    """Put the newest into a table that holds SOURCES_REMEMBERED, the longest silent forgotten first."""
    table[host] = value
    table.move_to_end(host)
    while len(table) > SOURCES_REMEMBERED:
        table.popitem(last=False)
