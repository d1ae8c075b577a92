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


def _sign(secret: str, text: str, algorithm: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), algorithm)).decode("ascii")
