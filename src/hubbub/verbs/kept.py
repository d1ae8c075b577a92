"""Recordings of this server that its documents play: the audio is taken from the disk, not asked for over HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubbub.conference.rows import from_row
from hubbub.errors import MediaError
from hubbub.events import RecordingRecord, RecordingStatus
from hubbub.media.audiofile import decode
from hubbub.media.tones import Pcm

if TYPE_CHECKING:
    from hubbub.verbs.services import VerbServices


async def recorded(services: VerbServices, account: str, url: str) -> Pcm | None:
    """The audio of an account's own recording behind one of this server's URLs; None where the URL is no such thing.

    Raises MediaError where the file cannot be read.
    """
    if services.store is None:
        return None
    found = (dialect.recording_of(url) for dialect in services.dialects.values())
    identity = next((each for each in found if each is not None), None)
    row = await services.store.get("recordings", identity) if identity is not None else None
    if row is None or row["account"] != account:
        return None
    recording = from_row(RecordingRecord, row)
    if recording.status is not RecordingStatus.COMPLETED:
        return None
    try:
        body = await asyncio.to_thread((services.recordings / recording.file).read_bytes)
    except OSError as error:
        raise MediaError(f"the recording cannot be read: {error.strerror}") from error
    return await decode(body, "audio/wav")
