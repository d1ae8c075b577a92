"""Files of strangers: what is audio is heard, what is not is a MediaError that says why."""

import asyncio
import errno
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hubbub.errors import MediaError
from hubbub.media import audiofile, tones

TONE = tones.sine(440, 1.5, -12)


def encoded(container: str, subtype: str | None, rate: int, channels: int = 1) -> bytes:
    frames = np.stack([audiofile.resample(TONE, tones.RATE, rate)] * channels, axis=1)
    file = io.BytesIO()
    soundfile.write(file, frames / np.float32(32768), rate, format=container, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(
    ("container", "subtype", "rate", "channels", "content_type"),
    [
        ("WAV", "PCM_16", 8000, 2, "audio/wav"),
        ("WAV", "PCM_24", 48_000, 1, ""),
        ("WAV", "ULAW", 8000, 1, "audio/x-wav"),
        ("WAV", "ALAW", 8000, 1, "audio/basic"),  # the bytes go before the type
        ("WAV", "GSM610", 8000, 1, ""),
        ("MP3", None, 44_100, 2, "audio/mpeg"),
        ("OGG", "VORBIS", 44_100, 1, ""),
        ("OGG", "OPUS", 48_000, 1, ""),
        ("FLAC", None, 16_000, 1, ""),
        ("AIFF", None, 22_050, 1, "audio/aiff"),
        ("AU", "ULAW", 8000, 1, "audio/basic"),
        ("RAW", "ULAW", 8000, 1, "audio/basic; charset=binary"),
        ("RAW", "GSM610", 8000, 1, "audio/x-gsm"),
    ],
)
async def test_decodes(container: str, subtype: str | None, rate: int, channels: int, content_type: str) -> None:
    pcm = await audiofile.decode(encoded(container, subtype, rate, channels), content_type)
    assert pcm.dtype == np.int16
    assert len(pcm) == pytest.approx(len(TONE), abs=1600)
    spectrum = np.abs(np.fft.rfft(pcm[4000:20_000] * np.hanning(16_000)))
    assert int(np.argmax(spectrum)) == 440
    assert 20 * np.log10(spectrum.max() / 4000 / 32767) == pytest.approx(-12, abs=0.5)
    assert np.abs(np.diff(pcm[1600:-4000].astype(int), 2)).max() < 700, "no seam between the portions of one second"


async def test_an_mp3_without_its_first_half_still_plays() -> None:
    data = encoded("MP3", None, 44_100)
    assert len(await audiofile.decode(data[len(data) // 2 + 7 :])) > 6000
    assert len(await audiofile.decode(data[: len(data) // 2 + 7])) > 6000


@pytest.mark.parametrize(
    ("data", "content_type", "reason"),
    [
        (b"", "audio/wav", "empty"),
        (b"<!DOCTYPE html><html>404</html>", "audio/mpeg", "document"),
        (b'{"error": 1}', "", "document"),
        (b"\0\0\0\x20ftypM4A " + bytes(200), "audio/mp4", "MPEG-4.*offer WAV"),
        (bytes(4000), "audio/wav", "not recognised"),
        (b"RIFF\0\0\0\0WAVE", "audio/wav", "cannot be read"),
        (b"\xff\xfb\x90\x44" + bytes(3000), "audio/mpeg", "cannot be read"),
        (b"OggS" + bytes(range(256)) * 20, "", "cannot be read"),
    ],
)
async def test_garbage_is_named(data: bytes, content_type: str, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        await audiofile.decode(data, content_type)


async def test_long_audio_is_cut() -> None:
    assert len(await audiofile.decode(encoded("WAV", "PCM_16", 8000), limit_seconds=0.5)) == 8000


async def test_a_small_file_cannot_fill_memory() -> None:
    """FLAC of silence: 20 kB that claim hours."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(8000 * 1800, np.int16), 8000, format="FLAC")
    assert len(await audiofile.decode(file.getvalue(), limit_seconds=60)) == 60 * 16_000


def test_own_wav(tmp_path: Path) -> None:
    audiofile.write_wav(tmp_path / "mono.wav", TONE, 16_000)
    pcm, rate = audiofile.read_wav(tmp_path / "mono.wav")
    assert rate == 16_000
    assert np.array_equal(pcm, TONE)
    both = np.stack([TONE, -TONE], axis=1)
    audiofile.write_wav(tmp_path / "stereo.wav", both, 8000)
    pcm, rate = audiofile.read_wav(tmp_path / "stereo.wav")
    assert rate == 8000
    assert np.array_equal(pcm, both)
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    with pytest.raises(MediaError, match=r"bad\.wav"):
        audiofile.read_wav(tmp_path / "bad.wav")


def test_resample_keeps_length_and_clips() -> None:
    loud = np.full(1600, 32767, np.int16)
    loud[800:] = -32768
    low = audiofile.resample(loud, 16_000, 8000)
    assert len(low) == 800
    assert low[:398].min() > 20_000, "clipped, not wrapped"
    assert audiofile.resample(loud, 16_000, 16_000) is loud


async def test_a_child_that_waits_is_used_and_followed_by_another() -> None:
    """A caller does not wait for libraries to be loaded; one that was killed while it waited is replaced; none is left at the end."""
    data, spare = encoded("FLAC", None, 16_000), audiofile.Spare()
    await spare.start()
    assert spare._next is not None
    child = await spare._next
    assert len(await audiofile.decode(data)) > 0
    assert child.returncode == 0, "it decoded, and ended"
    assert spare._next is not None
    waiting = await spare._next
    assert waiting is not child
    waiting.kill()
    await waiting.wait()
    assert len(await audiofile.decode(data)) > 0
    assert spare._next is not None
    last = await spare._next
    await spare.stop()
    assert last.returncode is not None
    assert len(await audiofile.decode(data)) > 0, "without a spare each file has a child of its own"


async def test_a_child_that_could_not_be_started_costs_nobody_his_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """EMFILE while the spare is begun: whoever needs it tries again, and the end of the server does not fail by it."""
    data, spare, real, full = encoded("FLAC", None, 16_000), audiofile.Spare(), audiofile._spawn, [False]

    async def begin() -> asyncio.subprocess.Process:
        if full[0]:
            raise OSError(errno.EMFILE, "Too many open files")
        return await real()

    monkeypatch.setattr(audiofile, "_spawn", begin)
    await spare.start()
    full[0] = True
    assert len(await audiofile.decode(data)) > 0, "the one that waited decodes; the next one finds no room"
    with pytest.raises(MediaError, match="Too many open files"):
        await audiofile.decode(data)
    full[0] = False
    assert len(await audiofile.decode(data)) > 0
    assert spare._next is not None
    await spare._next
    full[0] = True
    assert len(await audiofile.decode(data)) > 0
    await spare.stop()
