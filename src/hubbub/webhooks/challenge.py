"""Answers to HTTP authentication challenges: Basic (RFC 7617) and Digest with MD5 or SHA-256, qop=auth or none (RFC 7616). Pure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# A scheme is a token followed by a space or the end; a parameter is token=value, the value a token or a quoted string.
_PIECE = re.compile(
    r"""[\s,]*(?:(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"=]+(?![^\s,])))"""
    r"""|(?P<scheme>[!#$%&'*+.^_`|~0-9A-Za-z-]+)(?=\s|,|$)|(?P<rest>[^\s,]+))""",
)
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


@dataclass(slots=True)
class Challenge:
    """One challenge: scheme and parameter names in lower case."""

    scheme: str
    params: dict[str, str] = field(default_factory=dict)


def parse_challenges(headers: Sequence[str]) -> list[Challenge]:
    """The challenges of the WWW-Authenticate headers; what cannot be read is passed over."""
    found: list[Challenge] = []
    for header in headers:
        current: Challenge | None = None
        for piece in _PIECE.finditer(header):
            if piece["scheme"]:
                current = Challenge(piece["scheme"].lower())
                found.append(current)
            elif piece["name"] and current is not None:
                quoted = piece["quoted"]
                value = piece["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                current.params.setdefault(piece["name"].lower(), value)
    return found


def basic(username: str, password: str) -> str:
    """The Authorization header of RFC 7617, in UTF-8."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def answer(challenges: Sequence[Challenge], *, method: str, uri: str, username: str, password: str, cnonce: str) -> str | None:
    """The Authorization header for the strongest challenge that can be met; None when there is none.

    `uri` is path and query as they stand in the request line.
    """
    digests = [item for item in challenges if item.scheme == "digest" and item.params.get("algorithm", "MD5").upper() in _HASHES]
    for item in sorted(digests, key=lambda item: item.params.get("algorithm", "MD5").upper() != "SHA-256"):
        header = _digest(item.params, method=method, uri=uri, username=username, password=password, cnonce=cnonce)
        if header is not None:
            return header
    return basic(username, password) if any(item.scheme == "basic" for item in challenges) else None


def _digest(params: Mapping[str, str], *, method: str, uri: str, username: str, password: str, cnonce: str) -> str | None:
    if "realm" not in params or "nonce" not in params:
        return None
    offered = [item.strip().lower() for item in params["qop"].split(",")] if "qop" in params else []
    if offered and "auth" not in offered:
        return None  # auth-int would need the body's hash; nobody asks for it
    algorithm = params.get("algorithm", "MD5").upper()

    def digest(*parts: str) -> str:
        return hashlib.new(_HASHES[algorithm], ":".join(parts).encode(), usedforsecurity=False).hexdigest()

    secret, target = digest(username, params["realm"], password), digest(method, uri)
    count = "00000001"
    response = digest(secret, params["nonce"], *((count, cnonce, "auth") if offered else ()), target)
    fields = [("username", username), ("realm", params["realm"]), ("nonce", params["nonce"]), ("uri", uri), ("response", response)]
    text = ", ".join(f'{name}="{_escape(value)}"' for name, value in fields)
    if "opaque" in params:
        text += f', opaque="{_escape(params["opaque"])}"'
    if "algorithm" in params:
        text += f", algorithm={algorithm}"
    if offered:
        text += f', qop=auth, nc={count}, cnonce="{cnonce}"'
    return "Digest " + text


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
