"""Recordings of a leg or a room: begun, paused, ended, trimmed, told. Several may run at a time."""

from __future__ import annotations

import asyncio
import contextlib
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import structlog

from hubbub.clock import Clock
from hubbub.conference.journal import Journal, Renderer, Written, rendered
from hubbub.conference.policy import RecordingOrder, RecordingWish
from hubbub.conference.rows import kept, recording_row
from hubbub.conference.tracks import SpeakerTracks, assemble, sheet_of, speakers_of
from hubbub.conference.transcription import Transcriber
from hubbub.errors import HubbubError, Refused
from hubbub.events import Level, Link, Problem, RecordingEvent, RecordingKind, RecordingRecord, RecordingStatus
from hubbub.ids import Id, new_id
from hubbub.media.client import CaptureResult, Media
from hubbub.media.trim import MARGIN_SECONDS, sound_within
from hubbub.storage.store import Put
from hubbub.webhooks.notices import Notice, lane_of

log = structlog.get_logger()

RATE = 8000
SHORTEST_SECONDS = 0.1
SILENT_PEAK = 32
"""Peak of a recording in which nobody was heard: comfort noise and rounding stay below it."""
ACTIVE = frozenset({RecordingStatus.IN_PROGRESS, RecordingStatus.PAUSED})


class Capturing(Protocol):
    """Sound that is being written to a file."""

    on_trouble: Callable[[str], None] | None
    """Called, with the reason, when it has ended by itself because it cannot be written."""

    def pause(self, *, keep_silence: bool) -> None:
        """Write silence, or nothing, from now on."""

    def resume(self) -> None:
        """Write sound again."""

    async def stop(self) -> CaptureResult:
        """End, and close the file. MediaError or OSError when it cannot be finished."""


@dataclass(frozen=True)
class Recorded:
    """What is recorded: the facts that its recordings carry, and how its sound gets into a file."""

    account: str
    capture: Callable[[Path, RecordingOrder], tuple[Capturing, int]]
    """Begin to write what an order asks for; what writes, and how many channels. ResourceExhausted, MediaError."""
    call: Callable[[], Id | None]
    """The leg, or one that is in the room."""
    room: Id | None = None
    room_name: str = ""
    tag: str = ""
    size: Callable[[], int] = lambda: 0
    """Members of the room."""


@dataclass(frozen=True)
class RecordingServices:
    """What every recorder needs."""

    media: Media
    journal: Journal
    render: Renderer
    clock: Clock
    folder: Path
    transcriber: Transcriber | None = None
    """None: nothing is transcribed."""


@dataclass(frozen=True)
class _Running:
    """A recording under way, and how it was ordered."""

    capture: Capturing
    record: RecordingRecord
    order: RecordingOrder


