"""The forms of a recording: WAV as it is, MP3, one channel or two."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from hubbub.api.media import MEDIA_TYPES, forget_renditions, rendition


def recorded(folder: Path, channels: int) -> Path:
    samples = np.zeros((16_000, channels), "<i2")
    samples[:, 0] = 1000
    path = folder / "r.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    return path


MPEG_2_5_LAYER_3 = (0, 8, 16, 24, 32, 40, 48, 56, 64)
"""kbit/s by the index in a frame's header (ISO 13818-3), as far as it is used here."""


@pytest.mark.parametrize(("channels", "kbits"), [(1, 32), (2, 64)])
async def test_an_mp3_has_32_kbits_a_channel(tmp_path: Path, channels: int, kbits: int) -> None:
    """5.7: "`.mp3` → `audio/mpeg` 32 kbit/s"."""
    file = await rendition(recorded(tmp_path, channels), "mp3")
    head = file.read_bytes()[:4]
    assert head[0] == 0xFF
    assert head[1] & 0xFE == 0xE2, "MPEG 2.5 layer 3: 8 kHz"
    assert MPEG_2_5_LAYER_3[head[2] >> 4] == kbits
    assert MEDIA_TYPES["mp3"] == "audio/mpeg"


async def test_a_wav_is_128_kbits(tmp_path: Path) -> None:
    """5.7: "default and `.wav` → `audio/x-wav` 128 kbit/s (8 kHz 16-bit mono)"; one channel of two is their sum."""
    with wave.open(str(await rendition(recorded(tmp_path, 1), "wav"))) as file:
        assert file.getframerate() * file.getsampwidth() * 8 * file.getnchannels() == 128_000
    assert MEDIA_TYPES["wav"] == "audio/x-wav"
    both = recorded(tmp_path, 2)
    with wave.open(str(await rendition(both, "wav", mono=True))) as file:
        assert (file.getnchannels(), set(np.frombuffer(file.readframes(100), "<i2"))) == (1, {1000})
    forget_renditions(both)
    assert list(tmp_path.iterdir()) == []
