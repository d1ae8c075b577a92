"""Changes and queries become parameterised SQL: nothing that a caller names reaches the text unchecked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.ids import Id, new_id
from hubbub.storage.changes import Append, Condition, Delete, Enqueue, Put, Query
from hubbub.storage.statements import compile_change, compile_query, to_row

SCHEMA = {
    "calls": frozenset({"id", "account", "status", "created", "data"}),
    "rooms": frozenset({"id", "name", "owner", "epoch", "lease", "data"}),
    "events": frozenset({"seq", "room", "type", "at", "data"}),
    "notifications": frozenset({"id", "code", "data"}),
    "outbox": frozenset({"seq", "id", "lane", "data"}),
}
ONE = Id("1" * 32)


def query(*conditions: Condition, **rest: Any) -> str:
    return compile_query(Query("calls", conditions, **rest), SCHEMA).sql


def test_a_put_names_only_its_columns() -> None:
    made = compile_change(Put("calls", ONE, {"status": "ringing", "data": {"a": 1}}), SCHEMA, 0)
    assert made.sql == (
        "INSERT INTO calls (id, status, data) VALUES (?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET status = excluded.status, data = excluded.data"
    )
    assert made.values == (ONE, "ringing", '{"a":1}')


def test_a_room_write_without_owner_and_epoch_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="owner and epoch"):
        compile_change(Put("rooms", ONE, {"name": "x"}), SCHEMA, 0)


def test_append_makes_up_an_identity_where_the_table_has_one() -> None:
    made = compile_change(Append("notifications", {"code": "11200"}), SCHEMA, 0)
    assert len(made.values) == 2
    assert compile_change(Append("events", {"type": "join"}), SCHEMA, 0).values == ("join",)


@pytest.mark.parametrize(
    "change",
    [
        Put("calls", ONE, {"nonsense": 1}),
        Put("calls", ONE, {"status = 'x' --": 1}),
        Put("calls", ONE, {"id": "2"}),
        Put("sqlite_master", ONE, {}),  # type: ignore[arg-type]
        Put("events", ONE, {"type": "x"}),
        Append("rooms", {"name": "x"}),
        Append("outbox", {"lane": "x"}),
        Append("events", {"seq": 1}),
        Delete("events", ONE),
        Put("calls", ONE, {"data": {"x": float("nan")}}),
    ],
)
def test_wrong_changes_fail_before_anything_is_written(change: Any) -> None:
    with pytest.raises(ValueError):
        compile_change(change, SCHEMA, 0)


def test_what_json_cannot_hold_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        compile_change(Put("calls", ONE, {"data": {"x": object()}}), SCHEMA, 0)


def test_enqueue_is_due_at_once() -> None:
    @dataclass(frozen=True)
    class Letter:
        id: Id = ONE
        lane: str = "room http://x/"
        account: str = "dev"

        def to_data(self) -> dict[str, Any]:
            return {"a": 1}

    made = compile_change(Enqueue(Letter()), SCHEMA, 7.0)
    assert made.values == (ONE, "room http://x/", "dev", 7.0, 7.0, '{"a":1}')


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (Condition("status", "=", "x"), "status = ?"),
        (Condition("status", "!=", "x"), "status IS NOT ?"),
        (Condition("status", "=", None), "status IS NULL"),
        (Condition("status", "!=", None), "status IS NOT NULL"),
        (Condition("status", "is null"), "status IS NULL"),
        (Condition("status", "is null", False), "status IS NOT NULL"),
        (Condition("created", ">=", 1), "created >= ?"),
        (Condition("status", "in", ("a", "b")), "status IN (SELECT value FROM json_each(?))"),
        (Condition("data.label", "=", "x"), "json_extract(data, ?) = ?"),
    ],
)
def test_conditions(condition: Condition, text: str) -> None:
    assert query(condition) == f"SELECT * FROM calls WHERE {text}"


def test_order_limit_and_offset() -> None:
    assert query(order=(("created", "desc"), ("data.n", "asc")), limit=5, offset=10) == (
        "SELECT * FROM calls ORDER BY created desc, json_extract(data, ?) asc LIMIT ? OFFSET ?"
    )
    assert compile_query(Query("calls", offset=3), SCHEMA).values == (-1, 3)


def test_rows_behind_what_was_seen_last() -> None:
    statement = compile_query(
        Query("calls", (Condition("account", "=", "dev"),), (("created", "desc"), ("id", "desc")), beyond=(2.5, ONE)), SCHEMA
    )
    assert "account = ? AND (created, id) < (?, ?) ORDER BY" in statement.sql
    assert statement.values == ("dev", 2.5, ONE)
    assert "(id) > (?)" in query(order=(("id", "asc"),), beyond=(ONE,))
    with pytest.raises(ValueError, match="beyond"):
        query(order=(("created", "asc"), ("id", "desc")), beyond=(2.5, ONE))


def test_json_path_is_bound_before_its_value() -> None:
    made = compile_query(Query("calls", (Condition("data.a.b", ">", 3),), (("data.c", "asc"),)), SCHEMA)
    assert made.values == ("$.a.b", 3, "$.c")


def test_count_has_no_order_and_no_limit() -> None:
    assert compile_query(Query("calls", order=(("created", "asc"),), limit=1), SCHEMA, count=True).sql == "SELECT count(*) FROM calls"


@pytest.mark.parametrize(
    "name", ["nope", "data.", "data..a", "data.a-b", "data.a'b", "data.a b", "data.1a", "status; DROP TABLE calls", "data", "rowid", ""]
)
def test_columns_that_the_schema_does_not_have_are_refused(name: str) -> None:
    if name == "data":  # a column like any other
        assert query(Condition(name, "=", "{}"))
        return
    with pytest.raises(ValueError):
        query(Condition(name, "=", 1))
    with pytest.raises(ValueError):
        query(order=((name, "asc"),))


@given(st.text(), st.text())
def test_no_text_of_a_caller_enters_the_statement(column: str, value: str) -> None:
    try:
        sql = query(Condition(column, "=", value))
    except ValueError:
        return
    assert sql in {f"SELECT * FROM calls WHERE {name} = ?" for name in [*SCHEMA["calls"], "json_extract(data, ?)"]}


@pytest.mark.parametrize(
    "bad",
    [
        Query("calls", (Condition("status", "like", "x"),)),  # type: ignore[arg-type]
        Query("calls", (Condition("status", "in", "text"),)),
        Query("calls", (Condition("status", "in", 3),)),
        Query("calls", order=(("status", "sideways"),)),  # type: ignore[arg-type]
        Query("sqlite_master"),  # type: ignore[arg-type]
    ],
)
def test_wrong_queries(bad: Query) -> None:
    with pytest.raises(ValueError):
        compile_query(bad, SCHEMA)


def test_rows_come_back_with_their_data_parsed() -> None:
    assert to_row(["id", "data"], [ONE, '{"a":[1]}']) == {"id": ONE, "data": {"a": [1]}}
    assert new_id() != new_id()
