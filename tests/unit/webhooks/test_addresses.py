"""URLs: what goes on the wire is what is signed, and secrets are in no log."""

from __future__ import annotations

import pytest

from hubbub.errors import RequestFailed
from hubbub.webhooks.addresses import credentials_in, loggable, origin, wire_url, with_query


@pytest.mark.parametrize(
    ("url", "wire"),
    [
        ("https://host/path?x=1#ct=1000&rp=ct,rt", "https://host/path?x=1"),
        ("https://user:pass@host/", "https://host/"),
        ("http://host", "http://host/"),
        ("http://host?x=1", "http://host/?x=1"),
        ("http://host/a%41%2fb?q=%7E", "http://host/a%41%2fb?q=%7E"),  # escapes stay as they were written
        ("http://host/a b/ü?q=ö c", "http://host/a%20b/%C3%BC?q=%C3%B6%20c"),
        ("http://bücher.example:8080/", "http://xn--bcher-kva.example:8080/"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("http://host/x\"'<>", "http://host/x%22'%3C%3E"),
    ],
)
def test_wire_url(url: str, wire: str) -> None:
    assert wire_url(url) == wire
    assert wire_url(wire) == wire


@pytest.mark.parametrize(
    "url",
    [
        *("", "/relative", "ftp://host/", "http://", "http://host:port/", "http://host:99999/", "http://[::1", "http://a b/"),
        *("http://\u00fc b/", "http://\u00fc\x00/", "http://\u00e9</"),  # what no host may hold beside what is written otherwise
    ],
)
def test_what_cannot_be_requested(url: str) -> None:
    with pytest.raises(RequestFailed) as failed:
        wire_url(url)
    assert failed.value.kind == "bad_url"


def test_credentials() -> None:
    assert credentials_in("https://us%40er:p%3Ass@host/") == ("us@er", "p:ss")
    assert credentials_in("https://host/a@b") is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pass@host/x?y", "https://host/x?y"),
        ("https://user:pa@ss@host/@x", "https://host/@x"),
        ("https://user:pass@host:notaport?x", "https://host:notaport?x"),
        ("user:pass@host", "host"),
    ],
)
def test_loggable_shows_no_secret(url: str, shown: str) -> None:
    assert loggable(url) == shown


def test_errors_hold_no_secret() -> None:
    with pytest.raises(RequestFailed) as failed:
        wire_url("https://user:secret@host:notaport/")
    assert "secret" not in f"{failed.value} {failed.value.url} {failed.value.__cause__}"


def test_get_merges_into_the_query() -> None:
    """spec/twilio.md 4.2: "GET merges into the query"."""
    assert with_query("http://h/x", [("From", "+1"), ("Name", "a b")]) == "http://h/x?From=%2B1&Name=a%20b"
    assert with_query("http://h/x?y=1#ct=5", [("a", "")]) == "http://h/x?y=1&a=#ct=5"
    assert with_query("http://h/x", []) == "http://h/x"


def test_origin() -> None:
    assert origin("https://u:p@Host:443/x") == ("https", "host:443")
