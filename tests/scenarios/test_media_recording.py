"""Recordings: exactly what was audible, on one clock, whatever happens to the server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.support.plane import shared_plane, until
from tests.support.rtp_peer import Peer, Peers, level_of, sine

from hubbub.errors import MediaError
from hubbub.media.client import Clip, Codec, Leg, Media, Tap, recover_captures

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
PCMU = Codec("PCMU", 0)
TONES = (440.0, 620.0, 1500.0)


media = shared_plane("21500-21599")


def call(media: Media, *peers: Peer) -> list[Leg]:
    legs = []
    for peer in peers:
        leg = media.open_leg()
        leg.connect(peer.address, PCMU)
        peer.remote = leg.local
        legs.append(leg)
    return legs


def audible(samples: np.ndarray, rate: int) -> set[float]:
    return {f for f in TONES if level_of(samples, f, rate) > -35}


@pytest.mark.parametrize("rate", [8000, 16000])
async def test_each_channel_holds_exactly_what_its_tap_says(media: Media, tmp_path: Path, rate: int) -> None:
    """Leg in is what it says (also when muted), leg out what it hears, mix the sum with what is played into it."""
    alice, bob = Peer((440.0,)), Peer((620.0,))
    legs = call(media, alice, bob)
    mix = media.open_mix()
    legs[0].route(mix, speak=False, hear=True)
    legs[1].route(mix, speak=True, hear=True)
    playback = media.play(Clip(sine((1500.0,), rate=16000), loops=0), mix)
    with Peers(alice, bob):
        assert await until(lambda: all(leg.counters().talking for leg in legs))
        taps = [Tap("leg_in", legs[0]), Tap("leg_out", legs[0]), Tap("leg_out", legs[1]), Tap("mix", mix)]
        capture = media.record(tmp_path / "all.wav", taps, rate=rate)
        began = time.monotonic()
        await asyncio.sleep(1.2)
        took = time.monotonic() - began
        result = await capture.stop()
    samples, file_rate = soundfile.read(tmp_path / "all.wav", dtype="int16")
    assert (file_rate, samples.shape) == (rate, (result.frames, 4))
    assert result.seconds == pytest.approx(took, abs=0.1)
    assert result.overruns == 0
    assert result.peak == np.abs(samples.astype(int)).max()
    middle = samples[rate // 5 : -rate // 5]
    assert [audible(middle[:, n], rate) for n in range(4)] == [{440.0}, {620.0, 1500.0}, {1500.0}, {620.0, 1500.0}]
    playback.stop()
    await asyncio.gather(*(leg.close() for leg in legs))
    mix.close()


@pytest.mark.parametrize("keep_silence", [True, False])
async def test_a_pause_is_silent_or_left_out(media: Media, tmp_path: Path, keep_silence: bool) -> None:
    peer = Peer((440.0,))
    (leg,) = call(media, peer)
    with Peers(peer):
        assert await until(lambda: leg.counters().talking)
        capture = media.record(tmp_path / "pause.wav", [Tap("leg_in", leg)])
        await asyncio.sleep(0.6)
        capture.pause(keep_silence=keep_silence)
        await asyncio.sleep(0.6)
        capture.resume()
        await asyncio.sleep(0.6)
        result = await capture.stop()
    samples, rate = soundfile.read(result.path, dtype="int16")
    assert result.seconds == pytest.approx(1.8 if keep_silence else 1.2, abs=0.15)
    silent = sum(np.abs(samples[n : n + 160].astype(int)).max() < 100 for n in range(0, len(samples) - 160, 160))
    assert abs(silent - (30 if keep_silence else 0)) <= 4
    assert level_of(samples[: rate // 2], 440) > -18
    assert level_of(samples[-rate // 2 :], 440) > -18
    await leg.close()


async def test_a_leg_that_goes_leaves_silence_not_its_successor(media: Media, tmp_path: Path) -> None:
    alice, bob = Peer((440.0,)), Peer((620.0,))
    (first,) = call(media, alice)
    with Peers(alice, bob):
        assert await until(lambda: first.counters().talking)
        capture = media.record(tmp_path / "gone.wav", [Tap("leg_in", first)])
        await asyncio.sleep(0.4)
        await first.close()
        others = [media.open_leg() for _ in range(16)]  # one of them has the slot now
        for leg in others:
            leg.connect(bob.address, PCMU)
        bob.remote = next(leg.local for leg in others if leg.slot == first.slot)
        await asyncio.sleep(0.6)
        result = await capture.stop()
    samples, _ = soundfile.read(result.path, dtype="int16")
    assert result.seconds == pytest.approx(1.0, abs=0.15)
    assert np.abs(samples[-3000:].astype(int)).max() < 10
    await asyncio.gather(*(leg.close() for leg in others))


async def test_what_cannot_be_written_is_an_error(media: Media, tmp_path: Path) -> None:
    leg = media.open_leg()
    before = media._control.rings.used
    with pytest.raises(MediaError):
        media.record(tmp_path / "no" / "folder.wav", [Tap("leg_in", leg)])
    with pytest.raises(MediaError):
        media.record(tmp_path / "none.wav", [])
    assert media._control.rings.used == before
    await leg.close()
    with pytest.raises(MediaError):
        media.record(tmp_path / "closed.wav", [Tap("leg_in", leg)])


SERVER = """
import asyncio, sys
from pathlib import Path
from hubbub.media.client import Clip, Media, Tap
from hubbub.settings import MediaSettings
from tests.support.rtp_peer import sine

async def main():
    media = Media(MediaSettings(rtp_ports="21600-21619", legs=8))
    await media.start()
    mix = media.open_mix()
    media.play(Clip(sine((440.0,), rate=16000), loops=0), mix)
    media.record(Path(sys.argv[1]), [Tap("mix", mix)])
    print("recording", media.worker_pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_crash_of_the_server_leaves_the_recording_and_no_process(tmp_path: Path) -> None:
    """kill -9 of the server: the file is playable as it lies there, to within half a second, and the media processes are gone."""
    root = str(Path(__file__).parents[2])
    path = tmp_path / "crash.wav"
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(path)], stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ, "PYTHONPATH": root}
    )
    assert server.stdout is not None
    words = (await asyncio.to_thread(server.stdout.readline)).split()
    assert words[0] == "recording"
    began = time.monotonic()
    await asyncio.sleep(2.0)
    server.send_signal(signal.SIGKILL)
    took = time.monotonic() - began
    server.wait()
    samples, _ = soundfile.read(path, dtype="int16")
    assert len(samples) / 8000 > took - 0.8, "the header is at most half a second old"
    assert level_of(samples[-3200:], 440) > -18

    def gone() -> bool:
        try:
            os.kill(int(words[1]), 0)
        except ProcessLookupError:
            return True
        return False

    assert await until(gone, 3)
    recovered = recover_captures(tmp_path)
    assert recovered in ([path], [])
    samples, _ = soundfile.read(path, dtype="int16")
    assert len(samples) * 2 + 44 == path.stat().st_size
