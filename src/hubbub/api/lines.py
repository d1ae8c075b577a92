"""The neutral operations behind REST for lines: made, listed, changed, removed; who waits in them, and is given another document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hubbub.api.lists import windowed
from hubbub.api.request import Asked
from hubbub.calls.line import Line, LinePlace, Lines, Waiting
from hubbub.dialects.tables import Page
from hubbub.errors import Refused
from hubbub.events import Link

FRONT = "Front"
"""What stands for the call that has waited longest."""
LineView = tuple[Line, float]
"""A line, and how long one waits in it."""
WaitView = tuple[Waiting, LinePlace]
"""A call that waits, and how it stands."""


async def create_line(asked: Asked) -> LineView:
    """A line in which nobody waits yet."""
    name = asked.values.get("name")
    if not name:
        raise Refused("bad-name", "a queue needs a name")
    return _view(asked, _lines(asked).open(asked.account.name, name, asked.values.get("capacity"), _now(asked)))


async def list_lines(asked: Asked) -> Page:
    """The account's lines, newest first."""
    return windowed([_view(asked, line) for line in _lines(asked).all(asked.account.name)], asked.window, lambda view: view[0].id)


async def fetch_line(asked: Asked) -> LineView:
    """One line."""
    return _view(asked, _line(asked))


async def update_line(asked: Asked) -> LineView:
    """Another name or capacity."""
    line = _line(asked)
    _lines(asked).change(line, asked.values.get("name"), asked.values.get("capacity"), _now(asked))
    return _view(asked, line)


async def delete_line(asked: Asked) -> None:
    """Forget a line in which nobody waits."""
    _lines(asked).remove(_line(asked))


async def list_waiting(asked: Asked) -> Page:
    """Who waits, in order."""
    line = _line(asked)
    return windowed([_wait(asked, line.entries[call]) for call in line.core.waiting], asked.window, lambda view: view[0].call.id)


async def fetch_waiting(asked: Asked) -> WaitView:
    """One who waits."""
    return _wait(asked, _one(asked))


async def take_waiting(asked: Asked) -> WaitView:
    """Take a call out of its line: it goes on with another document."""
    waiting = _one(asked)
    if not asked.values.get("url"):
        raise Refused("url-missing")
    shown = _wait(asked, waiting)
    asked.hub.redirect(waiting.call, Link(asked.values["url"], asked.values.get("method", "POST")))
    return shown


def _lines(asked: Asked) -> Lines:
    return asked.hub.services.lines


def _now(asked: Asked) -> float:
    return asked.hub.services.clock.now()


def _line(asked: Asked) -> Line:
    found = _lines(asked).get(asked.account.name, asked.identity("line"))
    if found is None:
        raise Refused("not-found")
    return found


def _one(asked: Asked) -> Waiting:
    line = _line(asked)
    call = line.core.first() if asked.path["waiting"] == FRONT else asked.face.identity("call", asked.path["waiting"])
    if call is None or call not in line.core.waiting:
        raise Refused("not-found")
    return line.entries[call]


def _view(asked: Asked, line: Line) -> LineView:
    return line, line.core.average(_now(asked))


def _wait(asked: Asked, waiting: Waiting) -> WaitView:
    return waiting, _lines(asked).place(waiting, _now(asked))


OPERATIONS: Mapping[str, Callable[[Asked], Awaitable[Any]]] = {
    operation.__name__: operation
    for operation in (create_line, list_lines, fetch_line, update_line, delete_line, list_waiting, fetch_waiting, take_waiting)
}
