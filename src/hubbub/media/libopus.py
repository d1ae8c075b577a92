"""libopus, wherever this machine has it: the system's, or one that a Python package brings (docs/decisions/0010-opus.md).

Found once per process, and looked at through ctypes; the loop calls it by address. Nothing here imports a compiler.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import structlog

log = structlog.get_logger()

SAMPLE_RATE: Final = 16000
"""At which encoders and decoders run; the RTP clock is 48 kHz whatever they do (RFC 7587 4.1)."""
VOIP: Final = 2048
FUNCTIONS: Final = ("opus_encode", "opus_encoder_ctl", "opus_decode")
"""What the loop calls."""
BITRATE: Final = 24_000
"""Bits a second of wideband speech (RFC 7587 3.1.1: 16 to 20 for wideband, and some for what else is heard)."""
LOWEST_BITRATE, HIGHEST_BITRATE = 6_000, 510_000
STATE_LIMIT: Final = 256 * 1024
"""A state larger than this is of no build that we know."""
HOW_TO_GET_IT: Final = "apt-get install libopus0, or pip install 'hubbub[opus]'"

SET_BITRATE: Final = 4002
SET_VBR: Final = 4006
SET_COMPLEXITY: Final = 4010
SET_INBAND_FEC: Final = 4012
SET_PACKET_LOSS: Final = 4014
SET_SIGNAL: Final = 4024
SIGNAL_VOICE: Final = 3001

OPUS_LINE: Final = 1920
"""Samples of the longest packet that may come (120 ms at 16 kHz)."""
OPUS_LIFE: Final = 16
"""Words of a coder's life (`opus.L_…`)."""

# Words of `Desk.opus`: addresses and sizes in this process, and how much of the tick the loop needs.
O_HAVE: Final = 0
O_ENCODER: Final = 1
O_DECODER: Final = 2
O_ENCODERS: Final = 3
O_DECODERS: Final = 4
O_FRESH_ENCODER: Final = 5
O_FRESH_DECODER: Final = 6
O_LEVEL: Final = 7
O_LOAD: Final = 8
O_TURN: Final = 9
OPUS_WORDS: Final = 16

CBR: Final = 1 << 20
"""In a format word: the far end wants packets of one size (RFC 7587 6.1, `cbr`). Below it stands its highest bit rate, 0 for any."""


@dataclass(frozen=True)
class Library:
    """A library that was opened and tried."""

    handle: Any
    path: str
    version: str
    encoder_bytes: int
    decoder_bytes: int

    def address(self, name: str) -> int:
        """Where a function lies in this process."""
        return int(ctypes.cast(getattr(self.handle, name), ctypes.c_void_p).value or 0)

    def fresh_encoder(self) -> bytes:
        """The state of an encoder of speech at birth, as bytes: it holds no address of its own, so a copy is an encoder."""
        state = ctypes.create_string_buffer(self.encoder_bytes)
        code = self.handle.opus_encoder_init(state, SAMPLE_RATE, 1, VOIP)
        wishes = ((SET_BITRATE, BITRATE), (SET_SIGNAL, SIGNAL_VOICE), (SET_INBAND_FEC, 1))
        for request, value in wishes:
            code = code or self.handle.opus_encoder_ctl(state, request, ctypes.c_int(value))
        if code:
            raise OSError(f"opus_encoder_init: {code}")
        return state.raw

    def fresh_decoder(self) -> bytes:
        """The state of a decoder at birth."""
        state = ctypes.create_string_buffer(self.decoder_bytes)
        code = self.handle.opus_decoder_init(state, SAMPLE_RATE, 1)
        if code:
            raise OSError(f"opus_decoder_init: {code}")
        return state.raw


def _packaged() -> Iterator[Path]:
    """Libraries inside installed packages; the packages themselves are not imported."""
    for package, folder, pattern in (
        ("opuslib_next", "_native", "libopus*.so*"),
        ("av", "../av.libs", "libopus-*.so*"),
        ("opuspy", "../opuspy.libs", "libopus-*.so*"),
    ):
        try:
            found = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            continue
        if found is not None and found.origin is not None:
            base = Path(found.origin).parent
            # A package of one module lies beside its libraries, not above them.
            for place in (base / folder, base / folder.removeprefix("../")):
                yield from sorted(place.glob(pattern)) if place.is_dir() else ()


def _candidates() -> Iterator[str]:
    yield "libopus.so.0"
    for path in _packaged():
        yield str(path)


def _open(path: str) -> Library:
    """OSError or AttributeError when it cannot be used."""
    handle = ctypes.CDLL(path)
    handle.opus_get_version_string.restype = ctypes.c_char_p
    sizes = handle.opus_encoder_get_size(1), handle.opus_decoder_get_size(1)
    if not all(0 < size <= STATE_LIMIT for size in sizes):
        raise OSError(f"states of {sizes} bytes")
    library = Library(handle, path, handle.opus_get_version_string().decode("ascii", "replace"), *sizes)
    for name in FUNCTIONS:
        library.address(name)
    library.fresh_encoder()
    library.fresh_decoder()
    return library


@cache
def find() -> Library | None:
    """The first library that can be used, or None: then Opus is not offered. `HUBBUB_OPUS=none` hides all."""
    if os.environ.get("HUBBUB_OPUS") == "none":
        return None
    for path in _candidates():
        try:
            return _open(path)
        except (OSError, AttributeError) as error:
            log.debug("libopus_not_usable", path=path, reason=str(error))
    return None


def format_word(parameters: Mapping[str, str]) -> int:
    """What the far end's `a=fmtp` asks of our encoder, as the loop takes it (RFC 7587 6.1)."""
    limit = parameters.get("maxaveragebitrate", "")
    rate = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 8 else 0
    word = min(max(rate, LOWEST_BITRATE), HIGHEST_BITRATE) if 0 < rate < BITRATE else 0
    return word | (CBR if parameters.get("cbr") == "1" else 0)
