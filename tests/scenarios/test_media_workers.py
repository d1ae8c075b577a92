"""Several media processes: rooms are spread over them, a leg goes where its room is, and nobody hears that it did."""

from __future__ import annotations

import asyncio
import os
import signal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.support.plane import shared_plane, until
from tests.support.rtp_peer import Peer, Peers, level_of, sine

from hubbub.media.client import Clip, Codec, Leg, Media, Mix, Tap

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
PCMU = Codec("PCMU", 0)
A, B, C = TONES = (440.0, 620.0, 1010.0)
MUSIC = 330.0
media = shared_plane("21600-21699", workers=2)


class Phones:
    """Phones that send a tone each, their legs, and a mix at each worker."""

    def __init__(self, media: Media, *tones: float) -> None:
        self.peers = [Peer((tone,) if tone else ()) for tone in tones]
        self.legs: list[Leg] = []
        for peer in self.peers:
            leg = media.open_leg()
            leg.connect(peer.address, PCMU)
            peer.remote = leg.local
            self.legs.append(leg)
        mixes = [media.open_mix() for _ in range(4)]
        self.spare = mixes
        self.mixes = [next(mix for mix in mixes if mix.worker == worker) for worker in range(2)]
        self.thread = Peers(*self.peers)

    async def __aenter__(self) -> Phones:
        self.thread.__enter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(leg.close() for leg in self.legs))
        for mix in self.spare:
            mix.close()
        self.thread.__exit__(None, None, None)

    def elsewhere(self, leg: Leg) -> Mix:
        """The mix of the worker that does not carry this leg."""
        return self.mixes[1 - leg.worker]

    async def hear(self, *expected: set[float]) -> None:
        """Wait until each phone hears exactly this."""
        wanted = list(expected)
        await until(lambda: [peer.hears((*TONES, MUSIC)) for peer in self.peers] == wanted)
        assert [peer.hears((*TONES, MUSIC)) for peer in self.peers] == wanted


