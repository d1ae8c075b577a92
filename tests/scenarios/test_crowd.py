"""A crowd: very many callers join one room within seconds, and whoever watches is told of each in order.

HUBBUB_CROWD gives the number: 150 with the other tests, a thousand in `make soak`.
"""

from __future__ import annotations

import asyncio
import csv
import os
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.figures import figure
from tests.support.stage import TONE, PhoneMaker, call_in
from tests.support.watch import gauge, gauges, held

from hubbub.testing import Application, HubbubServer, Request, assert_hears
from hubbub.testing.server import free_port_range

SIPP = shutil.which("sipp")
pytestmark = [pytest.mark.interop, pytest.mark.skipif(SIPP is None, reason="sipp is missing: apt-get install sip-tester")]

CROWD = int(os.environ.get("HUBBUB_CROWD", "150"))
SECONDS = 18.0
STAY = 1.2 * SECONDS * CROWD / 1000 + 6.0
"""All of them are there at the same time before the first one leaves."""


def document(url: str) -> dict[str, Any]:
    """One room without a limit that matters, whose notices are numbered."""
    told = {"status_callback": url, "status_callback_event": "start end join leave", "status_callback_event_type": "cxml"}
    join = {"name": "crowd", "max_participants": 5000, "beep": "false", **told}
    return {"version": "1.0.0", "sections": {"main": [{"answer": {}}, {"join_conference": join}]}}


def delay(request: Request) -> float:
    """Seconds from what happened to our hearing of it."""
    stamp = str(request.params["Timestamp"])
    happened = datetime.strptime(stamp, "%a, %d %b %Y %H:%M:%S %z").timestamp()
    return request.at - happened


@pytest.mark.alone
@pytest.mark.timeout(300)
async def test_a_crowd_joins_one_room(application: Application, phone: PhoneMaker, tmp_path: Path) -> None:
    """Rule: "1,000 callers joining one room within 20 seconds (their notices arrive in order within the time that the receiver needs to
    answer them)"; nothing of them is left afterwards."""
    application.on("/swml", document(application.url("/events")))
    application.on("/events", None)
    number = {"number": "*", "account": "dev", "dialect": "swml", "url": application.url("/swml")}
    config = {"numbers": [number], "media": {"legs": CROWD + 50, "rtp_ports": free_port_range(2 * CROWD + 400)}}
    async with HubbubServer(config=config, folder=tmp_path / "hubbub") as server:
        calls = await call_in(server, phone, "alice", "bob")
        before = held(server.pid)
        rate = CROWD / SECONDS if CROWD > 500 else 50.0
        arguments = [
            "-sn",
            "uac",
            "-s",
            "+15550001000",
            "-r",
            f"{rate:.0f}",
            "-m",
            str(CROWD),
            "-d",
            f"{STAY * 1000:.0f}",
            "-l",
            str(CROWD),
        ]
        more = ["-i", "127.0.0.1", "-trace_stat", "-stf", str(tmp_path / "stat.csv"), "-fd", "1", "-nostdin", "-timeout", "200"]
        quiet = asyncio.subprocess.DEVNULL
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            SIPP, *arguments, *more, "{}:{}".format(*server.sip), stdout=quiet, stderr=quiet, cwd=tmp_path
        )
        await gauge(server, "hubbub_calls", CROWD + 2, timeout=60)
        joined = time.monotonic() - began
        await assert_hears(calls["alice"], {TONE["bob"]}, within=15)
        await everybody(application, "participant-join", CROWD + 2)
        returned = await asyncio.wait_for(process.wait(), 120)
        await gauge(server, "hubbub_calls", 2, timeout=60)
        await everybody(application, "participant-leave", CROWD)
        for call in calls.values():
            await call.hangup()
        await application.wait_for("/events", lambda r: r.params["StatusCallbackEvent"] == "conference-end", timeout=30)
        with (tmp_path / "stat.csv").open() as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        assert (last["SuccessfulCall(C)"], last["FailedCall(C)"], returned) == (str(CROWD), "0", 0)
        told = application.requests("/events")
        assert [int(r.params["SequenceNumber"]) for r in told] == list(range(1, len(told) + 1))
        joins = [r for r in told if r.params["StatusCallbackEvent"] == "participant-join"]
        span = joins[-1].arrived - joins[2].arrived
        for name in ("hubbub_calls", "hubbub_rooms", "hubbub_sessions", "hubbub_media_legs", "hubbub_media_mixes"):
            await gauge(server, name, 0)
        after = await gauges(server)
        assert after["hubbub_journal_lost_total"] == 0
        assert held(server.pid)[0] <= before[0] + 40
        figure(
            "crowd",
            f"{CROWD} callers joined in {joined:.1f} s; {len(told)} notices in order; the joins' took {span:.1f} s, "
            f"{1000 * span / len(joins):.1f} ms each, the latest came {max(map(delay, joins)):.1f} s after it happened (in whole seconds); "
            f"ticks late {after['hubbub_media_late']:.0f}, left out {after['hubbub_media_skipped']:.0f}, load {os.getloadavg()[0]:.1f}",
        )


async def everybody(application: Application, kind: str, count: int) -> None:
    """Wait until so many notices of a kind have come."""
    for _ in range(1200):
        if sum(request.params["StatusCallbackEvent"] == kind for request in application.requests("/events")) >= count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{kind}: fewer than {count}")
