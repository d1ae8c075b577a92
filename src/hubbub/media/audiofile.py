"""Audio files: reading what strangers send, and our own WAV.

Decoders of compressed audio are large C libraries (one was seen to crash on its own output). They run in a child
process with limits on memory, computing time and result; what kills the child is a MediaError here.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import struct
import sys
import wave
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
import soxr
from numpy.typing import NDArray

from hubbub.errors import MediaError

Pcm = NDArray[np.int16]
RATE: Final = 16_000
TIMEOUT: Final = 60.0
"""Seconds that decoding one file may take; an hour of MP3 takes about two."""
_AT_ONCE: Final = 4
_CHILD: Final = Path(__file__).with_name("decoder.py")
_running: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
_spares: WeakKeyDictionary[asyncio.AbstractEventLoop, Spare] = WeakKeyDictionary()

_RAW: Final = {
    "audio/basic": "ULAW", "audio/ulaw": "ULAW", "audio/x-ulaw": "ULAW", "audio/mulaw": "ULAW", "audio/pcmu": "ULAW",
    "audio/alaw": "ALAW", "audio/x-alaw": "ALAW", "audio/pcma": "ALAW", "audio/gsm": "GSM610", "audio/x-gsm": "GSM610",
}  # fmt: skip
"""Types without a header: 8 kHz mono (RFC 2046 §4.3 for audio/basic)."""
_MAGIC: Final = (b"RIFF", b"RIFX", b"RF64", b"FORM", b".snd", b"OggS", b"fLaC", b"ID3", b"caff")


async def decode(data: bytes, content_type: str = "", *, limit_seconds: float = 7200) -> Pcm:
    """Audio of a file as mono 16 kHz; longer than `limit_seconds` is cut there.

    WAV (PCM, float, µ-law, A-law, GSM), MP3, Ogg (Vorbis, Opus), FLAC, AIFF, AU, and headerless µ-law, A-law and GSM
    when `content_type` says so. What the bytes say goes before what `content_type` says.
    Raises MediaError for everything else, with the reason in one sentence.
    """
    kind = content_type.partition(";")[0].strip().lower()
    complaint = _not_audio(data)
    if complaint:
        raise MediaError(complaint)
    headerless = "" if _has_header(data) else _RAW.get(kind, "")
    plain = _plain(data) if not headerless and limit_seconds * RATE >= MOST_PLAIN else None
    if plain is not None:
        return plain
    async with _running.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE)):
        return await _in_child(data, headerless, limit_seconds)


MOST_PLAIN: Final = 1 << 19
"""Bytes of a plain WAV that is read at once: half a minute of telephone sound, a few milliseconds of work."""


def _plain(data: bytes) -> Pcm | None:
    """The sound of a short WAV of 16-bit samples, which needs no library that could be attacked; None for anything else."""
    if len(data) > MOST_PLAIN or not data.startswith(b"RIFF"):
        return None
    try:
        with wave.open(io.BytesIO(data), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            raw = file.readframes(file.getnframes())
    except (EOFError, wave.Error, struct.error, ValueError, OverflowError):
        return None
    whole = len(raw) // (2 * channels) * (2 * channels)
    if width != 2 or not 1 <= channels <= 2 or rate not in (8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000) or not whole:
        return None
    frames = np.frombuffer(raw[:whole], "<i2").reshape(-1, channels)
    mono = frames[:, 0] if channels == 1 else np.rint(frames.mean(axis=1)).astype(np.int16)
    return resample(np.ascontiguousarray(mono), rate, RATE)


def write_wav(path: Path, pcm: Pcm, rate: int = RATE) -> None:
    """Write 16-bit WAV; `pcm` is mono (n) or interleaved by row (n, channels)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if pcm.ndim == 1 else pcm.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(pcm, dtype="<i2").tobytes())


