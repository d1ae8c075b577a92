"""Recordings: taps fill rings in the loop, a thread of the server drains them into WAV files that are playable at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soxr
import structlog

from hubbub.errors import MediaError
from hubbub.media import layout
from hubbub.media.control import Control
from hubbub.media.layout import FRAME, RATE
from hubbub.media.leg import Leg
from hubbub.media.mixes import Mix
from hubbub.media.rings import PcmRing

log = structlog.get_logger()

DRAIN_SECONDS = 0.1
FLUSH_SECONDS = 0.4
"""The header on disk is never older than this: a crash costs at most half a second of a recording."""
HEADER = 44
LARGEST = 0xFFFFFFFF - HEADER
"""Bytes of samples that a WAV header can name."""

_KINDS = {"leg_in": layout.TAP_IN, "leg_out": layout.TAP_OUT, "mix": layout.TAP_MIX}


@dataclass(frozen=True)
class Tap:
    """What one channel of a recording holds: what a leg says, what a leg hears, or the sum of a mix."""

    kind: Literal["leg_in", "leg_out", "mix"]
    of: Leg | Mix


@dataclass(frozen=True)
class CaptureResult:
    """A finished recording."""

    path: Path
    seconds: float
    frames: int
    """Samples per channel, at the file's rate."""
    overruns: int
    """Frames that were replaced by silence because the writer came too late."""
    peak: int
    """Largest sample, 0 to 32768."""


def wav_header(channels: int, rate: int, size: int) -> bytes:
    """The 44 bytes before `size` bytes of 16-bit samples."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + size,
        b"WAVE",
        b"fmt ",
        16,
        1,
        channels,
        rate,
        rate * channels * 2,
        channels * 2,
        16,
        b"data",
        size,
    )


class Capture:
    """A recording that is being written."""

    def __init__(self, control: Control, path: Path, taps: Sequence[Tap], rate: int, mono: bool = False) -> None:
        self.started = time.time()
        """When it began, real seconds since the epoch."""
        self.path = path
        self._control = control
        self._rate = rate
        self._channels = 1 if mono else len(taps)
        self._loop = asyncio.get_running_loop()
        self._rings: list[PcmRing] = []
        self._gone: set[int] = set()
        self._result: asyncio.Future[CaptureResult] = self._loop.create_future()
        self._stopping = False
        self._marks: deque[tuple[int, str]] = deque()
        self._mode = "on"
        self._position = 0
        self._pads: list[int] | None = None
        self._peak = 0
        self._size = 0
        self._flushed = 0.0
        self._finished = False
        self._overruns = 0
        self._trouble = ""
        self.on_trouble: Callable[[str], None] | None = None
        """Called when it ends by itself because it cannot be written (a full disk), with the reason."""
        self._begins: int | None = None
        for tap in taps:
            if tap.of.closed:
                raise MediaError("cannot record what is closed")
        self._resample: Any = soxr.ResampleStream(RATE, rate, self._channels, dtype="int16") if rate != RATE else None
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            os.pwrite(self._file, wav_header(self._channels, rate, 0), 0)  # a full disk says so here
            self._rings = self._take_rings(len(taps))
        except BaseException:
            os.close(self._file)
            raise
        for tap, ring in zip(taps, self._rings, strict=True):
            of = (tap.of.index, tap.of.generation) if isinstance(tap.of, Mix) else tap.of.address
            control.open_tap(ring, _KINDS[tap.kind], of, self._tap_gone)

    def _take_rings(self, count: int) -> list[PcmRing]:
        rings: list[PcmRing] = []
        try:
            for _ in range(count):
                rings.append(self._control.take_ring())
        except BaseException:
            for ring in rings:
                self._control.rings.give(ring.index)
            raise
        return rings

    # From the event loop.

    def pause(self, *, keep_silence: bool) -> None:
        """Write silence (`keep_silence`) or nothing from now on."""
        self._marks.append((self._now(), "silence" if keep_silence else "skip"))

    def resume(self) -> None:
        """Write sound again from now on."""
        self._marks.append((self._now(), "on"))

    @property
    def begins(self) -> int | None:
        """The tick of the media plane that its first sample belongs to, once it has begun."""
        first = min((int(self._control.engine.taps[ring.index].start) for ring in self._rings), default=-1)
        self._begins = first if first >= 0 else self._begins
        return self._begins

    @property
    def over(self) -> bool:
        """Whether nothing more will be written: it was stopped, or ended by itself (a full disk, or what it taps is gone)."""
        return self._finished

    def _now(self) -> int:
        """The present as a position of the taps' clock, in wide samples."""
        starts = [int(self._control.engine.taps[ring.index].start) for ring in self._rings]
        if min(starts) < 0:
            return 0
        return max(0, (self._control.tick + 1 - min(starts)) * FRAME)

    async def stop(self) -> CaptureResult:
        """End the recording and close its file."""
        if not self._stopping:
            self._stopping = True
            _ = self.begins  # known as long as the rings are there
            for ring in self._rings:
                self._control.close_tap(ring)
        return await asyncio.shield(self._result)

    def _tap_gone(self, index: int) -> None:
        self._gone.add(index)

    # From the writer's thread.

    def drain(self, *, last: bool = False) -> bool:
        """Write what has arrived; True when the recording is finished. `last`: the media plane goes, end it now."""
        if self._finished:
            return True
        ending = last or len(self._gone) == len(self._rings)
        try:
            self._write(self._collect())
            now = time.monotonic()
            if ending and self._resample is not None:
                self._write_samples(self._resample.resample_chunk(np.zeros((0, self._channels), np.int16), last=True))
            if ending or now - self._flushed > FLUSH_SECONDS:
                self._flush(now)
        except (OSError, ValueError) as error:
            log.error("recording_failed", path=str(self.path), error=str(error))
            self._trouble = getattr(error, "strerror", None) or str(error)
            ending = True
        if ending:
            self._finish()
        return ending

    def _collect(self) -> layout.Array:
        """Samples [n, channels] that all channels have, on one clock."""
        count = len(self._rings)
        if self._pads is None:
            starts = [int(self._control.engine.taps[ring.index].start) for ring in self._rings]
            if min(starts) < 0:
                return np.zeros((0, count), np.int16)
            self._pads = [(start - min(starts)) * FRAME for start in starts]
        ready = min(ring.level + pad for ring, pad in zip(self._rings, self._pads, strict=True))
        samples = np.zeros((ready, count), np.int16)
        for channel, ring in enumerate(self._rings):
            pad = min(self._pads[channel], ready)
            self._pads[channel] -= pad
            samples[pad:, channel] = ring.read(ready - pad)
        return samples

    def _write(self, samples: layout.Array) -> None:
        """Write samples as the pauses want them."""
        if self._channels < samples.shape[1]:
            summed = samples.astype(np.int32).sum(axis=1, keepdims=True)
            samples = np.clip(summed, -32768, 32767).astype(np.int16)
        while len(samples):
            count = len(samples)
            while self._marks and self._marks[0][0] <= self._position:
                self._mode = self._marks.popleft()[1]
            if self._marks:
                count = min(count, self._marks[0][0] - self._position)
            part, samples = samples[:count], samples[count:]
            self._position += count
            if self._mode == "skip":
                continue
            if self._mode == "silence":
                part = np.zeros_like(part)
            self._write_samples(part if self._resample is None else self._resample.resample_chunk(part))

    def _write_samples(self, samples: layout.Array) -> None:
        if not len(samples):
            return
        data = samples.astype("<i2").tobytes()
        if self._size + len(data) > LARGEST:
            raise ValueError("a WAV file cannot hold more")
        self._peak = max(self._peak, int(np.abs(samples.astype(np.int32)).max()))
        written = 0
        while written < len(data):
            written += os.pwrite(self._file, data[written:], HEADER + self._size + written)
        self._size += len(data)

    def _flush(self, now: float) -> None:
        self._flushed = now
        os.pwrite(self._file, wav_header(self._channels, self._rate, self._size), 0)

    def _finish(self) -> None:
        self._finished = True
        with contextlib.suppress(OSError):
            os.close(self._file)
        self._overruns = sum(int(self._control.engine.taps[ring.index].overruns) for ring in self._rings)
        frames = self._size // (2 * self._channels)
        result = CaptureResult(self.path, frames / self._rate, frames, self._overruns, self._peak)
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver, result)

    def _deliver(self, result: CaptureResult) -> None:
        if not self._stopping:  # it ended by itself: the disk is full, or the plane stops
            self._stopping = True
            for ring in self._rings:
                self._control.close_tap(ring)
        self._give_rings()
        if not self._result.done():
            self._result.set_result(result)
        if self._trouble and self.on_trouble is not None:
            self.on_trouble(self._trouble)

    def _give_rings(self) -> None:
        """Rings whose taps are closed go back; the others when they are."""
        waiting = [ring for ring in self._rings if ring.index not in self._gone]
        for ring in self._rings:
            if ring.index in self._gone:
                self._control.rings.give(ring.index)
        self._rings = waiting
        if waiting:
            self._gone.clear()
            self._loop.call_later(0.1, self._give_rings)


