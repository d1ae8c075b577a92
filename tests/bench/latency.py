"""How long sound takes through the engine: callers of every phase within the tick, each with an even clock of its own, as phones have.

A talker sends three packets with a tone, five of silence, and so on. From each beginning two times are taken: from the packet that brings
it to the first packet that carries it on, and from its first sample to the first sample that is heard, which is what filters add to that.
"""

from __future__ import annotations

import asyncio
import select
import time
from dataclasses import dataclass, field

import numpy as np

from hubbub.media.client import Codec, Leg, Media
from hubbub.settings import MediaSettings
from tests.support.rtp_peer import ULAW_DECODE, Peer, sine, ulaw

PAIRS = 12
LOUD, CYCLE = 3, 8
"""Packets with a tone, and of a whole round."""
SETTLED = 50
"""Packets before anything is measured."""
HEARD = 1500
"""What counts as a sample of the tone (its height is 6,000)."""


@dataclass
class Pair:
    """Somebody who talks, and somebody who listens, in a room of their own."""

    talker: Peer
    listener: Peer
    due: float
    sent: int = 0
    began: float = 0.0
    """When the packet left that began the tone; 0 while none is under way."""
    packets: list[float] = field(default_factory=list)
    sounds: list[float] = field(default_factory=list)


def _onset(payload: bytes) -> int:
    """The first sample of the tone in a packet, or -1."""
    loud = np.flatnonzero(np.abs(ULAW_DECODE[np.frombuffer(payload, np.uint8)]) > HEARD)
    return int(loud[0]) if len(loud) else -1


def _send(pair: Pair, quiet: bytes, loud: list[bytes]) -> None:
    place = pair.sent % CYCLE
    if pair.sent > SETTLED and place == 0:
        pair.began = time.monotonic()
    pair.talker.packet(loud[place] if pair.sent > SETTLED and place < LOUD else quiet)
    pair.listener.packet(quiet)
    pair.talker.time += 160
    pair.listener.time += 160
    pair.sent += 1
    pair.due += 0.02


def _receive(pair: Pair, first: int) -> None:
    count = len(pair.listener.received)
    pair.listener.collect()
    for packet in pair.listener.received[count:]:
        onset = _onset(packet.payload)
        if pair.began and onset >= 0:
            pair.packets.append((packet.at - pair.began) * 1000)
            pair.sounds.append(pair.packets[-1] + (onset - first) / 8)
            pair.began = 0.0


def probe(pairs: list[Pair], seconds: float) -> None:
    """Let all of them talk for so long."""
    tone = sine((500.0,), LOUD * 0.02)
    quiet, loud = ulaw(np.zeros(160, np.int16)), [ulaw(tone[160 * n : 160 * n + 160]) for n in range(LOUD)]
    first = _onset(loud[0])
    by_socket = {pair.listener.socket: pair for pair in pairs}
    end = time.monotonic() + seconds + SETTLED * 0.02
    while (now := time.monotonic()) < end:
        nearest = min(pairs, key=lambda pair: pair.due)
        if nearest.due <= now:
            _send(nearest, quiet, loud)
            nearest.talker.collect()
            continue
        for ready in select.select(list(by_socket), [], [], nearest.due - now)[0]:
            _receive(by_socket[ready], first)


async def latency(seconds: float, depth: int | None) -> tuple[tuple[float, float], tuple[float, float], int]:
    """Milliseconds (p50, p99) from packet to packet and from sound to sound, and of how many; `depth` None: the buffer adapts."""
    media = Media(MediaSettings(rtp_ports="20000-20199", legs=64))
    await media.start()
    pairs: list[Pair] = []
    legs: list[Leg] = []
    start = time.monotonic() + 0.1
    for n in range(PAIRS):
        pair = Pair(Peer(()), Peer(()), start + n * 0.02 / PAIRS)
        mix = media.open_mix()
        for peer in (pair.talker, pair.listener):
            leg = media.open_leg()
            leg.connect(peer.address, Codec("PCMU", 0))
            leg.jitter("adaptive" if depth is None else depth)
            leg.route(mix)
            peer.remote = leg.local
            legs.append(leg)
        pairs.append(pair)
    await asyncio.to_thread(probe, pairs, seconds)
    await asyncio.gather(*(leg.close() for leg in legs))
    await media.stop()
    packets = [value for pair in pairs for value in pair.packets]
    sounds = [value for pair in pairs for value in pair.sounds]
    for pair in pairs:
        pair.talker.socket.close()
        pair.listener.socket.close()
    return _middle(packets), _middle(sounds), len(packets)


def _middle(values: list[float]) -> tuple[float, float]:
    p50, p99 = np.percentile(values, [50, 99])
    return float(p50), float(p99)
