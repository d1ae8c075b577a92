"""Wrong credentials: who gives too many is not judged for a while; who is known at that address is."""

from __future__ import annotations

import pytest

from hubbub.api.guesses import Guesses
from hubbub.errors import Refused, TooManyGuesses
from hubbub.sip.limits import SOURCES_REMEMBERED

HOST, OTHER, RIGHT = "192.0.2.1", "192.0.2.2", "Basic right"


def guess(guesses: Guesses, now: float, credentials: str = "Basic wrong", host: str = HOST, reason: str = "unauthenticated") -> str:
    """How a request with credentials ends."""
    try:
        with guesses.judging(host, credentials, now):
            if credentials != RIGHT:
                raise Refused(reason)
    except TooManyGuesses as refusal:
        return f"wait {refusal.seconds}"
    except Refused as refusal:
        return refusal.reason
    return "right"


def test_so_many_a_minute_are_judged() -> None:
    """A burst of ten, then one in six seconds; meanwhile the right ones are not judged either, so a guess tells nothing."""
    guesses = Guesses(10)
    assert [guess(guesses, 0.0) for _ in range(12)] == ["unauthenticated"] * 10 + ["wait 6"] * 2
    assert guess(guesses, 0.0, RIGHT) == "wait 6"
    assert guess(guesses, 4.0) == "wait 2"
    assert guess(guesses, 6.0) == "unauthenticated"
    assert guess(guesses, 6.0) == "wait 6"
    assert guess(guesses, 12.0, RIGHT) == "right"
    assert guesses.counts() == {"http_wrong_credentials": 11, "http_slowed_credentials": 5}


def test_other_addresses_are_not_disturbed() -> None:
    guesses = Guesses(2)
    for _ in range(5):
        guess(guesses, 0.0)
    assert guess(guesses, 0.0, RIGHT, OTHER) == "right"


def test_who_was_right_at_an_address_goes_on_there() -> None:
    """A proxy is one address: who guesses behind it keeps nobody out whose credentials were right there within the hour."""
    guesses = Guesses(2)
    assert guess(guesses, 0.0, RIGHT) == "right"
    for _ in range(5):
        guess(guesses, 1.0)
    assert guess(guesses, 1.0, RIGHT) == "right"
    assert guess(guesses, 1.0, RIGHT, OTHER) == "right"
    for _ in range(5):
        guess(guesses, 3700.0)
    assert guess(guesses, 3700.0, RIGHT).startswith("wait"), "that was an hour ago"


def test_an_ipv6_network_is_one_address() -> None:
    guesses = Guesses(3)
    ends = [guess(guesses, 0.0, host=f"2001:db8::{number:x}") for number in range(5)]
    assert ends[-1].startswith("wait")
    assert guess(guesses, 0.0, host="2001:db8:0:1::1") == "unauthenticated"


@pytest.mark.parametrize(("credentials", "reason"), [("", "no-credentials"), ("Basic mine", "forbidden"), ("Basic mine", "not-found")])
def test_what_is_no_guess_is_not_counted(credentials: str, reason: str) -> None:
    """No credentials, or right ones that may not do what was asked for."""
    guesses = Guesses(2)
    assert {guess(guesses, 0.0, credentials, reason=reason) for _ in range(9)} == {reason}


def test_memory_is_bounded() -> None:
    guesses = Guesses(2)
    for number in range(SOURCES_REMEMBERED + 50):
        guess(guesses, 0.0, host=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(guesses._buckets) == SOURCES_REMEMBERED


def test_no_limit() -> None:
    guesses = Guesses(0)
    assert {guess(guesses, 0.0) for _ in range(100)} == {"unauthenticated"}
