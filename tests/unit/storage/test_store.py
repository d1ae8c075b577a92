"""The store: all or nothing, read your writes, ownership of rooms, trouble and recovery, and a crash."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.frozen import frozen, thaw

from hubbub.clock import ManualClock
from hubbub.errors import Refused, StorageUnavailable
from hubbub.ids import Id, new_id
from hubbub.storage.store import Append, Change, Condition, Delete, Put, Query, Store
from hubbub.storage.writer import GROUP

ONE, TWO = Id("1" * 32), Id("2" * 32)


@pytest.fixture(params=["file", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made = Store("sqlite:///:memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/hubbub.db", clock=ManualClock())
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def on_disk(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/hubbub.db", busy_timeout=0.05, probe=0.02, clock=ManualClock())
    await made.open()
    yield made
    await made.close()


async def until_healthy(store: Store) -> None:
    async with asyncio.timeout(10):
        while not store.healthy:
            await asyncio.to_thread(os.sched_yield)


async def test_put_inserts_then_updates_only_what_is_named(store: Store) -> None:
    await store.commit(Put("calls", ONE, {"account": "dev", "status": "ringing", "data": {"label": "a"}}))
    await store.commit(Put("calls", ONE, {"status": "answered"}))
    row = await store.get("calls", ONE)
    assert row is not None
    assert (row["account"], row["status"], row["data"], row["ended"]) == ("dev", "answered", {"label": "a"}, None)


async def test_get_of_nothing_and_delete(store: Store) -> None:
    assert await store.get("calls", ONE) is None
    await store.commit(Put("calls", ONE, {}), Put("calls", ONE, {}))
    assert await store.get("calls", ONE) is not None
    await store.commit(Delete("calls", ONE), Delete("calls", TWO))
    assert await store.get("calls", ONE) is None


async def test_a_changeset_is_all_or_nothing_and_does_not_take_the_others_with_it(store: Store) -> None:
    bad: list[Change] = [Put("calls", TWO, {"status": "x"}), Put("calls", ONE, {"status": ["a list cannot be bound"]})]
    await asyncio.sleep(0)
    outcomes = await asyncio.gather(
        store.commit(Put("members", ONE, {"label": "before"})),
        store.commit(*bad),
        store.commit(Put("members", TWO, {"label": "after"})),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), ValueError, type(None)]
    assert await store.get("calls", TWO) is None
    assert await store.count(Query("members")) == 2
    assert store.healthy


async def test_null_where_the_schema_wants_a_value_fails_alone(store: Store) -> None:
    with pytest.raises(ValueError, match="NOT NULL"):
        await store.commit(Put("calls", ONE, {"status": None}))
    with pytest.raises(ValueError):
        await store.commit(Put("calls", ONE, {"status": "\ud800 is half a character"}))
    assert store.healthy


async def test_values_are_copied_when_commit_is_called(store: Store) -> None:
    data = {"n": 1}
    async with asyncio.TaskGroup() as group:
        group.create_task(store.commit(Put("calls", ONE, {"data": data})))
        await asyncio.sleep(0)
        data["n"] = 2
    row = await store.get("calls", ONE)
    assert row is not None
    assert row["data"] == {"n": 1}


async def test_find_with_json_paths_order_and_pages(store: Store) -> None:
    for number in range(10):
        await store.commit(Put("calls", new_id(), {"created": number, "data": {"n": number, "odd": number % 2 == 1}}))
    odd = Condition("data.odd", "=", True)
    rows = await store.find(Query("calls", (odd,), (("created", "desc"),), limit=2, offset=1))
    assert [row["data"]["n"] for row in rows] == [7, 5]
    assert await store.count(Query("calls", (odd,), limit=1)) == 5
    assert await store.count(Query("calls", (Condition("created", "in", [1, 2, 99]),))) == 2
    assert await store.count(Query("calls", (Condition("data.none", "is null"),))) == 10
    assert await store.count(Query("calls", (Condition("parent", "!=", "x"),))) == 10
    with pytest.raises(ValueError):
        await store.find(Query("calls", (Condition("created", "=", [1]),)))
    assert store.healthy


async def test_history_is_in_order(store: Store) -> None:
    await store.commit(*(Append("events", {"type": str(number), "room": ONE}) for number in range(5)))
    rows = await store.find(Query("events", (Condition("room", "=", ONE),), (("seq", "asc"),)))
    assert [row["type"] for row in rows] == list("01234")


# ---- law 4: "room rows carry owner, epoch and lease from the first schema and every write checks the epoch" ----------


def room(owner: str, epoch: int, **columns: Any) -> Put:
    return Put("rooms", ONE, {"owner": owner, "epoch": epoch, **columns})


async def test_a_lower_epoch_never_writes(store: Store) -> None:
    await store.commit(room("a", 2))
    with pytest.raises(Refused) as refused:
        await store.commit(room("a", 1, name="old"), Put("calls", ONE, {}))
    assert refused.value.reason == "not_owner"
    assert await store.get("calls", ONE) is None
    await store.commit(room("a", 2, name="same"), room("a", 3, name="newer"))


async def test_another_owner_waits_until_the_lease_runs_out(tmp_path: Path) -> None:
    clock = ManualClock(1000.0)
    store = Store("sqlite:///:memory:", clock=clock)
    await store.open()
    await store.commit(room("a", 1, lease=1010.0))
    with pytest.raises(Refused):
        await store.commit(room("b", 2, lease=1020.0))
    clock.advance(10)
    await store.commit(room("b", 2, lease=1020.0))
    with pytest.raises(Refused):
        await store.commit(room("a", 1, name="I am still here"))
    row = await store.get("rooms", ONE)
    assert row is not None
    assert (row["owner"], row["epoch"], row["name"]) == ("b", 2, "")
    await store.close()


# ---- trouble --------------------------------------------------------------------------------------------------------


async def test_a_locked_database_is_unavailable_and_recovers(on_disk: Store, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "hubbub.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable, match="locked"):
        await on_disk.commit(Put("calls", ONE, {}))
    assert not on_disk.healthy
    assert await on_disk.count(Query("calls")) == 0  # reading goes on
    other.execute("ROLLBACK")
    await until_healthy(on_disk)
    await on_disk.commit(Put("calls", ONE, {}))
    assert await on_disk.count(Query("calls")) == 1
    other.close()


async def test_a_full_disk_is_unavailable_and_recovers(on_disk: Store) -> None:
    """RLIMIT_FSIZE is as near to a full disk as a process can make by itself."""
    await on_disk.commit(Put("calls", ONE, {"status": "before"}))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(StorageUnavailable):
            await on_disk.commit(Put("calls", new_id(), {"data": {"x": "y" * 300_000}}))
        assert not on_disk.healthy
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await until_healthy(on_disk)
    await on_disk.commit(Put("calls", TWO, {"status": "after"}))
    assert [(await on_disk.get("calls", id) or {})["status"] for id in (ONE, TWO)] == ["before", "after"]


async def test_a_removed_file_is_noticed_and_its_return_too(on_disk: Store, tmp_path: Path) -> None:
    await on_disk.commit(Put("calls", ONE, {}))
    away = tmp_path / "away"
    away.mkdir()
    for file in tmp_path.glob("hubbub.db*"):
        file.rename(away / file.name)
    with pytest.raises(StorageUnavailable, match="No such file"):
        await on_disk.commit(Put("calls", TWO, {}))
    with pytest.raises(StorageUnavailable):
        await on_disk.get("calls", ONE)
    assert not (tmp_path / "hubbub.db").exists()  # an empty database in its place would hide the loss
    for file in away.iterdir():
        file.rename(tmp_path / file.name)
    await until_healthy(on_disk)
    await on_disk.commit(Put("calls", TWO, {}))
    assert await on_disk.count(Query("calls")) == 2


async def test_an_idle_store_notices_that_its_file_is_gone(on_disk: Store, tmp_path: Path) -> None:
    (tmp_path / "hubbub.db").unlink()
    async with asyncio.timeout(10):
        while on_disk.healthy:
            await asyncio.to_thread(os.sched_yield)


async def test_posted_news_waits_for_the_database_in_order(on_disk: Store, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "hubbub.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    first = on_disk.post(Append("events", {"type": "1"}))
    with pytest.raises(StorageUnavailable):
        await on_disk.commit(Append("events", {"type": "lost"}))
    second = on_disk.post(Append("events", {"type": "2"}))
    assert not first.done()
    other.execute("ROLLBACK")
    async with asyncio.timeout(10):
        await asyncio.gather(first, second)
    assert [row["type"] for row in await on_disk.find(Query("events", order=(("seq", "asc"),)))] == ["1", "2"]
    other.close()


async def test_the_queue_is_bounded(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/hubbub.db", capacity=3, busy_timeout=0.05, probe=0.02)
    await store.open()
    other = sqlite3.connect(tmp_path / "hubbub.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable):
        await store.commit(Append("events", {}))
    refused = 0
    for _ in range(300):
        try:
            store.post(Append("events", {}))
        except StorageUnavailable:
            refused += 1
    assert refused >= 300 - 3 - GROUP
    other.close()
    await store.close()


async def test_not_open_is_unavailable(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/missing/hubbub.db")
    for attempt in (store.open(), store.commit(Put("calls", ONE, {})), store.get("calls", ONE)):
        with pytest.raises(StorageUnavailable):
            await attempt
    assert not store.healthy


async def test_close_writes_what_waits(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/hubbub.db")
    await store.open()
    waiting = [asyncio.ensure_future(store.commit(Put("calls", new_id(), {}))) for _ in range(500)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*waiting)
    await store.close()
    again = Store(f"sqlite:///{tmp_path}/hubbub.db")
    await again.open()
    assert await again.count(Query("calls")) == 500
    await again.close()


async def test_many_commits_share_transactions(on_disk: Store) -> None:
    await asyncio.gather(*(on_disk.commit(Put("calls", new_id(), {})) for _ in range(400)))
    assert on_disk.transactions <= 10
    assert await on_disk.count(Query("calls")) == 400


COMMITTER = """
import asyncio, os, sys
from hubbub.storage.store import Append, Store

