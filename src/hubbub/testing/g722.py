"""G.722 for phones, by the PyPI extension `G722`: what a phone hears must not depend on the codec of the engine under test.

The extension runs at 8 kHz, as phones do here: it fills the low band and leaves the high one empty.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from hubbub.testing.g711 import Pcm

PAYLOAD_TYPE: Final = 9
"""RFC 3551 table 4."""


class G722:
    """One direction of one stream: 160 samples in, 160 bytes out, or back. It remembers what went before."""

    name = "G722"
    payload_type = PAYLOAD_TYPE

    def __init__(self) -> None:
        from G722 import G722 as Extension  # type: ignore[import-not-found]  # it has no types; only phones need it

        self._coder: Any = Extension(8000, 64000)

    def encode(self, pcm: Pcm) -> bytes:
        """Samples of 8 kHz to bytes."""
        return bytes(self._coder.encode(np.ascontiguousarray(pcm)))

    def decode(self, payload: bytes) -> Pcm:
        """Bytes to samples of 8 kHz."""
        return np.asarray(self._coder.decode(payload), np.int16)
