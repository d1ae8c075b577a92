"""A long time in real time: busy rooms without a pause, and nothing of what is over is kept.

HUBBUB_LONG gives the seconds: a few with the other tests, ten minutes in `make soak`.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.busy import Load
from tests.support.figures import figure
from tests.support.stage import EVENTS
from tests.support.watch import gauge, gauges, held, memory

from hubbub.testing import Application, HubbubServer, Request

pytestmark = pytest.mark.scenario

SECONDS = float(os.environ.get("HUBBUB_LONG", "24"))
NUMBER = "+15550001000"
LIVE = ("calls", "rooms", "sessions", "sip_calls", "media_legs", "media_mixes", "media_playbacks")
MOST_MEGABYTES = 16.0
"""By which the second half of the time may need more than the end of the first: ended calls are remembered for a minute."""
SPARE = 10
"""Descriptors: connections to the application and of REST's clients are kept."""


@dataclass(frozen=True)
class Sample:
    """What the processes hold at a moment."""

    at: float
    megabytes: float
    """Of their own: what may grow without a bound. The shared block has a size, and its pages count as they are first touched."""
    block: float
    """Of the shared block, touched so far."""
    descriptors: int
    tasks: float
    threads: int


def document(request: Request) -> str:
    """Four rooms; some are recorded, some play, some callers hear music first."""
    number = int(str(request.params["CallSid"])[-2:], 16) % 4
    record = ('record="record-from-start"', "", 'startConferenceOnEnter="false"', "")[number]
    first = ("", "<Play digits='1'/>", "<Say>one moment</Say>", "<Pause length='1'/>")[number]
    more = 'recordingStatusCallback="/recording"'
    return f'<Response>{first}<Dial action="/after"><Conference {EVENTS} {record} {more}>room {number}</Conference></Dial></Response>'


async def sample(server: HubbubServer, began: float) -> Sample:
    pids = [server.pid, *server.media_pids()]
    descriptors, sizes = sum(held(pid)[0] for pid in pids), [memory(pid) for pid in pids]
    threads = sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids)
    found = await gauges(server)
    own, block = sum(size[0] for size in sizes), max(size[1] for size in sizes)
    return Sample(time.monotonic() - began, own, block, descriptors, found["hubbub_tasks"], threads)


async def at_rest(server: HubbubServer, load: Load) -> None:
    """Nobody calls any more, and all calls are over."""
    await load.rest()
    await load.hang_up()
    for name in LIVE:
        await gauge(server, f"hubbub_{name}", 0, timeout=20)
    await asyncio.sleep(1.0)


@pytest.mark.timeout(120 + 2 * SECONDS)
async def test_nothing_grows_while_rooms_come_and_go(application: Application, tmp_path: Path) -> None:
    """Rule: "a ten-minute real one by `make soak`: flat memory, no stuck room, no leaked port, file or socket"."""
    application.on("/voice", document)
    application.on("/after", "<Response><Hangup/></Response>")
    for path in ("/events", "/recording"):
        application.on(path, None)
    number = {"number": "*", "account": "dev", "dialect": "twiml", "url": application.url("/voice")}
    config = {"numbers": [number], "media": {"legs": 64}, "sip": {"invites_per_second": 0}}
    async with HubbubServer(config=config, folder=tmp_path / "hubbub") as server, Load(server, NUMBER, 5) as load:
        load.begin()
        await asyncio.sleep(min(60.0, SECONDS / 4))  # everything has been used once, and the first ended calls are forgotten
        await at_rest(server, load)
        began = time.monotonic()
        rest = await sample(server, began)
        samples = []
        load.begin()
        while (passed := time.monotonic() - began) < SECONDS:
            await asyncio.sleep(min(5.0, SECONDS / 10, max(0.1, SECONDS - passed)))
            samples.append(await sample(server, began))
        await at_rest(server, load)
        end = await sample(server, began)
        found = await gauges(server)
        assert "Traceback" not in server.log
    last_quarter = statistics.median(s.megabytes for s in samples[-len(samples) // 4 :])
    second_quarter = statistics.median(s.megabytes for s in samples[len(samples) // 4 : len(samples) // 2])
    figure(
        f"{SECONDS:.0f} s",
        f"{load.answered} calls, {load.pressed} REST changes, {len(application.requests('/events'))} notices; own megabytes "
        f"{second_quarter:.0f} in the second quarter, {last_quarter:.0f} in the last; at rest before and after: {rest.megabytes:.0f} and "
        f"{end.megabytes:.0f} megabytes, of the shared block {rest.block:.0f} and {end.block:.0f}, {rest.descriptors} and "
        f"{end.descriptors} descriptors, {rest.tasks:.0f} and {end.tasks:.0f} tasks, {rest.threads} and {end.threads} threads",
    )
    assert last_quarter - second_quarter < MOST_MEGABYTES
    assert end.megabytes - rest.megabytes < MOST_MEGABYTES
    assert end.descriptors <= rest.descriptors + SPARE
    assert end.tasks <= rest.tasks + 3
    assert end.threads <= rest.threads + 2
    assert found["hubbub_journal_lost_total"] == found["hubbub_media_events_lost"] == found["hubbub_media_bad_commands"] == 0
    by_room: dict[str, list[int]] = defaultdict(list)
    for request in application.requests("/events"):
        by_room[str(request.params["ConferenceSid"])].append(int(request.params["SequenceNumber"]))
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in by_room.values())
    assert load.answered > SECONDS
