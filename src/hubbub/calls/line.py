"""Lines: calls that wait, in order of their coming, until somebody takes them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from hubbub.calls.call import Call
from hubbub.errors import Refused
from hubbub.ids import Id, new_id

CAPACITY = 100
REMEMBERED = 20
"""How many waits the average is taken of."""
KEPT_EMPTY = 1000
"""How many empty lines that documents made an account keeps: who takes calls may come before the next caller, and REST reads how it was."""


class LineCore:
    """The rules of one line: who waits, in which order, and for how long. A pure core: ids in, ids out, no clock."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self._waiting: dict[Id, float] = {}
        self._waits: deque[float] = deque(maxlen=REMEMBERED)

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, call: Id, now: float) -> None:
        """Stand at the end. Raises Refused (line-full)."""
        if len(self._waiting) >= self.capacity:
            raise Refused("line-full", f"{self.capacity} calls wait already")
        self._waiting[call] = now

    def leave(self, call: Id, now: float) -> None:
        """Not wait any more."""
        since = self._waiting.pop(call, None)
        if since is not None:
            self._waits.append(now - since)

    @property
    def waiting(self) -> tuple[Id, ...]:
        """Who waits, in order."""
        return tuple(self._waiting)

    def first(self) -> Id | None:
        """Who has waited longest."""
        return next(iter(self._waiting), None)

    def position(self, call: Id) -> int:
        """1 for the first; 0 for one that is not in the line."""
        return next((place for place, other in enumerate(self._waiting, 1) if other == call), 0)

    def average(self, now: float) -> float:
        """Mean wait of those who left last; while nobody has, of those who wait."""
        waits = list(self._waits) or [now - since for since in self._waiting.values()]
        return sum(waits) / len(waits) if waits else 0.0


@dataclass(frozen=True)
class LinePlace:
    """How a call stands in a line, for whoever asks now."""

    line: Id
    name: str
    position: int
    seconds: float
    average: float
    size: int


@dataclass(eq=False)
class Line:
    """One line of an account."""

    id: Id
    account: str
    name: str
    core: LineCore
    created: float = 0.0
    updated: float = 0.0
    kept: bool = True
    """Whether somebody made or changed it by request: it stays until it is removed."""
    left: float = 0.0
    """When the last call left it."""
    entries: dict[Id, Waiting] = field(default_factory=dict)
    takers: deque[asyncio.Future[None]] = field(default_factory=deque)
    """Who wants the next, while nobody waits: woken one by one."""

    @property
    def idle(self) -> bool:
        """Whether it may be forgotten."""
        return not (self.kept or self.entries or self.takers)

    def wake(self) -> None:
        """Let the taker that has waited longest look."""
        while self.takers:
            taker = self.takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return


@dataclass(eq=False)
class Waiting:
    """One call's wait."""

    call: Call
    line: Line
    since: float
    over: asyncio.Future[str]
    taken_at: float | None = None
    on_taken: Callable[[], object] | None = None
    on_gone: Callable[[], object] | None = None
    """Called when the call goes while it is bridged, or hears a document before that."""
    gone: bool = False

    def release(self, result: str) -> None:
        """The wait is over: the call goes on with its own document."""
        if not self.over.done():
            self.over.set_result(result)

    def leave(self) -> None:
        """The call leaves by its own wish; one that was taken stays with whoever took it."""
        if self.taken_at is None:
            self.release("leave")


class Lines:
    """All lines of this server.

    A line lives from its first call on, or from when it was made, until it is removed or the server stops; of those that documents
    made and in which nobody waits, an account keeps the `kept_empty` that were left last.
    """

    def __init__(self, kept_empty: int = KEPT_EMPTY) -> None:
        self._kept_empty = kept_empty
        self._lines: dict[tuple[str, str], Line] = {}

    def find(self, account: str, name: str) -> Line | None:
        """The line of that name."""
        return self._lines.get((account, name))

    def get(self, account: str, identity: Id | None) -> Line | None:
        """The line with that id."""
        return next((line for line in self.all(account) if line.id == identity), None)

    def all(self, account: str) -> list[Line]:
        """An account's lines, newest first."""
        return sorted(
            (line for line in self._lines.values() if line.account == account), key=lambda line: (line.created, line.id), reverse=True
        )

    def open(self, account: str, name: str, capacity: int | None, now: float) -> Line:
        """A new line. Raises Refused (line-taken)."""
        if (account, name) in self._lines:
            raise Refused("line-taken", f"a queue is called {name!r} already")
        core = LineCore(CAPACITY if capacity is None else capacity)
        line = self._lines[account, name] = Line(new_id(), account, name, core, now, now)
        return line

    def change(self, line: Line, name: str | None, capacity: int | None, now: float) -> None:
        """Another name or capacity; those who wait already stay. Raises Refused (line-taken)."""
        if name is not None and name != line.name:
            if (line.account, name) in self._lines:
                raise Refused("line-taken", f"a queue is called {name!r} already")
            self._lines[line.account, name] = self._lines.pop((line.account, line.name))
            line.name = name
        line.core.capacity = line.core.capacity if capacity is None else capacity
        line.updated, line.kept = now, True

    def remove(self, line: Line) -> None:
        """Forget a line. Raises Refused (line-busy)."""
        if len(line.core) or line.entries:
            raise Refused("line-busy", f"{len(line.core)} calls wait in it")
        self._lines.pop((line.account, line.name), None)

    def join(self, call: Call, name: str, capacity: int | None, now: float) -> Waiting:
        """Let a call wait. Raises Refused (line-full)."""
        line = self.find(call.record.account, name) or self._made(call.record.account, name, capacity, now)
        line.core.join(call.id, now)
        waiting = Waiting(call, line, now, asyncio.get_running_loop().create_future())
        line.entries[call.id] = waiting
        line.wake()
        return waiting

    def leave(self, waiting: Waiting, now: float) -> None:
        """A call does not wait any more, or is not bridged any more."""
        waiting.gone, waiting.line.left = True, now
        waiting.line.core.leave(waiting.call.id, now)
        waiting.line.entries.pop(waiting.call.id, None)
        if waiting.on_gone is not None:
            waiting.on_gone()

    async def next(self, line: Line, now: Callable[[], float]) -> Waiting:
        """The call that has waited longest, taken out of the line; waits for one while there is none."""
        while (first := line.core.first()) is None:
            taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            line.takers.append(taker)
            try:
                await taker
            except asyncio.CancelledError:
                if taker in line.takers:
                    line.takers.remove(taker)
                else:  # it was woken and does not look: the next one may
                    line.wake()
                raise
        return self._taken(line.entries[first], now())

    def place(self, waiting: Waiting, now: float) -> LinePlace:
        """How a call stands."""
        line = waiting.line
        until = waiting.taken_at if waiting.taken_at is not None else now
        return LinePlace(
            line.id, line.name, line.core.position(waiting.call.id), until - waiting.since, line.core.average(now), len(line.core)
        )

    def _made(self, account: str, name: str, capacity: int | None, now: float) -> Line:
        """A line for a document, in the place of the one that nobody has used for longest where there are too many."""
        idle = sorted((line for line in self.all(account) if line.idle), key=lambda line: line.left)
        for forgotten in idle[: max(0, len(idle) - self._kept_empty)]:
            self.remove(forgotten)
        line = self.open(account, name, capacity, now)
        line.kept = False
        return line

    def _taken(self, waiting: Waiting, now: float) -> Waiting:
        waiting.taken_at = now
        waiting.line.core.leave(waiting.call.id, now)
        if waiting.on_taken is not None:
            waiting.on_taken()
        return waiting
