"""The signature rules of spec/twilio.md section 6, with its vectors."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.webhooks.addresses import with_query
from hubbub.webhooks.signatures import body_sha256, explain, hmac_sha1_form, hmac_sha256_form

TOKEN = "0123456789abcdef0123456789abcdef"
PARAMS = [
    ("AccountSid", "AC" + "0" * 32),
    ("CallSid", "CA" + "1" * 32),
    ("ConferenceSid", "CF" + "2" * 32),
    ("StatusCallbackEvent", "participant-join"),
    ("SequenceNumber", "3"),
    ("FriendlyName", "room one"),
]


@pytest.mark.parametrize(
    ("url", "sha1", "sha256"),
    [
        ("https://app.example/hooks/conf", "ki6Q5vErEPYR/w9BfiwW+PK9JuQ=", "33Aey8469SxhDAxl22eFsUWTusnKPYJ2VbqzzaJjigo="),
        ("https://app.example/hooks/conf?tenant=7&x=a%20b", "HDUYM6dqf3fHH1YIUMNjEBoB4qM=", "tn7tGcmeAmn5beTaY47TB5V3emB6A2UTl/WcIb0H0NM="),
        ("http://app.example:8080/hooks/conf", "zsBPYUxb1yzfSd7U3Yk4nrDf2X8=", "AtP9aRnqHoF2BADuX982cTUJ+SUo920zG7VB2XAGwcs="),
        ("https://app.example:8443/hooks/conf", "ki6Q5vErEPYR/w9BfiwW+PK9JuQ=", "33Aey8469SxhDAxl22eFsUWTusnKPYJ2VbqzzaJjigo="),
    ],
)
def test_vectors_of_6_3_form(url: str, sha1: str, sha256: str) -> None:
    assert hmac_sha1_form(TOKEN, url, PARAMS) == sha1
    assert hmac_sha256_form(TOKEN, url, PARAMS) == sha256


def test_vector_of_6_3_get() -> None:
    """ "GET: nothing appended (params are already in the URL)"."""
    url = with_query("https://app.example/hooks/wait", [("CallSid", "CA1"), ("From", "+15550001111")])
    assert url == "https://app.example/hooks/wait?CallSid=CA1&From=%2B15550001111"
    assert hmac_sha1_form(TOKEN, url) == "N6Qu/TFBqMWX+69SKz8acQy/fYg="


def test_vector_of_6_3_json() -> None:
    """ "add query parameter bodySHA256 = lower-case hex SHA-256 of the raw body, sign URL only"."""
    digest = body_sha256(b'{"a":1}')
    assert digest == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    url = with_query("https://app.example/hooks/wait", [("bodySHA256", digest)])
    assert hmac_sha1_form(TOKEN, url) == "8OVtxLiYYr4zBXmWZNBR832mIQw="


@pytest.mark.parametrize(
    ("url", "text"),
    [
        # "URL exactly as requested incl. query, minus fragment, minus user:pass@"
        ("https://u:p@h.example/x?y=1#ct=5", "https://h.example/x?y=1"),
        # "HTTPS voice callbacks drop the port; HTTP keeps it"
        ("https://h.example:8443/x:9", "https://h.example/x:9"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]/x"),
        ("http://h.example:8080/x", "http://h.example:8080/x"),
    ],
)
def test_the_url_of_the_text(url: str, text: str) -> None:
    assert explain(url) == text


def test_the_port_may_be_kept() -> None:
    assert explain("https://h.example:8443/x", drop_https_port=False) == "https://h.example:8443/x"


def test_names_and_values_in_byte_order_distinct_and_without_separators() -> None:
    """ "for each distinct parameter name in byte (case-sensitive) order, for each distinct value in byte order: append name+value,
    no separators, decoded values, empty value appends only the name"."""
    params = [("b", "2"), ("a", "z"), ("B", "1"), ("a", "y"), ("a", "z"), ("empty", ""), ("ü", "ö &")]
    assert explain("http://h/", params) == "http://h/" + "B1" + "ay" + "az" + "b2" + "empty" + "üö &"


@given(st.lists(st.tuples(st.text(min_size=1), st.text())), st.text(min_size=1))
def test_the_signature_is_the_hmac_of_what_explain_says(params: list[tuple[str, str]], secret: str) -> None:
    try:
        text = explain("http://h/", params)
        key = secret.encode()
    except UnicodeEncodeError:
        return
    assert hmac_sha1_form(secret, "http://h/", params) == base64.b64encode(hmac.new(key, text.encode(), hashlib.sha1).digest()).decode()
    assert explain("http://h/", list(reversed(params))) == text


def test_a_signature_that_was_made_elsewhere_is_explained() -> None:
    """P16: "explain mode that shows the signed string": a proxy that ended TLS is found by its signature."""
    from hubbub.webhooks.signatures import explained, hmac_sha1_form

    ways = explained("http://app.example/hook?x=1", [("b", "2"), ("a", "1")], "secret")
    assert ways[0][1] == "http://app.example/hook?x=1a1b2"
    assert ways[0][2] == hmac_sha1_form("secret", "http://app.example/hook?x=1", [("a", "1"), ("b", "2")])
    meant = hmac_sha1_form("secret", "https://app.example/hook?x=1", [("a", "1"), ("b", "2")])
    assert [title for title, _, made in ways if made == meant] == ["as https (a proxy ended TLS?), SHA-1"]