class Recorder:
    """All recordings of one leg or of one room."""

    def __init__(self, recorded: Recorded, services: RecordingServices) -> None:
        self._recorded, self._services = recorded, services
        self._running: dict[Id, _Running] = {}
        self._ended: dict[Id, asyncio.Task[RecordingRecord]] = {}
        self.written: Written | None = None
        """Ends when the last change is committed."""

    @property
    def active(self) -> tuple[RecordingRecord, ...]:
        """Recordings under way, paused ones too, oldest first."""
        return tuple(running.record for running in self._running.values())

    @property
    def so_far(self) -> RecordingRecord | None:
        """The last recording: whole, or as long and as large as it is now."""
        if not self._running:
            ended = next(reversed(self._ended.values()), None)
            return ended.result() if ended is not None and ended.done() and ended.exception() is None else None
        record = next(reversed(self._running.values())).record
        with contextlib.suppress(OSError):
            record = replace(record, size=(self._services.folder / record.file).stat().st_size)
        return replace(record, seconds=self._services.clock.now() - record.started)

    def chosen(self, recording: Id | None) -> Id:
        """That recording, or the only one for None. Raises Refused (no-recording, several-recordings)."""
        if recording is not None and recording not in self._running:
            raise Refused("no-recording", "the recording is not in progress")
        if recording is not None:
            return recording
        if len(self._running) > 1:
            raise Refused("several-recordings", f"{len(self._running)} recordings are in progress: name one")
        if not self._running:
            raise Refused("no-recording", "nothing is being recorded")
        return next(iter(self._running))

    def named(self, name: str) -> tuple[Id, ...]:
        """Recordings under way of that name; all for the empty one."""
        return tuple(key for key, running in self._running.items() if not name or running.record.name == name)

    # -- what can be done --------------------------------------------------------------------------------------

    def start(self, order: RecordingOrder) -> RecordingRecord:
        """Begin another recording. One that cannot be made is told as failed (its record says so); the call or room goes on."""
        record = self._new(order)
        path = self._services.folder / record.file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            capture, channels = self._recorded.capture(path, order)
        except (HubbubError, OSError) as error:
            return self._failed(record, order, str(error))
        running = _Running(capture, replace(record, channels=channels), order)
        self._running[record.id] = running
        capture.on_trouble = lambda why: self._cut_short(running, why)
        self._tell(running, "in-progress")
        return running.record

    def pause(self, recording: Id, *, keep_silence: bool) -> RecordingRecord:
        """Stop writing for a while; with `keep_silence` the gap is kept as silence. A paused one stays as it is."""
        running = self._running[recording]
        if running.record.status is RecordingStatus.IN_PROGRESS:
            running.capture.pause(keep_silence=keep_silence)
            running = self._become(running, RecordingStatus.PAUSED, "paused")
        return running.record

    def resume(self, recording: Id) -> RecordingRecord:
        """Go on writing."""
        running = self._running[recording]
        if running.record.status is RecordingStatus.PAUSED:
            running.capture.resume()
            running = self._become(running, RecordingStatus.IN_PROGRESS, "resumed")
        return running.record

    def stop(self, recording: Id) -> RecordingRecord:
        """End a recording by request; its file is finished in the background, and another may begin at once."""
        running = self._become(self._running[recording], RecordingStatus.STOPPED, "stopped")
        self._end(running)
        return running.record

    def end(self, recording: Id) -> None:
        """What it belongs to is over: end it, if it is under way, and tell only that it is complete."""
        running = self._running.get(recording)
        if running is not None:
            self._write(self._changed(running, RecordingStatus.PROCESSING))
            self._end(running)

    async def finish(self, recording: Id) -> RecordingRecord:
        """End a recording and wait until its file is whole; the facts about it, also of one that has ended before."""
        self.end(recording)
        return await asyncio.shield(self._ended[recording])

    async def finish_all(self) -> None:
        """End all recordings and wait until their files are whole."""
        for recording in tuple(self._running):
            self.end(recording)
        await asyncio.gather(*(asyncio.shield(task) for task in self._ended.values()))

    # -- inside ------------------------------------------------------------------------------------------------

    def _new(self, order: RecordingOrder) -> RecordingRecord:
        now, identity = self._services.clock.now(), new_id()
        recorded = self._recorded
        return RecordingRecord(
            id=identity,
            account=recorded.account,
            source=order.source,
            status=RecordingStatus.IN_PROGRESS,
            created=now,
            updated=now,
            call=recorded.call(),
            room=recorded.room,
            room_name=recorded.room_name,
            started=now,
            file=str(Path(recorded.account) / f"{identity}.wav"),
            track=order.track,
            trim=order.trim,
            name=order.name,
            tag=recorded.tag,
            format=order.wish.format if order.wish is not None else "wav",
        )

    def _changed(self, running: _Running, status: RecordingStatus) -> _Running:
        return replace(running, record=replace(running.record, status=status, updated=self._services.clock.now()))

    def _become(self, running: _Running, status: RecordingStatus, kind: RecordingKind) -> _Running:
        running = self._running[running.record.id] = self._changed(running, status)
        self._tell(running, kind)
        return running

    def _end(self, running: _Running) -> None:
        self._running.pop(running.record.id, None)
        task = asyncio.create_task(self._finish(running), name=f"recording-{running.record.id}")
        self._ended[running.record.id] = task

    async def _finish(self, running: _Running) -> RecordingRecord:
        try:
            result = await running.capture.stop()
            if isinstance(running.capture, SpeakerTracks):
                speakers = running.capture.speakers
                running = replace(running, record=replace(running.record, speakers=speakers, channels=max(1, len(speakers))))
            final = await finished(running.record, result, trim=running.order.trim, now=self._services.clock.now())
        except (HubbubError, OSError) as error:
            return self._failed(running.record, running.order, str(error))
        except Exception as error:  # a bug costs this recording, and is told
            log.exception("recording_not_finished", recording=running.record.id)
            return self._failed(running.record, running.order, f"internal error: {error!r}")
        if final.absent_reason:
            self._problem(
                final, running.order, f"recording-{final.absent_reason}", "warning", f"the recording is {final.absent_reason}: none is kept"
            )
        self._tell(replace(running, record=final), "absent" if final.status is RecordingStatus.ABSENT else "completed")
        wish, transcriber = running.order.wish, self._services.transcriber
        if wish is not None and wish.transcribe and transcriber is not None and final.status is RecordingStatus.COMPLETED:
            return transcriber.begin(final, wish, running.order.dialect)
        return final

    def _cut_short(self, running: _Running, why: str) -> None:
        """Nothing more can be written, be it the very last: its account is told now, and what there is becomes the recording."""
        self._problem(running.record, running.order, "recording-failed", "error", f"recording failed: {why}; what was written is kept")
        if running.record.id in self._running:
            self.end(running.record.id)

    def _failed(self, record: RecordingRecord, order: RecordingOrder, why: str) -> RecordingRecord:
        """The recording cannot be made, or not be finished: its account is told (law 6)."""
        now = self._services.clock.now()
        self._problem(record, order, "recording-failed", "error", f"recording failed: {why}")
        failed = replace(record, status=RecordingStatus.FAILED, ended=now, updated=now)
        self._record(failed, order, "failed")
        return failed

    def _problem(self, record: RecordingRecord, order: RecordingOrder, reason: str, level: Level, why: str) -> None:
        services = self._services
        code = services.render.refusal_code(order.dialect, reason)
        services.journal.report(Problem(record.account, code, level, why, record.call, record.room), services.clock.now())

    def _tell(self, running: _Running, kind: RecordingKind) -> None:
        self._record(running.record, running.order, kind)

    def _write(self, running: _Running) -> None:
        self._record(running.record, running.order, None)

    def _record(self, record: RecordingRecord, order: RecordingOrder, kind: RecordingKind | None) -> None:
        """Write a recording's row, and tell what happened to it, if that is to be told."""
        row = Put("recordings", record.id, recording_row(record, **remembered(order)))
        if kind is None:
            self.written = self._services.journal.write([row])
            return
        event = RecordingEvent(kind, record, record.updated, self._recorded.size())
        wish, dialect = order.wish, order.dialect
        notices = rendered(lambda: self._services.render.recording_notices(event, wish, dialect)) if wish is not None else []
        if kind == "completed" and wish is not None and wish.storage is not None:
            notices.append(_stored(record, wish.storage, dialect))
        self.written = self._services.journal.write([row], [event], notices)


