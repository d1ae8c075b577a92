"""Dial-out is denied unless it is allowed: numbers by prefix and route, SIP hosts by name, phones by account."""

from __future__ import annotations

import pytest

from hubbub.calls.dialer import Destination, destination
from hubbub.errors import Refused
from hubbub.events import Party
from hubbub.settings import DialSettings, Phone, Route

PHONES = {
    "alice": Phone(username="alice", password="x", account="dev"),
    "mallory": Phone(username="mallory", password="x", account="other"),
}
TRUNK = Route(prefix="+", to="sip:{number}@trunk.example")
LOCAL = Route(prefix="+1555", to="sip:{number}@local.example")


def dial(party: Party, settings: DialSettings | None = None, registered: tuple[str, ...] = ("alice", "mallory")) -> Destination:
    return destination(
        party,
        account="dev",
        settings=settings or DialSettings(),
        phones=PHONES,
        contact_of=lambda user: f"sip:{user}@192.0.2.7" if user in registered else None,
        next_hop_of=lambda user: ("192.0.2.7", 5060),
    )


def refusal(party: Party, settings: DialSettings | None = None, registered: tuple[str, ...] = ()) -> str:
    with pytest.raises(Refused) as refused:
        dial(party, settings, registered)
    return refused.value.reason


def number(value: str) -> Party:
    return Party("number", value, "", "")


def sip(uri: str) -> Party:
    return Party("sip", "bob", uri, "")


def test_encryption_is_as_the_route_or_the_phone_says_else_as_for_all() -> None:
    routes = (TRUNK, Route(prefix="+1555", to="sip:{number}@local.example", srtp="require"))
    settings = DialSettings(allow_prefixes=("+",), allow_sip=("b.example",), routes=routes, srtp="offer")
    assert dial(number("+15550001000"), settings).srtp == "require"
    assert dial(number("+4930123"), settings).srtp == "offer"
    assert dial(sip("sip:bob@b.example"), settings).srtp == "offer"
    assert dial(Party("phone", "alice", ""), settings).srtp == "offer"
    assert dial(Party("phone", "alice", "")).srtp == "accept"


def test_nothing_is_allowed_by_default() -> None:
    """Rule: "Dial-out default-deny: prefix allow list"."""
    assert refusal(number("+15550001")) == "not-allowed"
    assert refusal(number("+15550001"), DialSettings(routes=(TRUNK,))) == "not-allowed"
    assert refusal(sip("sip:bob@192.0.2.1")) == "not-allowed"
    assert refusal(sip("sip:bob@127.0.0.1:5060")) == "not-allowed"


def test_a_prefix_needs_a_route_and_the_longest_one_wins() -> None:
    allowed = DialSettings(allow_prefixes=("+1",), routes=(TRUNK, LOCAL))
    assert dial(number("+15550001"), allowed).uri == "sip:+15550001@local.example"
    assert dial(number("+12220001"), allowed).uri == "sip:+12220001@trunk.example"
    assert refusal(number("+4912345"), allowed) == "not-allowed"
    assert refusal(number("+12220001"), DialSettings(allow_prefixes=("+1",))) == "no-route"


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "sip:bob@evil.example",
            "sip:bob@pbx.example.evil.example",
            "sip:pbx.example@evil.example",
            "sip:bob@evil.example;maddr=pbx.example",
        ),
        # RFC 3261 25.1: user-unreserved = "&" / "=" / "+" / "$" / "," / ";" / "?" / "/"
        *("sip:pbx.example;a@evil.example", "sip:pbx.example?a@evil.example", "sip:pbx.example:5060;a=b@evil.example:5060"),
        *("sip:pbx.example;@evil.example?x=y", "sip:bob@pbx.example;x=@evil.example", "sip:bob@pbx.example@evil.example"),
    ],
)
def test_a_sip_host_is_the_host_and_nothing_else(uri: str) -> None:
    allowed = DialSettings(allow_sip=("pbx.example",))
    assert dial(sip("sip:bob@pbx.example:5070"), allowed).uri == "sip:bob@pbx.example:5070"
    assert refusal(sip(uri), allowed) == "not-allowed"


@pytest.mark.parametrize(
    "uri",
    [
        "sip:bob@pbx.example;maddr=evil.example",
        "sip:bob@pbx.example:5060;x=y;MADDR=10.0.0.1",
        "sip:bob@pbx.example;%6daddr=10.0.0.1",
        "sip:bob@pbx.example;maddr=evil?x=a@b",
    ],
)
def test_no_parameter_leads_a_call_elsewhere(uri: str) -> None:
    """RFC 3261 19.1.1: maddr "indicates the server address to be contacted for this user, overriding any address" of the host."""
    assert refusal(sip(uri), DialSettings(allow_sip=("pbx.example",))) == "not-allowed"


def test_phones_are_their_accounts() -> None:
    """ "no dialling on behalf of strangers"."""
    assert dial(Party("phone", "alice", "", "")).uri == "sip:alice@192.0.2.7"
    assert refusal(Party("phone", "mallory", "", ""), registered=("mallory",)) == "not-registered"
    assert refusal(Party("phone", "alice", "", "")) == "not-registered"
