"""Changes and queries as parameterised SQL. Pure: the only text that enters a statement is checked against the schema.

Values are always bound, JSON paths too; a column that the schema does not have is a ValueError before anything is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubbub.ids import new_id
from hubbub.storage.changes import Append, Change, Condition, Delete, Enqueue, Put, Query, Row

_JSON_PATH = re.compile(r"data((?:\.[A-Za-z_][A-Za-z0-9_]{0,63}){1,8})")
_COMPARISONS = frozenset({"<", "<=", ">", ">="})

Columns = Mapping[str, frozenset[str]]
"""Table name to column names, as the database itself tells."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement; `refusal` is the neutral reason to refuse with when it changes no row."""

    sql: str
    values: tuple[Any, ...] = ()
    refusal: str = ""


# A lower epoch never writes, and neither does another owner while the lease runs (design, law 4).
_ROOM_RULE = " WHERE excluded.epoch >= rooms.epoch AND (excluded.owner = rooms.owner OR rooms.lease <= ?)"


def compile_change(change: Change, schema: Columns, now: float) -> Statement:
    """The statement of one change. Raises ValueError or TypeError for what the schema or JSON cannot hold."""
    match change:
        case Put():
            return _put(change, schema, now)
        case Append():
            return _append(change, schema)
        case Enqueue():
            return _enqueue(change, now)
        case Delete():
            _require_id(change.table, schema)
            return Statement(f"DELETE FROM {change.table} WHERE id = ?", (change.id,))


def _put(change: Put, schema: Columns, now: float) -> Statement:
    _require_id(change.table, schema)
    values = _encode(change.table, change.columns, schema)
    if "id" in values or "seq" in values:
        raise ValueError(f"{change.table}: a key is not a column to put")
    names = list(values)
    marks = ", ".join("?" * (len(names) + 1))
    sql = f"INSERT INTO {change.table} ({', '.join(['id', *names])}) VALUES ({marks}) ON CONFLICT (id) DO "
    bound = (change.id, *values.values())
    if change.table == "rooms":
        if "owner" not in values or "epoch" not in values:
            raise ValueError("rooms: every write names owner and epoch")
        sets = ", ".join(f"{name} = excluded.{name}" for name in names)
        return Statement(f"{sql}UPDATE SET {sets}{_ROOM_RULE}", (*bound, now), refusal="not_owner")
    if not names:
        return Statement(sql + "NOTHING", bound)
    return Statement(sql + "UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in names), bound)


def _append(change: Append, schema: Columns) -> Statement:
    values = _encode(change.table, change.columns, schema)
    if change.table in ("rooms", "outbox"):
        raise ValueError(f"{change.table}: not a table of history")
    if "seq" in values:
        raise ValueError(f"{change.table}: seq is given by the database")
    if "id" in schema[change.table]:
        values.setdefault("id", new_id())
    if not values:
        return Statement(f"INSERT INTO {change.table} DEFAULT VALUES")
    marks = ", ".join("?" * len(values))
    return Statement(f"INSERT INTO {change.table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


def _enqueue(change: Enqueue, now: float) -> Statement:
    notice = change.notice
    return Statement(
        "INSERT INTO outbox (id, lane, account, state, due, attempts, created, data) VALUES (?, ?, ?, 'due', ?, 0, ?, ?)",
        (notice.id, notice.lane, notice.account, now, now, to_json(notice.to_data())),
    )


def compile_query(query: Query, schema: Columns, *, count: bool = False) -> Statement:
    """SELECT of the rows, or of their number. Raises ValueError for a column, operator or order that is not known."""
    _require_table(query.table, schema)
    values: list[Any] = []
    sql = f"SELECT {'count(*)' if count else '*'} FROM {query.table}"
    conditions = [_condition(item, query.table, schema, values) for item in query.where]
    if query.beyond:
        conditions.append(_beyond(query, schema, values))
    if conditions:
        sql += " WHERE " + " AND ".join(conditions)
    if count:
        return Statement(sql, tuple(values))
    if query.order:
        parts = []
        for column, direction in query.order:
            if direction not in ("asc", "desc"):
                raise ValueError(f"order: {direction!r} is neither asc nor desc")
            parts.append(f"{_column(column, query.table, schema, values)} {direction}")
        sql += " ORDER BY " + ", ".join(parts)
    if query.limit is not None or query.offset:
        sql += " LIMIT ? OFFSET ?"
        values += [-1 if query.limit is None else int(query.limit), int(query.offset)]
    return Statement(sql, tuple(values))


def _beyond(query: Query, schema: Columns, values: list[Any]) -> str:
    """A comparison of rows with what was seen last."""
    directions = {direction for _, direction in query.order}
    if len(directions) != 1 or len(query.beyond) != len(query.order):
        raise ValueError("beyond: one value for each column of an order in one direction")
    names = ", ".join(_column(column, query.table, schema, values) for column, _ in query.order)
    values += query.beyond
    return f"({names}) {'<' if directions == {'desc'} else '>'} ({', '.join('?' * len(query.beyond))})"


def _condition(item: Condition, table: str, schema: Columns, values: list[Any]) -> str:
    column = _column(item.column, table, schema, values)
    if item.op == "is null" or (item.value is None and item.op in ("=", "!=")):
        absent = bool(item.value) if item.op == "is null" else item.op == "="
        return f"{column} IS {'' if absent else 'NOT '}NULL"
    if item.op == "in":
        if isinstance(item.value, (str, bytes)) or not isinstance(item.value, (Sequence, set, frozenset)):
            raise ValueError(f"{item.column}: `in` takes a sequence")
        members = list(item.value)
        # One bound JSON array instead of many marks: no limit on its length and one cached statement.
        values.append(json.dumps(members))
        return f"{column} IN (SELECT value FROM json_each(?))"
    values.append(item.value)
    if item.op == "=":
        return f"{column} = ?"
    if item.op == "!=":
        return f"{column} IS NOT ?"
    if item.op in _COMPARISONS:
        return f"{column} {item.op} ?"
    raise ValueError(f"{item.column}: operator {item.op!r} is not known")


def _column(name: str, table: str, schema: Columns, values: list[Any]) -> str:
    if name in schema[table]:
        return name
    path = _JSON_PATH.fullmatch(name)
    if path is None or "data" not in schema[table]:
        raise ValueError(f"{table} has no column {name!r}")
    values.append("$" + path.group(1))
    return "json_extract(data, ?)"


def _encode(table: str, columns: Mapping[str, Any], schema: Columns) -> dict[str, Any]:
    _require_table(table, schema)
    unknown = columns.keys() - schema[table]
    if unknown:
        raise ValueError(f"{table} has no column {', '.join(sorted(map(repr, unknown)))}")
    return {name: to_json(value) if name == "data" else value for name, value in columns.items()}


def _require_table(table: str, schema: Columns) -> None:
    if table not in schema:
        raise ValueError(f"no table {table!r}")


def _require_id(table: str, schema: Columns) -> None:
    _require_table(table, schema)
    if "id" not in schema[table] or "seq" in schema[table]:
        raise ValueError(f"{table} is only ever appended to")


def to_json(value: Any) -> str:
    """Compact JSON; NaN and what JSON cannot hold are refused."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def to_row(names: Sequence[str], values: Sequence[Any]) -> Row:
    """A fetched row as a dict, `data` parsed."""
    row = dict(zip(names, values, strict=True))
    if "data" in row:
        row["data"] = json.loads(row["data"])
    return row
