"""OAuth2 client credentials (1.2): tokens that list the account they may be used for."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

from hubbub.dialects import tokens
from hubbub.dialects.bxml import account as accounts
from hubbub.dialects.tokens import SECONDS
from hubbub.settings import Account

__all__ = ["SECONDS", "basic", "read", "same", "write"]


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
    return tokens.written({"sub": accounts.client(account)[0], "accounts": [accounts.face(account, "account")]}, _secret(account), now)


def read(token: str, known: Sequence[Account], now: float) -> Account | None:
    """The account whose token this is, while it is valid."""
    found = None
    for account in known:  # all are tried, so that time says nothing about which one it is
        if tokens.is_signed(token, _secret(account)):
            found = account
    return found if tokens.is_fresh(tokens.claims_of(token), now) else None


def _secret(account: Account) -> str:
    client, secret = accounts.client(account)
    return f"{client}:{secret}" if client and secret else ""
