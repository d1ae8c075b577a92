"""The phones' own G.711 (ITU-T G.711 tables 1a-2b), checked against libsndfile, which is nobody's here."""

import io

import numpy as np
import pytest
import soundfile

from hubbub.testing.g711 import PCMA, PCMU, Codec


@pytest.mark.parametrize(("codec", "subtype"), [(PCMU, "ULAW"), (PCMA, "ALAW")])
def test_every_code_has_its_value(codec: Codec, subtype: str) -> None:
    data = bytes(range(256))
    known, _ = soundfile.read(io.BytesIO(data), dtype="int16", format="RAW", subtype=subtype, samplerate=8000, channels=1)
    assert np.array_equal(codec.decode(data), known)


@pytest.mark.parametrize("codec", [PCMU, PCMA])
def test_every_sample_gets_the_nearest_value(codec: Codec) -> None:
    samples = np.arange(-32768, 32768).astype(np.int16)
    decoded = codec.decode(codec.encode(samples)).astype(int)
    values = codec.decode(bytes(range(256))).astype(int)
    assert np.array_equal(codec.decode(codec.encode(values.astype(np.int16))), values)
    for sample in range(-32768, 32768, 257):
        assert abs(decoded[sample + 32768] - sample) == np.abs(values - sample).min()


def test_silence_stays_silent() -> None:
    assert not PCMU.decode(PCMU.encode(np.zeros(160, np.int16))).any()
    assert np.abs(PCMA.decode(PCMA.encode(np.zeros(160, np.int16)))).max() == 8
