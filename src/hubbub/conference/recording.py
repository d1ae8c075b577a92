"""The recording of a room: begun, paused, ended, trimmed, told."""

from __future__ import annotations

import asyncio
import contextlib
import wave
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import structlog

from hubbub.clock import Clock
from hubbub.conference.journal import Journal, Renderer
from hubbub.conference.policy import RecordingWish
from hubbub.conference.rows import kept, recording_row
from hubbub.errors import HubbubError
from hubbub.events import Problem, RecordingEvent, RecordingKind, RecordingRecord, RecordingStatus, RoomRecord
from hubbub.ids import Id, new_id
from hubbub.media.audiofile import read_wav, write_wav
from hubbub.media.client import Capture, CaptureResult, Media, Mix, Tap
from hubbub.media.trim import trim_silence
from hubbub.storage.store import Put

log = structlog.get_logger()

RATE = 8000
SHORTEST_SECONDS = 0.1
SILENT_PEAK = 32
"""Peak of a recording in which nobody was heard: comfort noise and rounding stay below it."""


@dataclass(frozen=True)
class _Running:
    """A recording under way, and who wants to know about it."""

    capture: Capture
    record: RecordingRecord
    trim: bool
    wish: RecordingWish | None
    dialect: str


class RoomRecorder:
    """At most one recording of a room at a time."""

    def __init__(self, mix: Mix, media: Media, journal: Journal, render: Renderer, clock: Clock, folder: Path) -> None:
        self._mix, self._media, self._journal, self._render = mix, media, journal, render
        self._clock, self._folder = clock, folder
        self._running: _Running | None = None
        self._finishing: set[asyncio.Task[None]] = set()

    @property
    def active(self) -> bool:
        """Whether the room is being recorded (or the recording is paused)."""
        return self._running is not None

    @property
    def record(self) -> RecordingRecord | None:
        """The active recording."""
        return self._running.record if self._running is not None else None

    def start(self, room: RoomRecord, wish: RecordingWish | None, *, trim: bool, witness: Id | None) -> None:
        """Begin, unless a recording runs. One that cannot be made is told as failed; the room goes on."""
        if self._running is not None:
            return
        now = self._clock.now()
        recording = new_id()
        file = Path(room.account) / f"{recording}.wav"
        record = RecordingRecord(
            id=recording,
            account=room.account,
            source="room",
            status=RecordingStatus.IN_PROGRESS,
            created=now,
            updated=now,
            call=witness,
            room=room.id,
            room_name=room.name,
            started=now,
            file=str(file),
        )
        path = self._folder / file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            capture = self._media.record(path, [Tap("mix", self._mix)], rate=RATE)
        except (HubbubError, OSError) as error:
            self._failed(record, wish, room.dialect, str(error))
            return
        self._running = _Running(capture, record, trim, wish, room.dialect)
        self._tell(self._running, "in-progress", now)

    def pause(self, *, keep_silence: bool) -> None:
        """Stop writing for a while; with `keep_silence` the gap is kept as silence."""
        if self._running is not None and self._running.record.status is RecordingStatus.IN_PROGRESS:
            self._running.capture.pause(keep_silence=keep_silence)
            self._become(self._running, RecordingStatus.PAUSED, "paused")

    def resume(self) -> None:
        """Go on writing."""
        if self._running is not None and self._running.record.status is RecordingStatus.PAUSED:
            self._running.capture.resume()
            self._become(self._running, RecordingStatus.IN_PROGRESS, "resumed")

    def stop(self, room: RoomRecord) -> None:
        """End the recording; its file is finished in the background, and another may begin at once."""
        running, self._running = self._running, None
        if running is not None:
            task = asyncio.create_task(self._finish(running))
            self._finishing.add(task)
            task.add_done_callback(self._finishing.discard)

    async def finish(self, room: RoomRecord) -> None:
        """End the recording, if any, and wait until its file is whole."""
        self.stop(room)
        if self._finishing:
            await asyncio.gather(*self._finishing)

    def _become(self, running: _Running, status: RecordingStatus, kind: RecordingKind) -> None:
        now = self._clock.now()
        self._running = replace(running, record=replace(running.record, status=status, updated=now))
        self._tell(self._running, kind, now)

    async def _finish(self, running: _Running) -> None:
        try:
            result = await running.capture.stop()
            final = await finished(running.record, result, trim=running.trim, silent_peak=SILENT_PEAK, now=self._clock.now())
        except (HubbubError, OSError) as error:
            self._failed(running.record, running.wish, running.dialect, str(error))
            return
        kind: RecordingKind = "absent" if final.status is RecordingStatus.ABSENT else "completed"
        self._tell(replace(running, record=final), kind, final.updated)

    def _failed(self, record: RecordingRecord, wish: RecordingWish | None, dialect: str, why: str) -> None:
        """The recording cannot be made, or not be finished: its account is told (law 6)."""
        now = self._clock.now()
        code = self._render.refusal_code(dialect, "recording-failed")
        self._journal.report(Problem(record.account, code, "error", f"recording failed: {why}", record.call, record.room), now)
        failed = replace(record, status=RecordingStatus.FAILED, ended=now, updated=now)
        self._write(failed, "failed", now, wish, dialect)

    def _tell(self, running: _Running, kind: RecordingKind, now: float) -> None:
        self._write(running.record, kind, now, running.wish, running.dialect)

    def _write(self, record: RecordingRecord, kind: RecordingKind, now: float, wish: RecordingWish | None, dialect: str) -> None:
        event = RecordingEvent(kind, record, now)
        notices = self._render.recording_notices(event, wish, dialect) if wish is not None else []
        self._journal.write([Put("recordings", record.id, recording_row(record, **remembered(wish, dialect)))], [event], notices)


