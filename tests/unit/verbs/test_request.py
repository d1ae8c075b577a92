"""Requests of documents: what is read of a reply."""

from __future__ import annotations

import pytest

from hubbub.verbs.request import _read


@pytest.mark.parametrize("text", ['{"a":"\\ud800"}', '["\\udfff"]', '{"a":NaN}', "1e999", "{", "[" * 100_000])
def test_what_cannot_be_sent_on_is_not_read(text: str) -> None:
    """Later requests and what is spoken may hold it: half of a surrogate pair would end the call there."""
    assert _read(text) is None


def test_json_is_read() -> None:
    assert _read('{"a":["é\\ud83d\\ude00",1.5,null]}') == {"a": ["é😀", 1.5, None]}
