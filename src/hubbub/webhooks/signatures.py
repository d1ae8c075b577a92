"""Signatures of requests: keyed hashes over the URL and the sorted form parameters. Pure.

    text = URL exactly as requested, without fragment and `user:password@`
         + for each distinct name in byte order, for each distinct value in byte order: name + value
    signature = base64(HMAC(secret, UTF-8 of text))

A GET and a JSON body append nothing: their parameters are in the URL, the body's by its SHA-256 in a query parameter.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence

from hubbub.webhooks.addresses import wire_url

Params = Sequence[tuple[str, str]]

_HTTPS_PORT = re.compile(r"(https://(?:\[[^\]]*\]|[^/:?#]*)):[0-9]*")


def hmac_sha1_form(secret: str, url: str, params: Params = (), *, drop_https_port: bool = True) -> str:
    """Base64 of the HMAC-SHA1. `drop_https_port`: "HTTPS voice callbacks drop the port; HTTP keeps it"."""
    return _sign(secret, explain(url, params, drop_https_port=drop_https_port), "sha1")


def hmac_sha256_form(secret: str, url: str, params: Params = (), *, drop_https_port: bool = True) -> str:
    """The same text under HMAC-SHA256."""
    return _sign(secret, explain(url, params, drop_https_port=drop_https_port), "sha256")


def hmac_sha1_text(secret: str, text: str) -> str:
    """Base64 of the HMAC-SHA1 of a text that is no HTTP URL: the handshake of a WebSocket."""
    return _sign(secret, text, "sha1")


def body_sha256(body: bytes) -> str:
    """Lower-case hex SHA-256 of a raw body."""
    return hashlib.sha256(body).hexdigest()


def explain(url: str, params: Params = (), *, drop_https_port: bool = True) -> str:
    """The very text that is signed: what to compare when a verifier says no. Raises RequestFailed("bad_url")."""
    signed = wire_url(url)
    if drop_https_port:
        signed = _HTTPS_PORT.sub(r"\1", signed, count=1)
    # A set of pairs sorted by bytes is "each distinct name, then each distinct value", in order.
    pairs = sorted({(name.encode(), value.encode()) for name, value in params})
    return signed + b"".join(name + value for name, value in pairs).decode()


def explained(url: str, params: Params, secret: str) -> list[tuple[str, str, str]]:
    """Title, signed text and signature of every way in which this request may have been signed: why a verifier says no.

    As it is, with its port, with the other scheme, without its parameters or its query: what proxies and careless verifiers make of it.
    """
    ways = [("as requested, SHA-1", url, params, "sha1", True), ("as requested, SHA-256", url, params, "sha256", True)]
    ways.append(("with the port of https kept, SHA-1", url, params, "sha1", False))
    scheme, _, rest = url.partition("://")
    other = {"http": "https", "https": "http"}.get(scheme)
    if other is not None:
        ways.append((f"as {other} (a proxy ended TLS?), SHA-1", f"{other}://{rest}", params, "sha1", True))
    if params:
        ways.append(("without its parameters (read as GET or JSON?), SHA-1", url, (), "sha1", True))
    if "?" in url:
        ways.append(("without its query, SHA-1", url.partition("?")[0], params, "sha1", True))
    texts = [(title, explain(where, given, drop_https_port=drop), algorithm) for title, where, given, algorithm, drop in ways]
    return [(title, text, _sign(secret, text, algorithm)) for title, text, algorithm in texts]


def _sign(secret: str, text: str, algorithm: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), algorithm)).decode("ascii")
