"""What the demo can tell from audio: pilots under speech, sentences after a jump of the jitter buffer, music."""

import numpy as np
import pytest

from hubbub.demo.cast import CAST, HEARD_DB, PILOT_DB, UNHEARD_DB
from hubbub.demo.ears import DIFFERENT, RATE, SAME, Music, clear, pilots, to_telephone, words
from hubbub.media.music import hold_music
from hubbub.speech.pattern import pattern
from hubbub.testing import Heard
from hubbub.testing.g711 import PCMU


def sentence(text: str) -> np.ndarray:
    return to_telephone((pattern(text) * 16_000).astype(np.int16))


def tone(frequency: int, seconds: float, level_db: float = PILOT_DB) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.rint(np.sin(2 * np.pi * frequency * time) * 32767 * 10 ** (level_db / 20)).astype(np.int16)


def over_the_line(pcm: np.ndarray) -> Heard:
    """Through µ-law."""
    return Heard(PCMU.decode(PCMU.encode(pcm)))


def test_a_pilot_is_found_under_music_and_only_where_it_is() -> None:
    music = to_telephone(hold_music())[: 4 * RATE]
    heard = over_the_line(music + tone(CAST[1].pilot, 4.0))
    for start in range(0, 4 * RATE, RATE // 2):
        levels = pilots(Heard(heard.pcm[start : start + RATE // 2]), CAST)
        assert {name for name, level in levels.items() if level >= HEARD_DB} == {CAST[1].name}
        assert clear(levels.values())


def test_between_heard_and_unheard_nothing_is_claimed() -> None:
    assert clear([HEARD_DB, UNHEARD_DB - 0.1])
    assert not clear([HEARD_DB - 0.1])


def test_a_sentence_is_recognised_though_a_frame_was_left_out() -> None:
    line = sentence("The quick brown fox jumps over the lazy dog, again and again.")
    middle = len(line) // 2
    shifted = np.concatenate([np.zeros(2000, np.int16), line[:middle], line[middle + 160 :], np.zeros(2000, np.int16)])
    assert words(over_the_line(shifted), line) > SAME


@pytest.mark.parametrize("pcm", [tone(CAST[0].pilot, 4.0), np.zeros(4 * RATE, np.int16)], ids=["pilot", "nothing"])
def test_no_sentence_is_recognised_in_a_pilot_or_in_nothing(pcm: np.ndarray) -> None:
    assert words(Heard(pcm), sentence("The quick brown fox jumps over the lazy dog.")) < DIFFERENT / 2


def test_music_is_recognised_from_any_second_and_across_its_seam() -> None:
    pcm = to_telephone(hold_music())
    music = Music(pcm)
    for second in (pcm[4321 : 4321 + RATE], np.concatenate([pcm[-3000:], pcm[:5000]])):
        assert music.likeness(over_the_line(second)) > 0.85
    assert music.likeness(Heard(sentence("Something else entirely is said here and now.")[:RATE])) < SAME
    assert music.likeness(Heard(tone(CAST[0].pilot, 1.0))) == 0.0
