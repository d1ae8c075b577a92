"""The delivery shell with a store in memory, a requester that answers what the test says, and a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from hubbub.clock import ManualClock
from hubbub.errors import RequestFailed, StorageUnavailable
from hubbub.ids import Id, new_id
from hubbub.storage.store import Condition, Enqueue, Query, Row, Store
from hubbub.webhooks import delivery as module
from hubbub.webhooks.delivery import Delivery, Notice, classify, lane_of
from hubbub.webhooks.failures import Disconnected
from hubbub.webhooks.lanes import Outcome
from hubbub.webhooks.notices import receiver_of
from hubbub.webhooks.requester import HttpReply, HttpRequest

Answer = int | RequestFailed


def reply(status: int = 200) -> HttpReply:
    return HttpReply(status, {}, "", b"", "http://h/", 0.01, 1)


def refused() -> RequestFailed:
    return RequestFailed("refused", "connection refused")


def notice(number: int, lane: str = "room", **rest: Any) -> Notice:
    return Notice(new_id(), lane, "dev", "face", "POST", f"http://h/{number}", (("n", str(number)),), event="join", **rest)


@dataclass
class World:
    store: Store
    clock: ManualClock
    delivery: Delivery
    sent: list[str] = field(default_factory=list)
    told: list[tuple[str, str, bool]] = field(default_factory=list)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    default: Answer = 200
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, request: HttpRequest) -> HttpReply:
        name = request.url.rpartition("/")[2]
        self.sent.append(name)
        self.changed.set()
        await self.gate.wait()
        answer = self.answers[name].pop(0) if self.answers.get(name) else self.default
        if isinstance(answer, RequestFailed):
            raise answer
        return reply(answer)

    def prepare(self, notice: Notice, attempt: int) -> HttpRequest | list[HttpRequest]:
        if "bug" in notice.options:
            raise KeyError("a bug of a renderer")
        urls = [notice.url, *notice.options.get("fallback", [])]
        made = [HttpRequest(notice.method, url, {"X-Attempt": str(attempt)}) for url in urls]
        return made if len(made) > 1 else made[0]

    def on_result(self, notice: Notice, result: HttpReply | RequestFailed, final: bool) -> None:
        what = str(result.status) if isinstance(result, HttpReply) else result.kind
        self.told.append((notice.url.rpartition("/")[2], what, final))
        self.changed.set()

    async def enqueue(self, *notices: Notice) -> None:
        await self.store.commit(*map(Enqueue, notices))
        self.delivery.wake()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    async def finals(self, count: int) -> None:
        await self.until(lambda: sum(final for _, _, final in self.told) >= count)

    async def rows(self, state: str) -> list[Row]:
        return await self.store.find(Query("outbox", (Condition("state", "=", state),), (("seq", "asc"),)))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = await make_world()
    yield made
    made.gate.set()
    await made.delivery.stop()
    await made.store.close()


async def make_world(*, redeliver: bool = True, start: bool = True, **options: Any) -> World:
    clock = ManualClock()
    store = Store("sqlite:///:memory:", clock=clock)
    await store.open()
    made = World(store, clock, None)  # type: ignore[arg-type]
    made.delivery = Delivery(store, made, made.prepare, clock, redeliver=redeliver, on_result=made.on_result, **options)
    made.gate.set()
    if start:
        await made.delivery.start()
    return made


async def test_in_order_and_done(world: World) -> None:
    await world.enqueue(*(notice(n) for n in range(100)))
    await world.finals(100)
    assert world.sent == [str(n) for n in range(100)]
    await world.delivery.stop()
    done = await world.rows("done")
    assert [row["attempts"] for row in done] == [1] * 100
    assert world.delivery.stats().delivered_total == 100


async def test_a_notice_survives_json() -> None:
    for made in (notice(1), Notice(new_id(), "l", "a", "f", "POST", "u", {"a": {"b": 1}}, "json", new_id(), None, "e", {"t": 1.5})):
        store = Store("sqlite:///:memory:")
        await store.open()
        await store.commit(Enqueue(made))
        (row,) = await store.outbox.fetch([1])
        assert Notice.from_data(row["data"]) == made
        await store.close()


async def test_failures_take_their_way(world: World) -> None:
    world.answers = {"1": [500], "2": [RequestFailed("timeout", "slow")], "3": [404], "4": [RequestFailed("tls", "bad")]}
    await world.enqueue(*(notice(n) for n in range(6)))
    await world.finals(6)
    assert world.sent == list("012345")
    assert [what for _, what, _ in world.told] == ["200", "500", "timeout", "404", "tls", "200"]
    await world.delivery.stop()
    assert [row["error"] for row in await world.rows("dead")] == ["status 500", "timeout: slow", "status 404", "tls: bad"]


async def test_unreachable_is_tried_again_when_the_clock_says(world: World) -> None:
    world.answers = {"0": [refused(), refused()]}
    await world.enqueue(notice(0), notice(1))
    await world.until(lambda: len(world.told) == 1)
    world.clock.advance(1)
    world.delivery.wake()
    await world.until(lambda: len(world.told) == 2)
    assert world.sent == ["0", "0"]
    world.clock.advance(1.9)
    world.delivery.wake()
    await world.enqueue(notice(2, "other"))
    await world.finals(1)
    assert world.sent == ["0", "0", "2"]
    world.clock.advance(0.1)
    world.delivery.wake()
    await world.finals(3)
    assert world.told == [("0", "refused", False), ("0", "refused", False), ("2", "200", True), ("0", "200", True), ("1", "200", True)]
    await world.delivery.stop()
    assert [row["attempts"] for row in await world.rows("done")] == [3, 1, 1]


async def test_given_up_after_a_day_together(world: World) -> None:
    world.default = refused()
    await world.enqueue(notice(0), notice(1))
    await world.until(lambda: len(world.told) == 1)
    world.clock.advance(86400)
    world.delivery.wake()
    await world.finals(2)
    assert world.told[1:] == [("0", "refused", True), ("1", "refused", True)]
    await world.delivery.stop()
    assert [row["attempts"] for row in await world.rows("dead")] == [2, 0]


async def test_a_dead_letter_is_replayed_at_the_end_of_its_lane(world: World) -> None:
    world.answers = {"0": [500], "1": [500], "2": [500]}
    zero = notice(0)
    await world.enqueue(zero, notice(1), notice(2), notice(3))
    await world.finals(4)
    await until_settled(world)
    assert await world.delivery.replay(zero.id)
    await world.finals(5)
    assert await world.delivery.replay_dead("room") == 2
    await world.finals(7)
    assert world.sent == list("0123012")
    assert not await world.delivery.replay(Id("0" * 32))
    assert await world.delivery.replay_dead() == 0


def full_store(world: World, patch: pytest.MonkeyPatch) -> asyncio.Event:
    """While this is set, which it is, the store does not take what became of notices."""
    full, real = asyncio.Event(), world.store.outbox.settle

    async def settle(*args: Any) -> None:
        if full.is_set():
            raise StorageUnavailable("full")
        await real(*args)

    full.set()
    patch.setattr(world.store.outbox, "settle", settle)
    return full


async def until_settled(world: World) -> None:
    async with asyncio.timeout(10):
        while await world.rows("due") or world.delivery._unsettled:
            await asyncio.sleep(0)


async def test_lanes_do_not_wait_for_each_other_and_are_bounded() -> None:
    world = await make_world(concurrent=3)
    world.gate.clear()
    await world.enqueue(*(notice(n, f"lane{n}") for n in range(5)), notice(9, "lane0"))
    await world.until(lambda: len(world.sent) == 3)
    assert world.sent == ["0", "1", "2"]
    world.gate.set()
    await world.finals(6)
    assert world.sent == ["0", "1", "2", "3", "4", "9"]
    await world.delivery.stop()
    await world.store.close()


async def test_a_long_backlog_is_read_in_pages_and_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 7)
    world = await make_world(start=False)
    await world.store.commit(*(Enqueue(notice(n, f"lane{n % 3}")) for n in range(400)))
    await world.delivery.start()
    await world.finals(400)
    for lane in range(3):
        assert [n for n in map(int, world.sent) if n % 3 == lane] == list(range(lane, 400, 3))
    await world.delivery.stop()
    assert len(await world.rows("done")) == 400
    await world.store.close()


async def test_without_redelivery_one_failure_is_the_end() -> None:
    world = await make_world(redeliver=False)
    world.answers = {"0": [refused()], "1": [Disconnected("network", "cut")]}
    await world.enqueue(notice(0), notice(1), notice(2))
    await world.finals(3)
    assert world.told == [("0", "refused", True), ("1", "network", True), ("2", "200", True)]
    await world.delivery.stop()
    assert len(await world.rows("dead")) == 2
    await world.store.close()


async def test_a_fallback_is_tried_when_the_first_fails(world: World) -> None:
    fallback = {"options": {"fallback": ["http://h/f"]}}
    world.answers = {"0": [500], "1": [refused()], "2": [refused()], "f": [200, 200, refused()]}
    await world.enqueue(*(notice(n, **fallback) for n in range(3)))
    await world.finals(2)
    await world.until(lambda: len(world.told) == 3)
    assert world.sent == ["0", "f", "1", "f", "2", "f"]
    assert world.told[2] == ("2", "refused", False)


async def test_a_bug_in_a_renderer_costs_its_notice_only(world: World) -> None:
    await world.enqueue(notice(0, options={"bug": 1}), notice(1))
    await world.finals(2)
    assert world.told == [("0", "protocol", True), ("1", "200", True)]
    await world.delivery.stop()
    assert "a bug of a renderer" in (await world.rows("dead"))[0]["error"]


async def test_a_removed_row_does_not_stop_its_lane() -> None:
    world = await make_world(start=False)
    gone = notice(0)
    await world.store.commit(Enqueue(gone), Enqueue(notice(1)))
    real = world.store.outbox.fetch

    async def fetch(seqs: Any) -> list[Row]:
        return [row for row in await real(seqs) if row["id"] != gone.id]

    world.store.outbox.fetch = fetch  # type: ignore[method-assign]
    await world.delivery.start()
    await world.finals(1)
    assert world.sent == ["1"]
    await world.delivery.stop()
    await world.store.close()


async def test_a_failing_handler_of_results_does_not_matter(world: World) -> None:
    def broken(*_: Any) -> None:
        world.changed.set()
        raise ZeroDivisionError

    world.delivery._on_result = broken
    await world.enqueue(notice(0), notice(1))
    await world.until(lambda: len(world.sent) == 2)


async def test_delivery_goes_on_while_the_store_cannot_settle(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STORE_WAIT", 0.001)
    full = full_store(world, monkeypatch)
    await world.enqueue(*(notice(n) for n in range(5)))
    await world.finals(5)
    assert len(await world.rows("due")) == 5
    full.clear()
    await until_settled(world)
    assert world.sent == list("01234")


async def test_a_restart_does_not_send_what_the_store_has_not_heard_of_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await make_world()

    async def settle(*_: Any) -> None:
        raise StorageUnavailable("full")

    with monkeypatch.context() as patch:
        patch.setattr(world.store.outbox, "settle", settle)
        await world.enqueue(notice(0))
        await world.finals(1)
        await world.delivery.stop()
    await world.delivery.start()
    await world.enqueue(notice(1))
    await world.finals(2)
    assert world.sent == ["0", "1"]
    await world.delivery.stop()
    assert len(await world.rows("done")) == 2
    await world.store.close()


async def test_too_many_unsettled_results_stop_the_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNSETTLED", 3)
    monkeypatch.setattr(module, "STORE_WAIT", 0.001)
    world = await make_world(concurrent=1)
    full = full_store(world, monkeypatch)
    await world.enqueue(*(notice(n) for n in range(6)))
    await world.finals(3)
    for _ in range(100):
        await asyncio.sleep(0)
    assert world.sent == list("012")
    full.clear()
    await world.finals(6)
    await world.delivery.stop()
    await world.store.close()


async def test_a_store_that_cannot_be_read_is_read_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STORE_WAIT", 0.001)
    real_due, real_fetch = world.store.outbox.due, world.store.outbox.fetch
    failures = {"due": 2, "fetch": 1}

    def failing(name: str, real: Any) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            if failures[name]:
                failures[name] -= 1
                world.changed.set()
                raise StorageUnavailable("gone")
            return await real(*args, **kwargs)

        return call

    monkeypatch.setattr(world.store.outbox, "due", failing("due", real_due))
    monkeypatch.setattr(world.store.outbox, "fetch", failing("fetch", real_fetch))
    await world.enqueue(notice(0), notice(1))
    await world.until(lambda: not any(failures.values()))
    async with asyncio.timeout(10):
        while not world.delivery.stats().held:
            await asyncio.sleep(0)
    world.clock.advance(1)
    world.delivery.wake()
    await world.finals(2)
    assert world.sent == ["0", "1"]


async def test_stop_lets_go_of_what_is_under_way_and_keeps_it_due() -> None:
    world = await make_world()
    world.gate.clear()
    await world.enqueue(notice(0), notice(1))
    await world.until(lambda: len(world.sent) == 1)
    await world.delivery.stop(grace=0.01)
    assert len(await world.rows("due")) == 2
    world.gate.set()
    await world.delivery.start()
    await world.finals(2)
    assert world.sent == ["0", "0", "1"]
    await world.delivery.stop()
    await world.store.close()


async def test_settled_notices_are_removed_after_a_while(world: World) -> None:
    world.answers = {"1": [500]}
    await world.enqueue(notice(0), notice(1))
    await world.finals(2)
    await until_settled(world)
    for later, left in ((3601, {"dead"}), (30 * 86400, set())):
        world.clock.advance(later)
        world.delivery.wake()
        async with asyncio.timeout(10):
            while {row["state"] for row in await world.store.find(Query("outbox"))} != left:
                await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (reply(200), Outcome.DELIVERED),
        (reply(204), Outcome.DELIVERED),
        (reply(302), Outcome.DELIVERED),
        (reply(400), Outcome.REJECTED),
        (reply(503), Outcome.REJECTED),
        (RequestFailed("too_large", "", status=200), Outcome.DELIVERED),  # it was heard
        (RequestFailed("too_large", "", status=500), Outcome.REJECTED),
        (RequestFailed("redirects", "", status=302), Outcome.REJECTED),
        (RequestFailed("timeout", ""), Outcome.REJECTED),
        (RequestFailed("blocked", ""), Outcome.REJECTED),
        (RequestFailed("bad_url", ""), Outcome.REJECTED),
        (RequestFailed("tls", ""), Outcome.REJECTED),
        (RequestFailed("refused", ""), Outcome.UNREACHABLE),
        (RequestFailed("connect_timeout", ""), Outcome.UNREACHABLE),
        (RequestFailed("dns", ""), Outcome.UNREACHABLE),
        (RequestFailed("network", ""), Outcome.UNREACHABLE),
        (Disconnected("network", ""), Outcome.CUT),
    ],
)
def test_what_a_result_means(result: HttpReply | RequestFailed, outcome: Outcome) -> None:
    """Design, law 4: "only connection failure holds a lane; 4xx, 5xx and time-outs take the dialect's attempts, then dead letter"."""
    assert classify(result) is outcome


def test_receivers_of_lanes() -> None:
    assert receiver_of(lane_of("r1", "https://u:p@h:8080/x?y=http://z/")) == "https://h:8080"
    assert receiver_of(lane_of("r1", "https://u:p@h:8080?x")) == "https://h:8080"
    assert receiver_of("anything") == ""


def test_lane_names() -> None:
    assert lane_of("r1", "http://h/x#ct=5") == lane_of("r1", "http://h/x")
    assert lane_of("r1", "http://h/x") != lane_of("r2", "http://h/x")
