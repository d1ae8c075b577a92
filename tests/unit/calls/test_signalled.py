"""What an INVITE says of where its call comes from: header texts in, facts out."""

from __future__ import annotations

import base64
import json

import pytest

from hubbub.calls.signalled import diversion, kept, passed_on, passport, verstat
from hubbub.events import Party
from hubbub.sip.fields import signalled_headers

CALLER = Party("number", "+15551112222", "sip:+15551112222@10.0.0.1;verstat=TN-Validation-Passed")
CALLEE = Party("number", "+15553334444", "sip:+15553334444@127.0.0.1;user=phone")


def signed(**claims: object) -> str:
    """A PASSporT with these claims."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJFUzI1NiJ9.{body}.c2ln;info=<https://cert.test/c.pem>;alg=ES256;ppt=shaken"


def test_what_is_kept_of_an_invite() -> None:
    """Names in any case, folded lines, repeated headers joined; nothing else."""
    packet = (
        "INVITE sip:a@b SIP/2.0\r\nUSER-TO-USER: 48656c6c6f;encoding=hex\r\nDiversion: <sip:+1555@a>;reason=away,\r\n <sip:b@c>\r\n"
        "Diversion: <sip:d@e>\r\nSubject: x\r\nX-Team: blue\r\n\r\nIdentity: body\r\n"
    )
    found = signalled_headers(packet)
    assert found == {"user-to-user": "48656c6c6f;encoding=hex", "diversion": "<sip:+1555@a>;reason=away, <sip:b@c>, <sip:d@e>"}
    assert kept({"P-Asserted-Identity": "<sip:a@b>", "X-Team": "blue"}, found) == {**found, "p-asserted-identity": "<sip:a@b>"}


def test_the_newest_diversion() -> None:
    """RFC 5806 5: the topmost entry is the latest diversion."""
    text = '"Desk, main" <sip:+15550009999@pbx.test;user=phone>;reason=user-busy;privacy=off;counter=2;screen="no", <sip:x@y>;reason=away'
    assert diversion({"diversion": text}) == {
        "from": "+15550009999",
        "reason": "user-busy",
        "privacy": "off",
        "counter": "2",
        "screen": "no",
    }
    for nothing in ("", "no address", "<<>>;x=y"):
        assert not (diversion({"diversion": nothing}) or {}).get("reason")


def test_how_far_the_caller_can_be_believed() -> None:
    """The asserted identity is nearer than From; a PASSporT is nearer than what stands in its place."""
    assert verstat({}, CALLER) == "TN-Validation-Passed"
    assert verstat({"p-asserted-identity": "<sip:a@b;verstat=No-TN-Validation>"}, CALLER) == "No-TN-Validation"
    assert verstat({}, CALLEE) is None
    assert passport({"identity": signed(attest="A", origid="00-11", orig={"tn": "1"})}) == {"attest": "A", "origid": "00-11"}
    assert passport({"p-attestation-indicator": "B", "identity": signed(attest=1)}) == {"attest": "B"}


@pytest.mark.parametrize("identity", ["", "a.b.c", "..", "a.%%.c", "eyJ.W10.x", "x" * 100_000])
def test_an_identity_that_cannot_be_read(identity: str) -> None:
    assert passport({"identity": identity}) == {}


def test_what_is_passed_on() -> None:
    """ "none", "propagate": what came along; "stack": its callee on top, with the reason."""
    came = {"diversion": "<sip:x@y>;reason=away"}
    assert passed_on(came, CALLEE, "none", "unknown", "h") == {}
    assert passed_on(came, CALLEE, "propagate", "unknown", "h") == {"Diversion": came["diversion"]}
    assert passed_on({}, CALLEE, "propagate", "unknown", "h") == {}
    top = "<sip:+15553334444@127.0.0.1>;reason=user-busy;counter=1"
    assert passed_on(came, CALLEE, "stack", "user-busy", "h") == {"Diversion": f"{top}, {came['diversion']}"}
    assert passed_on({}, Party("number", "+1", ""), "stack", "away", "h:5060") == {"Diversion": "<sip:+1@h:5060>;reason=away;counter=1"}
