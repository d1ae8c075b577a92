"""G.711 against values computed from the formulas of the recommendation."""

from __future__ import annotations

import numpy as np

from hubbub.media import rows
from hubbub.media.g711 import ALAW_SILENCE, ULAW_SILENCE, decode_table, encode_table

DECODE, ENCODE = decode_table().astype(int), encode_table()


def encode(codec: int, samples: np.ndarray) -> np.ndarray:
    return ENCODE[codec, (samples >> 2) + 8192]


def test_ulaw_decodes_to_the_values_of_table_2() -> None:
    """G.711 table 2a/2b: y = (2 n + 33) 2^s - 33 on the 14-bit scale, sign by the inverted top bit, all bits inverted."""
    for byte in range(256):
        code = byte ^ 0xFF
        value = ((2 * (code & 15) + 33) * 2 ** (code >> 4 & 7) - 33) * 4
        assert DECODE[0, byte] == (-value if code & 0x80 else value)
    assert DECODE[0, ULAW_SILENCE] == 0
    assert DECODE[0, 0x80] == 32124, "the largest value: 8031 of table 2a"
    assert DECODE[0, 0x00] == -32124


def test_alaw_decodes_to_the_values_of_table_1() -> None:
    """G.711 table 1a/1b: even bits inverted; y = 2 n + 1 in the first segment, (2 n + 33) 2^(s-1) above, on the 13-bit scale of 4096."""
    for byte in range(256):
        code = byte ^ 0x55
        segment, step = code >> 4 & 7, code & 15
        value = (2 * step + 1 if segment == 0 else (2 * step + 33) * 2 ** (segment - 1)) * 8
        assert DECODE[1, byte] == (value if code & 0x80 else -value)
    assert DECODE[1, ALAW_SILENCE] == 8
    assert DECODE[1].max() == 32256


def test_what_was_decoded_encodes_to_the_same_byte() -> None:
    for codec in (0, 1):
        again = encode(codec, DECODE[codec])
        # The two zeros of mu-law are one value.
        assert set(np.flatnonzero(again != np.arange(256))) <= {0x7F}


def test_quantisation_keeps_the_order_and_the_decision_values() -> None:
    """G.711 3.2: the error is at most half a step of the segment; the code is monotonic."""
    samples = np.arange(-32768, 32768)
    for codec, largest in ((0, 32124), (1, 32256)):
        decoded = DECODE[codec, encode(codec, samples)]
        assert np.all(np.diff(decoded) >= 0)
        inside = np.abs(samples) <= largest
        error = np.abs(decoded - samples)[inside]
        step = np.maximum(np.abs(samples[inside]) / 32 + 8, 16)
        assert np.all(error <= step)


def test_what_the_loop_reckons_is_what_the_tables_say() -> None:
    """The loop decodes by arithmetic, which vectors can do: every byte, at odd places too."""
    payload = np.r_[np.zeros(3, np.uint8), np.arange(256, dtype=np.uint8)]
    for codec, decode in ((0, rows.decode_mu), (1, rows.decode_a)):
        pcm = np.full(263, 7, np.int16)
        decode(pcm, 5, payload, 3, 256)
        assert np.array_equal(pcm[5:261], DECODE[codec])
        assert set(pcm[:5]) | set(pcm[261:]) == {7}, "nothing beside it is touched"


def test_rows_are_copied_in_one_piece() -> None:
    """Overlapping too, as the rest of a packet is moved to the front; nothing, where there is nothing to copy."""
    row = np.arange(20, dtype=np.uint8)
    rows.copy(row, 0, row, 3, 15)
    assert row.tolist() == [*range(3, 18), *range(15, 20)]
    rows.copy(row, 0, row, 5, 0)
    assert row.tolist() == [*range(3, 18), *range(15, 20)]
    pcm = np.zeros(8, np.int16)
    rows.copy(pcm, 2, np.arange(-3, 3, dtype=np.int16), 1, 4)
    assert pcm.tolist() == [0, 0, -2, -1, 0, 1, 0, 0]
