"""Sound between a leg, or a room, and the far side of a stream: what is heard there, and what is said there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np

from hubbub.errors import HubbubError, MediaError
from hubbub.media import holes
from hubbub.media.client import Capture, Leg, Media, Mix, Pcm, Playback, Stream, Tap

WIRE_RATE: Final = 8000
FRAMES_A_SECOND: Final = 50
ROUND: Final = 0.06
"""Seconds between two looks at what was tapped."""
HEADER: Final = 44
GIVE_BACK: Final = 4 << 20
"""Bytes that were read before the disk has them back."""
MOST_QUEUED: Final = 30_000
MOST_SECONDS: Final = 600.0
"""Pieces and seconds of sound that may wait to be played; one that sends faster than that waits. A minute is 2 MB."""
Track = Literal["inbound", "outbound"]


@dataclass
class Mouth:
    """What the far side says, on its way to a leg or a room."""

    media: Media
    target: Leg | Mix
    send: Callable[[str], None]
    pieces: asyncio.Queue[Pcm] = field(default_factory=lambda: asyncio.Queue(MOST_QUEUED))
    playback: Playback | None = None
    until: float = 0.0
    """When everything so far will have been heard."""
    marks: dict[int, tuple[str, asyncio.TimerHandle]] = field(default_factory=dict)
    """Those that are not reached yet, in order."""
    _number: int = 0

    async def say(self, seconds: float, wide: Pcm) -> None:
        """Play this after what waits: `wide` is at the rate of the mix, and may be behind by what its resampler keeps."""
        loop = asyncio.get_running_loop()
        if self.playback is None:
            self.playback = self.media.play(Stream(self._waiting()), self.target)
        self.until = max(loop.time(), self.until) + seconds
        ahead = self.until - seconds - loop.time()
        if ahead > MOST_SECONDS:
            await asyncio.sleep(ahead - MOST_SECONDS)
        if len(wide):
            await self.pieces.put(wide)

    async def _waiting(self) -> AsyncIterator[Pcm]:
        while True:
            yield await self.pieces.get()

    def mark(self, name: str, reached: Callable[[str], str]) -> None:
        """Tell when what was said so far has been heard; the message is made then, so that its number is in order."""
        loop = asyncio.get_running_loop()
        self._number += 1
        number = self._number
        self.marks[number] = name, loop.call_later(max(0.0, self.until - loop.time()), lambda: self._reached(number, reached))

    def _reached(self, number: int, reached: Callable[[str], str]) -> None:
        name, _ = self.marks.pop(number)
        self.send(reached(name))

    def clear(self, reached: Callable[[str], str]) -> None:
        """Stop, and forget what waits; marks are reached at once."""
        if self.playback is not None:
            self.playback.stop()
        self.playback, self.pieces, self.until = None, asyncio.Queue(MOST_QUEUED), 0.0
        for number, (_, timer) in tuple(self.marks.items()):
            timer.cancel()
            self._reached(number, reached)

    def close(self) -> None:
        """Nothing more is heard."""
        if self.playback is not None:
            self.playback.stop()
        for _, timer in self.marks.values():
            timer.cancel()


class Ear:
    """What a leg says and hears, or a room, 20 ms after 20 ms, through a file that has no name and goes with the process."""

    def __init__(self, media: Media, tapped: Sequence[tuple[Track, Tap]], rate: int = WIRE_RATE, *, mono: bool = False) -> None:
        self._tracks = [track for track, _ in tapped][: 1 if mono else None]
        self._frame = rate // FRAMES_A_SECOND
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the stream
        self._at = self._given_back = HEADER
        path = Path(f"/proc/self/fd/{self._file.fileno()}")
        try:
            self._capture: Capture = media.record(path, [tap for _, tap in tapped], rate=rate, mono=mono)
        except BaseException:
            self._file.close()
            raise

    def read(self) -> list[tuple[Track, Pcm]]:
        """What came since the last time, in whole frames. MediaError where nothing more will come."""
        width = 2 * self._frame * len(self._tracks)
        over = self._capture.over  # asked first: what was written before its end is read
        data = os.pread(self._file.fileno(), 1 << 20, self._at)
        whole = len(data) // width * width
        if over and not whole:
            raise MediaError("nothing more is heard: the capture has ended")
        self._at += whole
        if self._at - self._given_back > GIVE_BACK:
            self._given_back = holes.punch(self._file.fileno(), self._given_back, self._at)
        frames = np.frombuffer(data[:whole], "<i2").reshape(-1, self._frame, len(self._tracks))
        return [(track, frame[:, n].astype(np.int16)) for frame in frames for n, track in enumerate(self._tracks)]

    async def close(self) -> None:
        """Tap no more."""
        try:
            with contextlib.suppress(HubbubError, OSError):
                await self._capture.stop()
        finally:
            self._file.close()


def tapped_leg(leg: Leg, tracks: Sequence[Track]) -> list[tuple[Track, Tap]]:
    """What a leg says, and what it hears."""
    kinds: dict[Track, Literal["leg_in", "leg_out"]] = {"inbound": "leg_in", "outbound": "leg_out"}
    return [(track, Tap(kinds[track], leg)) for track in tracks]
