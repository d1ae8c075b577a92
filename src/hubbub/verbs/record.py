"""Record: what the caller says, until silence, a key, the limit or the end of the call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubbub.conference.policy import RecordingOrder
from hubbub.conference.recording import Recorder
from hubbub.events import RecordingStatus
from hubbub.ids import Id
from hubbub.media import tones
from hubbub.verbs.capture import Record, RecordingEnd
from hubbub.verbs.program import Outcome

if TYPE_CHECKING:
    from hubbub.calls.call import Call
    from hubbub.verbs.handlers import CallShell


async def perform(shell: CallShell, verb: Record) -> Outcome:
    """Record; Outcome `done` with `recording` and `finish` (the key, `silence`, `limit`, or `hangup`)."""
    if verb.beep:
        await shell.services.sound(shell.session.leg).play(tones.beep_enter())
    recorder = shell.session.call.recorder
    order = RecordingOrder("verb", shell.session.dialect.name, verb.track, trim=verb.trim, wish=verb.notices, name=verb.name)
    started = recorder.start(order)
    if started.status is RecordingStatus.FAILED:
        return Outcome("failed", "recording-failed", {"finish": ""})
    finish = "hangup"
    try:
        finish = await until_end(shell.session.call, verb.until)
    except asyncio.CancelledError:
        shell.interrupted = await asyncio.shield(_finish(recorder, started.id, finish))
        raise
    return await _finish(recorder, started.id, finish)


async def until_end(call: Call, until: RecordingEnd) -> str:
    """Wait for whatever ends a recording of a leg first; return what it was: the key, `silence` or `limit`."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[str] = loop.create_future()

    def finish(why: str) -> None:
        if not ended.done():
            ended.set_result(why)

    def silent_for(seconds: float) -> asyncio.TimerHandle | None:
        return loop.call_later(seconds, finish, "silence") if seconds else None

    silence = silent_for(until.first_silence_seconds)
    limit = loop.call_later(until.max_seconds, finish, "limit") if until.max_seconds else None

    def spoke(started: bool) -> None:
        nonlocal silence
        if silence is not None:
            silence.cancel()
        silence = None if started else silent_for(until.silence_seconds)

    def pressed(digit: str) -> None:
        if digit in until.finish_on:
            finish(digit)

    call.leg.speech_beside.add(spoke)
    call.keys_beside.add(pressed)
    try:
        return await ended
    finally:
        call.leg.speech_beside.discard(spoke)
        call.keys_beside.discard(pressed)
        for timer in (limit, silence):
            if timer is not None:
                timer.cancel()


async def _finish(recorder: Recorder, recording: Id, finish: str) -> Outcome:
    final = await recorder.finish(recording)
    if final.status is RecordingStatus.FAILED:
        return Outcome("failed", "recording-failed", {"finish": ""})
    return Outcome("done", "", {"recording": final, "finish": finish})
