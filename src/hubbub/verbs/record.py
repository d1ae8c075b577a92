"""Record: what the caller says, until silence, a key, the limit or the end of the call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubbub.conference.policy import RecordingOrder
from hubbub.conference.recording import Recorder
from hubbub.events import RecordingStatus
from hubbub.ids import Id
from hubbub.media import tones
from hubbub.verbs.model import Outcome, Record

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell


async def perform(shell: CallShell, verb: Record) -> Outcome:
    """Record; Outcome `done` with `recording` and `finish` (the key, `silence`, `limit`, or `hangup`)."""
    if verb.beep:
        await shell.services.sound(shell.session.leg).play(tones.beep_enter())
    recorder = shell.session.call.recorder
    order = RecordingOrder("verb", shell.session.dialect.name, "inbound", trim=verb.trim, wish=verb.notices, name=verb.name)
    started = recorder.start(order)
    if started.status is RecordingStatus.FAILED:
        return Outcome("failed", "recording-failed", {"finish": ""})
    finish = "hangup"
    try:
        finish = await _until_end(shell, verb)
    except asyncio.CancelledError:
        shell.interrupted = await asyncio.shield(_finish(recorder, started.id, finish))
        raise
    return await _finish(recorder, started.id, finish)


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


async def _finish(recorder: Recorder, recording: Id, finish: str) -> Outcome:
    final = await recorder.finish(recording)
    if final.status is RecordingStatus.FAILED:
        return Outcome("failed", "recording-failed", {"finish": ""})
    return Outcome("done", "", {"recording": final, "finish": finish})