def _stored(record: RecordingRecord, link: Link, dialect: str) -> Notice:
    """What puts the sound of a whole recording where somebody wants it."""
    return Notice(
        id=new_id(),
        lane=lane_of(str(record.room or record.call), link.url),
        account=record.account,
        face=dialect,
        method=link.method,
        url=link.url,
        fields={"file": record.file},
        kind="file",
        call=record.call,
        room=record.room,
        event="recording-storage",
        options={"username": link.username, "password": link.password},
    )


def remembered(order: RecordingOrder) -> dict[str, object]:
    """What is kept beside a recording, so that a server that is started after a crash can still finish it and tell about it."""
    return {"wish": kept(RecordingWish | None, order.wish), "dialect": order.dialect, "trim": order.trim}


async def finished(record: RecordingRecord, result: CaptureResult, *, trim: bool, now: float) -> RecordingRecord:
    """The facts about a recording that has ended; one in which nothing is heard, or that is too short, is absent, its file removed.

    MediaError or OSError when its file cannot be read.
    """
    seconds = result.seconds
    absent: Literal["", "short", "silent"] = "silent" if result.peak <= SILENT_PEAK else ""
    if seconds < SHORTEST_SECONDS:
        absent = "short"
    if trim and not absent:
        seconds = await asyncio.to_thread(trim_file, result.path)
        absent = "silent" if seconds < SHORTEST_SECONDS else ""
    if absent:
        result.path.unlink(missing_ok=True)
        return replace(record, status=RecordingStatus.ABSENT, seconds=0.0, ended=now, updated=now, size=0, absent_reason=absent)
    size = result.path.stat().st_size
    return replace(record, status=RecordingStatus.COMPLETED, seconds=seconds, ended=now, updated=now, size=size)


