"""What a codec does with one frame: encode into a packet; decode is in `jitter`, which knows what has arrived."""

from __future__ import annotations

from hubbub.media import g722
from hubbub.media.compiled import kernel
from hubbub.media.desk import Desk
from hubbub.media.layout import CODEC_BYTES, CODEC_CLOCK, FRAME, G722, L16, L16_WIDE, NARROW, Array
from hubbub.media.rows import encode as bytes_of
from hubbub.media.rows import encode_linear


@kernel
def frame_bytes(codec: int) -> int:
    """Bytes of 20 ms."""
    return int(NARROW * CODEC_CLOCK[codec] * CODEC_BYTES[codec])


@kernel
def encode(codec: int, state: Array, wide: Array, narrow: Array, packet: Array, at: int, desk: Desk) -> int:
    """Encode a frame (`wide`, or `narrow` for a codec of 8 kHz) into `packet[at:]`; returns how many bytes. `state` is the encoder's."""
    if codec == G722:
        g722.encode(state, wide, packet[at:], desk.even, desk.odd, desk.low, desk.high, desk.codes)
    elif codec == L16:
        encode_linear(packet, at, narrow, NARROW)
    elif codec == L16_WIDE:
        encode_linear(packet, at, wide, FRAME)
    else:
        bytes_of(packet, at, desk.encode[codec], narrow, NARROW)
    return frame_bytes(codec)
