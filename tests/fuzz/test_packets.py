"""Anything may arrive at a port: the packet path is fed with packets that are nearly right, under bounds checks: a bad index raises.

A short run belongs to `make test`; `make fuzz` runs HUBBUB_FUZZ_SECONDS with new seeds.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.support.figures import figure

SECONDS = float(os.environ.get("HUBBUB_FUZZ_SECONDS", "0"))
ROOT = Path(__file__).parents[2]
SHORT = 20_000
LEGS = 6


class Sender:
    """A far end that counts as it should, most of the time."""

    def __init__(self, random: np.random.Generator, kind: int, size: int, step: int) -> None:
        self.random, self.kind, self.size, self.step = random, kind, size, step
        self.sequence, self.time, self.ssrc = (int(random.integers(0, 2**bits)) for bits in (16, 32, 32))

    def datagram(self) -> bytes:
        """The next packet, perhaps with something wrong with it."""
        random = self.random
        self.sequence, self.time = self.sequence + 1, self.time + self.step
        head = [0x80, self.kind, self.sequence & 0xFFFF, self.time & 0xFFFFFFFF, self.ssrc]
        payload = random.bytes(self.size)
        fault = int(random.integers(0, 24))
        if fault == 0:
            head[int(random.integers(0, 5))] = int(random.integers(0, 128))
        elif fault == 1:
            head[2] = int(random.integers(0, 65536))
        elif fault == 2:
            head[3] = (self.time + int(random.integers(-(2**31), 2**31))) & 0xFFFFFFFF
        elif fault == 3:
            self.ssrc = int(random.integers(0, 2**32))
        elif fault == 4:
            self.sequence, self.time = (int(random.integers(0, 2**bits)) for bits in (16, 32))
        elif fault == 5:
            payload = random.bytes(int(random.choice([0, 1, 2, 3, 159, 161, 640, 1459, 1460, 1461, 1990])))
        elif fault == 6:  # telephone events, 4 bytes and others
            head[1] = 101
            payload = random.bytes(int(random.choice([4, 4, 4, 0, 3, 9])))
        elif fault == 7:
            head[1] = 13
        elif fault == 8:
            head[0] |= int(random.integers(0, 64))
        data = struct.pack(">BBHII", *head) + payload
        if fault == 9:
            return data[: int(random.integers(0, len(data)))]
        if fault == 10:
            return random.bytes(int(random.integers(0, 1600)))
        if fault == 11:
            changed = bytearray(data)
            for _ in range(4):
                changed[int(random.integers(0, len(changed)))] = int(random.integers(0, 256))
            return bytes(changed)
        return data


def storm(packets: int, seconds: float, seed: int) -> tuple[int, dict[str, int]]:
    """Feed legs of every codec until so many packets were tried and so long has passed; returns how many, and why some were not used."""
    from tests.support.small_engine import small_engine

    from hubbub.media import counters, layout
    from hubbub.media.jitter import retune, tune
    from hubbub.media.rtp import ingest
    from hubbub.media.tick import run_tick

    random = np.random.default_rng(seed)
    small = small_engine()
    engine, desk = small.engine, small.desk
    small.add_mix(0)
    senders = []
    codecs = list(range(layout.CODECS))
    for leg in range(LEGS):
        codec = codecs[leg % len(codecs)]
        small.add_leg(leg, mix=0, payload_type=96 + leg)
        engine.slots[leg].speak = engine.slots[leg].speak_to = engine.slots[leg].hear = engine.slots[leg].hear_to = layout.UNITY
        engine.links[leg].codec = codec
        retune(engine.jitter, engine.coders, leg, codec, desk.fresh)
        clock = int(layout.CODEC_CLOCK[codec]) * 160
        senders.append(Sender(random, 96 + leg, max(1, min(int(layout.CODEC_BYTES[codec]) * clock, 640)), clock))
    tried, tick, end = 0, 0, time.monotonic() + seconds
    data = np.zeros(2048, np.uint8)
    while tried < packets or time.monotonic() < end:
        tick += 1
        for leg, sender in enumerate(senders):
            for _ in range(int(random.choice([0, 1, 1, 1, 1, 1, 1, 2, 5]))):
                datagram = sender.datagram()[:2048]
                data[: len(datagram)] = np.frombuffer(datagram, np.uint8)
                source = int(random.choice([7, 7, 7, 7, 7, 7, 7, 8]))
                ingest(engine.wires, 0, engine.links, engine.jitter, engine.keys, leg, data, len(datagram), source, tick)
                tried += 1
        if random.random() < 0.01:
            tune(engine.jitter, int(random.integers(0, LEGS)), int(random.choice([0, 160, 480, 1600])), bool(random.integers(0, 2)))
        run_tick(engine, desk, 0, tick)
        small.events()
    return tried, {name: int(count) for name, count in zip(counters.DROPS, engine.wires[0].dropped, strict=False) if count}


@pytest.mark.timeout(900 + 2 * SECONDS)
def test_any_packet_stays_within_bounds() -> None:
    """Random and nearly right packets to legs of every codec, with NUMBA_BOUNDSCHECK=1, through to what is sent."""
    seed = time.time_ns() % 2**32 if SECONDS else 1
    code = (
        f"import tests.unit.media.conftest; from tests.fuzz.test_packets import storm; print('tried', *storm({SHORT}, {SECONDS}, {seed}))"
    )
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=900 + 2 * SECONDS, check=False
    )
    assert "tried" in done.stdout, f"seed {seed}: {done.stderr[-3000:]}"
    figure(f"packets, seed {seed}", done.stdout.strip())
