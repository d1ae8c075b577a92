"""OAuth2 client credentials (1.2): tokens are JWTs that this server signs and reads again; nothing is stored."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from hubbub.dialects.bxml import account as accounts
from hubbub.settings import Account

SECONDS = 3600


def basic(authorization: str) -> tuple[str, str]:
    """User and password of an Authorization header; empty texts where it holds none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def same(given: tuple[str, str], expected: tuple[str, str]) -> bool:
    """Whether credentials agree, in constant time; nobody has empty ones."""
    pairs = [hmac.compare_digest(mine.encode(), theirs.encode()) for mine, theirs in zip(given, expected, strict=True)]
    return all(pairs) and all(expected)


def write(account: Account, now: float) -> str:
    """A token that lists the account it may be used for."""
    claims = {
        "iss": "hubbub",
        "sub": accounts.client(account)[0],
        "accounts": [accounts.face(account, "account")],
        "iat": int(now),
        "exp": int(now) + SECONDS,
    }
    signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
    return f"{signed}.{_base64(_signature(signed, account))}"


def read(token: str, known: Sequence[Account], now: float) -> Account | None:
    """The account whose token this is, while it is valid."""
    signed, _, signature = token.rpartition(".")
    found = None
    for account in known:  # all are tried, so that time says nothing about which one it is
        if hmac.compare_digest(_base64(_signature(signed, account)).encode(), signature.encode()) and all(accounts.client(account)):
            found = account
    if found is None:
        return None
    claims = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
    return found if now < claims["exp"] else None


def _signature(signed: str, account: Account) -> bytes:
    """The key is the client's secret, for this purpose alone: a new secret ends all tokens, a restart none."""
    client, secret = accounts.client(account)
    key = hashlib.sha256(f"hubbub token {client}:{secret}".encode()).digest()
    return hmac.new(key, signed.encode(), hashlib.sha256).digest()


def _encoded(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
