"""Opus legs through the real media process: takeover, loss on the way, and a server on a machine without libopus."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal

import numpy as np
import pytest
from tests.support.plane import until
from tests.support.rtp_peer import Peer, Peers, level_of, sine
from tests.support.stage import TONE, PhoneMaker, assert_matrix, room

from hubbub.media import libopus
from hubbub.media.client import Clip, Codec, Media
from hubbub.settings import MediaSettings
from hubbub.testing import Application, HubbubServer
from hubbub.testing.opus import Opus

pytestmark = pytest.mark.scenario
needs_opus = pytest.mark.skipif(libopus.find() is None, reason=f"no libopus ({libopus.HOW_TO_GET_IT})")
OPUS = Codec("OPUS", 96)


class OpusPeer(Peer):
    """A phone of Opus that loses every `lossy`th packet on the way to the server."""

    def __init__(self, tone: float, lossy: int = 0) -> None:
        super().__init__((), kind=96)
        self.pcm = sine((tone,))
        self.coder, self.lossy = Opus(96), lossy

    def tick(self) -> None:
        payload = self.coder.encode(self.pcm[self._at : self._at + 160])
        self._at = (self._at + 160) % 8000
        if self.lossy and self.sequence % self.lossy == 0:
            self.sequence += 1
        else:
            self.packet(payload)
        self.time += 960
        self.collect()

    def heard_now(self, seconds: float = 0.6) -> np.ndarray:
        """The last `seconds` by a decoder that hears everything from 0.4 s before on."""
        coder = Opus(96)
        packets = self.audio()[-round((seconds + 0.4) * 50) :]
        return np.concatenate([coder.decode(packet.payload) for packet in packets] or [np.zeros(1, np.int16)])[-round(seconds * 8000) :]


@needs_opus
async def test_the_standby_goes_on_with_opus() -> None:
    """Coders live in the process that dies: its successor makes new ones, and what is heard comes back; numbers and clock go on."""
    media = Media(MediaSettings(rtp_ports="21500-21599", legs=16))
    await media.start()
    mix, peers = media.open_mix(), [OpusPeer(500.0), OpusPeer(1200.0), OpusPeer(1900.0)]
    for peer in peers:
        leg = media.open_leg()
        leg.connect(peer.address, OPUS)
        leg.route(mix)
        peer.remote = leg.local

    def all_heard() -> bool:
        return all(
            (level_of(peer.heard_now(), tone) > -25) == (other is not peer)
            for peer in peers
            for other, tone in zip(peers, (500.0, 1200.0, 1900.0), strict=True)
        )

    with Peers(*peers):
        assert await until(all_heard)
        assert await until(lambda: media.stats().standby)
        os.kill(media.worker_pid, signal.SIGKILL)
        assert await until(lambda: media.stats().takeovers == 1)
        await asyncio.sleep(1.2)
        assert await until(all_heard)
        for peer in peers:
            audio = peer.audio()
            assert {(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(audio)} == {1}
            assert all(((b.time - a.time) & 0xFFFFFFFF) % 960 == 0 for a, b in itertools.pairwise(audio))
    await media.stop()


@needs_opus
async def test_a_far_end_is_sent_what_it_can_play_and_nothing_in_pauses() -> None:
    """RFC 7587 6.1: `maxplaybackrate` and `usedtx` of one of two listeners, on the wire; the other is sent everything."""
    media = Media(MediaSettings(rtp_ports="21500-21599", legs=16))
    await media.start()
    mix, talker, narrow, wide = media.open_mix(), OpusPeer(700.0), OpusPeer(1500.0), OpusPeer(1900.0)
    wishes = {"maxplaybackrate": "8000", "usedtx": "1", "useinbandfec": "1"}
    for peer, parameters, speaks in ((talker, {}, True), (narrow, wishes, False), (wide, {"useinbandfec": "1"}, False)):
        leg = media.open_leg()
        leg.connect(peer.address, Codec("OPUS", 96, parameters=parameters))
        leg.route(mix, speak=speaks)
        peer.remote = leg.local
        if peer is talker:
            talkers_leg = leg
    with Peers(talker, narrow, wide):
        assert await until(lambda: level_of(narrow.heard_now(), 700.0) > -20 and level_of(wide.heard_now(), 700.0) > -20)
        assert all(packet.payload[0] >> 3 < 4 for packet in narrow.audio()[-20:]), "RFC 6716 table 2: 4 kHz"
        assert all(packet.payload[0] >> 3 >= 8 for packet in wide.audio()[-20:])
        talkers_leg.route(mix, speak=False)
        assert await until(lambda: narrow.audio()[-1].time - narrow.audio()[-2].time > 300 * 48)
        assert all(b.time - a.time == 960 for a, b in itertools.pairwise(wide.audio()[-30:]))
        talkers_leg.route(mix)
        assert await until(lambda: level_of(narrow.heard_now(), 700.0) > -20)
        assert {(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(narrow.audio())} == {1}
    await media.stop()


@needs_opus
async def test_loss_is_counted_and_not_heard() -> None:
    """One packet in ten is lost: the tone stays at its level, and the counters say a tenth."""
    media = Media(MediaSettings(rtp_ports="21500-21599", legs=16))
    await media.start()
    mix, talker, listener = media.open_mix(), OpusPeer(700.0, lossy=10), OpusPeer(1500.0)
    legs = []
    for peer in (talker, listener):
        leg = media.open_leg()
        leg.connect(peer.address, OPUS)
        leg.route(mix)
        peer.remote = leg.local
        legs.append(leg)
    with Peers(talker, listener):
        await asyncio.sleep(3)
        quality = legs[0].quality()
        assert quality is not None
        assert 5 < quality.loss_in < 15
        sent = 20 * np.log10(6000 / 32768)
        assert await until(lambda: abs(level_of(listener.heard_now(), 700.0) - sent) < 2.5)
    await media.stop()


async def test_a_machine_without_libopus_speaks_the_rest(application: Application, phone: PhoneMaker) -> None:
    """Nothing is offered that cannot be done: a phone that prefers Opus gets its second choice, one with Opus alone gets 488."""
    application.on("/voice", room('jitterBufferSize="small"'))
    async with HubbubServer(application.url("/voice"), environment={"HUBBUB_OPUS": "none"}) as server:
        calls = {}
        for name, codecs in (("alice", ("OPUS", "PCMU")), ("bob", ("PCMA",))):
            calls[name] = await (await phone(name, codecs=codecs)).call(server.uri("+15550001000"))
            await calls[name].wait_answered()
            calls[name].tone(TONE[name])
        assert calls["alice"].codec == "PCMU"
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        if libopus.find() is not None:
            alone = await (await phone("carol", codecs=("OPUS",))).call(server.uri("+15550001000"))
            end = await alone.wait_ended()
            assert end.code == 488


@needs_opus
@pytest.mark.alone
async def test_a_tone_goes_on_through_moves_between_workers() -> None:
    """Coders begin anew in the other process: a tone fades, is away for 40 ms at most, and comes back; there is no click."""
    media = Media(MediaSettings(rtp_ports="23300-23399", legs=16, workers=2))
    await media.start()
    peer, leg = OpusPeer(500.0), media.open_leg()
    leg.connect(peer.address, OPUS)
    peer.remote = leg.local
    mixes = [media.open_mix() for _ in range(4)]
    tone = 1000.0
    with Peers(peer):
        leg.route(mixes[0])
        music = media.play(Clip(sine((tone,), rate=16000), loops=0), leg)
        assert await until(lambda: level_of(peer.heard_now(), tone) > -20)
        before, since, moves = media.stats().skipped, len(peer.received), 6
        await asyncio.sleep(0.5)
        for _ in range(moves):
            there = next(mix for mix in mixes if mix.worker != leg.worker)
            leg.route(there)
            assert await until(lambda there=there: leg.worker == there.worker)  # type: ignore[misc]
            await asyncio.sleep(0.6)
        skipped = media.stats().skipped - before
        packets = peer.audio(since)
        music.stop()
    await media.stop()
    assert {(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(packets)} == {1}
    coder = Opus(96)
    heard = np.zeros((packets[-1].time - packets[0].time & 0xFFFFFFFF) // 6 + 160)
    for packet in packets:  # each at its time: what was not sent is a hole
        at = (packet.time - packets[0].time & 0xFFFFFFFF) // 6
        heard[at : at + 160] = coder.decode(packet.payload)
    heard = heard[1600:]
    windows = heard[: len(heard) // 80 * 80].reshape(-1, 80)  # 10 ms
    level = 10 * np.log10(2 * np.mean(windows**2, axis=1) / 32768**2 + 1e-12)
    steady = float(np.median(level))
    away = level < steady - 3
    runs = [len(list(group)) for gone, group in itertools.groupby(away) if gone]
    # A click is sound where the tone is not: what lies above 2 kHz, in any 20 ms.
    frames = np.lib.stride_tricks.sliding_window_view(heard, 160)[::80] * np.hanning(160)
    spectrum = np.abs(np.fft.rfft(frames, axis=1))
    high = 20 * np.log10(spectrum[:, 40:].max() / spectrum.max() + 1e-9)
    print(f"holes of {runs} times 10 ms, above 2 kHz {high:.0f} dB, {skipped} ticks skipped")
    assert len(runs) <= moves + skipped
    assert max(runs, default=0) <= 4 + 2 * 2 + 2 * skipped, "two fades of 20 ms and 40 ms between them"
    assert high < -45
