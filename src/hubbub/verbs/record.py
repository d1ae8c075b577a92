"""Record: what the caller says, until silence, a key, the limit or the end of the call."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubbub.conference.recording import RATE, SHORTEST_SECONDS, trim_file
from hubbub.conference.rows import recording_row
from hubbub.events import RecordingEvent, RecordingKind, RecordingRecord, RecordingStatus
from hubbub.ids import new_id
from hubbub.media import tones
from hubbub.media.client import Capture, Tap
from hubbub.storage.store import Put
from hubbub.verbs.model import Outcome, Record

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell


async def perform(shell: CallShell, verb: Record) -> Outcome:
    """Record; Outcome `done` with `recording` and `finish` (the key, `silence`, `limit`, or `hangup`)."""
    if verb.beep:
        await shell.services.sound(shell.session.leg).play(tones.beep_enter())
    services = shell.services
    now = services.clock.now()
    identity = new_id()
    file = Path(shell.call.account) / f"{identity}.wav"
    path = services.recordings / file
    path.parent.mkdir(parents=True, exist_ok=True)
    recording = RecordingRecord(
        id=identity,
        account=shell.call.account,
        source="verb",
        status=RecordingStatus.IN_PROGRESS,
        created=now,
        updated=now,
        call=shell.call.id,
        started=now,
        file=str(file),
    )
    capture = services.media.record(path, [Tap("leg_in", shell.session.leg)], rate=RATE)
    finish = "hangup"
    try:
        finish = await _until_end(shell, verb)
    except asyncio.CancelledError:
        shell.interrupted = await asyncio.shield(_finish(shell, verb, recording, capture, finish))
        raise
    return await _finish(shell, verb, recording, capture, finish)


async def _until_end(shell: CallShell, verb: Record) -> str:
    """Wait for whatever ends the recording first; return what it was."""
    call, leg = shell.session.call, shell.session.leg
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def finish(why: str) -> None:
        if not ended.done():
            ended.set_result(why)

    silence = loop.call_later(verb.silence_seconds, finish, "silence") if verb.silence_seconds else None
    limit = loop.call_later(verb.max_seconds, finish, "limit")

    def spoke(started: bool) -> None:
        nonlocal silence
        if silence is not None:
            silence.cancel()
            silence = loop.call_later(verb.silence_seconds if not started else verb.max_seconds, finish, "silence")

    leg.on_speech = spoke
    call.on_digit = lambda digit: finish(digit) if digit in verb.finish_on else None
    try:
        return await ended
    finally:
        leg.on_speech = None
        call.on_digit = None
        limit.cancel()
        if silence is not None:
            silence.cancel()


async def _finish(shell: CallShell, verb: Record, recording: RecordingRecord, capture: Capture, finish: str) -> Outcome:
    result = await capture.stop()
    seconds = result.seconds
    if verb.trim and result.peak:
        seconds = await asyncio.to_thread(trim_file, result.path)
    now = shell.services.clock.now()
    absent = not result.peak or seconds < SHORTEST_SECONDS
    final = replace(
        recording,
        status=RecordingStatus.ABSENT if absent else RecordingStatus.COMPLETED,
        seconds=0.0 if absent else seconds,
        ended=now,
        updated=now,
        absent_reason=("short" if result.peak else "silent") if absent else "",
        size=result.path.stat().st_size if not absent else 0,
    )
    if absent:
        result.path.unlink(missing_ok=True)
    _tell(shell, verb, final, now)
    details: dict[str, Any] = {"recording": final, "finish": finish}
    return Outcome("done", "", details)


def _tell(shell: CallShell, verb: Record, recording: RecordingRecord, now: float) -> None:
    kind: RecordingKind = "absent" if recording.status is RecordingStatus.ABSENT else "completed"
    event = RecordingEvent(kind, recording, now)
    services = shell.services
    notices = services.render.recording_notices(event, verb.notices, shell.call.dialect) if verb.notices else []
    services.journal.write([Put("recordings", recording.id, recording_row(recording))], [event], notices)
