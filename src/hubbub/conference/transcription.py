"""Transcripts of recordings: what was said, understood after the recording is whole."""

from __future__ import annotations

import asyncio
import wave
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soxr
import structlog

from hubbub.clock import Clock
from hubbub.conference.journal import Journal, Renderer, rendered
from hubbub.conference.policy import RecordingWish
from hubbub.conference.rows import from_row, recording_row
from hubbub.events import Problem, RecordingEvent, RecordingRecord, RecordingStatus, Transcript
from hubbub.speech.recogniser import Pcm
from hubbub.speech.recognition import RATE, Recognition, RecognitionFailed
from hubbub.speech.turns import pieces
from hubbub.storage.store import Condition, Put, Query, Store
from hubbub.tasks import spawn

log = structlog.get_logger()

AT_A_TIME: Final = 2
"""Recordings that are held in memory: an hour is 115 MB."""
PIECE: Final = 60
"""Seconds that are read at a time."""


@dataclass(frozen=True)
class Transcriber:
    """Transcribes recordings in the background; each waits for a recogniser."""

    recognition: Recognition
    store: Store
    journal: Journal
    render: Renderer
    clock: Clock
    folder: Path
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_A_TIME))

    def begin(self, recording: RecordingRecord, wish: RecordingWish, dialect: str) -> RecordingRecord:
        """Begin with a whole recording; the recording with a transcript that is in progress."""
        now = self.clock.now()
        begun = replace(recording, transcript=Transcript("in-progress", now))
        self.journal.write([Put("recordings", begun.id, recording_row(begun))])
        spawn(self._transcribe(begun, wish, dialect), f"transcript-{recording.id}")
        return begun

    async def recover(self) -> int:
        """Transcripts that a server left in progress have failed; returns how many."""
        rows = await self.store.find(Query("recordings", (Condition("data.record.transcript.status", "=", "in-progress"),)))
        for record in (from_row(RecordingRecord, row) for row in rows):
            assert record.transcript is not None
            failed = replace(record, transcript=replace(record.transcript, status="failed", ended=self.clock.now()))
            self.journal.write([Put("recordings", failed.id, recording_row(failed))])
            log.warning("transcript_lost", recording=record.id)
        return len(rows)

    async def _transcribe(self, recording: RecordingRecord, wish: RecordingWish, dialect: str) -> None:
        try:
            self.recognition.check(wish.transcript_language)
            async with self._room:
                text, confidence = await self._understood(self.folder / recording.file)
            found = Transcript("completed", recording.updated, text, confidence, self.clock.now())
        except Exception as error:  # whatever it is, a transcript that stays in progress could never be asked for again
            if not isinstance(error, (RecognitionFailed, OSError, EOFError, wave.Error)):
                log.exception("transcription_failed", recording=recording.id)
            code = self.render.refusal_code(dialect, "recognition")
            text = f"the recording cannot be transcribed: {error}"
            self.journal.report(Problem(recording.account, code, "error", text, recording.call, recording.room), self.clock.now())
            found = Transcript("failed", recording.updated, ended=self.clock.now())
        await self._keep(recording, replace(found, created=recording.transcript.created if recording.transcript else 0.0), wish, dialect)

    async def _keep(self, recording: RecordingRecord, transcript: Transcript, wish: RecordingWish, dialect: str) -> None:
        """Keep it with the recording, as that is by now, and tell whoever asked; one that was deleted meanwhile has none."""
        await self.journal.caught_up()  # its own beginning is among what is to be read
        row = await self.store.get("recordings", recording.id)
        if row is None:
            return
        record = from_row(RecordingRecord, row)
        if record.status is RecordingStatus.DELETED or record.transcript is None:
            return
        kept = replace(record, transcript=transcript)
        event = RecordingEvent("transcribed", kept, self.clock.now())
        notices = rendered(lambda: self.render.recording_notices(event, wish, dialect)) if wish.transcript_link is not None else []
        self.journal.write([Put("recordings", kept.id, recording_row(kept))], [event], notices)

    async def _understood(self, file: Path) -> tuple[str, float]:
        """The words of all pieces in which somebody speaks, and how sure they are: weighed by their length."""
        sound = await asyncio.to_thread(read_wide, file)
        spans = await asyncio.to_thread(lambda: list(pieces(sound, RATE)))
        texts, sure, words = [], 0.0, 0
        for begin, end in spans:
            found = await self.recognition.understand(sound[int(begin * RATE) : int(end * RATE)])
            if found.text:
                count = len(found.text.split())
                texts.append(found.text)
                sure, words = sure + count * found.confidence, words + count
        return " ".join(texts), round(sure / words, 4) if words else 0.0


def read_wide(file: Path) -> Pcm:
    """The sound of a WAV, its channels summed, at 16 kHz. OSError, EOFError or wave.Error."""
    found: list[Pcm] = []
    with wave.open(str(file), "rb") as source:
        rate, channels = source.getframerate(), source.getnchannels()
        resample = soxr.ResampleStream(rate, RATE, 1, dtype="float32")
        while raw := source.readframes(PIECE * rate):
            samples = np.frombuffer(raw, "<i2").reshape(-1, channels).astype(np.float32).sum(axis=1)
            found.append(_rounded(resample.resample_chunk(samples)))
        found.append(_rounded(resample.resample_chunk(np.zeros(0, np.float32), last=True)))
    return np.concatenate(found)


def _rounded(samples: npt.NDArray[np.float32]) -> Pcm:
    return np.asarray(np.clip(np.rint(samples), -32768, 32767), dtype=np.int16)
