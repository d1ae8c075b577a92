"""The audio of recordings as clients ask for it: as it is, in one channel, as MP3 (which has two channels at most).

Each form is made once and kept beside the recording.
"""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lameenc
import numpy as np

from hubbub.ids import new_id

MEDIA_TYPES: Mapping[str, str] = {"wav": "audio/x-wav", "mp3": "audio/mpeg"}
MP3_KBITS = 32
"""For each channel."""
BLOCK = 65_536
"""Samples that are rendered at a time."""


async def rendition(file: Path, kind: str, *, mono: bool = False) -> Path:
    """The file that holds a recording as `kind` (`wav`, `mp3`), with `mono` its channels summed. OSError where there is no recording."""
    return await asyncio.to_thread(_rendition, file, kind, mono)


def forget_renditions(file: Path) -> None:
    """Remove a recording's audio in all its forms."""
    for path in [file, *file.parent.glob(f"{file.stem}.*")]:
        path.unlink(missing_ok=True)


def _rendition(file: Path, kind: str, mono: bool) -> Path:
    with wave.open(str(file), "rb") as source:
        mono = (mono and source.getnchannels() > 1) or (kind == "mp3" and source.getnchannels() > 2)
        if kind == "wav" and not mono:
            return file
        target = file.with_name(f"{file.stem}{'.mono' if mono else ''}.{kind}")
        if target.exists():
            return target
        part = target.with_name(f"{target.name}.{new_id()}")  # nobody ever gets half of it
        try:
            (_write_mp3 if kind == "mp3" else _write_wav)(source, part, mono)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return target


def _write_wav(source: wave.Wave_read, part: Path, mono: bool) -> None:
    with wave.open(str(part), "wb") as out:
        out.setnchannels(1 if mono else source.getnchannels())
        out.setsampwidth(2)
        out.setframerate(source.getframerate())
        while block := _block(source, mono):
            out.writeframes(block)


def _write_mp3(source: wave.Wave_read, part: Path, mono: bool) -> None:
    channels = 1 if mono else source.getnchannels()
    encoder: Any = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(channels)
    encoder.set_bit_rate(MP3_KBITS * channels)
    encoder.set_in_sample_rate(source.getframerate())
    encoder.set_out_sample_rate(source.getframerate())
    encoder.set_quality(5)
    with part.open("wb") as out:
        while block := _block(source, mono):
            out.write(encoder.encode(block))
        out.write(encoder.flush())


def _block(source: wave.Wave_read, mono: bool) -> bytes:
    raw = source.readframes(BLOCK)
    if not mono:
        return raw
    samples = np.frombuffer(raw, "<i2").reshape(-1, source.getnchannels()).astype(np.int32)
    return bytes(np.clip(samples.sum(axis=1), -32768, 32767).astype("<i2").tobytes())