class Recorder:
    """The writer's thread and the recordings that it serves."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._captures: list[Capture] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="media-recorder", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Finish all recordings and end the thread."""
        self._stopping.set()
        if self._thread:
            await asyncio.to_thread(self._thread.join, 10)

    def record(self, path: Path, taps: Sequence[Tap], rate: int, *, mono: bool = False) -> Capture:
        """Begin a recording."""
        if not taps or not 4000 <= rate <= 48000:
            raise MediaError("a recording needs taps and a sample rate between 4000 and 48000")
        try:
            capture = Capture(self._control, path, taps, rate, mono)
        except OSError as error:
            raise MediaError(f"cannot write {path}: {error}") from error
        with self._lock:
            self._captures.append(capture)
        return capture

    def _run(self) -> None:
        while not self._stopping.wait(DRAIN_SECONDS):
            self._drain(last=False)
        self._drain(last=True)

    def _drain(self, *, last: bool) -> None:
        with self._lock:
            captures = list(self._captures)
        done = [capture for capture in captures if capture.drain(last=last)]
        if done:
            with self._lock:
                self._captures = [capture for capture in self._captures if capture not in done]


def recover_captures(folder: Path) -> list[Path]:
    """Repair the headers of recordings that a crash left behind; returns those that were repaired."""
    repaired = []
    for path in sorted(folder.rglob("*.wav")):
        with contextlib.suppress(OSError):
            if _repair(path):
                repaired.append(path)
    return repaired


def _repair(path: Path) -> bool:
    """Make a header name all samples that are there; whether anything had to be changed."""
    with path.open("r+b") as file:
        head = file.read(HEADER)
        if len(head) < HEADER or head[:4] != b"RIFF" or head[8:16] != b"WAVEfmt " or head[36:40] != b"data":
            return False
        channels, rate = struct.unpack_from("<HI", head, 22)
        named = struct.unpack_from("<I", head, 40)[0]
        there = os.fstat(file.fileno()).st_size - HEADER
        whole = there - there % max(2, channels * 2)
        if named == whole == there:
            return False
        file.truncate(HEADER + whole)
        file.seek(0)
        file.write(wav_header(channels, rate, whole))
    return True
