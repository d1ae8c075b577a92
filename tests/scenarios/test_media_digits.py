"""Digits in and out through the real media process."""

from __future__ import annotations

import asyncio
import struct
from itertools import pairwise

import numpy as np
import pytest
from tests.support.plane import shared_plane, until
from tests.support.rtp_peer import ULAW_DECODE, Peer, Peers, level_of

from hubbub.media.client import Codec, Media

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
PCMU = Codec("PCMU", 0)


media = shared_plane("21200-21299")


async def test_keys_come_in_once_each_although_packets_repeat(media: Media) -> None:
    """RFC 4733: many packets, one press."""
    peer, leg = Peer(()), media.open_leg()
    keys: list[str] = []
    leg.on_digit = keys.append
    leg.connect(peer.address, PCMU, telephone_event=101)
    peer.remote = leg.local
    with Peers(peer):
        for code in (1, 1, 10, 0, 11):
            await asyncio.sleep(0.15)
            peer.press(code)
        assert await until(lambda: "".join(keys) == "11*0#")
        await asyncio.sleep(0.2)
        assert "".join(keys) == "11*0#"
        assert leg.counters().digits == 5
    await leg.close()


async def test_digits_go_out_as_telephone_events(media: Media) -> None:
    """RFC 4733 2.5.1: marker first, one timestamp, growing duration, the end three times; audio goes on with its own clock."""
    peer, leg = Peer(()), media.open_leg()
    leg.connect(peer.address, PCMU, telephone_event=96)
    peer.remote = leg.local
    with Peers(peer):
        assert await until(lambda: len(peer.audio()) > 5)
        seconds = leg.send_digits("4w#", tone_ms=100, gap_ms=100)
        assert seconds == pytest.approx(0.2 + 0.5 + 0.2, abs=0.01)
        await asyncio.sleep(seconds + 0.3)
    events = [packet for packet in peer.received if packet.kind == 96]
    presses = sorted({packet.time for packet in events}, key=lambda time_: (time_ - events[0].time) & 0xFFFFFFFF)
    assert [struct.unpack(">BBH", next(p.payload for p in events if p.time == start))[0] for start in presses] == [4, 11]
    for start in presses:
        press = [packet for packet in events if packet.time == start]
        fields = [struct.unpack(">BBH", packet.payload) for packet in press]
        assert [packet.marker for packet in press] == [True] + [False] * 6
        assert [bool(flags & 0x80) for _, flags, _ in fields] == [False] * 4 + [True] * 3
        assert [duration for _, _, duration in fields] == [160, 320, 480, 640, 800, 800, 800]
    numbers = [packet.sequence for packet in peer.received]
    assert {(b - a) & 0xFFFF for a, b in pairwise(numbers)} == {1}
    assert (presses[1] - presses[0]) & 0xFFFFFFFF == 0.7 * 8000
    # Audio and events share one clock: timestamps of audio are whole frames apart from the events'.
    assert {(packet.time - presses[0]) % 160 for packet in peer.audio()} == {0}
    await leg.close()


async def test_digits_go_out_as_sound_where_no_events_are_known(media: Media) -> None:
    peer, leg = Peer(()), media.open_leg()
    leg.connect(peer.address, PCMU, telephone_event=None)
    peer.remote = leg.local
    with Peers(peer):
        assert await until(lambda: len(peer.audio()) > 5)
        leg.send_digits("5", tone_ms=400)
        await asyncio.sleep(0.7)
    frames = [ULAW_DECODE[np.frombuffer(packet.payload, np.uint8)] for packet in peer.audio()]
    loud = [n for n, frame in enumerate(frames) if np.abs(frame).max() > 1000]
    assert len(loud) in (20, 21), "the resampler's delay may reach into one frame more"
    sound = np.concatenate(frames)[loud[1] * 160 : loud[-1] * 160]
    assert {f for f in (697, 770, 852, 941, 1209, 1336, 1477, 1633) if level_of(sound, f) > -25} == {770, 1336}
    await leg.close()


async def test_many_digits_wait_their_turn(media: Media) -> None:
    peer, leg = Peer(None), media.open_leg()
    leg.connect(peer.address, PCMU, telephone_event=101)
    with Peers(peer):
        leg.send_digits("0123456789" * 2, tone_ms=40, gap_ms=60)
        seconds = leg.send_digits("ABCD*#", tone_ms=40, gap_ms=60)
        assert seconds == pytest.approx(26 * 0.1, abs=0.1)
        await asyncio.sleep(seconds + 0.3)
    events: dict[int, int] = {}
    for packet in peer.received:
        if packet.kind == 101:
            events.setdefault(packet.time, packet.payload[0])
    assert list(events.values()) == [*range(10), *range(10), 12, 13, 14, 15, 10, 11]
    await leg.close()
