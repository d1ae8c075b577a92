"""Recordings beside everything else: started, paused, resumed and stopped by a document, on a call or in a room."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubbub.conference.policy import RecordingOrder
from hubbub.conference.recording import Recorder
from hubbub.events import RecordingSource, RecordingStatus
from hubbub.ids import Id
from hubbub.media import tones
from hubbub.tasks import spawn
from hubbub.verbs.capture import PauseRecording, RecordingEnd, ResumeRecording, StartRecording, StopRecording
from hubbub.verbs.program import Outcome
from hubbub.verbs.record import until_end

if TYPE_CHECKING:
    from hubbub.calls.call import Call
    from hubbub.verbs.handlers import CallShell


async def start(shell: CallShell, verb: StartRecording) -> Outcome:
    """Record the leg; Outcome `done` with `recording`, or `failed`."""
    if verb.only_one and shell.session.call.recorder.named(""):
        return Outcome()
    call = shell.session.call
    if verb.beep:
        await shell.services.sound(shell.session.leg).play(tones.beep_enter())
    started = call.recorder.start(ordered(verb, shell.session.dialect.name))
    if started.status is not RecordingStatus.FAILED and verb.until != RecordingEnd():
        spawn(_end_in_time(call, started.id, verb.until), f"recording-end-{started.id}")
    details = {"recording": started}
    return Outcome("failed", "recording-failed", details) if started.status is RecordingStatus.FAILED else Outcome(details=details)


async def _end_in_time(call: Call, recording: Id, until: RecordingEnd) -> None:
    """End it by a key, by silence or by its limit, unless it or its call ends before."""
    ending = asyncio.ensure_future(until_end(call, until))
    try:
        while recording in call.recorder.named("") and not call.over:
            if (await asyncio.wait({ending}, timeout=LOOK_SECONDS))[0]:
                call.recorder.end(recording)
                return
    finally:
        ending.cancel()


LOOK_SECONDS = 1.0
"""Between two looks whether a recording is still under way."""


def ordered(verb: StartRecording, dialect: str, source: RecordingSource = "document") -> RecordingOrder:
    """What a document's verb asks for."""
    return RecordingOrder(source, dialect, verb.track, verb.channels, verb.trim, verb.notices, verb.name)


async def act(shell: CallShell, verb: StopRecording | PauseRecording | ResumeRecording) -> Outcome:
    """Stop, pause or resume what is recorded of the leg."""
    act_on(shell.session.call.recorder, verb)
    return Outcome()


def act_on(recorder: Recorder, verb: StopRecording | PauseRecording | ResumeRecording) -> None:
    """Stop, pause or resume the recordings that a verb names."""
    for recording in recorder.named(verb.name):
        match verb:
            case StopRecording():
                recorder.stop(recording)
            case PauseRecording():
                recorder.pause(recording, keep_silence=verb.keep_silence)
            case ResumeRecording():
                recorder.resume(recording)
