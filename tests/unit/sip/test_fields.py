"""Header and body text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.sip.fields import extension_headers, info_digits, phrase, safe_headers, session_expires, text, tidy, wire


def test_extension_headers_keep_their_spelling() -> None:
    packet = "INVITE sip:a SIP/2.0\r\nX-Room-Id: 7\r\nx-b : two\r\n words\r\n"
    packet += "P-Asserted-Identity: <sip:c>\r\nVia: v\r\nX-ROOM-ID: 8\r\n\r\nX-Body: no"
    assert extension_headers(packet) == {"X-Room-Id": "7, 8", "x-b": "two words", "P-Asserted-Identity": "<sip:c>"}
    assert extension_headers("") == {}


def test_headers_cannot_break_out_or_replace_ours() -> None:
    good, bad = safe_headers({"X-A": "1\r\nVia: evil", "Via": "x", "X B": "1", "call-id": "y", "X-C:": "z", "X-D": "ü"})
    assert good == [("X-A", "1 Via: evil"), ("X-D", "ü")]
    assert bad == ["Via", "X B", "call-id", "X-C:"]


@given(st.binary())
def test_bytes_survive_the_wire_form(data: bytes) -> None:
    seen = data.decode("ascii", "surrogateescape")
    assert seen.encode("utf-8", "surrogateescape") == data
    assert len(seen) == len(data)
    assert text(seen) == data.decode("utf-8", "replace")


@given(st.text())
def test_text_survives_the_wire_form(value: str) -> None:
    if "\ud800" <= max(value, default="") <= "\udfff":
        return
    assert text(wire(value)) == value
    assert len(wire(value)) == len(value.encode())


def test_phrase_has_no_quotes_and_controls() -> None:
    assert phrase('a"b\r\nc\\') == "a'b c"


@pytest.mark.parametrize(
    ("kind", "body", "keys"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", "Duration = 100\nsignal = #", "#"),
        ("application/dtmf-relay", "Signal=10\r\n", "*"),
        ("application/dtmf-relay", "Signal=11\r\n", "#"),
        ("application/dtmf-relay", "Signal=d\r\n", "D"),
        ("application/dtmf-relay", "Signal=99\r\n", ""),
        ("application/dtmf-relay", "nonsense", ""),
        ("Application/DTMF; x=y", " 1\r\n", "1"),
        ("application/dtmf", "12#", "12#"),
        ("application/dtmf", "flash", ""),
        ("application/media_control+xml", "<x/>", None),
        ("", "", None),
    ],
)
def test_keys_in_info(kind: str, body: str, keys: str | None) -> None:
    assert info_digits(kind, body) == keys


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1800", (1800, "")),
        (" 90 ; refresher=UAS ", (90, "uas")),
        ("1800;x=y;refresher=uac", (1800, "uac")),
        ("soon", None),
        ("", None),
        ("١", None),
    ],
)
def test_session_expires(value: str, expected: tuple[int, str] | None) -> None:
    assert session_expires(value) == expected


def test_white_space_in_routing_headers() -> None:
    """RFC 4475 3.1.1.1: legal, if unusual."""
    message = "INVITE sip:a SIP/2.0\r\nTO :\r\n sip:v@h ;   tag    = 19\r\nv:  SIP  / 2.0\r\n  /UDP\r\n   192.0.2.2;branch = b\r\n"
    message += 'From: "a ; b = c" <sip:x> ; tag=1\r\nSubject: a ; b\r\n\r\na = b ; c'
    assert tidy(message).split("\r\n") == [
        "INVITE sip:a SIP/2.0",
        "TO: sip:v@h;tag=19",
        "v: SIP/2.0/UDP 192.0.2.2;branch=b",
        'From: "a ; b = c" <sip:x>;tag=1',
        "Subject: a ; b",
        "",
        "a = b ; c",
    ]
    plain = "INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=b\r\n\r\na = b"
    assert tidy(plain) is plain
