"""A track per speaker of a room, all on one clock: each stay of a speaker has a file of its own; they are put together at the end.

What is needed for that is kept beside them (`.tracks`), so that a server that is started after a crash can do it too.
"""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hubbub.errors import HubbubError
from hubbub.events import Speaker
from hubbub.ids import Id
from hubbub.media.client import Capture, CaptureResult, Leg, Media, Tap

TICK_SECONDS = 0.02
MOST_SPEAKERS = 32


@dataclass
class Stay:
    """One stay of a speaker: `begins` is a tick of the media plane, `file` stands beside the recording."""

    speaker: int
    begins: int
    file: str


@dataclass
class Sheet:
    """What was said where: all that is needed to put a recording together."""

    rate: int
    begins: int
    ends: int | None = None
    """None: with the last stay."""
    speakers: list[tuple[str, str]] = field(default_factory=list)
    """Call and label, in order of their first words: a channel each."""
    stays: list[Stay] = field(default_factory=list)
    gaps: list[tuple[int, int | None, bool]] = field(default_factory=list)
    """Pauses from tick to tick, and whether they are kept as silence."""


class SpeakerTracks:
    """A room that is being recorded with a channel per speaker."""

    def __init__(self, path: Path, media: Media, rate: int, failed: Callable[[str], None]) -> None:
        self._path, self._media, self._failed = path, media, failed
        self._sheet = Sheet(rate, media.tick)
        self._running: dict[Id, tuple[Capture, Stay]] = {}
        self._ending: list[asyncio.Task[None]] = []
        self.on_trouble: Callable[[str], None] | None = None  # each track tells of its own
        self.live = True
        """Whether it still listens."""
        self._save()

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        """Who is in which channel."""
        return tuple(Speaker(Id(call), label) for call, label in self._sheet.speakers)

    def follow(self, call: Id, label: str, leg: Leg, *, speaks: bool) -> None:
        """That member can be heard from now on, or not: what the room does not hear is not recorded."""
        running = self._running.get(call)
        if not self.live:
            return
        if running is not None:
            if speaks:
                running[0].resume()
            else:
                running[0].pause(keep_silence=True)
        elif speaks:
            try:
                self._begin(call, label, leg)
            except (HubbubError, OSError) as error:
                self._failed(f"the track of {label or call} cannot be recorded: {error}")

    def left(self, call: Id) -> None:
        """That member is out of the room."""
        running = self._running.pop(call, None)
        if running is not None:
            self._ending.append(asyncio.create_task(self._end(*running)))

    def pause(self, *, keep_silence: bool) -> None:
        """Silence, or nothing, from now on, in all tracks at the same moment."""
        self._sheet.gaps.append((self._media.tick, None, keep_silence))
        self._keep()

    def resume(self) -> None:
        """Sound again."""
        begins, _, keep_silence = self._sheet.gaps.pop()
        self._sheet.gaps.append((begins, self._media.tick, keep_silence))
        self._keep()

    async def stop(self) -> CaptureResult:
        """End all tracks and put them together. MediaError or OSError when that cannot be done."""
        self.live = False
        self._sheet.ends = self._media.tick
        for call in tuple(self._running):
            self.left(call)
        await asyncio.gather(*self._ending)
        self._save()
        return await asyncio.to_thread(assemble, self._path)

    # -- inside ------------------------------------------------------------------------------------------------

    def _begin(self, call: Id, label: str, leg: Leg) -> None:
        calls = [known for known, _ in self._sheet.speakers]
        if call not in calls and len(calls) == MOST_SPEAKERS:
            raise HubbubError(f"a recording has at most {MOST_SPEAKERS} tracks")
        name = f"{self._path.stem}.{len(self._sheet.stays)}.wav"
        capture = self._media.record(self._path.with_name(name), [Tap("leg_in", leg)], rate=self._sheet.rate)
        capture.on_trouble = lambda why: self._failed(f"the track of {label or call} ends: {why}")
        if call not in calls:
            self._sheet.speakers.append((call, label))
            calls.append(call)
        stay = Stay(calls.index(call), self._media.tick + 1, name)
        self._sheet.stays.append(stay)
        self._running[call] = capture, stay
        self._save()

    async def _end(self, capture: Capture, stay: Stay) -> None:
        try:
            await capture.stop()
        except (HubbubError, OSError) as error:
            self._failed(f"a track was not finished: {error}")
        if capture.begins is not None:
            stay.begins = capture.begins

    def _keep(self) -> None:
        """Save what a crash would need; a disk that is full costs no pause."""
        try:
            self._save()
        except OSError as error:
            self._failed(f"the tracks could not be noted: {error}")

    def _save(self) -> None:
        sheet_of(self._path).write_text(json.dumps(asdict(self._sheet)))


