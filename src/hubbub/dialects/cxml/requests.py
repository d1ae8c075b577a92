"""REQUESTS: shorter limits, other retries, and the vendor's signatures (1.1, 1.11)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

from hubbub.dialects.cxml.words import CXML
from hubbub.dialects.twiml.requests import FAILURE_CODES as TWIML_CODES
from hubbub.dialects.twiml.requests import Envelope, timed
from hubbub.webhooks.addresses import wire_url
from hubbub.webhooks.requester import HttpReply, Limits
from hubbub.webhooks.signatures import hmac_sha1_form

DOCUMENT_LIMITS = Limits(connect=2.0, total=15.0, first_byte=5.0, retries=0)
"""`connect 2 000 ms, read 5 000 ms`; a document is asked for once."""
NOTICE_LIMITS = replace(DOCUMENT_LIMITS, retries=2, retry_on=frozenset({"connect", "timeout", "4xx", "5xx"}))
"""`up to 3 attempts in total`."""
OVERRIDES = {"ot": ("connect", 100, 10_000), "rt": ("first_byte", 100, 15_000), "tt": ("total", 100, 15_000)}
FAILURE_CODES: Mapping[str, str] = {
    **TWIML_CODES,
    "connect_timeout": "11200",
    "refused": "11200",
    "network": "11200",
    "status": "11217",
    "bad_url": "21402",
    "blocked": "21402",
    "protocol": "11251",
}


def signatures(key: str, url: str, params: Sequence[tuple[str, str]], body: bytes) -> dict[str, str]:
    """Scheme B over the form under both names, and scheme A-256 over the raw body (1.11)."""
    form = hmac_sha1_form(key, url, params, drop_https_port=False)
    return {
        "X-SignalWire-Signature": form,
        "X-Twilio-Signature": form,
        "X-Signalwire-SHA256-Signature": raw_signature(key, url, body, "sha256"),
    }


def raw_signature(key: str, url: str, body: bytes, algorithm: str) -> str:
    """Scheme A: lower-case hex of the HMAC over the URL (without credentials) and the raw body."""
    return hmac.new(key.encode(), wire_url(url).encode() + body, getattr(hashlib, algorithm)).hexdigest()


def overridden(limits: Limits, fragment: str) -> Limits:
    """Limits that a URL's fragment asks for, in milliseconds; a value out of bounds leaves the default."""
    return timed(limits, dict(parse_qsl(fragment)), OVERRIDES)


ENVELOPE = Envelope(
    "SignalWire",
    "application/x-www-form-urlencoded",
    lambda fragment, notice: overridden(NOTICE_LIMITS if notice else DOCUMENT_LIMITS, fragment),
    lambda account, url, fields, body: signatures(CXML.signing_key(account), url, fields, body),
    redirects=3,
)
"""Attempts are not marked: no header for that is documented."""


def failed_status(reply: HttpReply) -> tuple[str, str] | None:
    """4xx and 5xx have a code of their own; 502 counts as a time-out."""
    if reply.status < 400:
        return None
    return "11200" if reply.status == 502 else "11217", f"the application answered {reply.status}"
