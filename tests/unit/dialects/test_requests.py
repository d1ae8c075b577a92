"""REQUESTS: how a webhook leaves, and what of its answer counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.support.faces import LINK, TWIML, happened, settings
from tests.support.facts import ACCOUNT, CALL, MEMBER

from hubbub.dialects.twiml.requests import DEFAULT_LIMITS, connection_overrides, reply_failure
from hubbub.events import Link, RoomEventKind
from hubbub.verbs.dialect import DocumentRequest
from hubbub.webhooks.requester import HttpReply
from hubbub.webhooks.signatures import hmac_sha1_form


def test_a_notice_is_signed_and_keeps_its_token() -> None:
    (notice,) = TWIML.room_notices(ACCOUNT, happened(RoomEventKind.JOINED, MEMBER), settings("twiml"))
    request = TWIML.prepare(ACCOUNT, notice)
    fields = parse_qsl((request.body or b"").decode(), keep_blank_values=True)
    assert request.method == "POST"
    assert request.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert request.headers["X-Twilio-Signature"] == hmac_sha1_form(ACCOUNT.faces["twilio"]["token"], LINK.url, fields)
    assert request.headers["I-Twilio-Idempotency-Token"] == TWIML.prepare(ACCOUNT, notice).headers["I-Twilio-Idempotency-Token"]


def test_get_merges_into_the_query_and_drops_the_fragment() -> None:
    request = DocumentRequest(Link("http://app.test/v?a=b#rc=3&tt=2000", "GET"), "initiate", CALL)
    http = TWIML.document_request(ACCOUNT, request)
    split = urlsplit(http.url)
    assert http.body is None
    assert split.fragment == ""
    assert dict(parse_qsl(split.query))["a"] == "b"
    assert dict(parse_qsl(split.query))["CallStatus"] == "in-progress"
    assert (http.limits.retries, http.limits.total) == (3, 2.0)
    assert http.headers["X-Twilio-Signature"] == hmac_sha1_form(ACCOUNT.faces["twilio"]["token"], http.url)


@pytest.mark.parametrize(
    ("fragment", "changes"),
    [
        ("ct=1000", {"connect": 1.0}),
        ("ct=99", {}),
        ("ct=10001", {}),
        ("rt=100", {"first_byte": 0.1}),
        ("rt=15001", {}),
        ("tt=15000", {"total": 15.0}),
        ("rc=0", {"retries": 0}),
        ("rc=5", {"retries": 5}),
        ("rc=6", {}),
        ("rc=-1", {}),
        ("rc=²", {}),
        ("ct=٣٣٣", {}),
        ("ct=" + "9" * 5000, {}),
        ("rp=4xx,rt", {"retry_on": frozenset({"4xx", "timeout"})}),
        ("rp=all", {"retry_on": frozenset({"connect", "timeout", "4xx", "5xx"})}),
        ("rp=sometimes", {}),
        ("e=dublin&sni=n", {}),
        ("", {}),
        ("section-2", {}),
        ("ct=1000&rp=ct,rt&rc=2", {"connect": 1.0, "retries": 2, "retry_on": frozenset({"connect", "timeout"})}),
    ],
)
def test_connection_overrides(fragment: str, changes: dict[str, Any]) -> None:
    """1.4: keys, ranges; a bad value leaves the default."""
    assert connection_overrides(fragment) == replace(DEFAULT_LIMITS, **changes)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (200, "text/xml", None),
        (204, "application/xml", None),
        (200, "text/html", None),
        (200, "text/plain", None),
        (200, "audio/mpeg", None),
        (404, "text/xml", "11200"),
        (500, "", "11200"),
        (200, "application/json", "12300"),
        (200, "", "12300"),
    ],
)
def test_what_counts_as_an_answer(status: int, kind: str, code: str | None) -> None:
    reply = HttpReply(status=status, headers={}, content_type=kind, body=b"", url="http://a/", seconds=0.1, attempts=1)
    failure = reply_failure(reply)
    assert (failure[0] if failure else None) == code


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({"transfer-encoding": "chunked"}, b"", "11770"),
        ({"transfer-encoding": "chunked"}, b"<Response/>", None),
        ({"content-length": "0"}, b"", None),
    ],
)
def test_chunks_that_hold_nothing(headers: dict[str, str], body: bytes, code: str | None) -> None:
    """1.3: "empty chunked body 11770"; an empty body that says so is no document (12100)."""
    reply = HttpReply(status=200, headers=headers, content_type="text/xml", body=body, url="http://a/", seconds=0.1, attempts=1)
    failure = TWIML.reply_failure(reply)
    assert (failure[0] if failure else None) == code


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        *(("connect_timeout", "11201"), ("refused", "11202"), ("network", "11205"), ("timeout", "11200"), ("dns", "11210")),
        *(("tls_name", "11235"), ("tls_expired", "11236"), ("tls_chain", "11237")),
        *(("bad_url", "11100"), ("tls", "11220"), ("protocol", "11206"), ("too_large", "11750"), ("redirects", "11215")),
    ],
)
def test_codes_of_failed_requests(kind: str, code: str) -> None:
    assert TWIML.request_failure_code(kind) == code
