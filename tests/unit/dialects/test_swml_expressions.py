"""Variables and expressions (3.3), and what a hostile expression costs."""

from __future__ import annotations

from typing import Any

import pytest

from hubbub.dialects.swml.expressions import EvaluationFailed, condition, evaluate, filled, is_slow
from hubbub.verbs.program import Scope


def scope() -> Scope:
    made = Scope({"n": 3, "who": "it's", "list": [1, 2], "deep": {"a": {"b": True}}})
    made.params = {"p": "x"}
    made.facts = {"call": {"from": "+15550001", "n": 9}, "envs": {"region": "eu", "n": 8}}
    return made


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n", 3),  # unprefixed: vars, envs, then call
        ("vars.n", 3),
        ("envs.n", 8),
        ("call.n", 9),
        ("region", "eu"),
        ("from", "+15550001"),
        ("params.p", "x"),
        ("deep.a.b", True),
        ("list[1]", 2),
        ("nothing.at.all", None),
        ("n + 1", 4),
        ("(list.length)", 2),
        ("who.toUpperCase()", "IT'S"),
        ("deep['a']['b'] ? 'yes' : 'no'", "yes"),
    ],
)
def test_values(text: str, value: Any) -> None:
    """3.3: "Plain path => substitution"; anything else is JavaScript."""
    assert evaluate(text, scope()) == value


def test_filling_in() -> None:
    """`${…}` and `%{…}` are equal; unset is the empty text; a text that is nothing but one keeps its type."""
    assert filled("${who} has %{n}${nothing}!", scope()) == "it's has 3!"
    assert filled({"a": ["${n}", "${ {x: n}.x }"]}, scope()) == {"a": [3, 3]}
    assert filled("${open", scope()) == "${open"


def test_conditions() -> None:
    """`when`: bare JavaScript, "though examples with ${} exist"."""
    assert condition("n == 3 && who != ''", scope())
    assert condition("${n} > 2", scope())
    assert not condition("vars.n > 3", scope())


@pytest.mark.parametrize(
    "text",
    [
        "(() => { while (true) {} })()",
        "/(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')",
        "'x'.repeat(1e9)",
        "[...Array(1e8)]",
        "(function f() { f() })()",
        "missing + 1",
        "1 +",
        "fetch('http://x')",
        "require('fs')",
        "1" * 1025,
        "'a'.repeat(8e5).indexOf('a'.repeat(4e5) + 'b')",
    ],
)
def test_hostile_expressions(text: str) -> None:
    """ "<= 1024 chars, <= 150 ms", no memory, no world outside; the time is held by `tests/unit/test_sandbox.py`."""
    with pytest.raises(EvaluationFailed):
        evaluate(f"({text})", scope())


def test_expressions_are_bounded_together() -> None:
    """A thousand that each keep their limit would take a minute: after half a second of CPU between two verbs no further one begins."""
    here, told = scope(), []
    for _ in range(100):
        with pytest.raises(EvaluationFailed) as failed:
            evaluate("(() => {for (;;) {}})()", here)
        told.append(str(failed.value))
    assert 3 <= sum("interrupted" in text for text in told) < 20
    assert "too long together" in told[-1]
    with pytest.raises(EvaluationFailed, match="too long together"):
        evaluate("1 + 1", here)
    assert evaluate("n", here) == 3, "a path costs nothing"
    assert evaluate("1 + 1", scope()) == 2


@pytest.mark.parametrize(
    ("value", "slow"),
    [
        ("plain", False),
        ("${n} and %{vars.list[0]}", False),
        ("${n + 1}", True),
        ({"a": ["${true}"]}, True),
        ("${" + "a" * 2000 + "}", True),
    ],
)
def test_what_is_more_than_a_path_is_slow(value: Any, slow: bool) -> None:
    """It is evaluated beside everything else."""
    assert is_slow(value) is slow
