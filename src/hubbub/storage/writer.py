"""The one writer: a thread that takes changesets from a bounded queue and commits up to 200 of them in one transaction.

Each changeset is all or nothing by a SAVEPOINT of its own, so a bad one fails alone. When the database itself cannot write (full,
locked, gone), the waiting changesets fail with StorageUnavailable; those that may wait (`patient`) stay at the head of the queue and are
tried again every `probe` seconds, in order. Group commit costs one fsync for all that arrived during the last one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from hubbub.errors import Refused, StorageUnavailable
from hubbub.storage.database import Database, FileGone, ReadOnly, migrate, version_of
from hubbub.storage.statements import Statement

log = structlog.get_logger()

GROUP = 200
"""Most changesets in one transaction."""

# Primary result codes that say something about the database, not about the statement.
_DATABASE_TROUBLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    }
)

Counts = tuple[int, ...]
"""Rows changed by each statement of a changeset."""


@dataclass(slots=True)
class Job:
    """A changeset under way."""

    statements: tuple[Statement, ...]
    future: asyncio.Future[Counts]
    patient: bool = False
    """May wait for the database instead of failing."""


class Writer:
    """Owns the write connection. `submit` and `close` are called on the loop; the rest runs in the thread."""

    def __init__(self, database: Database, scripts: dict[int, str], *, capacity: int, probe: float) -> None:
        self._database = database
        self._scripts = scripts
        self._capacity = capacity
        self._probe = probe
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: deque[Job] = deque()
        self._ready = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self.lock = threading.Lock()
        """Held while the connection is used: the readers of a database in memory share it."""
        self.connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        self.healthy = False
        self.transactions = 0

    def start(self, connection: sqlite3.Connection, loop: asyncio.AbstractEventLoop) -> None:
        """Take over an open, migrated connection."""
        self._adopt(connection)
        self._loop = loop
        self.healthy = True
        self._thread = threading.Thread(target=self._run, name="hubbub-store-writer", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Changesets waiting."""
        return len(self._queue)

    def submit(self, statements: Sequence[Statement], *, patient: bool = False) -> asyncio.Future[Counts]:
        """Queue a changeset. Raises StorageUnavailable when the queue is full or the store is not open."""
        if self._loop is None or self._closing:
            raise StorageUnavailable("the store is not open")
        if len(self._queue) >= self._capacity:
            raise StorageUnavailable(f"{self._capacity} changesets are waiting")
        job = Job(tuple(statements), self._loop.create_future(), patient)
        with self._ready:
            self._queue.append(job)
            self._ready.notify()
        return job.future

    def close(self) -> None:
        """Write what is queued, if that works, and end the thread. Blocks: call it off the loop."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        if self._thread is not None:
            self._thread.join()
        self._drop_connection()
        self.healthy = False

    # ---- in the thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if batch:
                self._write(batch)
            elif self._closing:
                return
            else:
                self._check()

    def _next_batch(self) -> list[Job]:
        """The next changesets; empty after `probe` seconds of nothing to do, or at the end."""
        with self._ready:
            # While the database is in trouble patient work is not tried in a tight loop; new work is tried when it comes.
            if not self._closing and (not self._queue or (not self.healthy and all(job.patient for job in self._queue))):
                self._ready.wait(self._probe)
            return [self._queue.popleft() for _ in range(min(GROUP, len(self._queue)))]

    def _write(self, batch: list[Job]) -> None:
        outcomes: list[tuple[Job, Counts | Exception]] = []
        try:
            with self.lock:
                connection = self._open()
                connection.execute("BEGIN IMMEDIATE")
                alone = len(batch) == 1
                outcomes = [(job, _apply(connection, job, alone)) for job in batch]
                connection.execute("COMMIT" if connection.in_transaction else "SELECT 1")
                _mark(connection)
        except Exception as error:  # whatever it is: the thread lives on and every caller is told
            self._fail(batch, error)
            return
        self.transactions += 1
        self._recovered()
        self._resolve(outcomes)

    def _fail(self, batch: list[Job], error: Exception) -> None:
        with self.lock:
            self._drop_connection()
        if self.healthy:
            log.error("storage_unavailable", database=self._database.path, error=str(error), waiting=len(batch))
        self.healthy = False
        patient = [job for job in batch if job.patient and not self._closing]
        with self._ready:
            self._queue.extendleft(reversed(patient))
        failure = StorageUnavailable(f"the database cannot be written: {error}")
        self._resolve([(job, failure) for job in batch if job not in patient])

    def _check(self) -> None:
        """Idle: is the file still ours, and does writing work again?"""
        try:
            with self.lock:
                connection = self._open()
                if not self.healthy:
                    # Rewrites page 1: a real write, so that a full disk is noticed.
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute(f"PRAGMA user_version = {max(self._scripts)}")
                    connection.execute("COMMIT")
                    _mark(connection)
        except Exception as error:
            self._fail([], error)
            return
        self._recovered()

    def _recovered(self) -> None:
        if not self.healthy:
            log.info("storage_recovered", database=self._database.path, waiting=len(self._queue))
            if self.connection is not None:
                self.connection.execute(f"PRAGMA busy_timeout = {int(self._database.busy_timeout * 1000)}")
        self.healthy = True

    def _open(self) -> sqlite3.Connection:
        if self._database.in_memory:
            if self.connection is None:
                raise StorageUnavailable("the database in memory is closed")
            return self.connection
        self._database.check_writable()
        if self.connection is not None:
            if self._database.identity() == self._identity:
                return self.connection
            self._drop_connection()
        connection = self._database.connect()
        try:
            # In trouble nobody wants to wait for the lock each time; the first to notice has waited the full time.
            connection.execute("PRAGMA busy_timeout = 100")
            migrate(connection, self._scripts)
            if self.healthy:
                connection.execute(f"PRAGMA busy_timeout = {int(self._database.busy_timeout * 1000)}")
        except Exception:
            connection.close()
            raise
        self._adopt(connection)
        return connection

    def _adopt(self, connection: sqlite3.Connection) -> None:
        self._identity = self._database.identity()
        self.connection = connection
        _mark(connection)

    def _drop_connection(self) -> None:
        connection, self.connection = self.connection, None
        if connection is None:
            return
        if not self._database.writable():  # closing would write, see check_writable
            _keep_for_ever(connection) if self._closing else self._roll_back(connection)
            return
        if self._database.in_memory and not self._closing:
            self._roll_back(connection)  # closing it would lose everything
            return
        with contextlib.suppress(sqlite3.Error):
            connection.close()

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")

    def _resolve(self, outcomes: Sequence[tuple[Job, Counts | Exception]]) -> None:
        if outcomes and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                self._loop.call_soon_threadsafe(_settle, outcomes)


def _settle(outcomes: Sequence[tuple[Job, Counts | Exception]]) -> None:
    for job, outcome in outcomes:
        if job.future.done():
            continue
        if isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)


def _mark(connection: sqlite3.Connection) -> None:
    """Read once after what was written: a reader notes in SQLite's index how far it reads, unless somebody has noted the same.

    Done now, while the file can be written for certain, no later reader need write there (see `Database.check_writable`). What was written
    stays written when it fails.
    """
    with contextlib.suppress(sqlite3.Error):
        version_of(connection)


def _keep_for_ever(connection: sqlite3.Connection) -> None:
    """Leave it to the end of the process, also when Python tidies up."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _apply(connection: sqlite3.Connection, job: Job, alone: bool) -> Counts | Exception:
    """Run one changeset; its own failure is returned, the database's trouble is raised."""
    if not alone:
        connection.execute("SAVEPOINT changeset")
    counts: list[int] = []
    try:
        for statement in job.statements:
            changed = connection.execute(statement.sql, statement.values).rowcount
            if statement.refusal and changed == 0:
                raise Refused(statement.refusal)
            counts.append(changed)
    except (Refused, sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        if is_trouble(error):
            raise
        if alone:
            connection.execute("ROLLBACK")
        else:
            connection.execute("ROLLBACK TO changeset")
            connection.execute("RELEASE changeset")
        return ValueError(f"the database refuses this change: {error}") if isinstance(error, sqlite3.Error) else error
    if not alone:
        connection.execute("RELEASE changeset")
    return tuple(counts)


def is_trouble(error: Exception) -> bool:
    """Whether an error speaks of the database (full, locked, broken) and not of the statement."""
    if isinstance(error, (FileGone, ReadOnly)):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) in _DATABASE_TROUBLE
