"""Access tokens: JWTs (RFC 7519, HS256) that this server signs and reads again; nothing is stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

SECONDS = 3600
"""For how long a token is good."""


def written(claims: Mapping[str, Any], secret: str, now: float) -> str:
    """A token that says this for an hour, signed with a secret of its owner."""
    dated = {"iss": "hubbub", **claims, "iat": int(now), "exp": int(now) + SECONDS}
    signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(dated)}"
    return f"{signed}.{_base64(_signature(signed, secret))}"


def claims_of(token: str) -> Mapping[str, Any]:
    """What a token says, whoever wrote it; nothing where it is none."""
    try:
        found = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    except (IndexError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def is_signed(token: str, secret: str) -> bool:
    """Whether it was signed with that secret, in constant time; nobody has an empty one."""
    signed, _, signature = token.rpartition(".")
    return hmac.compare_digest(_base64(_signature(signed, secret)).encode(), signature.encode()) and bool(secret)


def is_fresh(claims: Mapping[str, Any], now: float) -> bool:
    """Whether what a token says is still good."""
    expires = claims.get("exp")
    return isinstance(expires, (int, float)) and now < expires


def _signature(signed: str, secret: str) -> bytes:
    """The key is made from the secret, for this purpose alone: a new secret ends all tokens, a restart none."""
    key = hashlib.sha256(f"hubbub token {secret}".encode()).digest()
    return hmac.new(key, signed.encode(), hashlib.sha256).digest()


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
