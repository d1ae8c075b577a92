"""`hubbub outbox`: "dead letters kept and replayable by API and command line", beside a server that runs and without one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hubbub.cli import app
from hubbub.clock import ManualClock
from hubbub.errors import ConfigurationError, StorageUnavailable
from hubbub.ids import new_id
from hubbub.letters import listed, replay
from hubbub.storage.store import Enqueue, Store
from hubbub.webhooks.delivery import Notice

RUN = CliRunner()


def notice(number: int, account: str = "dev") -> Notice:
    url = f"http://user:secret@127.0.0.1/{number}"
    return Notice(new_id(), "lane", account, "twiml", "POST", url, (("n", str(number)),), event=f"event{number}")


async def filled(folder: Path) -> tuple[str, list[Notice]]:
    """A database with three dead notices and one that is due."""
    database = f"sqlite:///{folder / 'hubbub.db'}"
    store = Store(database, clock=ManualClock())
    await store.open()
    notices = [notice(0), notice(1, "other"), notice(2), notice(3)]
    await store.commit(*(Enqueue(each) for each in notices))
    seqs = [row["seq"] for row in await store.outbox.due(0, 10)]
    await store.outbox.settle(dead=[(seq, 2, "refused") for seq in seqs[:3]])
    await store.close()
    return database, notices


async def test_dead_letters_are_listed_without_their_credentials(tmp_path: Path) -> None:
    database, notices = await filled(tmp_path)
    found = listed(database)
    assert [each.id for each in found] == [each.id for each in notices[:3]]
    assert (found[0].url, found[0].event, found[0].attempts, found[0].error) == ("http://127.0.0.1/0", "event0", 2, "refused")
    assert [each.event for each in listed(database, account="other")] == ["event1"]
    assert [each.event for each in listed(database, "due")] == ["event3"]
    assert len(listed(database, limit=2)) == 2


async def test_replay_keeps_the_old_order_behind_what_is_due(tmp_path: Path) -> None:
    database, _ = await filled(tmp_path)
    assert replay(database) == 3
    assert [each.event for each in listed(database, "due")] == ["event3", "event0", "event1", "event2"]
    assert (listed(database), replay(database)) == ([], 0)
    assert replay(database, ["nothing"]) == 0


async def test_replay_of_one_and_of_an_account(tmp_path: Path) -> None:
    database, notices = await filled(tmp_path)
    assert replay(database, [notices[2].id]) == 1
    assert replay(database, account="other") == 1
    assert [each.event for each in listed(database)] == ["event0"]


async def test_while_a_server_has_it_open(tmp_path: Path) -> None:
    database, _ = await filled(tmp_path)
    store = Store(database)
    await store.open()
    last = (await store.outbox.due(0, 10))[-1]["seq"]
    assert len(listed(database)) == 3
    assert replay(database) == 3
    seen = await store.outbox.due(last, 10)
    assert len(seen) == 3, "beyond the place up to which delivery has read"
    await store.close()


async def test_listing_writes_nothing(tmp_path: Path) -> None:
    """ "a read-only-safe tool on the database file": no byte changes, also where none could."""
    database, _ = await filled(tmp_path)
    file = tmp_path / "hubbub.db"
    before = file.read_bytes()
    file.chmod(0o400)
    assert len(listed(database)) == 3
    assert file.read_bytes() == before
    with pytest.raises(StorageUnavailable):
        listed(f"sqlite:///{tmp_path / 'nothing.db'}")
    assert not (tmp_path / "nothing.db").exists()


@pytest.mark.parametrize("database", ["sqlite:///:memory:", "postgresql://x"])
def test_what_is_no_file(database: str) -> None:
    with pytest.raises(ConfigurationError):
        listed(database)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"nothing of the kind " * 300)
    with pytest.raises(StorageUnavailable, match="not a database"):
        listed(f"sqlite:///{tmp_path / 'x.db'}")
    (tmp_path / "empty.db").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="schema version 0"):
        replay(f"sqlite:///{tmp_path / 'empty.db'}")
    with closing(sqlite3.connect(tmp_path / "newer.db")) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match=r"schema version 99.*upgrade hubbub"):
        listed(f"sqlite:///{tmp_path / 'newer.db'}")


async def test_the_commands(tmp_path: Path) -> None:
    _, notices = await filled(tmp_path)
    config = tmp_path / "hubbub.toml"
    config.write_text("")
    done = RUN.invoke(app, ["outbox", "list", "--config", str(config)])
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "3 notice(s)")
    assert f"{notices[0].id} 2023-11-14T22:13:20Z dev event0 POST http://127.0.0.1/0 attempts=2 refused" in done.output
    assert "secret" not in done.output
    done = RUN.invoke(app, ["outbox", "replay", notices[0].id, "--config", str(config)])
    assert (done.exit_code, done.output) == (0, "1 notice(s) will be sent again\n")
    assert RUN.invoke(app, ["outbox", "replay", "unknown", "--config", str(config)]).exit_code == 1
    assert RUN.invoke(app, ["outbox", "list", "--state", "lost", "--config", str(config)]).exit_code == 2
    assert RUN.invoke(app, ["outbox", "replay", "--config", str(config)]).output == "2 notice(s) will be sent again\n"
