"""Record: what the caller says, until silence, a key, the limit or the end of the call."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubbub.conference.recording import RATE, finished, remembered
from hubbub.conference.rows import recording_row
from hubbub.errors import HubbubError
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
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        capture = services.media.record(path, [Tap("leg_in", shell.session.leg)], rate=RATE)
    except (HubbubError, OSError) as error:
        return _failed(shell, verb, recording, str(error))
    _tell(shell, verb, recording, "in-progress")
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
    try:
        result = await capture.stop()
        final = await finished(recording, result, trim=verb.trim, silent_peak=0, now=shell.services.clock.now())
    except (HubbubError, OSError) as error:
        return _failed(shell, verb, recording, str(error))
    _tell(shell, verb, final, "absent" if final.status is RecordingStatus.ABSENT else "completed")
    details: dict[str, Any] = {"recording": final, "finish": finish}
    return Outcome("done", "", details)


def _failed(shell: CallShell, verb: Record, recording: RecordingRecord, why: str) -> Outcome:
    now = shell.services.clock.now()
    shell.session.report(
        shell.session.dialect.refusal_code("recording-failed"), f"recording failed: {why}", level="error", line=verb.at.line
    )
    _tell(shell, verb, replace(recording, status=RecordingStatus.FAILED, ended=now, updated=now), "failed")
    return Outcome("failed", why, {"finish": ""})


def _tell(shell: CallShell, verb: Record, recording: RecordingRecord, kind: RecordingKind) -> None:
    now = recording.updated
    event = RecordingEvent(kind, recording, now)
    services = shell.services
    notices = services.render.recording_notices(event, verb.notices, shell.call.dialect) if verb.notices else []
    row = recording_row(recording, **remembered(verb.notices, shell.call.dialect))
    services.journal.write([Put("recordings", recording.id, row)], [event], notices)
