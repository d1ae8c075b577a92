"""The store: one SQLite file, one writer thread with group commit, one reader thread; the loop never waits for the disk.

commit(...)  →  statements (checked and copied on the loop)  →  writer queue  →  one transaction for all that wait  →  your future
find(...)    →  reader thread, own connection: sees everything that a returned commit() wrote
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from hubbub.clock import Clock, SystemClock
from hubbub.errors import StorageUnavailable
from hubbub.ids import Id
from hubbub.storage.changes import Append, Change, Condition, Delete, Enqueue, Letter, Operator, Put, Query, Row, Table
from hubbub.storage.database import Database, ReadOnly, columns_of, migrate, shipped_scripts
from hubbub.storage.outbox import Outbox
from hubbub.storage.statements import Columns, Statement, compile_change, compile_query, to_row
from hubbub.storage.writer import Counts, Writer, is_trouble

__all__ = [
    "Append",
    "Change",
    "Condition",
    "Delete",
    "Enqueue",
    "Letter",
    "Operator",
    "Put",
    "Query",
    "Row",
    "Store",
    "Table",
]

T = TypeVar("T")
log = structlog.get_logger()


class Store:
    """Everything that outlives the process.

    `database` is `sqlite:///FILE` or `sqlite:///:memory:`. `capacity` bounds the changesets that wait for the writer; `busy_timeout`
    (seconds) is how long a lock of another process is waited for; `probe` (seconds) is how often a database in trouble is tried again.
    """

    def __init__(
        self,
        database: str,
        *,
        clock: Clock | None = None,
        capacity: int = 10_000,
        busy_timeout: float = 2.0,
        probe: float = 1.0,
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._database = Database(database, busy_timeout=busy_timeout)
        self._scripts = shipped_scripts()
        self._writer = Writer(self._database, self._scripts, capacity=capacity, probe=probe)
        self._schema: Columns = {}
        self._executor: ThreadPoolExecutor | None = None
        self._reader: sqlite3.Connection | None = None
        self._reader_identity = (0, 0)
        self.outbox = Outbox(self._fetch, self._write, self._clock)

    @property
    def healthy(self) -> bool:
        """Whether the last write, or the last probe after a failure, worked."""
        return self._writer.healthy

    @property
    def backlog(self) -> int:
        """Changesets that wait for the writer."""
        return self._writer.backlog

    @property
    def transactions(self) -> int:
        """Transactions committed since the store was opened."""
        return self._writer.transactions

    async def open(self) -> None:
        """Open the file, create or migrate the schema, start the threads.

        Raises StorageUnavailable when it cannot be opened, ConfigurationError when a newer release wrote it.
        """
        connection, self._schema = await asyncio.to_thread(self._open)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="hubbub-store-reader")
        self._writer.start(connection, asyncio.get_running_loop())

    def _open(self) -> tuple[sqlite3.Connection, Columns]:
        connection: sqlite3.Connection | None = None
        try:
            self._database.check_writable(begin=True)
            connection = self._database.connect(create=True)
            migrate(connection, self._scripts)
            return connection, columns_of(connection)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.Error):
                told = str(error) if isinstance(error, ReadOnly) else f"{self._database.path}: {error}"
                raise StorageUnavailable(told) from error
            raise

    async def close(self) -> None:
        """Commit what waits and close the file. Safe to call twice."""
        await asyncio.to_thread(self._writer.close)
        executor, self._executor = self._executor, None
        if executor is not None:
            await asyncio.get_running_loop().run_in_executor(executor, self._drop_reader)
            executor.shutdown()

    async def commit(self, *changes: Change) -> None:
        """Write all changes in one transaction, or none.

        The values are copied before the first wait. Once it returns every read sees them and a power cut does not lose them; a task that is
        cancelled while it waits may still have committed.
        Raises Refused("not_owner") for a room of another owner, ValueError or TypeError for what the schema cannot hold,
        StorageUnavailable when nothing can be written now.
        """
        if changes:
            await self._write(self._compile(changes))

    def post(self, *changes: Change) -> asyncio.Future[Counts]:
        """Queue a transaction that may wait for the database to recover: for news of what has already happened.

        Order is kept among all changesets. While the database is in trouble it stays queued and is tried again; the future may be
        ignored (its failure is logged). Raises StorageUnavailable when the queue is full: then the news is lost and the caller says so.
        """
        future = self._writer.submit(self._compile(changes), patient=True)
        future.add_done_callback(_notice_failure)
        return future

    async def get(self, table: Table, id: Id) -> Row | None:
        """One row by its identity."""
        rows = await self.find(Query(table, (Condition("id", "=", id),), limit=1))
        return rows[0] if rows else None

    async def find(self, query: Query) -> list[Row]:
        """The rows of a query. Raises ValueError for unknown columns, StorageUnavailable when the file cannot be read."""
        return await self._fetch(compile_query(query, self._known_schema()))

    async def count(self, query: Query) -> int:
        """How many rows fit the conditions; order, limit and offset do not matter."""
        statement = compile_query(query, self._known_schema(), count=True)
        (number,) = await self._read(lambda connection: connection.execute(statement.sql, statement.values).fetchone())
        return int(number)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _known_schema(self) -> Columns:
        if not self._schema:
            raise StorageUnavailable("the store is not open")
        return self._schema

    def _compile(self, changes: Sequence[Change]) -> list[Statement]:
        schema, now = self._known_schema(), self._clock.now()
        return [compile_change(change, schema, now) for change in changes]

    async def _write(self, statements: Sequence[Statement]) -> Counts:
        return await self._writer.submit(statements)

    async def _fetch(self, statement: Statement) -> list[Row]:
        def work(connection: sqlite3.Connection) -> list[Row]:
            cursor = connection.execute(statement.sql, statement.values)
            names = [column[0] for column in cursor.description]
            return [to_row(names, values) for values in cursor]

        return await self._read(work)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._executor is None:
            raise StorageUnavailable("the store is not open")
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._read_in_thread, work)

    def _read_in_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._database.in_memory:
                with self._writer.lock:
                    if self._writer.connection is None:
                        raise StorageUnavailable("the store is not open")
                    return work(self._writer.connection)
            return work(self._reader_connection())
        except sqlite3.Error as error:
            if not is_trouble(error):
                raise ValueError(f"the database refuses this query: {error}") from error
            self._drop_reader()
            raise StorageUnavailable(f"the database cannot be read: {error}") from error

    def _reader_connection(self) -> sqlite3.Connection:
        identity = self._database.identity()
        if self._reader is None or identity != self._reader_identity:
            self._drop_reader()
            self._reader = self._database.connect()
            self._reader.execute("PRAGMA query_only = ON")
            self._reader_identity = identity
        return self._reader

    def _drop_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            with contextlib.suppress(sqlite3.Error):
                reader.close()


def _notice_failure(future: asyncio.Future[Counts]) -> None:
    # Retrieving the exception keeps asyncio quiet; the writer has logged what happened to the database.
    if not future.cancelled():
        error = future.exception()
        if error is not None:
            log.error("storage_changeset_lost", error=str(error))
