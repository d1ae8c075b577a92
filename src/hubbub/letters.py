"""Dead letters by command line: what no receiver took is listed, and sent again, whether the server runs or not.

Listing never writes, not even a schema: it may be pointed at a backup or at a read-only disk. Replaying needs a database that is there and
of this release's schema; a server that runs finds the notices within a few seconds.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from hubbub.errors import ConfigurationError, StorageUnavailable
from hubbub.storage.database import shipped_scripts, version_of
from hubbub.storage.outbox import AGAIN, STATES
from hubbub.webhooks.addresses import loggable

__all__ = ["STATES", "Waiting", "listed", "path_of", "replay"]


@dataclass(frozen=True)
class Waiting:
    """A notice in the outbox; `settled` is None while it is due. Its URL shows no credentials."""

    id: str
    state: str
    account: str
    event: str
    method: str
    url: str
    attempts: int
    created: float
    settled: float | None
    error: str


def listed(database: str, state: str = "dead", *, account: str = "", limit: int = 100) -> list[Waiting]:
    """Notices of the outbox in a state, oldest first. Raises ConfigurationError, StorageUnavailable."""
    sql = "SELECT id, state, account, attempts, created, settled, error, data FROM outbox WHERE state = ?"
    values: list[str | int] = [state]
    if account:
        sql += " AND account = ?"
        values.append(account)
    with _opened(database, write=False) as connection:
        rows = connection.execute(f"{sql} ORDER BY seq LIMIT ?", (*values, limit)).fetchall()
    return [_waiting(row) for row in rows]


def replay(database: str, ids: Sequence[str] = (), *, account: str = "", now: float | None = None) -> int:
    """Make dead notices due again in their old order, each as the last of its lane; returns how many.

    With `ids` those (also ones that were delivered); else all dead ones, or those of an account.
    """
    if ids:
        condition, values = "id IN (SELECT value FROM json_each(?)) AND state IN ('dead', 'done')", [json.dumps(list(ids))]
    elif account:
        condition, values = "state = 'dead' AND account = ?", [account]
    else:
        condition, values = "state = 'dead'", []
    moment = time.time() if now is None else now
    with _opened(database, write=True) as connection:
        return connection.execute(AGAIN.format(condition), (moment, moment, *values)).rowcount


def path_of(database: str) -> Path:
    """The file of a database URL. Raises ConfigurationError."""
    prefix = "sqlite:///"
    name = database.removeprefix(prefix)
    if not database.startswith(prefix) or name == ":memory:":
        raise ConfigurationError(f"{database}: is no database file")
    return Path(name)


@contextmanager
def _opened(database: str, *, write: bool) -> Iterator[sqlite3.Connection]:
    path = path_of(database)
    if not path.exists():
        raise StorageUnavailable(f"{path}: there is no database yet")
    try:
        with closing(_connected(path, write)) as connection:
            version, newest = version_of(connection), max(shipped_scripts())
            if version != newest:
                advice = "upgrade hubbub" if version > newest else "start its server once to bring it up"
                raise ConfigurationError(f"{path} has schema version {version}, this release {newest}; {advice}")
            with connection:
                yield connection
    except sqlite3.Error as error:
        raise StorageUnavailable(f"{path}: {error}") from error


def _connected(path: Path, write: bool) -> sqlite3.Connection:
    address = f"file:{quote(str(path.resolve()))}"
    if write:
        return sqlite3.connect(f"{address}?mode=rw", uri=True, timeout=5.0)
    connection = sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=5.0)
    try:
        version_of(connection)
        return connection
    except sqlite3.OperationalError:
        # A write-ahead log cannot be shared on a disk that is read-only; nobody can be writing there either.
        connection.close()
        return sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True)


def _waiting(row: Sequence[object]) -> Waiting:
    id, state, account, attempts, created, settled, error, data = row
    notice = json.loads(str(data))
    return Waiting(
        id=str(id),
        state=str(state),
        account=str(account),
        event=str(notice.get("event", "")),
        method=str(notice.get("method", "")),
        url=loggable(str(notice.get("url", ""))),
        attempts=int(str(attempts)),
        created=float(str(created)),
        settled=None if settled is None else float(str(settled)),
        error=str(error or ""),
    )
