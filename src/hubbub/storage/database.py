"""The SQLite file: connections with the right settings, the schema and its numbered migrations, and whether the file is still the same.

`schema.sql` is version 1. Version N > 1 is the file `migrations/000N_what.sql`. Each is applied in one transaction with
`PRAGMA user_version`, so that a crash leaves the one or the other.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from importlib import resources

from hubbub.errors import ConfigurationError
from hubbub.storage.statements import Columns

PREFIX = "sqlite:///"
TABLES = frozenset({"calls", "rooms", "members", "recordings", "events", "outbox"})
"""Of the first schema: by them a file of ours is known."""


class FileGone(sqlite3.OperationalError):
    """The database file was removed or replaced: SQLite itself would go on writing into the void."""


class ReadOnly(sqlite3.OperationalError):
    """The file may not be written: a read-only file system, permissions, an immutable file."""


class Database:
    """Where the data is. Used by the writer and the reader thread, each with its own connection."""

    def __init__(self, url: str, *, busy_timeout: float) -> None:
        if not url.startswith(PREFIX) or url == PREFIX:
            raise ConfigurationError(f"storage.database: {url!r} is not sqlite:///FILE")
        self.path = url[len(PREFIX) :]
        self.in_memory = self.path == ":memory:"
        self.busy_timeout = busy_timeout

    def connect(self, *, create: bool = False) -> sqlite3.Connection:
        """A connection in autocommit mode: transactions are begun and ended by name. Raises sqlite3.Error."""
        if not create and not self.in_memory and not os.path.exists(self.path):
            raise FileGone(f"{self.path} is gone")
        connection = sqlite3.connect(self.path, timeout=self.busy_timeout, isolation_level=None, check_same_thread=False)
        try:
            if create:
                self._check_owner(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 67108864")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_owner(self, connection: sqlite3.Connection) -> None:
        """Before anything is written: a file of another program, or of a newer release, stays as it is. Raises ConfigurationError."""
        version, newest = version_of(connection), max(shipped_scripts())
        if version > newest:
            advice = "upgrade hubbub, or go back to the copy that was made before the upgrade"
            raise ConfigurationError(f"{self.path} has schema version {version}, this release knows up to {newest}: {advice}")
        tables = set(columns_of(connection))
        if tables and not (version and tables >= TABLES):
            raise ConfigurationError(f"{self.path} is another program's database: change storage.database")

    def check_writable(self, *, begin: bool = False) -> None:
        """Raises ReadOnly. To be asked before SQLite touches the file.

        SQLite maps its index (`-shm`) into memory: a page of it that cannot be written is no error of SQLite's but SIGBUS, the end of
        the server. `begin`: the folder must take new files too.
        """
        if self.in_memory:
            return
        folder = os.path.dirname(os.path.abspath(self.path))
        if begin and not os.path.isdir(folder):
            raise ReadOnly(f"{folder} is not there: make it, or change storage.database")
        for path in ([folder] if begin else []) + [self.path, f"{self.path}-wal", f"{self.path}-shm"]:
            if not os.access(path, os.W_OK) and os.path.exists(path):
                raise ReadOnly(f"{path} cannot be written: {_why(path)}")

    def writable(self) -> bool:
        """Whether SQLite may touch the file without danger."""
        try:
            self.check_writable()
        except ReadOnly:
            return False
        return True

    def identity(self) -> tuple[int, int]:
        """Device and inode of the file. Raises FileGone."""
        if self.in_memory:
            return 0, 0
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise FileGone(f"{self.path}: {error.strerror}") from error
        return found.st_dev, found.st_ino


def _why(path: str) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "the file system is read-only"
    return f"user {os.geteuid()} has no permission to, or it is immutable (lsattr)"


def shipped_scripts() -> dict[int, str]:
    """Version to SQL, as shipped with this release."""
    here = resources.files(__package__)
    scripts = {1: here.joinpath("schema.sql").read_text(encoding="utf-8")}
    folder = here.joinpath("migrations")
    if folder.is_dir():
        for entry in folder.iterdir():
            number = entry.name.partition("_")[0]
            if entry.name.endswith(".sql") and number.isdigit():
                scripts[int(number)] = entry.read_text(encoding="utf-8")
    return scripts


def migrate(connection: sqlite3.Connection, scripts: Mapping[int, str]) -> tuple[int, int]:
    """Bring the database to the newest version; returns the versions before and after.

    Raises ConfigurationError when a newer release wrote it, sqlite3.Error when a script fails (the database is then as before it).
    """
    newest = max(scripts)
    if sorted(scripts) != list(range(1, newest + 1)):
        raise ValueError(f"migrations are not numbered without a gap: {sorted(scripts)}")
    before = version_of(connection)
    if before > newest:
        raise ConfigurationError(f"the database has schema version {before}; this release knows up to {newest}")
    for number in range(before + 1, newest + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{scripts[number]}\n;PRAGMA user_version = {number};\nCOMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return before, newest


def version_of(connection: sqlite3.Connection) -> int:
    """PRAGMA user_version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def columns_of(connection: sqlite3.Connection) -> Columns:
    """The tables and their columns as they are in the database."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
    return {table: frozenset(row[1] for row in connection.execute("SELECT * FROM pragma_table_info(?)", (table,))) for table in tables}
