"""Which engine is asked: the language decides first (research: ecosystem §8)."""

import pytest

from hubbub.speech.choice import Candidate, candidates, speaks


@pytest.mark.parametrize(
    ("voice", "language", "gender", "first"),
    [
        ("", "", "", Candidate("hibari", "en-US")),
        ("woman", "en-US", "", Candidate("hibari", "en-US")),
        ("alice", "", "", Candidate("hibari", "en-US")),
        ("man", "", "", Candidate("joe", "en-US")),
        ("", "en_US", "male", Candidate("joe", "en-US")),
        ("Polly.Joanna-Neural", "", "", Candidate("hibari", "en-US")),
        ("Polly.Matthew", "", "", Candidate("joe", "en-US")),
        ("man", "de-DE", "", Candidate("pico", "de-DE")),
        ("alice", "fr-CA", "", Candidate("pico", "fr-FR")),
        ("woman", "es_MX", "", Candidate("pico", "es-ES")),
        ("", "en_UK", "", Candidate("pico", "en-GB")),
        ("Polly.Hans", "", "", Candidate("pico", "de-DE")),
        ("Google.it-IT-Wavenet-A", "", "", Candidate("pico", "it-IT")),
        ("susan", "en_US", "", Candidate("hibari", "en-US")),
        ("", "pt-BR", "", Candidate("hibari", "en-US")),
    ],
)
def test_first_candidate(voice: str, language: str, gender: str, first: Candidate) -> None:
    assert candidates(voice, language, gender)[0] == first


def test_every_choice_can_fall_back_to_every_english_engine() -> None:
    for voice, language in (("man", ""), ("woman", "de-DE"), ("", "en-GB"), ("", "xx")):
        assert {candidate.engine for candidate in candidates(voice, language)} == {"hibari", "joe", "pico"}


def test_known_languages() -> None:
    assert speaks("")
    assert speaks("en-IN")
    assert speaks("de")
    assert not speaks("ja-JP")
