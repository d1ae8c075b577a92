"""`python -m tests.bench [LEGS ...]`: the media plane with conferences of five, on loopback.

Prints, for each number of legs: processor share of the media process, µs per leg and tick, when ticks were done, packets that came back.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import numpy as np

from hubbub.media.client import Codec, Leg, Media
from hubbub.media.layout import TIMES
from hubbub.settings import MediaSettings

ROOM = 5
SECONDS = 10.0
WARM = 2.0


async def measure(count: int) -> None:
    """One row of the table."""
    media = Media(MediaSettings(rtp_ports="20000-39999", legs=max(64, count)))
    await media.start()
    legs: list[Leg] = []
    mix = media.open_mix()
    for n in range(count):
        if n % ROOM == 0 and n:
            mix = media.open_mix()
        leg = media.open_leg()
        leg.route(mix, speak=True, hear=True)
        legs.append(leg)
    command = [sys.executable, "-m", "tests.bench.load", str(WARM + SECONDS + 1)]
    load = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert load.stdin is not None
    assert load.stdout is not None
    load.stdin.write(" ".join(str(leg.local[1]) for leg in legs).encode())
    load.stdin.close()
    port = int(await load.stdout.readline())
    for leg in legs:
        leg.connect(("127.0.0.1", port), Codec("PCMU", 0))
    await asyncio.sleep(WARM)
    before = media.stats()
    await asyncio.sleep(SECONDS)
    after = media.stats()
    result = json.loads(await load.stdout.readline())
    await load.wait()
    wire = media._control.engine.wires[0]
    last = int(wire.header[0])
    times = wire.times[(last - np.arange(int(SECONDS * 50))) % TIMES] / 1e6
    busy = (after.busy_seconds - before.busy_seconds) / SECONDS
    sent = after.sent - before.sent
    ticks = after.ticks - before.ticks
    lost = sum(leg.counters().lost + leg.counters().late for leg in legs)
    share, each = busy * 100, busy / ticks * SECONDS / count * 1e6
    p50, p99 = np.percentile(times, [50, 99])
    late, skipped = after.late - before.late, after.skipped - before.skipped
    row = f"{count:6d} {share:7.1f} {each:9.2f} {p50:8.2f} {p99:8.2f} {times.max():8.2f} {late:6d} {skipped:6d}"
    print(f"{row} {sent / SECONDS / count:8.2f} {lost:8d} {result['late_ms']:9.1f} {'fifo' if after.realtime else 'normal'}", flush=True)
    await asyncio.gather(*(leg.close() for leg in legs))
    await media.stop()


async def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or [100, 500, 1000, 2000]
    print(f"conferences of {ROOM}, PCMU 20 ms, {SECONDS:.0f} s each; ms from due to done")
    print("  legs   cpu %  us/leg/t   p50 ms   p99 ms   max ms   late   skip  pps/leg lost+late  gen.late priority")
    for count in counts:
        await measure(count)


if __name__ == "__main__":
    asyncio.run(main())
