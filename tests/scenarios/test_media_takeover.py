"""kill -9 of the media process: no call is lost, and hardly any sound."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from itertools import pairwise

import pytest
from tests.support.plane import until
from tests.support.rtp_peer import Peer, Peers, level_of, sine

from hubbub.errors import MediaError
from hubbub.media.client import Clip, Codec, Media, Tap
from hubbub.settings import MediaSettings

pytestmark = pytest.mark.scenario
PCMU = Codec("PCMU", 0)
ROOM = 20


@pytest.mark.alone
async def test_a_killed_process_costs_less_than_200_ms_and_no_call(tmp_path: object) -> None:
    """A room of 20; three kills in a row, each measured on what the phones received."""
    media = Media(MediaSettings(rtp_ports="21300-21399", legs=32))
    failures: list[str] = []
    media.on_failure = failures.append
    await media.start()
    mix = media.open_mix()
    peers = [Peer((400.0 + 50 * n,) if n < 3 else ()) for n in range(ROOM)]
    legs = []
    for peer in peers:
        leg = media.open_leg()
        leg.connect(peer.address, PCMU, telephone_event=101)
        leg.route(mix, speak=True, hear=True)
        peer.remote = leg.local
        legs.append(leg)
    pids = set()
    gaps: list[float] = []
    with Peers(*peers):
        assert await until(lambda: all(len(peer.audio()) > 30 for peer in peers))
        for _ in range(3):
            assert await until(lambda: media.stats().standby)
            pids.add(media.worker_pid)
            killed = time.monotonic()
            os.kill(media.worker_pid, signal.SIGKILL)
            await asyncio.sleep(0.8)
            for peer in peers:
                around = [packet.at for packet in peer.audio() if killed - 0.1 < packet.at < killed + 0.7]
                gaps.append(max(b - a for a, b in pairwise(around)) - 0.02)
        assert len(pids) == 3
        for peer in peers:
            audio = peer.audio()
            steps = [(b.time - a.time) & 0xFFFFFFFF for a, b in pairwise(audio)]
            lost = sum(step - 160 for step in steps) / 8
            assert lost < 3 * 200
            assert max(steps) < 160 + 1600
            assert {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(audio)} == {1}
            assert len({packet.ssrc for packet in audio}) == 1
        assert max(gaps) < 0.2, f"longest silence {max(gaps) * 1000:.0f} ms"
        wanted = {400.0, 450.0, 500.0}
        assert await until(lambda: all(peer.hears((400.0, 450.0, 500.0)) == wanted for peer in peers[3:]), 3)
    stats = media.stats()
    assert stats.takeovers == len(failures) == 3
    assert stats.legs == ROOM
    print(f"longest silence {max(gaps) * 1000:.0f} ms, promotion {stats.takeover_ms:.2f} ms, skipped ticks {stats.skipped}")
    await asyncio.gather(*(leg.close() for leg in legs))
    await media.stop()


@pytest.mark.parametrize("accident", [signal.SIGSTOP, signal.SIGSEGV, signal.SIGILL])
async def test_a_process_that_stands_still_or_crashes_is_replaced(accident: signal.Signals) -> None:
    """SIGSTOP looks like a loop that hangs: after a second the standby goes on; SIGSEGV is what compiled code dies of."""
    media = Media(MediaSettings(rtp_ports="21400-21419", legs=8))
    await media.start()
    peer, leg = Peer(None), media.open_leg()
    leg.connect(peer.address, PCMU)
    with Peers(peer):
        assert await until(lambda: media.stats().standby and len(peer.audio()) > 5)
        os.kill(media.worker_pid, accident)
        assert await until(lambda: media.stats().takeovers == 1, 4)
        count = len(peer.received)
        assert await until(lambda: len(peer.received) > count + 10)
    await leg.close()
    await media.stop()


async def test_without_a_standby_audio_comes_back_too() -> None:
    """Both processes killed at once: a new one is loaded, the legs go on."""
    media = Media(MediaSettings(rtp_ports="21420-21439", legs=8))
    await media.start()
    peer, leg = Peer(None), media.open_leg()
    leg.connect(peer.address, PCMU)
    with Peers(peer):
        assert await until(lambda: media.stats().standby and len(peer.audio()) > 5)
        standby = media._control.supervisor._standby
        assert standby is not None
        os.kill(standby.process.pid, signal.SIGKILL)
        os.kill(media.worker_pid, signal.SIGKILL)
        await asyncio.sleep(0.1)
        count = len(peer.received)
        assert await until(lambda: len(peer.received) > count + 10, 20)
        assert await until(lambda: media.stats().standby, 20)
    await leg.close()
    await media.stop()


async def test_processes_ignore_ctrl_c_and_end_with_their_parent() -> None:
    media = Media(MediaSettings(rtp_ports="21440-21459", legs=8))
    await media.start()
    assert await until(lambda: media.stats().standby)
    pid = media.worker_pid
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    ticks = media.stats().ticks
    assert await until(lambda: media.stats().ticks > ticks + 10)
    assert media.worker_pid == pid
    assert media.stats().takeovers == 0
    await media.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_stop_leaves_nobody_waiting() -> None:
    """Playbacks end, legs close at once, and a second stop is harmless."""
    media = Media(MediaSettings(rtp_ports="21480-21499", legs=8))
    await media.start()
    leg = media.open_leg()
    playback = media.play(Clip(sine((440.0,), rate=16000), loops=0), leg)
    await media.stop()
    assert await asyncio.wait_for(playback.done, 1) is False
    await asyncio.wait_for(leg.close(), 1)
    await media.stop()
    with pytest.raises(MediaError):
        media.open_leg()


async def test_a_recording_goes_on_over_a_takeover(tmp_path: object) -> None:
    from pathlib import Path

    import soundfile

    assert isinstance(tmp_path, Path)
    media = Media(MediaSettings(rtp_ports="21460-21479", legs=8))
    await media.start()
    peer, leg = Peer((440.0,)), media.open_leg()
    leg.connect(peer.address, PCMU)
    peer.remote = leg.local
    with Peers(peer):
        assert await until(lambda: media.stats().standby and leg.counters().talking)
        capture = media.record(tmp_path / "call.wav", [Tap("leg_in", leg)])
        began = time.monotonic()
        await asyncio.sleep(0.5)
        os.kill(media.worker_pid, signal.SIGKILL)
        await asyncio.sleep(0.7)
        took = time.monotonic() - began
        result = await capture.stop()
    assert abs(result.seconds - took) < 0.1, "the recording keeps the clock"
    samples, rate = soundfile.read(tmp_path / "call.wav", dtype="int16")
    assert rate == 8000
    assert level_of(samples[:3200], 440) > -18
    assert level_of(samples[-3200:], 440) > -18
    await leg.close()
    await media.stop()
