"""`python -m tests.bench [--seconds N] [--only WORDS]`: the media plane on loopback, one table (docs/benchmarks.md), in under ten minutes.


The media process is held to core 0 and the load generator to core 1, both with real-time priority where that is allowed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from hubbub.media import libopus, libsrtp
from hubbub.media.client import Codec, Leg, Media
from hubbub.media.counters import H_RECEIVE_NS, TIMES
from hubbub.media.libsrtp import Cipher
from hubbub.settings import MediaSettings
from tests.bench.bare import Bare
from tests.bench.latency import latency
from tests.bench.load import key_of
from tests.bench.split import measure as measure_split

ENGINE_CORE, LOAD_CORE = 0, 1
WARM = 3.0
"""Seconds before anything is counted."""


@dataclass(frozen=True)
class Case:
    """A load: how many callers, of which codec, in which rooms."""

    name: str
    codec: str
    callers: int
    room: int
    talkers: int
    coaches: int = 0
    """Legs that are heard by one other only."""
    suite: str = "plain"
    """How packets are encrypted."""
    buffer: int = 60
    """Milliseconds that packets wait, -1: as few as can be."""
    suppressed: bool = False
    """Whether the noise behind each caller is suppressed."""


@dataclass(frozen=True)
class Row:
    """What was seen."""

    each: float
    """µs of CPU per caller and tick."""
    receive: float
    """Of it, for reading the sockets and checking what came."""
    share: float
    p50: float
    p99: float
    late: int
    lost: float
    """Share of packets that did not come back in time, in percent."""
    right: str
    generator_ms: float
    memory: float
    """KB per caller, resident in the media process."""


def pin(pid: int, core: int) -> None:
    """Hold every thread of a process to a core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), {core})
        except OSError:
            pass


def resident(pid: int) -> float:
    """KB of memory of a process."""
    return next(float(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))


def what_lacks(case: Case) -> str:
    """How to get the library that a case needs and this machine has not; empty: it can run."""
    if case.suite != "plain" and libsrtp.find() is None:
        return libsrtp.HOW_TO_GET_IT
    if case.codec == "OPUS" and libopus.find() is None:
        return libopus.HOW_TO_GET_IT
    return ""


async def spawn_load(ports: list[int], seconds: float, case: Case) -> tuple[asyncio.subprocess.Process, int]:
    """The generator, and the port that it sends from."""
    words = [str(seconds), case.codec, str(case.room), str(case.talkers), str(LOAD_CORE), str(case.coaches), case.suite]
    load = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.load", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert load.stdin is not None
    assert load.stdout is not None
    load.stdin.write(" ".join(str(port) for port in ports).encode())
    load.stdin.close()
    return load, int(await load.stdout.readline())


async def open_legs(case: Case) -> tuple[Media, list[Leg]]:
    """A media plane, and the callers of a case in their rooms."""
    media = Media(MediaSettings(rtp_ports="20000-39999", legs=max(64, case.callers)))
    await media.start()
    legs: list[Leg] = []
    mix = media.open_mix()
    for n in range(case.callers):
        if n % case.room == 0 and n:
            mix = media.open_mix()
        leg = media.open_leg()
        leg.route(mix, speak=n >= case.coaches, hear=True)
        if case.buffer != 60:
            leg.jitter("adaptive" if case.buffer < 0 else case.buffer)
        if case.suppressed:
            leg.suppress_noise(True)
        legs.append(leg)
    for n in range(case.coaches):
        legs[n].whisper([legs[n + case.coaches]])
    return media, legs


def connect(case: Case, legs: list[Leg], port: int) -> None:
    """Let all of them talk with the generator."""
    codec = Codec(case.codec, {"G722": 9, "OPUS": 96}.get(case.codec, 0))
    for n, leg in enumerate(legs):
        keys = None if case.suite == "plain" else Cipher(case.suite, key_of(n, False, case.suite), key_of(n, True, case.suite))
        leg.connect(("127.0.0.1", port), codec, cipher=keys)


