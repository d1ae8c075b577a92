"""Grants: tokens that are good for a few changes of one call in a conference, until they expire.

A token is `claims.mac`, both base64url: the claims are JSON, the mac is HMAC-SHA256 (RFC 2104) over them. The key is made of the
account's own secrets, so nothing is kept, a restarted server knows its tokens, and whoever changes the secrets ends all of them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hubbub.ids import Id, parse_id
from hubbub.settings import Account

MAY = ("see", "mute", "hold", "leave")
"""What a grant can allow its holder to do with the call."""
LONGEST = 86_400
LONGEST_TOKEN = 2000


@dataclass(frozen=True)
class Grant:
    """What a token allows."""

    account: str
    call: Id
    may: frozenset[str]
    expires: int
    """Seconds since the epoch."""
    token: str = ""


class Grants:
    """Writes and reads tokens. `now` gives seconds since the epoch."""

    def __init__(self, accounts: Iterable[Account], now: Callable[[], float]) -> None:
        self._keys = {account.name: _key(account) for account in accounts}
        self._now = now

    def write(self, account: Account, call: Id, may: frozenset[str], seconds: int) -> Grant:
        """A new grant, with its token."""
        expires = int(self._now()) + seconds
        claims = json.dumps([account.name, call, sorted(may), expires], separators=(",", ":")).encode()
        return Grant(account.name, call, may, expires, f"{_text(claims)}.{_text(self._mac(account.name, claims))}")

    def read(self, token: str) -> Grant | None:
        """What a token allows; None where it is none, was changed, or has expired."""
        claims_text, _, mac_text = token.partition(".")
        try:
            claims, mac = _bytes(claims_text), _bytes(mac_text)
            account, call, may, expires = json.loads(claims)
        except (ValueError, TypeError, RecursionError, binascii.Error):
            return None
        if len(token) > LONGEST_TOKEN or not isinstance(account, str) or account not in self._keys:
            return None
        if not hmac.compare_digest(mac, self._mac(account, claims)) or self._now() >= expires:
            return None
        identity = parse_id(call)
        return None if identity is None else Grant(account, identity, frozenset(may), expires, token)

    def _mac(self, account: str, claims: bytes) -> bytes:
        return hmac.new(self._keys[account], claims, hashlib.sha256).digest()


def _key(account: Account) -> bytes:
    secrets: Any = sorted((face, sorted(values.items())) for face, values in account.faces.items())
    return hashlib.sha256(json.dumps(["hubbub grants", account.name, secrets]).encode()).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
