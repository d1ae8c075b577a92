"""The neutral operations behind REST for what was asked and what went wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from hubbub.api.lists import filters, rows_of
from hubbub.api.request import Asked
from hubbub.dialects.tables import Page
from hubbub.errors import Refused
from hubbub.ids import Id
from hubbub.storage.changes import Table
from hubbub.storage.store import Condition, Row


async def list_notifications(asked: Asked) -> Page:
    """What went wrong, newest first."""
    return await _rows(asked, "notifications", "desc", filters(asked, "level", "code"))


async def fetch_notification(asked: Asked) -> Row:
    """One thing that went wrong."""
    row = await asked.store.get("notifications", asked.identity("notification"))
    if row is None or row["account"] != asked.account.name or ("call" in asked.path and row["call"] != asked.identity("call")):
        raise Refused("not-found")
    return row


async def list_requests(asked: Asked) -> Page:
    """What was asked of a call's application and what it answered, in order."""
    return await _rows(asked, "requests", "asc", ())


async def _rows(asked: Asked, table: Table, order: Literal["asc", "desc"], where: tuple[Condition, ...]) -> Page:
    where = (Condition("account", "=", asked.account.name), *where)
    if "call" in asked.path:
        call: Id = asked.identity("call")
        row = await asked.store.get("calls", call)
        live = asked.hub.calls.get(asked.account.name, call)
        if live is None and (row is None or row["account"] != asked.account.name):
            raise Refused("not-found")
        where = (*where, Condition("call", "=", call))
    return await rows_of(asked, table, order, where)


OPERATIONS: Mapping[str, Callable[[Asked], Awaitable[Any]]] = {
    operation.__name__: operation for operation in (list_notifications, fetch_notification, list_requests)
}