async def run_case(case: Case, seconds: float) -> Row:
    """One row of the table."""
    media, legs = await open_legs(case)
    before_legs = resident(media.worker_pid)
    load, port = await spawn_load([leg.local[1] for leg in legs], WARM + seconds + 1.5, case)
    pin(media.worker_pid, ENGINE_CORE)
    connect(case, legs, port)
    await asyncio.sleep(WARM)
    gone = sum(leg.counters().lost + leg.counters().late + leg.counters().underruns for leg in legs)
    before, began = media.stats(), time.monotonic()
    read = int(media._control.engine.wires[0].header[H_RECEIVE_NS])
    await asyncio.sleep(seconds)
    after, took = media.stats(), time.monotonic() - began
    gone = sum(leg.counters().lost + leg.counters().late + leg.counters().underruns for leg in legs) - gone
    wire = media._control.engine.wires[0]
    receive = (int(wire.header[H_RECEIVE_NS]) - read) / 1000
    times = wire.times[(int(wire.header[0]) - np.arange(int(seconds * 50))) % TIMES] / 1e6
    memory = (resident(media.worker_pid) - before_legs) / case.callers
    assert load.stdout is not None
    result = json.loads(await load.stdout.readline())
    await load.wait()
    busy, ticks = after.busy_seconds - before.busy_seconds, after.ticks - before.ticks
    await asyncio.gather(*(leg.close() for leg in legs))
    await media.stop()
    p50, p99 = np.percentile(times, [50, 99])
    missing = 100 * (gone / (ticks * case.callers) + (after.late - before.late + after.skipped - before.skipped) / ticks)
    right = f"{result['right']}/{result['watched']}"
    return Row(
        busy / ticks / case.callers * 1e6, receive / ticks / case.callers, busy / took * 100,
        float(p50), float(p99), after.late - before.late, missing, right,
        result["late_ms"], memory,
    )  # fmt: skip


async def run_bare(callers: int, seconds: float, *, connected: bool, reads: int) -> float:
    """µs per socket and tick of the bare loop under the same load."""
    bare = Bare(callers)
    load, port = await spawn_load(bare.ports, seconds + 2, Case("bare", "PCMU", callers, 5, 3))
    each = await asyncio.to_thread(bare.run, port, seconds, ENGINE_CORE, connected=connected, reads=reads)
    assert load.stdout is not None
    await load.stdout.readline()
    await load.wait()
    bare.close()
    return each


async def takeover(callers: int, suite: str) -> tuple[float, float]:
    """Milliseconds without packets, of the middle caller and of the worst, when the media process is killed and its standby goes on."""
    case = Case("takeover", "PCMU", callers, 5, 3, suite=suite)
    media, legs = await open_legs(case)
    while not media.stats().standby:
        await asyncio.sleep(0.1)
    load, port = await spawn_load([leg.local[1] for leg in legs], WARM + 6, case)
    pin(media.worker_pid, ENGINE_CORE)
    connect(case, legs, port)
    await asyncio.sleep(WARM + 1)
    os.kill(media.worker_pid, signal.SIGKILL)
    assert load.stdout is not None
    result = json.loads(await load.stdout.readline())
    await load.wait()
    await asyncio.gather(*(leg.close() for leg in legs))
    await media.stop()
    return result["gap_ms"]["p50"], result["gap_ms"]["most"]


async def start_seconds() -> float:
    """From `Media.start` to the first tick, with the code compiled."""
    media = Media(MediaSettings(rtp_ports="20000-20099", legs=64))
    began = time.monotonic()
    await media.start()
    took = time.monotonic() - began
    await media.stop()
    return took


