"""Schema, versions, migrations."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hubbub.errors import ConfigurationError
from hubbub.storage.database import TABLES, Database, columns_of, migrate, shipped_scripts, version_of
from hubbub.storage.store import Store


def test_the_shipped_schema_is_version_one_and_has_the_tables() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    assert migrate(connection, shipped_scripts()) == (0, max(shipped_scripts()))
    history = {"calls", "rooms", "members", "recordings", "notifications", "requests", "events", "outbox"}
    assert set(columns_of(connection)) == history | {"numbers", "applications", "keys"}
    assert {"owner", "epoch", "lease"} <= columns_of(connection)["rooms"]


def test_every_release_is_known_by_its_tables() -> None:
    """Once released, the first schema never changes: a file of ours is told by it from another program's."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, {1: shipped_scripts()[1]})
    assert set(columns_of(connection)) >= TABLES


def test_migrations_run_once_in_order() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    scripts = {1: "CREATE TABLE a (x)", 2: "ALTER TABLE a ADD COLUMN y; INSERT INTO a VALUES (1, 2)"}
    assert migrate(connection, {1: scripts[1]}) == (0, 1)
    assert migrate(connection, scripts) == (1, 2)
    assert migrate(connection, scripts) == (2, 2)
    assert connection.execute("SELECT * FROM a").fetchall() == [(1, 2)]


def test_a_failed_migration_leaves_the_version_before_it() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.raises(sqlite3.Error):
        migrate(connection, {1: "CREATE TABLE a (x)", 2: "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1)"})
    assert version_of(connection) == 1
    assert set(columns_of(connection)) == {"a"}


def test_a_newer_database_is_not_touched() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match="99"):
        migrate(connection, shipped_scripts())


def test_a_gap_in_the_numbers_is_a_packaging_mistake() -> None:
    with pytest.raises(ValueError, match="gap"):
        migrate(sqlite3.connect(":memory:"), {1: "", 3: ""})


def test_durability_settings(tmp_path: Path) -> None:
    connection = Database(f"sqlite:///{tmp_path}/x.db", busy_timeout=1).connect(create=True)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    connection.close()


@pytest.mark.parametrize("url", ["postgresql://x/y", "hubbub.db", "sqlite:///"])
def test_an_unknown_database_is_named(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Database(url, busy_timeout=1)


def store_of(folder: Path, *statements: str) -> Store:
    with closing(sqlite3.connect(folder / "x.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return Store(f"sqlite:///{folder}/x.db")


@pytest.mark.parametrize(
    ("statements", "complaint"),
    [
        (['CREATE TABLE "order" (x)', 'CREATE TABLE "a-b ""c""" (x)'], "x.db is another program's database: change storage.database"),
        (["CREATE TABLE calls (x)"], "x.db is another program's database: change storage.database"),
        (["CREATE TABLE kitchen (x)", "PRAGMA user_version = 2"], "x.db is another program's database"),
        (["CREATE TABLE kitchen (x)", "PRAGMA user_version = 99"], "x.db has schema version 99.*upgrade hubbub"),
    ],
)
async def test_a_file_of_another_program_stays_as_it_is(tmp_path: Path, statements: list[str], complaint: str) -> None:
    store = store_of(tmp_path, *statements)
    before = (tmp_path / "x.db").read_bytes()
    with pytest.raises(ConfigurationError, match=complaint):
        await store.open()
    assert (tmp_path / "x.db").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["x.db"]


async def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    await store.open()
    await store.close()
