"""What REST reads out of a request, and what it says about the rest."""

from __future__ import annotations

import pytest

from hubbub.api.rest import read_values, remarks_on
from hubbub.dialects.tables import NOT_BUILT, Param, integer, text
from hubbub.errors import Refused

PARAMS = (
    Param("Label", "label", text, aliases=("ParticipantLabel", "Name")),
    Param("Timeout", "seconds", integer(5, 600), "bad-timeout"),
    Param("Event", "events", lambda value: tuple(value.split()), many=True),
    Param("Byoc", None, why="routes are configured"),
    Param("Record", None, why=f"{NOT_BUILT}: recordings of a leg"),
)


def test_the_last_of_equal_names_counts_and_lists_are_joined() -> None:
    """5.1: "repeated keys or one space-separated value; accept both"."""
    pairs = [("Label", "a"), ("Label", "b"), ("Event", "x"), ("Event", "y z")]
    assert read_values(PARAMS, pairs) == {"label": "b", "events": ("x", "y", "z")}


def test_an_empty_value_is_as_good_as_none() -> None:
    """An empty value sets nothing, and is no error of its type."""
    assert read_values(PARAMS, [("Timeout", ""), ("Label", "")]) == {}


def test_a_bad_value_has_the_error_of_its_parameter() -> None:
    """5.2: 21205, 21206, 21208, 21209 … each parameter has its own."""
    with pytest.raises(Refused) as refused:
        read_values(PARAMS, [("Timeout", "4")])
    assert refused.value.reason == "bad-timeout"


def test_what_has_no_effect_is_remarked_once() -> None:
    """5.1: unknown params "ignored (20001 warning)"; law 1: "never silently lost"; what is accepted for a reason is no news."""
    remarks = remarks_on(PARAMS, [("Labl", "x"), ("Labl", "y"), ("Record", "true"), ("Byoc", "1"), ("Label", "ok")])
    assert [reason for reason, _ in remarks] == ["unknown-parameter", "unknown-parameter"]
    assert "'Labl'" in remarks[0][1]
    assert NOT_BUILT in remarks[1][1]


def test_an_alias_beside_its_own_name_is_remarked() -> None:
    """Law 1: "never silently lost": of two spellings of the same thing one counts, and what the other says is told."""
    both = [("ParticipantLabel", "b"), ("Label", "a"), ("Name", "a")]
    assert read_values(PARAMS, both) == {"label": "a"}
    ((reason, words),) = remarks_on(PARAMS, both)
    assert reason == "unknown-parameter"
    assert "'ParticipantLabel'" in words
    assert "'Label'" in words
    aliases = [("Name", "n"), ("ParticipantLabel", "p")]
    assert read_values(PARAMS, aliases) == {"label": "p"}
    assert ["'Name'" in words for _, words in remarks_on(PARAMS, aliases)] == [True]
    assert remarks_on(PARAMS, [("ParticipantLabel", "p")]) == []
