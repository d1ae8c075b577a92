"""Transcripts: what a stopped server left in progress has failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from hubbub.clock import ManualClock
from hubbub.conference import transcription as module
from hubbub.conference.policy import RecordingWish
from hubbub.conference.rows import from_row, recording_row
from hubbub.conference.transcription import Transcriber, read_wide
from hubbub.events import RecordingRecord, RecordingStatus, Transcript
from hubbub.ids import Id
from hubbub.media.recorder import wav_header
from hubbub.speech.recognition import RATE, Recognition, Understood
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


@dataclass
class Waiting:
    """Understanding that waits until it may go on, and counts who waits with it."""

    failing: bool = False
    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: int = 0

    def check(self, language: str) -> None:
        if self.failing:
            raise MemoryError("a bug, or too little memory")

    async def understand(self, sound: Any) -> Understood:
        self.begun += 1
        await self.go.wait()
        return Understood("hello", 0.5)


async def transcribed(store: Store, recognition: Waiting, folder: Path, count: int) -> Transcriber:
    def write(changes: Any, *more: Any) -> None:
        writing.append(asyncio.ensure_future(store.commit(*changes)))

    writing: list[Any] = []
    render = SimpleNamespace(refusal_code=lambda dialect, reason: "1")
    journal = SimpleNamespace(write=write, report=lambda problem, now: None, caught_up=lambda: asyncio.sleep(0))
    parts = (cast(Any, recognition), store, cast(Any, journal), cast(Any, render), ManualClock(), folder)
    transcriber = Transcriber(*parts)
    for n in range(count):
        record = replace(recording(Id(f"{n:032}"), None), file="a.wav")
        transcriber.begin(record, RecordingWish(), "any")
    return transcriber


async def statuses(store: Store, count: int, wanted: str) -> None:
    async with asyncio.timeout(10):
        while True:
            rows = [await store.get("recordings", Id(f"{n:032}")) for n in range(count)]
            found = [from_row(RecordingRecord, row).transcript for row in rows if row is not None]
            if [each.status for each in found if each is not None] == [wanted] * count:
                return
            await asyncio.sleep(0)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    made = Store("sqlite:///:memory:", clock=ManualClock())
    await made.open()
    yield made
    await made.close()


async def test_whatever_fails_it_does_not_stay_in_progress(store: Store, tmp_path: Path) -> None:
    """What is in progress cannot be asked for again."""
    await transcribed(store, Waiting(failing=True), tmp_path, 1)
    await statuses(store, 1, "failed")


async def test_few_recordings_are_in_memory_at_a_time(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recognition, loaded = Waiting(), []
    tone = (8000 * np.sin(np.arange(RATE) / 5)).astype(np.int16)
    monkeypatch.setattr(module, "read_wide", lambda file: loaded.append(file) or tone)
    monkeypatch.setattr(module, "pieces", lambda sound, rate: [(0.0, 1.0)])
    await transcribed(store, recognition, tmp_path, 5)
    async with asyncio.timeout(10):
        while recognition.begun < module.AT_A_TIME:
            await asyncio.sleep(0)
    assert len(loaded) == module.AT_A_TIME
    recognition.go.set()
    await statuses(store, 5, "completed")
    assert len(loaded) == 5


def test_a_long_one_is_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seams are not heard."""
    tone = (8000 * np.sin(np.arange(24000) / 7)).astype("<i2")
    (tmp_path / "a.wav").write_bytes(wav_header(1, 8000, tone.nbytes) + tone.tobytes())
    whole = read_wide(tmp_path / "a.wav")
    monkeypatch.setattr(module, "PIECE", 1)
    parts = read_wide(tmp_path / "a.wav")
    assert len(parts) == len(whole) == 48000
    assert np.abs(parts.astype(int) - whole).max() <= 1


def test_two_channels_are_summed_and_widened(tmp_path: Path) -> None:
    samples = b"".join(n.to_bytes(2, "little", signed=True) for _ in range(800) for n in (1000, 500))
    (tmp_path / "a.wav").write_bytes(wav_header(2, 8000, len(samples)) + samples)
    wide = read_wide(tmp_path / "a.wav")
    assert len(wide) == 1600
    assert wide[800] == pytest.approx(1500, abs=5)
