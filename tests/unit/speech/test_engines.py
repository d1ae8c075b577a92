"""Long text reaches an engine in portions: one engine was seen to loop on a word of 5,000 letters."""

from hypothesis import given
from hypothesis import strategies as st

from hubbub.speech.engines import portions


def test_portions_end_at_sentences() -> None:
    text = "This is a sentence. " * 40
    parts = portions(text)
    assert all(len(part) <= 300 and part.endswith(".") for part in parts)
    assert " ".join(parts) == text.strip()


@given(st.text(alphabet="ab .,", max_size=1000))
def test_portions_lose_no_letter(text: str) -> None:
    parts = portions(text)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(0 < len(part) <= 300 and max(map(len, part.split())) <= 60 for part in parts)
