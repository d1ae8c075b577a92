"""Accidents of the machine under a running server: clocks that jump, descriptors and ports that run out, everything stopped for a while."""

from __future__ import annotations

import asyncio
import mmap
import os
import resource
import signal
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support.rest import Rest
from tests.support.stage import TONE, PhoneMaker, assert_matrix, call_in, event, room
from tests.support.watch import gauge, gauges

from hubbub.testing import Application, HubbubServer, assert_hears
from hubbub.testing.fixtures import phones
from hubbub.testing.server import free_port_range

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
LEGS = 4
"""What the RTP ports of the server are enough for."""
FEW = 8
"""Numbers of descriptors that are in use as long as the server runs."""
MOVED_CLOCK = """
import mmap
import struct
import time
from pathlib import Path

with Path(__file__).with_name("clock").open("rb") as file:
    _wrong = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)  # opened once: the time must be known where no file can be opened

def moved(real=time.time):
    return real() + struct.unpack("=d", _wrong[:8])[0]

time.time = moved
"""


def few_ports() -> str:
    first = int(free_port_range().partition("-")[0])
    return f"{first}-{first + 2 * LEGS - 1}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Application, HubbubServer, Rest, Path]]:
    """One server for all tests of this module, whose wall clock is moved by the number in a file."""
    folder = tmp_path_factory.mktemp("clock")
    (folder / "sitecustomize.py").write_text(MOVED_CLOCK)
    (folder / "clock").write_bytes(struct.pack("=d", 0.0))
    config = {"media": {"rtp_ports": few_ports()}, "phones": [{"username": "zed", "password": "secret", "account": "dev"}]}
    environment = {"PYTHONPATH": str(folder)}
    async with (
        Application() as app,
        HubbubServer(app.url("/voice"), config=config, environment=environment) as server,
        Rest(server) as rest,
    ):
        yield app, server, rest, folder / "clock"


@pytest_asyncio.fixture(loop_scope="module")
async def application(running: tuple[Application, HubbubServer, Rest, Path]) -> Application:
    running[0].forget()
    running[0].on("/voice", room('beep="false"'))
    running[0].on("/events", None)
    return running[0]


@pytest.fixture
def server(running: tuple[Application, HubbubServer, Rest, Path]) -> HubbubServer:
    return running[1]


@pytest.fixture
def rest(running: tuple[Application, HubbubServer, Rest, Path]) -> Rest:
    return running[2]


@pytest_asyncio.fixture(loop_scope="module")
async def phone(server: HubbubServer) -> AsyncIterator[PhoneMaker]:
    async with phones() as start:
        yield start
    await gauge(server, "hubbub_calls", 0)
    await gauge(server, "hubbub_rooms", 0)
    await gauge(server, "hubbub_notices_lanes", 0)  # the last ones must not come to the next test
    await gauge(server, "hubbub_media_legs", 0)  # a call is over before its port is free, and there are few


def move(clock: Path, seconds: float) -> None:
    """Set by how much the wall clock is wrong, at once: it is read all the time."""
    with clock.open("r+b") as file, mmap.mmap(file.fileno(), 8) as wrong:
        wrong[:8] = struct.pack("=d", seconds)


def numbers(application: Application) -> list[int]:
    return [int(request.params["SequenceNumber"]) for request in application.requests("/events")]