async def main():
    store = Store("sqlite:///" + sys.argv[1])
    await store.open()
    async def worker(name):
        number = 0
        while True:
            await store.commit(Append("events", {"type": f"{name}.{number}"}), Append("requests", {"account": f"{name}.{number}"}))
            print(f"{name}.{number}", flush=True)
            number += 1
    await asyncio.gather(*(worker(n) for n in range(20)))

asyncio.run(main())
"""


async def test_kill_dash_nine_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMITTER, str(tmp_path / "hubbub.db"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    acknowledged = [(await process.stdout.readline()).decode().strip() for _ in range(2000)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [line.decode().strip() async for line in process.stdout if line.endswith(b"\n")]
    await process.wait()
    store = Store(f"sqlite:///{tmp_path}/hubbub.db")
    await store.open()
    kept = {row["type"] for row in await store.find(Query("events"))}
    both = {row["account"] for row in await store.find(Query("requests"))}
    await store.close()
    assert set(acknowledged) <= kept
    assert kept == both  # a changeset is in the file whole or not at all


# ---- read-only ------------------------------------------------------------------------------------------------------
# SQLite maps its index: a page that may not be written is SIGBUS. So it happens in a process of its own.

READ_ONLY = """
import asyncio, os, sys
from pathlib import Path
from tests.support.frozen import frozen
from hubbub.errors import StorageUnavailable
from hubbub.ids import new_id
from hubbub.storage.store import Put, Query, Store