def unbroken(peer: Peer, since: int, skipped: int) -> None:
    """One stream: no sequence number is missing, and at most 40 ms of timestamps, beyond ticks that the machine left unserved."""
    audio = peer.audio(since)
    assert {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(audio)} == {1}
    steps = [((b.time - a.time) & 0xFFFFFFFF) // 160 for a, b in pairwise(audio)]
    assert max(steps) <= 3 + skipped, f"{(max(steps) - 1) * 20} ms were left out"
    assert len({packet.ssrc for packet in audio}) == 1


async def test_calls_and_rooms_are_spread_over_the_workers(media: Media) -> None:
    async with Phones(media, A, B, C) as phones:
        assert {leg.worker for leg in phones.legs} == {0, 1}
        assert {mix.worker for mix in phones.spare} == {0, 1}
        near = media.open_mix(near=phones.legs[1])
        assert near.worker == phones.legs[1].worker
        near.close()


@pytest.mark.alone
async def test_a_leg_goes_to_the_worker_of_its_room_and_the_phone_does_not_notice(media: Media) -> None:
    """From room to room, ten times, each time to the other process: at most 40 ms of the stream are missing, its tone has no hole."""
    async with Phones(media, A, B, C) as phones:
        wanderer, listener = phones.legs[0], phones.peers[0]
        phones.legs[1].route(phones.mixes[0])
        phones.legs[2].route(phones.mixes[1])
        wanderer.route(phones.mixes[wanderer.worker])
        assert await until(lambda: len(listener.audio()) > 20 and bool(listener.hears((B, C))))
        since, skipped = len(listener.received), media.stats().skipped
        for _ in range(10):
            there = phones.elsewhere(wanderer)
            wanderer.route(there)
            assert await until(lambda there=there: wanderer.worker == there.worker)  # type: ignore[misc]
            await asyncio.sleep(0.2)
        await phones.hear(*([{B}, {A}, set()] if wanderer.worker == 0 else [{C}, set(), {A}]))
        unbroken(listener, since, media.stats().skipped - skipped)
        counters = wanderer.counters()
        assert (counters.restarts, counters.bad_source, counters.bad_ssrc) == (0, 0, 0)
        pcm = listener.heard(2.0)
        frames = [np.abs(pcm[n : n + 160].astype(int)).max() for n in range(0, len(pcm) - 160, 160)]
        silent = "".join("x" if peak < 200 else "." for peak in frames)
        assert "xxxx" not in silent, "a fade down, at most 40 ms, a fade up"


async def test_what_is_played_coached_and_recorded_goes_along(media: Media, tmp_path: Path) -> None:
    async with Phones(media, A, B) as phones:
        leg, coach = phones.legs
        here = phones.mixes[leg.worker]
        leg.route(here, speak=False)
        coach.route(here, speak=False)
        music = media.play(Clip(sine((MUSIC,), rate=16000), loops=0), leg)
        capture = media.record(tmp_path / "both.wav", [Tap("leg_in", leg), Tap("leg_out", leg)])
        coach.whisper({leg})
        await phones.hear({MUSIC, B}, set())
        position = music.position
        there = phones.elsewhere(leg)
        leg.route(there, speak=False)
        await phones.hear({MUSIC}, set())  # the coach is in another room of another process
        coach.route(there, speak=False)
        await phones.hear({MUSIC, B}, set())
        assert leg.worker == coach.worker == there.worker
        assert music.position > position + 0.1
        phones.peers[0].say((C,))
        leg.route(there)
        await phones.hear({MUSIC, B}, {C})
        result = await capture.stop()
        music.stop()
        assert await music.done is False
        await phones.hear({B}, {C})
        samples, rate = soundfile.read(result.path, dtype="int16")
        assert rate == 8000
        assert result.overruns == 0
        assert level_of(samples[-3200:, 0], C) > -30
        assert level_of(samples[-3200:, 1], MUSIC) > -30


async def test_everything_at_once_does_not_confuse_a_leg_under_way(media: Media) -> None:
    """Changes that come while a leg is on its way are done in order when it is there; a close too."""
    before = media.stats()
    async with Phones(media, A, B) as phones:
        leg, other = phones.legs
        for mix in (*phones.mixes, *phones.mixes):
            leg.route(mix)
            leg.whisper({other})
            media.play(Clip(sine((MUSIC,), rate=16000), loops=0), leg).stop()
            leg.whisper(())
        other.route(phones.mixes[1])
        await phones.hear({B}, {A})
        leg.route(phones.mixes[0])
        playing = media.play(Clip(sine((MUSIC,), rate=16000), loops=0), leg)
        await asyncio.gather(leg.close(), playing.done)
        await phones.hear(phones.peers[0].hears((*TONES, MUSIC)), set())
    assert await until(lambda: media.stats().legs == before.legs and media.stats().playbacks == before.playbacks)
    assert await until(lambda: media._control.edges.used == 0)


@pytest.mark.alone
async def test_kill_9_of_one_worker_costs_the_other_nothing(media: Media) -> None:
    async with Phones(media, A, B, C, A) as phones:
        for place, leg in enumerate(phones.legs):
            leg.route(phones.mixes[place // 2])
        await phones.hear({B}, {A}, {A}, {C})
        assert await until(lambda: media.stats().standby, 30)
        takeovers, since = media.stats().takeovers, [len(peer.received) for peer in phones.peers]
        os.kill(media.worker_pids[0], signal.SIGKILL)
        assert await until(lambda: media.stats().takeovers == takeovers + 1)
        await asyncio.sleep(0.6)
        for peer, start in list(zip(phones.peers, since, strict=True))[2:]:
            audio = peer.audio(start)
            assert {((b.time - a.time) & 0xFFFFFFFF, (b.sequence - a.sequence) & 0xFFFF) for a, b in pairwise(audio)} == {(160, 1)}
        await phones.hear({B}, {A}, {A}, {C})
        # The standby was everybody's: the next one serves the other worker.
        assert await until(lambda: media.stats().standby, 30)
        os.kill(media.worker_pids[1], signal.SIGKILL)
        assert await until(lambda: media.stats().takeovers == takeovers + 2)
        phones.legs[0].route(phones.mixes[1])
        await phones.hear({A, C}, set(), {A}, {A, C})


async def test_a_beep_besides_one_leg(media: Media) -> None:
    """What is played to a mix besides one leg is heard by all others, also when that leg is still on its way there."""
    async with Phones(media, 0, 0, 0) as phones:
        room = phones.mixes[0]
        for leg in phones.legs[1:]:
            leg.route(room)
        newcomer = phones.legs[0]
        newcomer.route(phones.mixes[1])
        assert await until(lambda: newcomer.worker == 1 and len(phones.peers[0].audio()) > 5)
        since = len(phones.peers[0].received)
        newcomer.route(room)
        tone = media.play(Clip(sine((MUSIC,), 1.0, rate=16000)), room, besides=newcomer)
        await phones.hear(set(), {MUSIC}, {MUSIC})
        assert await tone.done is True
        assert all(not set(packet.payload) - {0xFF, 0x7F} for packet in phones.peers[0].audio(since)), "not one sample of it"
        phones.peers[1].say((B,))
        await phones.hear({B}, set(), {B})