async def test_the_wall_clock_jumps(
    running: tuple[Application, HubbubServer, Rest, Path], application: Application, phone: PhoneMaker, rest: Rest
) -> None:
    """Rule: law 2: time limits, registrations and deliveries count on the clock that never jumps: hours forward, beyond the
    longest call and registration, and back again, with a receiver that is down meanwhile."""
    server, clock = running[1], running[3]
    zed = await phone("zed", username="zed", password="secret")
    await zed.register(server.sip)
    calls = await call_in(server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    url = application.url("/")
    await application.stop()
    try:
        move(clock, 6 * 3600.0)
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        assert (await gauges(server))["hubbub_sip_registered"] == 1
        await rest.post("/Conferences/standup.json", AnnounceUrl=application.url("/announce"))
        move(clock, -6 * 3600.0)
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        assert (await gauges(server))["hubbub_sip_registered"] == 1
    finally:
        await application.start()
    assert application.url("/") == url
    for call in calls.values():
        await call.hangup()
    await application.wait_for("/events", event("conference-end"), timeout=30)
    assert numbers(application) == list(range(1, len(numbers(application)) + 1))
    over = (await rest.get("/Calls.json"))["calls"]
    assert {call["status"] for call in over} == {"completed"}
    assert all(int(call["duration"]) >= 0 for call in over)
    move(clock, 0.0)
    calls = await call_in(server, phone, "carol")
    await calls["carol"].hangup()


async def test_no_rtp_port_is_left(server: HubbubServer, application: Application, phone: PhoneMaker) -> None:
    """One caller too many gets 503 and nobody else notices; the next one has its place."""
    calls = await call_in(server, phone, "alice", "bob", "carol", "dave")
    late = await (await phone("late")).call(server.uri("+15550001000"))
    assert (await late.wait_ended()).code == 503
    await assert_matrix({name: calls[name] for name in calls}, {"alice": "bcd", "bob": "acd", "carol": "abd", "dave": "abc"})
    await calls["dave"].hangup()
    await gauge(server, "hubbub_media_legs", LEGS - 1)
    calls |= await call_in(server, phone, "dave")
    await assert_matrix(calls, {"alice": "bcd", "dave": "abc"})
    assert "Traceback" not in server.log, server.log[server.log.index("Traceback") - 500 :][:3000]
    for call in calls.values():
        await call.hangup()


async def test_no_file_may_be_opened_any_more(server: HubbubServer, application: Application, phone: PhoneMaker, rest: Rest) -> None:
    """The limit of open files is reached: who talks goes on, new callers are refused, and all is well when there is room again.

    A media process that is lost meanwhile is replaced by the standby; the next one is started when there is room for it.
    """
    await gauge(server, "hubbub_media_standby", 1.0, timeout=60.0)
    calls = await call_in(server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    # The limit is on numbers: below all that are in use but a few, nothing can be opened whatever is closed meanwhile.
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (FEW, hard))
    try:
        late = [await (await phone(f"late{number}")).call(server.uri("+15550001000")) for number in range(3)]
        ends = [await call.wait_ended(timeout=40) for call in late]
        assert {end.code for end in ends} <= {500, 503}
        knocking = [await asyncio.open_connection(*server.http) for _ in range(5)]  # the kernel takes them; nobody answers
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        for _, writer in knocking:
            writer.close()
        os.kill(server.media_pids()[0], signal.SIGKILL)
        await assert_matrix(calls, {"alice": "b", "bob": "a"}, within=10)
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (1024, hard))
    calls |= await call_in(server, phone, "carol")
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"}, within=10)
    await gauge(server, "hubbub_media_standby", 1.0, timeout=60.0)
    assert len((await rest.get("/Conferences.json", Status="in-progress"))["conferences"]) == 1
    for call in calls.values():
        await call.hangup()
    await application.wait_for("/events", event("conference-end"), timeout=20)
    assert server.log.count("\n") < 5000, "a full table of files does not fill the log"


async def test_everything_is_stopped_for_a_while(server: HubbubServer, application: Application, phone: PhoneMaker) -> None:
    """SIGSTOP of the server and of its media processes, as a machine that is suspended does it; they go on where they stood."""
    calls = await call_in(server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    pids = [server.pid, *server.media_pids()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(5.0)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    await assert_matrix(calls, {"alice": "b", "bob": "a"}, within=20)
    calls |= await call_in(server, phone, "carol")
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"}, within=10)
    for call in calls.values():
        await call.hangup()
    await application.wait_for("/events", event("conference-end"), timeout=20)
    assert numbers(application) == list(range(1, len(numbers(application)) + 1))


async def test_the_server_alone_is_stopped(server: HubbubServer, application: Application, phone: PhoneMaker) -> None:
    """Audio never waits for Python: while the server's own process stands still, those who talk hear each other."""
    calls = await call_in(server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    os.kill(server.pid, signal.SIGSTOP)
    try:
        await assert_hears(calls["alice"], {TONE["bob"]})
        heard = await calls["alice"].heard(2.0)
        assert heard.hears(TONE["bob"])
        assert heard.longest_gap < 500
    finally:
        os.kill(server.pid, signal.SIGCONT)
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    for call in calls.values():
        await call.hangup()
    await application.wait_for("/events", event("conference-end"), timeout=20)
