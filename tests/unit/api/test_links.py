"""Links to recordings: what a body may ask for."""

from __future__ import annotations

import pytest

from hubbub.api.links import USUAL, _wanted
from hubbub.errors import Refused


@pytest.mark.parametrize("body", [b'{"format":[]}', b'{"format":{}}', b'{"format":"ogg"}', b'{"seconds":true}', b"[]", b"{"])
def test_a_wrong_body_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        _wanted(body)
    assert caught.value.reason == "bad-parameter"


def test_nothing_asked_is_the_usual() -> None:
    assert (_wanted(b""), _wanted(b'{"seconds":5,"format":"mp3"}')) == ((USUAL, "wav"), (5, "mp3"))
