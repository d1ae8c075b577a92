"""The outbox table: notices that are due, done (kept for a while) or dead (kept until replayed or removed).

Sequence numbers are given inside the one writer's transactions, so what a reader sees after number N was committed after N: a cursor
over them misses nothing. (With several writers, as on PostgreSQL, this needs a claim by row lock instead.)
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hubbub.clock import Clock
from hubbub.ids import Id
from hubbub.storage.changes import Row
from hubbub.storage.statements import Statement

Read = Callable[[Statement], Awaitable[list[Row]]]
Write = Callable[[Sequence[Statement]], Awaitable[tuple[int, ...]]]

AGAIN = (
    # REPLACE on the unique id removes the old row: the notice takes its place at the end of its lane.
    "INSERT OR REPLACE INTO outbox (id, lane, account, state, due, attempts, created, error, data) "
    "SELECT id, lane, account, 'due', ?, attempts, ?, error, data FROM outbox WHERE {} ORDER BY seq"
)


STATES = ("dead", "due", "done")
"""Given up; waiting or on its way; delivered."""


class Outbox:
    """What delivery needs of the store. All methods raise StorageUnavailable."""

    def __init__(self, read: Read, write: Write, clock: Clock) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def due(self, after: int, limit: int, *, lane: str | None = None, upto: int | None = None) -> list[Row]:
        """`seq`, `lane` and `created` of due notices beyond `after` (and not beyond `upto`), in order; of one lane if named."""
        sql = "SELECT seq, lane, created FROM outbox WHERE state = 'due' AND seq > ?"
        values: list[Any] = [after]
        if upto is not None:
            sql += " AND seq <= ?"
            values.append(upto)
        if lane is not None:
            sql += " AND lane = ?"
            values.append(lane)
        return await self._read(Statement(f"{sql} ORDER BY seq LIMIT ?", (*values, limit)))

    async def fetch(self, seqs: Sequence[int]) -> list[Row]:
        """Whole rows, `data` parsed."""
        return await self._read(
            Statement("SELECT * FROM outbox WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq", (json.dumps(list(seqs)),))
        )

    async def settle(
        self,
        done: Sequence[int] = (),
        dead: Sequence[tuple[int, int, str]] = (),
        failed: Sequence[tuple[int, int, float, str]] = (),
    ) -> None:
        """Record what became of notices in one transaction.

        `done`: sequence numbers. `dead`: number, attempts to add, last error. `failed`: number, attempts to add, next try, last error.
        """
        now = self._clock.now()
        statements: list[Statement] = []
        if done:
            sql = (
                "UPDATE outbox SET state = 'done', attempts = attempts + 1, error = NULL, settled = ? "
                "WHERE seq IN (SELECT value FROM json_each(?))"
            )
            statements.append(Statement(sql, (now, json.dumps(list(done)))))
        for seq, attempts, error in dead:
            sql = "UPDATE outbox SET state = 'dead', attempts = attempts + ?, error = ?, settled = ? WHERE seq = ?"
            statements.append(Statement(sql, (attempts, error, now, seq)))
        for seq, attempts, due, error in failed:
            sql = "UPDATE outbox SET attempts = attempts + ?, due = ?, error = ? WHERE seq = ? AND state = 'due'"
            statements.append(Statement(sql, (attempts, due, error, seq)))
        if statements:
            await self._write(statements)

    async def replay(self, id: Id) -> bool:
        """Make a dead or done notice due again, as the last of its lane; False when there is none."""
        return await self._again("id = ? AND state IN ('dead', 'done')", (id,)) > 0

    async def replay_dead(self, lane: str | None = None) -> int:
        """Make the dead notices of a lane, or of all lanes, due again in their old order; returns how many."""
        if lane is None:
            return await self._again("state = 'dead'", ())
        return await self._again("state = 'dead' AND lane = ?", (lane,))

    async def again(self, ids: Sequence[str] = (), account: str = "") -> int:
        """Make notices due again in their old order: those of `ids` (also delivered ones), else all dead ones, or an account's."""
        whose = " AND account = ?" if account else ""
        values = (account,) if account else ()
        if ids:
            named = "id IN (SELECT value FROM json_each(?)) AND state IN ('dead', 'done')"
            return await self._again(named + whose, (json.dumps(list(ids)), *values))
        return await self._again(f"state = 'dead'{whose}", values)

    async def _again(self, condition: str, values: tuple[Any, ...]) -> int:
        now = self._clock.now()
        (count,) = await self._write([Statement(AGAIN.format(condition), (now, now, *values))])
        return count

    async def purge(self, *, done_before: float, dead_before: float, limit: int = 1000) -> int:
        """Remove notices that were done or dead before those times, the oldest first, at most `limit` of each."""
        sql = "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE state = '{0}' AND settled < ? ORDER BY settled LIMIT ?)"
        return sum(
            await self._write([Statement(sql.format("done"), (done_before, limit)), Statement(sql.format("dead"), (dead_before, limit))])
        )
