"""The splitter: markup never reaches an engine, and no text makes it fail."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.speech.ssml import MAX_SILENCE, Pause, Spoken, split


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello there.", [Spoken("Hello there.")]),
        ("  \n ", []),
        ("3 < 4 and 5 > 4", [Spoken("3 < 4 and 5 > 4")]),
        ("AT&amp;T &lt;3", [Spoken("AT&T <3")]),
        ("<speak>Hi</speak>", [Spoken("Hi")]),
        # SSML 1.1 3.2.3: time wins over strength, an empty break is medium.
        ('one<break time="500ms"/>two', [Spoken("one"), Pause(0.5), Spoken("two")]),
        ("one<break time='2s' strength='weak'/>two", [Spoken("one"), Pause(2.0), Spoken("two")]),
        ("one<break/>two", [Spoken("one"), Pause(0.5), Spoken("two")]),
        ('one<break strength="none"/> two', [Spoken("one two")]),
        # twice "up to 10 seconds"
        ('a<break time="15s"/><break time="1s"/>b', [Spoken("a"), Pause(11.0), Spoken("b")]),
        ("<p>First.</p><p>Second.</p>", [Spoken("First."), Pause(0.6), Spoken("Second.")]),
        ("<p><s>One.</s><s>Two.</s></p>", [Spoken("One."), Pause(0.3), Spoken("Two.")]),
        ('the <sub alias="World Wide Web Consortium">W3C</sub> says', [Spoken("the World Wide Web Consortium says")]),
        ('<say-as interpret-as="characters">a1b</say-as>', [Spoken("A, one, B")]),
        ('<say-as interpret-as="telephone">555-12</say-as>', [Spoken("five five five, one two")]),
        ('<say-as interpret-as="cardinal">12</say-as>', [Spoken("12")]),
        ('<prosody rate="fast">quick</prosody> <emphasis level="strong">now</emphasis>', [Spoken("quick now")]),
        ('say <lang xml:lang="fr-FR">bonjour</lang> now', [Spoken("say"), Spoken("bonjour", "fr-FR"), Spoken("now")]),
        ('<phoneme alphabet="ipa" ph="təˈmeɪtoʊ">tomato</phoneme>', [Spoken("tomato")]),
        ('<vendor:effect name="whispered">psst</vendor:effect>', [Spoken("psst")]),
        ("<!-- not said --><?no?>said", [Spoken("said")]),
        ("<p>never closed", [Spoken("never closed")]),
        ("closed</p> only", [Spoken("closed"), Pause(0.6), Spoken("only")]),
    ],
)
def test_pieces(text: str, pieces: list[object]) -> None:
    assert split(text) == pieces


def test_pauses_are_bounded_together() -> None:
    """A small text cannot fill memory with silence; the words behind it are said all the same."""
    pieces = split('one<break time="10s"/>' * 400 + "end")
    assert sum(piece.seconds for piece in pieces if isinstance(piece, Pause)) == MAX_SILENCE
    last = pieces[-1]
    assert isinstance(last, Spoken)
    assert last.text.startswith("one one")
    assert last.text.endswith("one end")
    assert split('<break time="10s"/>' * 400) == [Pause(MAX_SILENCE)]


@given(st.text(alphabet=st.sampled_from("ab <>/=\"'&;break time1s")))
def test_any_text_is_split(text: str) -> None:
    """Never an exception, never blank text, never two texts of one voice in a row."""
    pieces = split(text)
    assert all(piece.text.strip() if isinstance(piece, Spoken) else piece.seconds > 0 for piece in pieces)
    assert all(not (isinstance(a, Spoken) and isinstance(b, Spoken)) for a, b in pairwise(pieces))
