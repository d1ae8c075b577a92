"""What may be asked of the store: changes of one transaction, and queries. Values only; `statements.py` turns them into SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from hubbub.ids import Id

Table = Literal[
    "calls", "rooms", "members", "recordings", "notifications", "requests", "events", "outbox", "numbers", "applications", "keys"
]
Row = dict[str, Any]
"""One row: the table's columns; `data` is a dict."""

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "is null"]


class Letter(Protocol):
    """What the outbox needs to know of a notice; `webhooks.delivery.Notice` is one."""

    @property
    def id(self) -> Id:
        """Names the notice for ever."""

    @property
    def lane(self) -> str:
        """Notices of one lane leave strictly in the order in which they were committed."""

    @property
    def account(self) -> str:
        """Who owns it."""

    def to_data(self) -> dict[str, Any]:
        """The notice as JSON-able values."""


@dataclass(frozen=True, slots=True)
class Put:
    """Insert a row, or update only the named columns of it.

    A Put of `rooms` names `owner` and `epoch`: it is refused (`Refused("not_owner")`) when the stored epoch is higher, or when the
    stored owner is another one whose lease has not run out.
    """

    table: Table
    id: Id
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Append:
    """Add a row to a table of history (events, notifications, requests); an `id` is made up where the table has one and none is named."""

    table: Table
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Put a notice in the outbox, in the same transaction as the state that it tells of."""

    notice: Letter


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a row; nothing happens when it is not there."""

    table: Table
    id: Id


Change = Put | Append | Enqueue | Delete


@dataclass(frozen=True, slots=True)
class Condition:
    """`column op value`. The column may be a JSON path such as `data.label`.

    `=` and `!=` with None mean "is null" and "is not null"; `!=` holds for rows where the column is null. `in` takes a sequence.
    `is null` takes True (the default) or False for "is not null".
    """

    column: str
    op: Operator
    value: Any = True


@dataclass(frozen=True, slots=True)
class Query:
    """Rows of a table for which all conditions hold. Without `order` the order is not defined; without `limit` all rows come."""

    table: Table
    where: tuple[Condition, ...] = ()
    order: tuple[tuple[str, Literal["asc", "desc"]], ...] = field(default=())
    limit: int | None = None
    offset: int = 0
    beyond: tuple[Any, ...] = ()
    """Values of the columns of `order`, all in one direction: rows that come behind them only."""