def remembered(wish: RecordingWish | None, dialect: str) -> dict[str, object]:
    """What is kept beside a recording, so that a server that is started after a crash can still tell about it."""
    return {"wish": kept(RecordingWish | None, wish), "dialect": dialect}


async def finished(record: RecordingRecord, result: CaptureResult, *, trim: bool, silent_peak: int, now: float) -> RecordingRecord:
    """The facts about a recording that has ended; one in which nothing is heard, or that is too short, is absent, its file removed.

    MediaError or OSError when its file cannot be read.
    """
    seconds = result.seconds
    absent: Literal["", "short", "silent"] = "silent" if result.peak <= silent_peak else ""
    if trim and not absent:
        seconds = await asyncio.to_thread(trim_file, result.path)
    if not absent and seconds < SHORTEST_SECONDS:
        absent = "short"
    if absent:
        result.path.unlink(missing_ok=True)
        return replace(record, status=RecordingStatus.ABSENT, seconds=0.0, ended=now, updated=now, size=0, absent_reason=absent)
    size = result.path.stat().st_size
    return replace(record, status=RecordingStatus.COMPLETED, seconds=seconds, ended=now, updated=now, size=size)


def salvaged(record: RecordingRecord, folder: Path, now: float) -> RecordingRecord:
    """The facts about a recording whose server died while it was written: what its file holds."""
    path = folder / record.file
    seconds, size = 0.0, 0
    with contextlib.suppress(OSError, EOFError, wave.Error), wave.open(str(path), "rb") as file:
        seconds, size = file.getnframes() / file.getframerate(), path.stat().st_size
    if seconds < SHORTEST_SECONDS:
        return replace(record, status=RecordingStatus.ABSENT, seconds=0.0, ended=now, updated=now, size=0, absent_reason="short")
    return replace(record, status=RecordingStatus.COMPLETED, seconds=seconds, ended=now, updated=now, size=size)


def trim_file(path: Path) -> float:
    """Cut silence at both ends of a WAV; return its seconds."""
    pcm, rate = read_wav(path)
    trimmed = trim_silence(pcm, rate)
    if len(trimmed) != len(pcm):
        whole = path.with_suffix(".trim")
        write_wav(whole, trimmed, rate)
        whole.replace(path)
    return len(trimmed) / rate
