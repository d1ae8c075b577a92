"""What filters of lists become: conditions on columns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.api.lists import filters
from hubbub.dialects.tables import Between
from hubbub.storage.store import Condition

LOW, HIGH = 100.0, 200.0


@pytest.mark.parametrize(
    ("given", "where"),
    [
        (Between("=", LOW, HIGH), (Condition("created", ">=", LOW), Condition("created", "<", HIGH))),
        (Between("<", LOW, HIGH), (Condition("created", "<", HIGH),)),
        (Between("<", LOW, HIGH, strict=True), (Condition("created", "<", LOW),)),
        (Between(">", LOW, HIGH), (Condition("created", ">=", LOW),)),
        (Between(">", LOW, HIGH, strict=True), (Condition("created", ">=", LOW),)),
    ],
)
def test_bounds_on_times(given: Between, where: tuple[Condition, ...]) -> None:
    """5.3: on that day; "on-or-before"; "on-or-after"; "Calls `StartTime<`/`EndTime<` mean before"."""
    assert filters(cast(Any, SimpleNamespace(values={f"created{given.op.strip('=')}": given}))) == where


def test_one_value_and_one_of_several() -> None:
    """Equal columns; several values where one word of REST stands for several states; a mapping names its own columns."""
    values = {"status": ("queued", "initiated"), "caller": {"caller": "alice", "kind": "phone"}, "parent": "x", "other": "y"}
    assert set(map(str, filters(cast(Any, SimpleNamespace(values=values)), "status", "parent"))) == set(
        map(
            str,
            (
                Condition("status", "in", ["queued", "initiated"]),
                Condition("caller", "=", "alice"),
                Condition("kind", "=", "phone"),
                Condition("parent", "=", "x"),
            ),
        )
    )
