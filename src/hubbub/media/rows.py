"""Loops over one row of samples or bytes.

They are functions of their own because a row that is a plain argument is a pointer with a known stride, which the compiler turns into
vectors; the same loop over `group[index].field[n]` reloads its addresses for every sample (measured: 8 times slower).
"""

from __future__ import annotations

import numpy as np

from hubbub.media.compiled import kernel
from hubbub.media.layout import Array
from hubbub.media.libc import move


@kernel
def fill(row: Array, start: int, end: int, value: int) -> None:
    """Set row[start:end] to a value."""
    for n in range(start, end):
        row[n] = value


@kernel
def copy(to: Array, at: int, row: Array, start: int, count: int) -> None:
    """Copy `count` elements of `row` from `start` on to `to[at:]`, which has elements of the same type; they may overlap."""
    if count > 0:
        _ = to[at + count - 1]  # where indices are checked, these are
        _ = row[start + count - 1]
        move(to, at, row, start, count)


@kernel
def encode(packet: Array, at: int, table: Array, narrow: Array, count: int) -> None:
    """Encode `count` narrow samples by a G.711 table into `packet[at:]`."""
    out = packet[at:]  # an index that cannot be negative is not looked at twice
    for n in range(count):
        out[n] = table[(narrow[n] >> 2) + 8192]


@kernel
def decode_mu(pcm: Array, at: int, payload: Array, start: int, count: int) -> None:
    """Decode `count` bytes of PCMU from `payload[start:]` into `pcm[at:]` (G.711 table 2): by arithmetic, which vectors can do."""
    out = pcm[at:]
    data = payload[start:]
    for n in range(count):
        byte = np.int32(data[n]) ^ 255
        value = np.int32(np.int32(np.int32(((byte & 15) << 3) + 132) << np.int32((byte >> 4) & 7)) - 132)
        out[n] = -value if byte & 128 else value


@kernel
def decode_a(pcm: Array, at: int, payload: Array, start: int, count: int) -> None:
    """Decode `count` bytes of PCMA from `payload[start:]` into `pcm[at:]` (G.711 table 1)."""
    out = pcm[at:]
    data = payload[start:]
    for n in range(count):
        byte = np.int32(data[n]) ^ 0x55
        segment = np.int32((byte >> 4) & 7)
        value = np.int32(((byte & 15) << 4) + 8 + (256 if segment > 0 else 0))
        value = np.int32(value << np.int32(segment - 1 if segment > 0 else 0))
        out[n] = value if byte & 128 else -value


@kernel
def encode_linear(packet: Array, at: int, pcm: Array, count: int) -> None:
    """Write `count` samples as L16, most significant byte first (RFC 3551 4.5.11)."""
    for n in range(count):
        packet[at + 2 * n] = (pcm[n] >> 8) & 255
        packet[at + 2 * n + 1] = pcm[n] & 255


@kernel
def decode_linear(out: Array, at: int, payload: Array, start: int, count: int) -> None:
    """Read `count` samples of L16 from `payload[start:]` into `out[at:]`."""
    for n in range(count):
        out[at + n] = np.int16((np.uint16(payload[start + 2 * n]) << 8) | np.uint16(payload[start + 2 * n + 1]))


@kernel
def scale(line: Array, now: int, wanted: int) -> None:
    """Bring a line (of sums, beyond 16 bits) to a gain that runs from `now` to `wanted`, in 64 bits (docs/media.md 1.3)."""
    count = line.size
    step = ((wanted - now) << 16) // count
    for n in range(count):
        gain = ((now << 16) + (n + 1) * step) >> 16
        line[n] = (gain * int(line[n]) + 2048) >> 12