def sheet_of(path: Path) -> Path:
    """Where the sheet of a recording is kept while it is made."""
    return path.with_suffix(".tracks")


def assemble(path: Path) -> CaptureResult:
    """Put the stays together to one file with a channel per speaker, and remove them. OSError, wave.Error where they cannot be read."""
    given = json.loads(sheet_of(path).read_text())
    sheet = Sheet(**{**given, "stays": [Stay(**stay) for stay in given["stays"]]})
    step = round(sheet.rate * TICK_SECONDS)
    peak = frames = 0
    with ExitStack() as open_files:
        there = [stay for stay in sheet.stays if path.with_name(stay.file).exists()]
        stays = [(stay, open_files.enter_context(wave.open(str(path.with_name(stay.file)), "rb"))) for stay in there]
        lasts = [stay.begins * step + file.getnframes() for stay, file in stays]
        ends = sheet.ends * step if sheet.ends is not None else max(lasts, default=sheet.begins * step)
        out = open_files.enter_context(wave.open(str(path), "wb"))
        out.setnchannels(max(1, len(sheet.speakers)))
        out.setsampwidth(2)
        out.setframerate(sheet.rate)
        for begin in range(sheet.begins * step, ends, sheet.rate):
            block = _block(sheet, stays, begin, min(begin + sheet.rate, ends), step)
            peak = max(peak, int(np.abs(block.astype(np.int32)).max(initial=0)))
            frames += len(block)
            out.writeframes(block.astype("<i2").tobytes())
    for stay in sheet.stays:
        path.with_name(stay.file).unlink(missing_ok=True)
    sheet_of(path).unlink(missing_ok=True)
    return CaptureResult(path, frames / sheet.rate, frames, 0, peak)


def _block(sheet: Sheet, stays: list[tuple[Stay, wave.Wave_read]], begin: int, end: int, step: int) -> NDArray[np.int16]:
    """The samples of all channels from `begin` to `end`, with the pauses as they are wished."""
    block = np.zeros((end - begin, max(1, len(sheet.speakers))), np.int16)
    for stay, file in stays:
        first = stay.begins * step
        low, high = max(begin, first), min(end, first + file.getnframes())
        if low < high:
            file.setpos(low - first)
            samples = np.frombuffer(file.readframes(high - low), "<i2")  # fewer where a crash took the end of the file
            block[low - begin : low - begin + len(samples), stay.speaker] = samples
    kept = np.ones(end - begin, bool)
    for gap_begins, gap_ends, keep_silence in sheet.gaps:
        low = max(begin, gap_begins * step)
        high = end if gap_ends is None else min(end, gap_ends * step)
        if low < high:
            block[low - begin : high - begin] = 0
            kept[low - begin : high - begin] = keep_silence
    return block[kept]


def speakers_of(path: Path) -> tuple[Speaker, ...]:
    """Who is in which channel of a recording that is still to be put together."""
    return tuple(Speaker(Id(call), label) for call, label in json.loads(sheet_of(path).read_text())["speakers"])