def cold_seconds() -> float:
    """How long the engine takes to compile when the cache is empty."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        environment = {**os.environ, "XDG_CACHE_HOME": folder}
        subprocess.run([sys.executable, "-m", "hubbub.media.process", "--warm"], check=True, env=environment)
        return time.monotonic() - began


async def idle_rooms(rooms: int, seconds: float) -> tuple[float, float]:
    """Share of a core and KB per room of rooms in which nobody is."""
    media = Media(MediaSettings(rtp_ports="20000-20099", legs=rooms))
    await media.start()
    pin(media.worker_pid, ENGINE_CORE)
    before_rooms = resident(media.worker_pid)
    for _ in range(rooms):
        media.open_mix()
    await asyncio.sleep(1)
    before, began = media.stats(), time.monotonic()
    await asyncio.sleep(seconds)
    share = 100 * (media.stats().busy_seconds - before.busy_seconds) / (time.monotonic() - began)
    memory = (resident(media.worker_pid) - before_rooms) / rooms
    await media.stop()
    return share, memory


SECURED = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM")
FIVE = "rooms of 5, 3 talking"
CASES = [
    Case(FIVE, "PCMU", 1000, 5, 3),
    *(Case(f"{FIVE}, {suite}", "PCMU", 1000, 5, 3, 0, suite) for suite in SECURED),
    Case(f"{FIVE}, adaptive buffer", "PCMU", 1000, 5, 3, buffer=-1),
    Case(f"{FIVE}, no buffer", "PCMU", 1000, 5, 3, buffer=0),
    Case(FIVE, "PCMU", 500, 5, 3),
    Case(f"{FIVE}, noise suppressed", "PCMU", 500, 5, 3, suppressed=True),
    Case(FIVE, "PCMU", 2000, 5, 3),
    Case(FIVE, "PCMU", 2500, 5, 3),
    Case(FIVE, "PCMU", 3000, 5, 3),
    Case(FIVE, "PCMU", 3500, 5, 3),
    Case("rooms of 5, all talking", "PCMU", 2500, 5, 5),
    Case("rooms of 3, 3 talking", "PCMU", 1500, 3, 3),
    Case("rooms of 250, 3 talking", "PCMU", 1500, 250, 3),
    Case("a room of 1,000, 3 talking", "PCMU", 1000, 1000, 3),
    Case("a room of 500, 20 talking", "PCMU", 500, 500, 20),
    Case("… and 1 coach", "PCMU", 500, 500, 20, 1),
    Case("… and 10 coaches", "PCMU", 500, 500, 20, 10),
    Case(FIVE, "G722", 500, 5, 3),
    Case("rooms of 5, all talking", "G722", 500, 5, 5),
    Case("rooms of 3, 3 talking", "G722", 500, 3, 3),
    Case("rooms of 250, 3 talking", "G722", 1250, 250, 3),
    Case("a room of 1,000, 3 talking", "G722", 1000, 1000, 3),
    Case("rooms of 5, 3 talking", "OPUS", 300, 5, 3),
    Case("rooms of 5, all talking", "OPUS", 250, 5, 5),
    Case("rooms of 250, 3 talking", "OPUS", 1000, 250, 3),
    Case("rooms of 250, 3 talking", "OPUS", 1250, 250, 3),
    Case("rooms of 3, 3 talking", "OPUS", 250, 3, 3),
    Case("a room of 1,000, 3 talking", "OPUS", 1000, 1000, 3),
]
COLUMNS = (
    "codec", "load", "callers", "µs per caller and tick", "bare loop", "ratio",
    "receive", "decode", "mix", "encode", "send and the rest", "share of a core", "callers at 90 %",
    "tick p50 / p99 ms", "late ticks", "not in time %", "tones", "generator late ms", "KB per caller",
)  # fmt: skip
LEGEND = """
bare loop: one recvfrom and one sendto on as many connected sockets, right after the engine.
callers at 90 %: how many would take nine tenths of a core if each more cost as much; above that a core is not to be had whole.
receive: reading and checking, one leg in 64 timed. decode, mix, encode: the same work without the network, measured apart on 500 legs.
late ticks ended more than 20 ms after they were due; not in time adds the share of frames that were missing at playout and of late ticks.
tones: listeners of twelve whose last second held exactly the right tones."""


def cells_of(case: Case, row: Row, bare: float, split: bool) -> list[str]:
    """A line of the table; without `split`, decode, mix and encode stay with the rest. `bare`: µs of the bare loop, or 0."""
    parts = split_of(case.codec, min(case.room, 250), min(case.talkers, case.room)) if split else ()
    beside = (f"{bare:.2f}", f"{row.each / bare:.2f}") if bare else ("", "")
    rest = max(0.0, row.each - row.receive - sum(parts))
    middle = [f"{part:.2f}" for part in parts] or ["", "", ""]
    return [
        case.codec, case.name, f"{case.callers:,}", f"{row.each:.2f}", *beside,
        f"{row.receive:.2f}", *middle, f"{rest:.2f}",
        f"{row.share:.0f} %", f"{90 * case.callers / row.share:,.0f}",
        f"{row.p50:.1f} / {row.p99:.1f}", str(row.late), f"{row.lost:.3f}", row.right, f"{row.generator_ms:.1f}",
        f"{row.memory:.0f}",
    ]  # fmt: skip


@cache
def split_of(codec: str, room: int, talkers: int) -> tuple[float, float, float]:
    """µs of decode, mix and encode, measured once for each kind of room."""
    return measure_split(codec, 500, room, talkers)


def machine() -> str:
    """What this was measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?"
    )
    load = os.getloadavg()
    where = f"{os.cpu_count()} cores ({model}), Linux {os.uname().release}, Python {sys.version.split()[0]}"
    return f"{time.strftime('%d %B %Y')}, {where}, load before {load[0]:.1f}"


