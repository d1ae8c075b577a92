"""Transcripts: what a stopped server left in progress has failed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.clock import ManualClock
from hubbub.conference.rows import from_row, recording_row
from hubbub.conference.transcription import Transcriber, read_wide
from hubbub.events import RecordingRecord, RecordingStatus, Transcript
from hubbub.ids import Id
from hubbub.media.recorder import wav_header
from hubbub.speech.recognition import Recognition
from hubbub.storage.store import Put, Store

NONE, LEFT, DONE = (Id(digit * 32) for digit in "123")


def recording(identity: Id, transcript: Transcript | None) -> RecordingRecord:
    return RecordingRecord(identity, "dev", "verb", RecordingStatus.COMPLETED, 1.0, 1.0, transcript=transcript)


async def test_left_in_progress() -> None:
    store = Store("sqlite:///:memory:", clock=ManualClock())
    await store.open()
    written: list[Any] = []
    journal = SimpleNamespace(write=lambda changes, *more: written.extend(changes))
    transcriber = Transcriber(Recognition(0), store, cast(Any, journal), cast(Any, None), ManualClock(), Path("recordings"))
    done = Transcript("completed", 1.0, "hello", 0.5, 2.0)
    for record in (recording(NONE, None), recording(LEFT, Transcript("in-progress", 1.0)), recording(DONE, done)):
        await store.commit(Put("recordings", record.id, recording_row(record)))
    assert await transcriber.recover() == 1
    await store.commit(*written)
    found = {identity: from_row(RecordingRecord, cast(Any, await store.get("recordings", identity))) for identity in (NONE, LEFT, DONE)}
    assert found[NONE].transcript is None
    assert found[DONE].transcript == done
    left = found[LEFT].transcript
    assert left is not None
    assert (left.status, left.text) == ("failed", "")
    await store.close()


def test_two_channels_are_summed_and_widened(tmp_path: Path) -> None:
    samples = b"".join(n.to_bytes(2, "little", signed=True) for _ in range(800) for n in (1000, 500))
    (tmp_path / "a.wav").write_bytes(wav_header(2, 8000, len(samples)) + samples)
    wide = read_wide(tmp_path / "a.wav")
    assert len(wide) == 1600
    assert wide[800] == pytest.approx(1500, abs=5)
