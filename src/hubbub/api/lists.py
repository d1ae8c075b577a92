"""Rows of the store as records and pages: one thing of an account, a list of them, filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from hubbub.api.request import Asked
from hubbub.conference.rows import Record, from_row
from hubbub.dialects.tables import Between, Page, Window
from hubbub.errors import Refused
from hubbub.ids import Id
from hubbub.storage.changes import Table
from hubbub.storage.store import Condition, Query


async def stored(asked: Asked, table: Table, kind: type[Record], identity: Id, *, ever: bool = False) -> Record:
    """One thing of the account that asks, as long as its face shows it, or `ever`. Raises Refused (not-found)."""
    row = await asked.store.get(table, identity)
    if row is None or row["account"] != asked.account.name:
        raise Refused("not-found")
    record = from_row(kind, row)
    since = None if ever else shown_since(asked, table)
    if since is not None and record.updated < since:
        raise Refused("not-found")
    return record


def shown_since(asked: Asked, table: Table) -> float | None:
    """When things must have changed to be shown still; None: whenever it was."""
    days = asked.face.habits.shown_days(table, asked.account)
    return None if days is None else asked.hub.services.clock.now() - days * 86_400


async def page_of(asked: Asked, table: Table, kind: type[Record], where: tuple[Condition, ...]) -> Page:
    """The page that is asked for of what meets all conditions."""
    since = shown_since(asked, table)
    if since is not None:
        where += (Condition("updated", ">=", since),)
    direction: Literal["asc", "desc"] = "desc" if asked.face.habits.newest_first else "asc"
    page = await rows_of(asked, table, direction, (Condition("account", "=", asked.account.name), *where))
    return replace(page, items=tuple(from_row(kind, row) for row in page.items))


async def rows_of(asked: Asked, table: Table, direction: Literal["asc", "desc"], where: tuple[Condition, ...]) -> Page:
    """The page that is asked for, as rows: behind, or before, the thing that was seen last where that is named and still there."""
    window = asked.window
    anchor = window.after or window.before
    seen = await asked.store.get(table, anchor) if anchor is not None else None
    backward = seen is not None and window.before is not None
    order = ("asc" if direction == "desc" else "desc") if backward else direction
    query = Query(table, where, (("created", order), ("id", order)), window.size + 1, window.number * window.size)
    if seen is not None:
        query = replace(query, offset=0, beyond=(seen["created"], seen["id"]))
    rows = await asked.store.find(query)
    items = tuple(rows[: window.size])
    if backward:
        return Page(items[::-1], window.number, window.size, more=True)
    return Page(items, window.number, window.size, len(rows) > window.size)


def windowed(found: Sequence[Any], window: Window, key: Callable[[Any], Any] | None = None) -> Page:
    """The part of a list that is asked for; `key` gives the identity of each, where pages are asked for by what was seen last."""
    first = window.number * window.size
    places = {key(item): place for place, item in enumerate(found)} if key is not None else {}
    if window.after in places:
        first = places[window.after] + 1
    elif window.before in places:
        first = max(0, places[window.before] - window.size)
    return Page(tuple(found[first : first + window.size]), window.number, window.size, len(found) > first + window.size)


def filters(asked: Asked, *columns: str) -> tuple[Condition, ...]:
    """Conditions for the filters that were given: equal columns (a tuple: any of these), and bounds on times."""
    where: tuple[Condition, ...] = ()
    for name, value in asked.values.items():
        if isinstance(value, Between):
            column = name.rstrip("<>")
            if value.op == "=":
                where += (Condition(column, ">=", value.low), Condition(column, "<", value.high))
            elif value.op == "<":
                where += (Condition(column, "<", value.low if value.strict else value.high),)
            else:
                where += (Condition(column, ">=", value.low),)
        elif isinstance(value, Mapping):
            where += tuple(Condition(column, "=", wanted) for column, wanted in value.items())
        elif name in columns:
            where += (Condition(name, "in", list(value)) if isinstance(value, tuple) else Condition(name, "=", value),)
    return where
