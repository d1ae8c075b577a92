"""The table that spells the demo's dialect, and its documents."""

from pathlib import Path

import pytest

from hubbub.demo.vocabulary import DOCUMENTS, Vocabulary, document
from hubbub.dialects.lint import ADVICE, lint_document

NAMES = [item.name for item in DOCUMENTS.iterdir() if item.name.endswith(".xml")]


@pytest.mark.parametrize("name", NAMES)
def test_documents_are_right(name: str) -> None:
    """Not one error or warning, with every name filled in; advice there is, for a host whose leaving ends the room."""
    text = document(name, name="alice", host="true", coached="CA" + 32 * "0")
    assert "$" not in text.partition("<Response>")[2]
    assert [finding for finding in lint_document(text.encode()) if finding.level != ADVICE] == []


def test_requests_are_filled_in_and_escaped() -> None:
    call = Vocabulary.load().request("hold", "AC1", room="a/b", member="alice", url="http://127.0.0.1/hold")
    assert call.method == "POST"
    assert "/AC1/" in call.path
    assert "a%2Fb" in call.path
    assert "http://127.0.0.1/hold" in call.form.values()


def test_every_request_of_the_table_can_be_made() -> None:
    vocabulary = Vocabulary.load()
    for name in (key for key in vocabulary.rest if key != "base"):
        assert vocabulary.request(name, "u", room="r", member="m", url="x", recording="c").path.startswith("/")


def test_the_documents_are_in_the_package() -> None:
    assert Path(str(DOCUMENTS)).is_dir()
    assert len(NAMES) == 6
