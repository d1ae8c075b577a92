"""The recording of a room: begun, paused, ended, trimmed, told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import structlog

from hubbub.clock import Clock
from hubbub.conference.journal import Journal, Renderer
from hubbub.conference.policy import RecordingWish
from hubbub.conference.rows import recording_row
from hubbub.events import RecordingEvent, RecordingKind, RecordingRecord, RecordingStatus, RoomRecord
from hubbub.ids import Id, new_id
from hubbub.media.audiofile import read_wav, write_wav
from hubbub.media.client import Capture, Media, Mix, Tap
from hubbub.media.trim import trim_silence
from hubbub.storage.store import Put

log = structlog.get_logger()

RATE = 8000
SHORTEST_SECONDS = 0.1
SILENT_PEAK = 32
"""Peak of a recording in which nobody was heard: comfort noise and rounding stay below it."""


class RoomRecorder:
    """At most one recording of a room at a time."""

    def __init__(self, mix: Mix, media: Media, journal: Journal, render: Renderer, clock: Clock, folder: Path) -> None:
        self._mix, self._media, self._journal, self._render = mix, media, journal, render
        self._clock, self._folder = clock, folder
        self._capture: Capture | None = None
        self._trim = False
        self._wish: RecordingWish | None = None
        self._dialect = ""
        self._finishing: set[asyncio.Task[None]] = set()
        self.record: RecordingRecord | None = None
        """The active recording, or the last one."""

    @property
    def active(self) -> bool:
        """Whether the room is being recorded (or the recording is paused)."""
        return self._capture is not None

    def start(self, room: RoomRecord, wish: RecordingWish | None, *, trim: bool, witness: Id | None) -> None:
        """Begin, unless a recording runs."""
        if self._capture is not None:
            return
        now = self._clock.now()
        recording = new_id()
        file = Path(room.account) / f"{recording}.wav"
        path = self._folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        self._capture = self._media.record(path, [Tap("mix", self._mix)], rate=RATE)
        self._trim, self._wish, self._dialect = trim, wish, room.dialect
        self.record = RecordingRecord(
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
        self._tell("in-progress", now)

    def pause(self, *, keep_silence: bool) -> None:
        """Stop writing for a while; with `keep_silence` the gap is kept as silence."""
        if self._capture is not None and self.record is not None and self.record.status is RecordingStatus.IN_PROGRESS:
            self._capture.pause(keep_silence=keep_silence)
            self._become(RecordingStatus.PAUSED, "paused")

    def resume(self) -> None:
        """Go on writing."""
        if self._capture is not None and self.record is not None and self.record.status is RecordingStatus.PAUSED:
            self._capture.resume()
            self._become(RecordingStatus.IN_PROGRESS, "resumed")

    def stop(self, room: RoomRecord) -> None:
        """End the recording; its file is finished in the background."""
        if self._capture is not None:
            task = asyncio.create_task(self._finish())
            self._finishing.add(task)
            task.add_done_callback(self._finishing.discard)

    async def finish(self, room: RoomRecord) -> None:
        """End the recording, if any, and wait until its file is whole."""
        self.stop(room)
        if self._finishing:
            await asyncio.gather(*self._finishing)

    def _become(self, status: RecordingStatus, kind: RecordingKind) -> None:
        assert self.record is not None
        now = self._clock.now()
        self.record = replace(self.record, status=status, updated=now)
        self._tell(kind, now)

    async def _finish(self) -> None:
        capture, self._capture = self._capture, None
        record, wish, trim, dialect = self.record, self._wish, self._trim, self._dialect
        if capture is None or record is None:
            return
        result = await capture.stop()
        now = self._clock.now()
        seconds, absent = result.seconds, ""
        if result.peak <= SILENT_PEAK:
            absent = "silent"
        elif trim:
            seconds = await asyncio.to_thread(trim_file, result.path)
        if not absent and seconds < SHORTEST_SECONDS:
            absent = "short"
        final = replace(
            record,
            status=RecordingStatus.ABSENT if absent else RecordingStatus.COMPLETED,
            seconds=0.0 if absent else seconds,
            ended=now,
            updated=now,
            size=0 if absent else result.path.stat().st_size,
            absent_reason="silent" if absent == "silent" else "short" if absent else "",
        )
        if absent:
            result.path.unlink(missing_ok=True)
        if self.record is record:
            self.record = final
        self._tell_about(final, "absent" if absent else "completed", now, wish, dialect)

    def _tell(self, kind: RecordingKind, now: float) -> None:
        assert self.record is not None
        self._tell_about(self.record, kind, now, self._wish, self._dialect)

    def _tell_about(self, record: RecordingRecord, kind: RecordingKind, now: float, wish: RecordingWish | None, dialect: str) -> None:
        event = RecordingEvent(kind, record, now)
        notices = self._render.recording_notices(event, wish, dialect) if wish is not None else []
        self._journal.write([Put("recordings", record.id, recording_row(record))], [event], notices)


def trim_file(path: Path) -> float:
    """Cut silence at both ends of a WAV; return its seconds."""
    pcm, rate = read_wav(path)
    trimmed = trim_silence(pcm, rate)
    if len(trimmed) != len(pcm):
        whole = path.with_suffix(".trim")
        write_wav(whole, trimmed, rate)
        whole.replace(path)
    return len(trimmed) / rate