def read_wav(path: Path) -> tuple[Pcm, int]:
    """Samples and rate of a 16-bit WAV of our own: (n) for mono, (n, channels) for more; MediaError when it is none."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise MediaError(f"{path}: {8 * file.getsampwidth()}-bit samples, 16-bit expected")
            channels, rate = file.getnchannels(), file.getframerate()
            raw = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error, struct.error) as error:
        raise MediaError(f"{path}: not a readable WAV file: {error}") from error
    whole = len(raw) // (2 * channels) * (2 * channels)
    pcm = np.frombuffer(raw[:whole], "<i2").astype(np.int16)
    return (pcm if channels == 1 else pcm.reshape(-1, channels)), rate


def resample(pcm: Pcm, from_rate: int, to_rate: int) -> Pcm:
    """`pcm` at another rate (soxr, high quality); the length is exact to a sample, clipped not wrapped."""
    if from_rate == to_rate or len(pcm) == 0:
        return pcm
    wave_out = soxr.resample(pcm.astype(np.float32), from_rate, to_rate)
    return np.asarray(np.clip(np.rint(wave_out), -32768, 32767), dtype=np.int16)


def _not_audio(data: bytes) -> str:
    """Why these bytes cannot be audio that is read here, when that is plain to see; else nothing."""
    head = data[:512].lstrip()
    if not data:
        return "the audio file is empty"
    if data[4:8] == b"ftyp":
        return "MPEG-4 audio (M4A, AAC) cannot be read: offer WAV, MP3, Ogg or FLAC"
    if head[:1] in (b"<", b"{") and not _has_header(data):
        return "the file is a document (HTML, XML or JSON), not audio"
    return ""


def _has_header(data: bytes) -> bool:
    return data.startswith(_MAGIC) or (len(data) > 2 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2)


class Spare:
    """A child process that has loaded its libraries and waits, so that a caller does not: from `start` to `stop` there is one."""

    def __init__(self) -> None:
        self._next: asyncio.Task[asyncio.subprocess.Process] | None = None

    async def start(self) -> None:
        """Have one from now on, on this loop."""
        _spares[asyncio.get_running_loop()] = self
        self._next = asyncio.create_task(_spawn())
        await self._next

    async def take(self) -> asyncio.subprocess.Process:
        """The one that waits; the next one is begun as soon as this one has done its work."""
        waiting, self._next = self._next, None
        try:
            process = await waiting if waiting is not None else await _spawn()
        except OSError:  # there was no room for it when it was begun
            process = await _spawn()
        return process if process.returncode is None else await _spawn()  # somebody killed it while it waited

    def used(self) -> None:
        """Begin the next one."""
        if self._next is None and _spares.get(asyncio.get_running_loop()) is self:
            self._next = asyncio.create_task(_spawn())

    async def stop(self) -> None:
        """Have none any more."""
        _spares.pop(asyncio.get_running_loop(), None)
        waiting, self._next = self._next, None
        with contextlib.suppress(OSError):  # there was no room for it: there is none to stop
            process = await waiting if waiting is not None else None
            if process is not None and process.returncode is None:
                process.kill()
            if process is not None:
                await process.wait()


async def _spawn() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(_CHILD),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", ""), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}, close_fds=True,
    )  # fmt: skip


async def _in_child(data: bytes, headerless: str, limit_seconds: float) -> Pcm:
    spare = _spares.get(asyncio.get_running_loop())
    try:
        process = await (spare.take() if spare is not None else _spawn())
    except OSError as error:
        raise MediaError(f"the audio cannot be read: no decoder can be started ({error.strerror})") from error
    try:
        async with asyncio.timeout(TIMEOUT):
            output, problems = await process.communicate(f"{headerless} {limit_seconds}\n".encode() + data)
    except TimeoutError:
        raise MediaError(f"decoding the audio took more than {TIMEOUT:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        if spare is not None:
            spare.used()
    if process.returncode != 0:
        lines = problems.decode(errors="replace").strip().splitlines()
        known = lines[-1].removeprefix("decoder: ") if lines and lines[-1].startswith("decoder: ") else ""
        raise MediaError(f"the audio cannot be read: {known or f'the decoder died (status {process.returncode})'}")
    pcm = np.frombuffer(output, "<i2").astype(np.int16)
    if len(pcm) == 0:
        raise MediaError("the audio cannot be read: it holds no samples")
    return pcm
