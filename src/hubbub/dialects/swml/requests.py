"""REQUESTS: JSON, signed over URL and raw body (1.11, 3.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from hubbub.dialects.cxml.requests import raw_signature
from hubbub.dialects.cxml.words import CXML
from hubbub.dialects.swml import callbacks
from hubbub.dialects.tables import render
from hubbub.events import CallRecord, Link
from hubbub.settings import Account
from hubbub.webhooks.requester import HttpRequest, Limits

LARGEST_AUDIO = 64 << 20
"""Bytes of audio that is answered instead of a document."""


def signatures(key: str, url: str, body: bytes) -> dict[str, str]:
    """Scheme A over URL and raw body, under both names of the header, and by SHA-256 (1.11)."""
    short = raw_signature(key, url, body, "sha1")
    long = raw_signature(key, url, body, "sha256")
    return {"X-SignalWire-Signature": short, "X-Twilio-Signature": short, "X-Signalwire-SHA256-Signature": long}


def facts(account: Account, call: CallRecord | None) -> dict[str, Any]:
    """`call` and `envs` of a document request and of expressions (3.2, 3.3)."""
    if call is None:
        return {"call": {}, "envs": {}}
    return {"call": render(callbacks.CALL, callbacks.Told(call, account)), "envs": dict(call.extra.get("envs") or {})}


def http_request(account: Account, link: Link, body: Mapping[str, Any], limits: Limits | None = None) -> HttpRequest:
    """JSON by POST, or flattened into the query by GET, signed."""
    headers = {"User-Agent": "hubbub", "Accept": "*/*"}
    url, content = link.url, None
    if link.method == "GET":
        flat = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
        url += ("&" if urlsplit(url).query else "?") + urlencode(flat)
    else:
        headers["Content-Type"] = "application/json"
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    headers |= signatures(CXML.signing_key(account), url, content or b"")
    return HttpRequest(
        method=link.method,
        url=url,
        headers=headers,
        body=content,
        limits=limits or Limits(total=link.timeout or 15.0),
        username=link.username,
        password=link.password,
        auth="preemptive",
        max_body=LARGEST_AUDIO,
    )