def row_line(cells: Sequence[str]) -> None:
    """Print a line of a table."""
    print(f"| {' | '.join(cells)} |", flush=True)


async def compare_bare(seconds: float) -> None:
    """The bare loop in both connect modes, reading until empty and once."""
    for callers in (1000, 3000):
        for connected in (True, False):
            for reads in (1, 4):
                each = await run_bare(callers, seconds, connected=connected, reads=reads)
                mode = f"{'connected' if connected else 'unconnected'}, {'one read' if reads == 1 else 'read until empty'}"
                row_line(("bare recvfrom and sendto", f"{callers:,} sockets", mode, f"{each:.2f} µs"))


async def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--only", default="", help="run the cases whose name, codec or number of callers contains this")
    parser.add_argument("--plain", action="store_true", help="leave out the split, whose kernels take a while to compile")
    parser.add_argument(
        "--beside", action="store_true", help="only what comes behind the table: bare loop, idle rooms, latency, takeover, starts"
    )
    options = parser.parse_args()
    if options.beside:
        await rest(options.seconds)
        return
    print(machine(), "\n")
    row_line(COLUMNS)
    row_line(["---"] * len(COLUMNS))
    seen: dict[tuple[str, str, int], Row] = {}
    for case in CASES:
        if options.only and options.only not in f"{case.codec} {case.name} {case.callers}":
            continue
        if lacking := what_lacks(case):
            print(f"left out, {case.name} ({case.codec}): {lacking}", file=sys.stderr)
            continue
        row = seen[case.name, case.codec, case.callers] = await run_case(case, options.seconds)
        beside = case.codec == "PCMU" and case.name == FIVE
        bare = await run_bare(case.callers, min(options.seconds, 4), connected=True, reads=1) if beside else 0.0
        row_line(cells_of(case, row, bare, not options.plain))
    print(LEGEND, "\n")
    if options.only:
        return
    coaches(seen)
    await rest(options.seconds)


def coaches(seen: dict[tuple[str, str, int], Row]) -> None:
    """What sets of coaches cost, against the same room without any."""
    plain = seen["a room of 500, 20 talking", "PCMU", 500].each
    for name in ("… and 1 coach", "… and 10 coaches"):
        row_line(("coach sets at 500 members", name, f"{100 * (seen[name, 'PCMU', 500].each / plain - 1):+.1f} %"))


async def rest(seconds: float) -> None:
    """What is no row of the table."""
    await compare_bare(min(seconds, 5))
    share, memory = await idle_rooms(10_000, seconds)
    row_line(("10,000 idle rooms", f"{share:.2f} % of a core", f"{memory:.1f} KB each"))
    for depth, name in ((0, "jitter buffer off"), (None, "adaptive buffer")):
        packets, sounds, count = await latency(seconds, depth)
        for what, (p50, p99) in (("packet to packet", packets), ("sound to sound", sounds)):
            row_line((f"added latency, {name}, {what}", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", f"{count} times"))
    for suite in ("plain", *SECURED):
        if suite == "plain" or libsrtp.find() is not None:
            middle, worst = await takeover(1000, suite)
            row_line(
                (f"media process killed, 1,000 callers, {suite}", f"{middle:.0f} ms without packets (median)", f"{worst:.0f} ms (worst)")
            )
    row_line(("warm start to the first tick", f"{await start_seconds():.2f} s"))
    row_line(("cold compilation", f"{await asyncio.to_thread(cold_seconds):.0f} s"))


if __name__ == "__main__":
    asyncio.run(main())