folder, steps = Path(sys.argv[1]), sys.argv[2].split()

async def main():
    store = Store(f"sqlite:///{folder}/hubbub.db", probe=0.02)
    await store.open()
    wrote = 0
    async def step(name):
        nonlocal wrote
        if name == "read":
            assert await store.count(Query("calls")) == wrote
        else:
            await store.commit(Put("calls", new_id(), {}))
            wrote += 1
    for name in steps[: steps.index("frozen")]:
        await step(name)
    with frozen(folder, "hubbub.db*"):
        news = store.post(Put("calls", new_id(), {}))
        for name in steps[steps.index("frozen") + 1 :]:
            try:
                await step(name)
            except StorageUnavailable as error:
                assert "hubbub.db cannot be written" in str(error), error
            else:
                assert name == "read"
        while store.healthy:
            await asyncio.to_thread(os.sched_yield)
        if "close" in sys.argv[3:]:
            await store.close()
            print("held")
            return
    await news
    wrote += 1
    assert store.healthy
    await step("write")
    await step("read")
    await store.close()
    print("held")

asyncio.run(main())
"""


@pytest.mark.parametrize("then", ["", "close"])
@pytest.mark.parametrize(
    "steps",
    ["frozen", "frozen write", "write frozen read write", "read write frozen write read write", "write read frozen read", "write frozen"],
)
async def test_a_file_that_becomes_read_only_is_read_and_waited_for(tmp_path: Path, steps: str, then: str) -> None:
    """Rule: "read-only database: clear errors, calls go on": whatever was done last, the process lives, reads, and ends by itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READ_ONLY, str(tmp_path), steps, then, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complaint = await process.communicate()
    thaw(tmp_path)
    if b"Skipped" in complaint:
        pytest.skip(complaint.decode().splitlines()[-1])
    assert (said.splitlines()[-1:], process.returncode) == ([b"held"], 0), complaint.decode()[-2000:]


async def test_a_store_is_not_opened_on_what_may_only_be_read(on_disk: Store, tmp_path: Path) -> None:
    await on_disk.close()
    store = Store(f"sqlite:///{tmp_path}/hubbub.db")
    with frozen(tmp_path, "hubbub.db*"), pytest.raises(StorageUnavailable, match=f"{tmp_path} cannot be written: .*permission"):
        await store.open()
    await store.open()
    await store.close()


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match=f"{tmp_path}/gone is not there"):
        await Store(f"sqlite:///{tmp_path}/gone/hubbub.db").open()
