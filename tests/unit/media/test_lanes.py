"""G.722 for sixteen legs at once says and hears what each coder alone does, to the bit."""

import numpy as np
import pytest
from tests.unit.media.test_g722 import harsh

from hubbub.media import g722, lanes
from hubbub.media.desk import LANES
from hubbub.media.layout import FRAME, G722_FRESH, NARROW

FRAMES = 40


def scratch() -> list[np.ndarray]:
    return [np.zeros(200, np.int32), np.zeros(200, np.int32), np.zeros(NARROW, np.int32), np.zeros(NARROW, np.int32)]


def talkers(seed: int) -> np.ndarray:
    """[lane, frame, sample]: noise of every level, tones, full scale, silence, and one that begins late."""
    random = np.random.default_rng(seed)
    pcm = random.normal(0, 1, (LANES, FRAMES, FRAME)) * (2.0 ** random.uniform(0, 15, (LANES, 1, 1)))
    at = np.arange(FRAMES * FRAME).reshape(FRAMES, FRAME)
    pcm[0], pcm[1] = 0, 12_000 * np.sin(at * 0.31)
    pcm[2] = np.where(at // 40 % 2, 32767, -32768)
    pcm[3, : FRAMES // 2] = 0
    return pcm.clip(-32768, 32767).astype(np.int16)


@pytest.mark.parametrize("seed", [1, 2])
def test_encoding_and_decoding_equal_one_coder_alone(seed: int) -> None:
    pcm = talkers(seed)
    even, odd, low, high = scratch()
    codes = np.zeros(2 * NARROW, np.int64)
    alone = [[G722_FRESH.copy() for _ in range(LANES)] for _ in range(2)]
    together = [[G722_FRESH.copy() for _ in range(LANES)] for _ in range(2)]
    rows, signal, codes_of = (np.zeros((2, size), np.int32) for size in (lanes.BAND, lanes.FRAME_LANES, lanes.FRAME_LANES))
    for frame in range(FRAMES):
        sent, heard = np.zeros((LANES, NARROW), np.uint8), np.zeros((LANES, FRAME), np.int16)
        for lane in range(LANES):
            g722.encode(alone[0][lane], pcm[lane, frame], sent[lane], even, odd, low, high, codes)
            g722.decode(alone[1][lane], sent[lane], 0, NARROW, heard[lane], even, odd, low, high, codes)
            lanes.split(together[0][lane], pcm[lane, frame], signal[0], signal[1], lane, even, odd, low, high)
            for band in (0, 1):
                lanes.enter(together[0][lane], rows[band], lane, bool(band))
        for band in (0, 1):
            lanes.band(rows[band], bool(band), True, signal[band], codes_of[band])
        for lane in range(LANES):
            for band in (0, 1):
                lanes.leave(together[0][lane], rows[band], lane, bool(band))
        found = (codes_of[1] << 6 | codes_of[0]).reshape(NARROW, LANES).T
        assert np.array_equal(found, sent)
        for lane in range(LANES):
            for band in (0, 1):
                lanes.enter(together[1][lane], rows[band], lane, bool(band))
        for band in (0, 1):
            lanes.band(rows[band], bool(band), False, signal[band], codes_of[band])
        for lane in range(LANES):
            for band in (0, 1):
                lanes.leave(together[1][lane], rows[band], lane, bool(band))
            wide = np.zeros(FRAME, np.int16)
            lanes.join(together[1][lane], signal[0], signal[1], lane, wide, even, odd, low, high)
            assert np.array_equal(wide, heard[lane])
    assert np.array_equal(alone, together)


def test_bytes_that_meet_every_limit_are_heard_as_by_one_decoder_alone() -> None:
    """Sixteen of all 256 streams at a time (`harsh`): saturation of one lane is not that of its neighbours."""
    even, odd, low, high = scratch()
    codes = np.zeros(2 * NARROW, np.int64)
    rows, signal, codes_of = (np.zeros((2, size), np.int32) for size in (lanes.BAND, lanes.FRAME_LANES, lanes.FRAME_LANES))
    for first in range(0, 256, LANES):
        streams = np.stack([harsh((first + lane) * 37 % 256).reshape(-1, NARROW) for lane in range(LANES)])
        alone, together = ([G722_FRESH.copy() for _ in range(LANES)] for _ in range(2))
        for frame in range(streams.shape[1]):
            heard = np.zeros((LANES, FRAME), np.int16)
            for lane in range(LANES):
                g722.decode(alone[lane], streams[lane, frame], 0, NARROW, heard[lane], even, odd, low, high, codes)
            for band, part in ((0, streams[:, frame] & 63), (1, streams[:, frame] >> 6)):
                for lane in range(LANES):
                    lanes.enter(together[lane], rows[band], lane, bool(band))
                codes_of[band] = part.T.reshape(-1)
                lanes.band(rows[band], bool(band), False, signal[band], codes_of[band])
                for lane in range(LANES):
                    lanes.leave(together[lane], rows[band], lane, bool(band))
            for lane in range(LANES):
                wide = np.zeros(FRAME, np.int16)
                lanes.join(together[lane], signal[0], signal[1], lane, wide, even, odd, low, high)
                assert np.array_equal(wide, heard[lane])
        assert np.array_equal(alone, together)
