"""Where a tick's time goes, without the network: decode, mix and encode of a block of legs, each timed by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from hubbub.media import layout
from hubbub.media.compiled import kernel
from hubbub.media.jitter import retune, store
from hubbub.media.layout import CODEC_CLOCK, CODEC_WIDE, UNITY, Sizes
from hubbub.media.libc import THREAD_CPU, clock_ns
from hubbub.media.mix import advance, listen, listen_narrow, sum_mixes
from hubbub.media.tick import produce_leg, send_queue, serve_leg
from hubbub.media.together import decode_early
from tests.bench.load import TONES, sounds_of
from tests.support.small_engine import Small, small_engine

TICKS = 150
WARM = 130
"""Ticks before the clock runs: by then whoever may share an encode does."""


@kernel
def _rounds(engine: Any, desk: Any, sounds: Any, sizes: Any, tone_of: Any, times: Any, first: int, ticks: int, mixing: bool) -> None:
    legs = desk.counts[0]
    for tick in range(first, first + ticks):
        for leg in range(legs):
            codec = engine.links[leg].codec
            tone = tone_of[leg]
            time = tick * 160 * CODEC_CLOCK[codec]
            store(engine.jitter, leg, tick & 0xFFFF, time, sounds[tone, tick % 50], 0, sizes[tone, tick % 50], codec)
        t0 = clock_ns(THREAD_CPU, desk.spec)
        decode_early(engine, desk)
        for leg in range(legs):
            produce_leg(engine, desk, 0, leg, tick)
        t1 = clock_ns(THREAD_CPU, desk.spec)
        sum_mixes(engine.slots, engine.mixes, desk)
        t2 = clock_ns(THREAD_CPU, desk.spec)
        if mixing:
            for leg in range(legs):
                wide = CODEC_WIDE[engine.links[leg].codec] != 0
                shared = listen(
                    engine.slots,
                    engine.mixes,
                    engine.ears,
                    engine.coders,
                    engine.edges,
                    desk,
                    leg,
                    tick + 1,
                    False,
                    engine.links[leg].codec,
                )
                if not shared and not wide:
                    listen_narrow(engine.ears, desk, leg)
        else:
            for leg in range(legs):
                serve_leg(engine, desk, 0, leg, tick + 1)
            send_queue(engine, desk, 0)
        t3 = clock_ns(THREAD_CPU, desk.spec)
        advance(engine.slots, desk)
        times[0] += t1 - t0
        times[1] += t2 - t1
        times[2] += t3 - t2
        engine.wires[0].event_tail[0] = engine.wires[0].event_head[0]


def measure(codec: str, legs: int, room: int, talkers: int) -> tuple[float, float, float]:
    """µs per leg and tick: decode (playout, level, widening), mix (sums, limiter, narrowing), encode (with packets, not sent)."""
    number = {"G722": layout.G722, "OPUS": layout.OPUS}.get(codec, layout.PCMU)
    sounds, sizes = sounds_of(codec)
    place = np.arange(legs)
    tone_of = np.where(place % room < talkers, place % len(TONES), len(TONES))
    spent = []
    for mixing in (True, False):
        small: Small = small_engine(Sizes(legs=legs, players=8, mixes=legs // room + 1, edges=64, rings=8, arena=16))
        for mix in range(legs // room + 1):
            small.add_mix(mix)
        for leg in range(legs):
            small.add_leg(leg, mix=leg // room)
            slot = small.engine.slots[leg]
            slot.speak = slot.speak_to = slot.hear = slot.hear_to = UNITY
            small.engine.links[leg].codec = number
            retune(small.engine.jitter, small.engine.coders, leg, number, small.desk.fresh)
        times = np.zeros(3, np.int64)
        _rounds(small.engine, small.desk, sounds, sizes, tone_of, times, 0, WARM, False)
        times[:] = 0
        _rounds(small.engine, small.desk, sounds, sizes, tone_of, times, WARM, TICKS, mixing)
        spent.append(times / TICKS / legs / 1000)
    listening, serving = spent
    return float(serving[0]), float(serving[1] + listening[2]), float(max(0.0, serving[2] - listening[2]))
