"""The child process of `audiofile.decode`: a file on standard input, 16 kHz mono int16 on standard output.

Run as a script in isolated mode, so it imports nothing of hubbub. The first line of the input holds the raw encoding of a file
without header (or nothing) and the limit in seconds; until it comes the process waits, its libraries loaded. A failure is one
line `decoder: …` on standard error and exit status 1.
"""

from __future__ import annotations

import io
import resource
import sys

import numpy as np
import soundfile
import soxr

RATE = 16_000
MEMORY = 1 << 30
CPU_SECONDS = 45


def main() -> None:
    """Decode standard input to standard output."""
    wanted = sys.stdin.buffer.readline().decode().rstrip("\n")
    if not wanted:
        return  # nobody wants anything of it any more
    headerless, _, limit_seconds = wanted.partition(" ")
    data = sys.stdin.buffer.read()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY + 2 * len(data), MEMORY + 2 * len(data)))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        convert(data, headerless, float(limit_seconds))
    except Exception as error:
        print(f"decoder: {_reason(error)}", file=sys.stderr)
        sys.exit(1)


def convert(data: bytes, headerless: str, limit_seconds: float) -> None:
    """Decode in portions of one second: some libraries misbehave on long ones, and the limit holds while decoding."""
    with _open(data, headerless) as file:
        if not 1000 <= file.samplerate <= 384_000:
            raise ValueError(f"a sample rate of {file.samplerate} Hz is not believable")
        resampler = soxr.ResampleStream(file.samplerate, RATE, 1, dtype="float32") if file.samplerate != RATE else None
        left = int(limit_seconds * file.samplerate)
        while left > 0:
            block = _read(file, min(left, file.samplerate))
            left -= len(block)
            mono = block.mean(axis=1, dtype=np.float32)
            last = len(block) == 0 or left <= 0
            _write(resampler.resample_chunk(mono, last=last) if resampler else mono)
            if len(block) == 0:
                return


class _Straight(soundfile.SoundFile):  # type: ignore[misc]
    """Read front to back: soundfile seeks after every read, and an MP3 decoder then loses what it carries over (a click)."""

    def seekable(self) -> bool:
        return False


def _open(data: bytes, headerless: str) -> soundfile.SoundFile:
    if headerless:
        return _Straight(io.BytesIO(data), format="RAW", subtype=headerless, samplerate=8000, channels=1)
    try:
        return _Straight(io.BytesIO(data))
    except soundfile.LibsndfileError:
        # An MP3 that was cut begins in the middle of a frame: start at the first whole one.
        start = _first_frame(data)
        if start <= 0:
            raise
        return _Straight(io.BytesIO(data[start:]))


def _read(file: soundfile.SoundFile, frames: int) -> np.ndarray:
    try:
        return np.asarray(file.read(frames, dtype="float32", always_2d=True))
    except soundfile.LibsndfileError:
        if file.tell() == 0:
            raise
        return np.zeros((0, file.channels), np.float32)  # cut off: what came before it is kept


def _first_frame(data: bytes) -> int:
    """Where an MPEG audio frame starts that another one follows (ISO 11172-3 §2.4.1.3), or -1."""
    position = data.find(b"\xff")
    while 0 <= position < min(len(data) - 4, 65_536):
        length = _frame_length(data[position : position + 4])
        if length and _frame_length(data[position + length : position + length + 4]):
            return position
        position = data.find(b"\xff", position + 1)
    return -1


_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBIT = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _frame_length(header: bytes) -> int:
    """Bytes of the layer III frame with this header; 0 when it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version, rate, kbit = header[1] >> 3 & 3, header[2] >> 2 & 3, header[2] >> 4
    if version == 1 or rate == 3 or kbit in (0, 15):
        return 0
    bits = _KBIT[3 if version == 3 else 2][kbit] * 1000
    return (144 if version == 3 else 72) * bits // _RATES[version][rate] + (header[2] >> 1 & 1)


def _write(mono: np.ndarray) -> None:
    sys.stdout.buffer.write(np.clip(np.rint(mono * 32767.0), -32768, 32767).astype("<i2").tobytes())


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    if isinstance(error, soundfile.LibsndfileError):
        return f"{error.error_string.rstrip('.')} (offer WAV, MP3, Ogg or FLAC)"
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
