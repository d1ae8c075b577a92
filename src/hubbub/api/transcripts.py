"""The neutral operations behind REST for transcripts: a recording has one at most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hubbub.api.lists import page_of, stored
from hubbub.api.recordings import fetch_recording
from hubbub.api.request import Asked, Operation
from hubbub.conference.policy import RecordingWish
from hubbub.conference.rows import recording_row
from hubbub.dialects.tables import Page
from hubbub.errors import Refused
from hubbub.events import Link, RecordingRecord, RecordingStatus
from hubbub.storage.store import Condition, Put


async def list_transcripts(asked: Asked) -> Page:
    """Recordings that have a transcript: of the account, or that of one recording."""
    where: tuple[Condition, ...] = (
        Condition("data.record.transcript.status", "is null", False),
        Condition("status", "!=", RecordingStatus.DELETED.value),
    )
    if "recording" in asked.path:
        where += (Condition("id", "=", (await fetch_recording(asked)).id),)
    return await page_of(asked, "recordings", RecordingRecord, where)


async def fetch_transcript(asked: Asked) -> RecordingRecord:
    """The recording whose transcript it is. Raises Refused (not-found)."""
    if "transcript" in asked.path:
        found = await stored(asked, "recordings", RecordingRecord, asked.identity("transcript"))
    else:
        found = await fetch_recording(asked)
    if found.transcript is None or found.status is RecordingStatus.DELETED:
        raise Refused("not-found")
    return found


async def create_transcript(asked: Asked) -> RecordingRecord:
    """Transcribe a recording that is whole; one that is under way already goes on. Raises Refused (not-found, recording-live)."""
    recording = await fetch_recording(asked)
    if recording.status is not RecordingStatus.COMPLETED:
        raise Refused("recording-live")
    if recording.transcript is not None and recording.transcript.status == "in-progress":
        return recording
    values = asked.values
    link = None
    if values.get("transcript_url"):
        method, seconds = values.get("transcript_method", "POST"), values.get("transcript_timeout")
        link = Link(values["transcript_url"], method, values.get("username", ""), values.get("password", ""), seconds)
    return asked.hub.services.transcriber.begin(recording, RecordingWish(transcript_link=link), asked.face.dialect.name)


async def delete_transcript(asked: Asked) -> None:
    """Forget what was said; the recording stays."""
    found = await fetch_transcript(asked)
    await asked.store.commit(Put("recordings", found.id, recording_row(replace(found, transcript=None))))


OPERATIONS: Mapping[str, Operation] = {
    operation.__name__: operation for operation in (list_transcripts, fetch_transcript, create_transcript, delete_transcript)
}
