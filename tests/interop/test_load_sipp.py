"""Load by a peer that nobody here wrote: SIPp calls into conferences, sends real RTP and counts what it hears of it."""

from __future__ import annotations

import asyncio
import csv
import shutil
from pathlib import Path

import pytest
from tests.support.stage import TONE, PhoneMaker, call_in, room

from hubbub.testing import Application, HubbubServer, assert_hears

SIPP = shutil.which("sipp")
pytestmark = [pytest.mark.interop, pytest.mark.skipif(SIPP is None, reason="sipp is missing: apt-get install sip-tester")]


@pytest.mark.alone
async def test_200_calls_at_50_per_second_all_complete(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, tmp_path: Path
) -> None:
    """Rule: "200 SIPp calls at 50 per second all complete", while two callers in the same room hear each other."""
    application.on("/voice", room('beep="false"', name="crowd"))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    host, port = hubbub_server.sip
    arguments = ["-sn", "uac", "-s", "+15550001000", "-r", "50", "-m", "200", "-d", "2000", "-l", "200", "-i", "127.0.0.1"]
    more = ["-trace_stat", "-stf", str(tmp_path / "stat.csv"), "-fd", "1", "-nostdin", "-timeout", "40"]
    devnull = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(SIPP, *arguments, *more, f"{host}:{port}", stdout=devnull, stderr=devnull, cwd=tmp_path)
    await assert_hears(calls["alice"], {TONE["bob"]}, within=8)
    returned = await asyncio.wait_for(process.wait(), 60)
    with (tmp_path / "stat.csv").open() as file:
        last = list(csv.DictReader(file, delimiter=";"))[-1]
    assert (last["SuccessfulCall(C)"], last["FailedCall(C)"], returned) == ("200", "0", 0)
    await assert_hears(calls["bob"], {TONE["alice"]})
    started = [r for r in application.requests("/voice") if "sipp" in str(r.params["From"])]
    assert len(started) == 200
    await asyncio.sleep(0.5)
    leaves = [r for r in application.requests("/events") if r.params["StatusCallbackEvent"] == "participant-leave"]
    for _ in range(50):
        if len(leaves) == 200:
            break
        await asyncio.sleep(0.2)
        leaves = [r for r in application.requests("/events") if r.params["StatusCallbackEvent"] == "participant-leave"]
    assert len(leaves) == 200
    numbers = [int(r.params["SequenceNumber"]) for r in application.requests("/events")]
    assert numbers == list(range(1, len(numbers) + 1))
