"""Opus for phones: libopus through ctypes, at 8 kHz as phones run here. One object is one direction of one stream."""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numpy as np

from hubbub.media import libopus
from hubbub.testing.g711 import Pcm

RATE: Final = 8000
CLOCK: Final = 6
"""The RTP clock is 48 kHz (RFC 7587 4.1)."""
LONGEST: Final = 960
"""Samples of the longest packet (120 ms)."""
VOIP: Final = 2048


class Opus:
    """20 ms of samples in, a packet out, or back. AssertionError when this machine has no libopus."""

    name = "OPUS"

    def __init__(self, payload_type: int) -> None:
        library = libopus.find()
        assert library is not None, f"this phone cannot speak Opus: {libopus.HOW_TO_GET_IT}"
        self.payload_type = payload_type
        self._library: Any = library.handle
        self._encoder = ctypes.create_string_buffer(library.encoder_bytes)
        self._decoder = ctypes.create_string_buffer(library.decoder_bytes)
        assert self._library.opus_encoder_init(self._encoder, RATE, 1, VOIP) == 0
        assert self._library.opus_decoder_init(self._decoder, RATE, 1) == 0

    def encode(self, pcm: Pcm) -> bytes:
        """Samples of 8 kHz (10, 20, 40 or 60 ms) to a packet."""
        out = ctypes.create_string_buffer(1275)
        data = np.ascontiguousarray(pcm)
        size = self._library.opus_encode(self._encoder, data.ctypes.data_as(ctypes.c_void_p), len(data), out, 1275)
        assert size > 0, f"libopus refused {len(data)} samples: {size}"
        return out.raw[:size]

    def decode(self, payload: bytes) -> Pcm:
        """A packet to samples of 8 kHz; what cannot be decoded is nothing."""
        out = np.zeros(LONGEST, np.int16)
        count = self._library.opus_decode(self._decoder, payload, len(payload), out.ctypes.data_as(ctypes.c_void_p), LONGEST, 0)
        return out[: max(0, count)]
