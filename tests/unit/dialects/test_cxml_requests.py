"""Requests of the cXML face: the signature vectors of spec/signalwire.md 1.11, limits and retries of 1.1."""

from __future__ import annotations

import pytest

from hubbub.dialects.cxml.requests import ENVELOPE, NOTICE_LIMITS, overridden, raw_signature, signatures
from hubbub.dialects.cxml.rest import CompatibleRest, CxmlRest
from hubbub.dialects.cxml.words import CXML
from hubbub.dialects.twiml.requests import http_request
from hubbub.events import Link
from hubbub.settings import Account

PROJECT = "4b7ae78a-d02f-4889-a63b-08b156d5916e"
ACCOUNT = Account(name="a", signalwire={"project": PROJECT, "token": "PT1", "signing_key": "PSK_test"})
FORM = [("AccountSid", "acc"), ("ConferenceSid", "conf"), ("StatusCallbackEvent", "participant-join")]


@pytest.mark.parametrize(
    ("key", "url", "params", "expected"),
    [
        (
            "12345",
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            [
                ("To", "+18005551212"),
                ("CallSid", "CA1234567890ABCDE"),
                ("Caller", "+14158675309"),
                ("Digits", "1234"),
                ("From", "+14158675309"),
            ],
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
        ("PSK_test", "https://app.example.com/conf", FORM, "XJxR0lVUgsd4zfUOI9S42jtC1pY="),
    ],
)
def test_vectors_of_scheme_b(key: str, url: str, params: list[tuple[str, str]], expected: str) -> None:
    """1.11 B, under both names of the header."""
    found = signatures(key, url, params, b"")
    assert found["X-SignalWire-Signature"] == found["X-Twilio-Signature"] == expected


def test_vectors_of_scheme_a() -> None:
    """1.11 A: hex over URL and raw body; credentials in the URL are not signed."""
    body = b'{"call":{"call_id":"c1"},"vars":{},"envs":{},"params":{}}'
    for url in ("https://app.example.com/swml?x=1", "https://user:secret@app.example.com/swml?x=1"):
        assert raw_signature("PSK_test", url, body, "sha1") == "9fc722a647427511603e896be7b640bacb237f83"
        assert raw_signature("PSK_test", url, body, "sha256") == "9343b662cf53184cc939b71f536eda3b5a114bde120853b48e391b7b13c5f0d7"


def test_the_key_is_the_signing_key_else_the_token() -> None:
    """ "Key = project Signing Key, not the API token"; without one the token signs."""
    bare = Account(name="a", signalwire={"project": PROJECT, "token": "PT1"})
    assert (CXML.signing_key(ACCOUNT), CXML.signing_key(bare)) == ("PSK_test", "PT1")


def test_the_fragment_is_neither_sent_nor_signed() -> None:
    """1.1: "the fragment is never sent on the wire" -> excluded from what is signed."""
    plain = http_request(ENVELOPE, ACCOUNT, Link("https://app.example.com/conf", "POST"), FORM)
    timed = http_request(ENVELOPE, ACCOUNT, Link("https://app.example.com/conf#ot=300&rt=9000&tt=50", "POST"), FORM)
    assert (timed.url, timed.headers) == (plain.url, plain.headers)
    assert (timed.limits.connect, timed.limits.first_byte, timed.limits.total) == (0.3, 9.0, 15.0)


def test_limits() -> None:
    """1.1: documents are asked for once, status callbacks up to three times; at most 3 redirects."""
    document = http_request(ENVELOPE, ACCOUNT, Link("https://app.example.com/a", "GET"), FORM)
    assert (document.limits.connect, document.limits.first_byte, document.limits.retries, document.max_redirects) == (2.0, 5.0, 0, 3)
    assert http_request(ENVELOPE, ACCOUNT, Link("https://app.example.com/a"), FORM, notice=True).limits.retries == 2
    assert overridden(NOTICE_LIMITS, "ot=99&rt=x&tt=20000") == NOTICE_LIMITS


def test_attempts_are_not_marked_and_nothing_is_kept() -> None:
    """1.1 and 1.11 name no header that is the same in all attempts; a document is fetched each time."""
    request = http_request(ENVELOPE, ACCOUNT, Link("https://app.example.com/a"), FORM, token="t")
    assert set(request.headers) == {"User-Agent", "Accept", "Content-Type", *signatures("k", "https://app.example.com/a", FORM, b"")}
    assert request.cache is None


def test_ids_are_uuids_and_other_spellings_are_read() -> None:
    """1.1: "all Sids are plain UUIDs"; "accept any opaque string in paths"."""
    identity = CXML.call.read("0b5d63b2-0000-4000-8000-000000000001")
    assert identity is not None
    assert CXML.call.write(identity) == "0b5d63b2-0000-4000-8000-000000000001"
    assert CXML.call.read("CA" + identity) == identity
    assert CXML.call.read("standup") is None


def test_both_base_paths() -> None:
    """2.1: "serve both prefixes, with and without .json"."""
    assert CxmlRest.base == "/api/laml/2010-04-01/Accounts/{account}"
    assert CompatibleRest.base == "/2010-04-01/Accounts/{account:uuid}"
    assert CxmlRest.suffixes == CompatibleRest.suffixes == (".json", "")
