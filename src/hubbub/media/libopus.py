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
SET_MAX_BANDWIDTH: Final = 4004
SET_VBR: Final = 4006
SET_COMPLEXITY: Final = 4010
SET_INBAND_FEC: Final = 4012
SET_PACKET_LOSS: Final = 4014
SET_DTX: Final = 4016
SET_SIGNAL: Final = 4024
SIGNAL_VOICE: Final = 3001
FORCE_MODE: Final = 11002
"""Not in the library's public header, but in all its versions since 1.0."""
CELT: Final = 1002
"""The half of Opus for music: a third of the work of the one for speech, without repair data."""
AUTO: Final = -1000
WIDEBAND: Final = 1103
"""The one below it is mediumband (6 kHz), the next narrowband (4 kHz)."""

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

# A format word: the far end's highest bit rate (0 for any), and what else its `a=fmtp` asks for (RFC 7587 6.1).
RATE_MASK: Final = (1 << 20) - 1
CBR: Final = 1 << 20
"""Packets of one size (`cbr`)."""
NO_REPAIR: Final = 1 << 21
"""Repair data are of no use to it (`useinbandfec`, 0 unless it says otherwise)."""
DTX: Final = 1 << 22
"""Nothing while nobody speaks (`usedtx`)."""
NARROWER: Final = 23
"""From this bit on: by how many steps what it can play is narrower than 8 kHz (`maxplaybackrate`): 0, 1 (6 kHz) or 2 (4 kHz)."""
NARROW_BITRATES: Final = (BITRATE, 16_000, 12_000)
"""What is enough for each of these bands (RFC 7587 3.1.1)."""


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


def _number(parameters: Mapping[str, str], name: str) -> int:
    """A parameter that is a number; 0 when there is none that could be meant."""
    text = parameters.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def format_word(parameters: Mapping[str, str]) -> int:
    """What the far end's `a=fmtp` asks of our encoder, as the loop takes it (RFC 7587 6.1).

    `stereo`, `sprop-stereo` and `sprop-maxcapturerate` ask nothing of it: one channel is played by any decoder, and ours takes all.
    """
    playback = _number(parameters, "maxplaybackrate") or 48_000
    narrower = 2 if playback < 12_000 else 1 if playback < 16_000 else 0
    rate = min(_number(parameters, "maxaveragebitrate") or HIGHEST_BITRATE, NARROW_BITRATES[narrower])
    word = max(rate, LOWEST_BITRATE) if rate < BITRATE else 0
    word |= narrower << NARROWER
    for name, value, bit in (("cbr", "1", CBR), ("usedtx", "1", DTX)):
        word |= bit if parameters.get(name) == value else 0
    return word if parameters.get("useinbandfec") == "1" else word | NO_REPAIR
