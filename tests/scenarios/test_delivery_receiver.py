"""Notices over real HTTP from a real database file: order, a receiver that goes away, restarts, crashes, dead letters."""

from __future__ import annotations

import asyncio
import ipaddress
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from hubbub.clock import ManualClock
from hubbub.errors import RequestFailed
from hubbub.ids import new_id
from hubbub.storage.store import Condition, Enqueue, Query, Store
from hubbub.webhooks.delivery import Delivery, Notice, lane_of
from hubbub.webhooks.requester import HttpReply, HttpRequest, Limits, Requester

pytestmark = pytest.mark.scenario

LOOPBACK = [ipaddress.ip_network("127.0.0.1/32")]


@dataclass
class Application:
    """A receiver that can be down and come back on its port. Arrivals are noted per path."""

    port: int = 0
    arrived: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    behave: Callable[[str, str], Awaitable[int]] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    runner: web.ServerRunner | None = None

    async def up(self) -> None:
        self.runner = web.ServerRunner(web.Server(self.handle), shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self.runner.addresses[0][1]

    async def down(self) -> None:
        runner, self.runner = self.runner, None
        if runner is not None:
            await runner.cleanup()

    async def handle(self, request: web.BaseRequest) -> web.Response:
        body = (await request.read()).decode()
        status = 200 if self.behave is None else await self.behave(request.path, body)
        self.arrived[request.path].append(body)
        self.changed.set()
        return web.Response(status=status)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def until(self, holds: Callable[[], bool], changed: asyncio.Event | None = None) -> None:
        event = changed or self.changed
        async with asyncio.timeout(20):
            while not holds():
                event.clear()
                await event.wait()


def prepare(notice: Notice, attempt: int) -> HttpRequest:
    assert not isinstance(notice.fields, dict)
    return HttpRequest(
        notice.method,
        notice.url,
        {"X-Idempotency": notice.id, "Content-Type": "text/plain"},
        notice.fields[0][1].encode(),
        Limits(connect=1, total=5, retries=0),
    )


@dataclass
class Sending:
    """A store, a requester and a delivery, as one process has them."""

    file: Path
    clock: ManualClock
    results: list[tuple[str, bool]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        self.store = Store(f"sqlite:///{self.file}", clock=self.clock)
        await self.store.open()
        self.requester = Requester(LOOPBACK)
        await self.requester.start()
        self.delivery = Delivery(self.store, self.requester, prepare, self.clock, on_result=self.on_result)
        await self.delivery.start()

    async def stop(self) -> None:
        await self.delivery.stop(grace=0.2)
        await self.requester.stop()
        await self.store.close()

    def on_result(self, notice: Notice, result: HttpReply | RequestFailed, final: bool) -> None:
        self.results.append((str(result.status) if isinstance(result, HttpReply) else result.kind, final))
        self.changed.set()

    async def tell(self, url: str, *texts: str, room: str = "room") -> None:
        notices = [Notice(new_id(), lane_of(room, url), "dev", "test", "POST", url, (("n", text),)) for text in texts]
        await self.store.commit(*map(Enqueue, notices))
        self.delivery.wake()


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    made = Application()
    await made.up()
    yield made
    await made.down()


@pytest.fixture
async def sending(tmp_path: Path) -> AsyncIterator[Sending]:
    made = Sending(tmp_path / "hubbub.db", ManualClock())
    await made.start()
    yield made
    await made.stop()


def numbers(count: int, start: int = 0) -> list[str]:
    return [str(n) for n in range(start, start + count)]


async def test_order_is_kept_in_every_lane_while_one_receiver_is_slow(application: Application, sending: Sending) -> None:
    gate = asyncio.Event()
    under_way: defaultdict[str, int] = defaultdict(int)
    most: defaultdict[str, int] = defaultdict(int)

    async def slow(path: str, body: str) -> int:
        under_way[path] += 1
        most[path] = max(most[path], under_way[path])
        if path == "/slow":
            await gate.wait()
        await asyncio.sleep(0)
        under_way[path] -= 1
        return 200

    application.behave = slow
    for number in range(50):
        for path in ("/slow", "/a", "/b"):
            await sending.tell(application.url(path), str(number))
    await application.until(lambda: len(application.arrived["/a"]) == len(application.arrived["/b"]) == 50)
    assert application.arrived["/slow"] == []
    gate.set()
    await application.until(lambda: len(application.arrived["/slow"]) == 50)
    assert all(application.arrived[path] == numbers(50) for path in ("/slow", "/a", "/b"))
    assert dict(most) == {"/slow": 1, "/a": 1, "/b": 1}


async def test_receivers_that_never_answer_hold_up_nobody_else(application: Application, sending: Sending) -> None:
    """Rule: "one slow receiver never delays another lane": three that accept and say nothing, each with more lanes than it has places."""
    heard: list[int] = [0, 0, 0]
    under_way: set[asyncio.StreamWriter] = set()

    def hang(number: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            under_way.add(writer)
            heard[number] += 1
            await reader.read()
            under_way.discard(writer)

        return accept

    servers = [await asyncio.start_server(hang(number), "127.0.0.1", 0) for number in range(3)]
    for server in servers:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for lane in range(100):
            await sending.tell(url, *numbers(3), room=f"room{lane}")
    async with asyncio.timeout(20):
        while heard != [48, 48, 48]:
            await asyncio.sleep(0.01)
    for number in numbers(40):
        await sending.tell(application.url("/a"), number)
    await application.until(lambda: len(application.arrived["/a"]) == 40)
    assert application.arrived["/a"] == numbers(40)
    assert heard == [48, 48, 48], "not one of them was given up before"
    assert len(under_way) == 3 * 48
    for server in servers:
        server.close()


async def test_a_receiver_that_is_down_for_ten_minutes_gets_all_in_order(application: Application, sending: Sending) -> None:
    """Rule: "receiver down for ten minutes (virtual time): nothing lost, order kept"; what happens meanwhile too, in every lane."""
    lanes = ("/x", "/y")
    for path in lanes:
        await sending.tell(application.url(path), *numbers(5))
    await application.until(lambda: all(len(application.arrived[path]) == 5 for path in lanes))
    await application.down()
    went, began = 5, sending.clock.monotonic()
    while sending.clock.monotonic() < began + 600:
        tries = sending.results.count(("refused", False))
        for path in lanes:
            await sending.tell(application.url(path), *numbers(3, went))
        went += 3
        sending.clock.advance(60)
        sending.delivery.wake()
        await application.until(lambda tries=tries: sending.results.count(("refused", False)) > tries, sending.changed)  # type: ignore[misc]
    await application.up()
    for path in lanes:
        await sending.tell(application.url(path), *numbers(5, went))
    sending.clock.advance(60)
    sending.delivery.wake()
    await application.until(lambda: all(len(application.arrived[path]) >= went + 5 for path in lanes))
    assert went >= 35
    assert all(application.arrived[path] == numbers(went + 5) for path in lanes)
    assert not [result for result in sending.results if result not in (("200", True), ("refused", False))]


async def test_a_restart_on_the_same_file_delivers_what_was_left(application: Application, sending: Sending, tmp_path: Path) -> None:
    await application.down()
    await sending.tell(application.url("/x"), *numbers(10))
    await application.until(lambda: ("refused", False) in sending.results, sending.changed)
    await sending.stop()
    await application.up()
    await sending.start()
    await application.until(lambda: len(application.arrived["/x"]) == 10)
    assert application.arrived["/x"] == numbers(10)
    await sending.stop()
    await sending.start()  # and nothing a second time
    await sending.tell(application.url("/x"), "last")
    await application.until(lambda: "last" in application.arrived["/x"])
    assert application.arrived["/x"] == [*numbers(10), "last"]


async def test_a_status_500_is_a_dead_letter_and_the_lane_goes_on(application: Application, sending: Sending) -> None:
    async def sometimes(path: str, body: str) -> int:
        return 500 if body in ("1", "3") and application.arrived[path].count(body) == 0 else 200

    application.behave = sometimes
    await sending.tell(application.url("/x"), *numbers(5))
    await application.until(lambda: len(sending.results) == 5, sending.changed)
    assert application.arrived["/x"] == numbers(5)
    assert sending.results == [("200", True), ("500", True), ("200", True), ("500", True), ("200", True)]
    await sending.delivery.stop()
    dead = Query("outbox", (Condition("state", "=", "dead"),))
    assert [row["error"] for row in await sending.store.find(dead)] == ["status 500"] * 2
    await sending.delivery.start()
    assert await sending.delivery.replay_dead() == 2
    await application.until(lambda: len(application.arrived["/x"]) == 7)
    assert application.arrived["/x"][5:] == ["1", "3"]


async def test_a_receiver_that_breaks_connections_is_tried_again(application: Application, sending: Sending) -> None:
    broken = 0

    async def crash(path: str, body: str) -> int:
        nonlocal broken
        if body == "1" and broken < 3:  # the first time on a kept connection, which is replaced at once
            broken += 1
            raise ConnectionResetError  # the server drops the connection without an answer
        return 200

    async def handle(request: web.BaseRequest) -> web.Response:
        try:
            return await Application.handle(application, request)
        except ConnectionResetError:
            assert request.transport is not None
            request.transport.abort()
            raise

    await application.down()
    application.handle = handle  # type: ignore[method-assign]
    application.behave = crash
    await application.up()
    await sending.tell(application.url("/x"), *numbers(3))
    for tries in (1, 2):
        await application.until(lambda tries=tries: sending.results.count(("network", False)) == tries, sending.changed)  # type: ignore[misc]
        sending.clock.advance(60)
        sending.delivery.wake()
    await application.until(lambda: len(application.arrived["/x"]) == 3)
    assert application.arrived["/x"] == numbers(3)


PROCESS = """
import asyncio, ipaddress, sys
sys.path.insert(0, sys.argv[3])
from test_delivery_receiver import Sending, numbers
from hubbub.clock import ManualClock
from pathlib import Path

async def main():
    sending = Sending(Path(sys.argv[1]), ManualClock())
    await sending.start()
    for number in numbers(60):
        await sending.tell(sys.argv[2], number)
    print("committed", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_kill_dash_nine_in_the_middle_loses_nothing(application: Application, sending: Sending) -> None:
    """At least once: what was delivered but not yet settled may come twice, side by side; nothing is missing or out of order."""
    await sending.stop()
    hold = asyncio.Event()

    async def until_twenty(_path: str, body: str) -> int:
        if body == "20":
            await hold.wait()
            raise ConnectionResetError  # its process is dead by now: this one does not count
        return 200

    application.behave = until_twenty
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROCESS,
        str(sending.file),
        application.url("/x"),
        str(Path(__file__).parent),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"committed\n"
    await application.until(lambda: len(application.arrived["/x"]) == 20)
    process.kill()
    await process.wait()
    assert application.arrived["/x"] == numbers(20)
    application.behave = None
    application.arrived.clear()
    hold.set()
    await sending.start()
    await application.until(lambda: application.arrived["/x"][-1:] == ["59"])
    first = int(application.arrived["/x"][0])
    assert first <= 20
    assert application.arrived["/x"] == numbers(60 - first, first)
