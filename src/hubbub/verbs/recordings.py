"""Recordings beside everything else: started, paused, resumed and stopped by a document, on a call or in a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.conference.policy import RecordingOrder
from hubbub.conference.recording import Recorder
from hubbub.events import RecordingSource, RecordingStatus
from hubbub.verbs.model import Outcome, PauseRecording, ResumeRecording, StartRecording, StopRecording

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell


async def start(shell: CallShell, verb: StartRecording) -> Outcome:
    """Record the leg; Outcome `done` with `recording`, or `failed`."""
    if verb.only_one and shell.session.call.recorder.named(""):
        return Outcome()
    started = shell.session.call.recorder.start(ordered(verb, shell.session.dialect.name))
    details = {"recording": started}
    return Outcome("failed", "recording-failed", details) if started.status is RecordingStatus.FAILED else Outcome(details=details)


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
