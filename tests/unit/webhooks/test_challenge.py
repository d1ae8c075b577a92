"""Basic (RFC 7617) and Digest (RFC 7616), with the examples of the RFCs."""

from __future__ import annotations

import pytest

from hubbub.webhooks.challenge import answer, basic, parse_challenges

NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def digest(algorithm: str) -> str:
    return f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, nonce="{NONCE}", opaque="{OPAQUE}"'


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_section_3_9_1(algorithm: str, response: str) -> None:
    header = answer(
        parse_challenges([digest(algorithm)]),
        method="GET",
        uri="/dir/index.html",
        username="Mufasa",
        password="Circle of Life",
        cnonce=CNONCE,
    )
    assert header is not None
    assert f'response="{response}"' in header
    assert f"algorithm={algorithm}" in header
    assert "qop=auth, nc=00000001" in header
    assert f'opaque="{OPAQUE}"' in header


def test_rfc_7616_the_strongest_wins() -> None:
    header = ask(["Basic realm=x", digest("MD5"), digest("SHA-256")])
    assert header is not None
    assert "algorithm=SHA-256" in header


def test_rfc_2617_without_qop() -> None:
    header = ask(['Digest realm="r", nonce="n"'])
    assert header is not None
    assert "qop" not in header
    assert "cnonce" not in header


def test_rfc_7617_section_2_and_2_1() -> None:
    assert basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert basic("test", "123£") == "Basic dGVzdDoxMjPCow=="


@pytest.mark.parametrize(
    "headers",
    [
        ['Basic realm="x"'],
        ["basic"],
        ['Bearer realm="a, b", error="x", BASIC realm="x"'],
        ['Negotiate abc==, Basic realm="say \\"hi\\""'],
        ["Negotiate", "Basic realm=x"],
        ['Digest realm="r", nonce="n", algorithm=SHA-512-256, Basic realm="x"'],
        ['Digest realm="r", nonce="n", qop="auth-int"', "Basic"],
    ],
)
def test_basic_is_found_among_others(headers: list[str]) -> None:
    assert ask(headers) == basic("u", "p")


@pytest.mark.parametrize("headers", [[], [""], ["Bearer"], ["=,,="], ['Digest nonce="n"'], ['realm="Basic"']])
def test_nothing_that_can_be_answered(headers: list[str]) -> None:
    assert ask(headers) is None


def test_two_challenges_in_one_header() -> None:
    found = parse_challenges(['Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"'])  # RFC 9110 11.6.1
    assert [(item.scheme, item.params) for item in found] == [
        ("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
        ("basic", {"realm": "simple"}),
    ]


def ask(headers: list[str]) -> str | None:
    return answer(parse_challenges(headers), method="POST", uri="/", username="u", password="p", cnonce="c")
