"""G.711 by tables of our own: what a phone hears must not depend on the codec of the engine under test (ITU-T G.711)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]


def _ulaw_values() -> Pcm:
    code = ~np.arange(256, dtype=np.uint8)
    exponent = (code >> 4 & 7).astype(np.int32)
    magnitude = ((((code & 15).astype(np.int32) << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_values() -> Pcm:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = (code >> 4 & 7).astype(np.int32)
    mantissa = (code & 15).astype(np.int32)
    magnitude = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _nearest(values: Pcm) -> NDArray[np.uint8]:
    """For each 16-bit sample (as unsigned index) the code whose value is nearest."""
    order = np.argsort(values, kind="stable").astype(np.uint8)
    ranked = values[order].astype(np.int32)
    middles = (ranked[1:] + ranked[:-1] + 1) // 2
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    return order[np.searchsorted(middles, samples, side="right")]


class Codec:
    """A law: 160 samples in, 160 bytes out, and back."""

    def __init__(self, name: str, payload_type: int, values: Pcm) -> None:
        self.name = name
        self.payload_type = payload_type
        self._values = values
        self._codes = _nearest(values)

    def encode(self, pcm: Pcm) -> bytes:
        return self._codes[pcm.view(np.uint16)].tobytes()

    def decode(self, payload: bytes) -> Pcm:
        return self._values[np.frombuffer(payload, np.uint8)]


PCMU: Final = Codec("PCMU", 0, _ulaw_values())
PCMA: Final = Codec("PCMA", 8, _alaw_values())
BY_NAME: Final = {codec.name: codec for codec in (PCMU, PCMA)}
BY_TYPE: Final = {codec.payload_type: codec for codec in (PCMU, PCMA)}
"""RFC 3551 table 4."""