def salvaged(record: RecordingRecord, folder: Path, now: float, data: Mapping[str, Any]) -> RecordingRecord:
    """The facts about a recording whose server died while it was written: what its file holds. `data`: what was remembered beside it."""
    path = folder / record.file
    seconds, size = 0.0, 0
    with contextlib.suppress(OSError, EOFError, ValueError, wave.Error, HubbubError):
        if sheet_of(path).exists():
            speakers = speakers_of(path)
            record = replace(record, speakers=speakers, channels=max(1, len(speakers)))
            assemble(path)
        seconds, size = wav_seconds(path), path.stat().st_size
        if data.get("trim") and seconds >= SHORTEST_SECONDS:
            seconds, size = trim_file(path), path.stat().st_size
    if seconds < SHORTEST_SECONDS:
        return replace(record, status=RecordingStatus.ABSENT, seconds=0.0, ended=now, updated=now, size=0, absent_reason="short")
    return replace(record, status=RecordingStatus.COMPLETED, seconds=seconds, ended=now, updated=now, size=size)


def wav_seconds(path: Path) -> float:
    """How long a WAV is. OSError, EOFError or wave.Error when it is none."""
    with wave.open(str(path), "rb") as file:
        return file.getnframes() / file.getframerate()


def trim_file(path: Path) -> float:
    """Cut silence at both ends of a WAV, whatever its length, minute by minute; return its seconds."""
    with wave.open(str(path), "rb") as file:
        rate, count, channels = file.getframerate(), file.getnframes(), file.getnchannels()
        minutes = range(0, count, 60 * rate)
        first = next((found for begin in minutes if (found := _sound(file, begin, count)) is not None), None)
        if first is None:
            return 0.0
        last = next(found for begin in reversed(minutes) if (found := _sound(file, begin, count)) is not None)
        begin, end = first[0], last[1]
        if end - begin == count:
            return count / rate
        whole = path.with_suffix(".trim")
        with wave.open(str(whole), "wb") as out:
            out.setnchannels(channels)
            out.setsampwidth(2)
            out.setframerate(rate)
            file.setpos(begin)
            for at in range(begin, end, 60 * rate):
                out.writeframes(file.readframes(min(60 * rate, end - at)))
    whole.replace(path)
    return (end - begin) / rate


def _sound(file: wave.Wave_read, begin: int, count: int) -> tuple[int, int] | None:
    """Where sound begins and ends within the minute from `begin`, with a margin that may reach beyond it."""
    file.setpos(begin)
    rate, channels = file.getframerate(), file.getnchannels()
    samples = np.frombuffer(file.readframes(60 * rate), "<i2").reshape(-1, channels)
    found = sound_within(samples, rate)
    if found is None:
        return None
    margin = int(rate * MARGIN_SECONDS)
    return max(0, begin + found[0] - margin), min(count, begin + found[1] + margin)
