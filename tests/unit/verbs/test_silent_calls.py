"""A call from which nothing comes is told to its account, once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.dialects.registry import all_dialects
from hubbub.verbs.session import Session

DIALECTS = all_dialects("http://hubbub.test", lambda call: None)


@pytest.mark.parametrize(("answered", "over", "codes"), [(True, False, ["32014"]), (False, False, []), (True, True, [])])
def test_nothing_comes_for_a_minute(answered: bool, over: bool, codes: list[str]) -> None:
    """1.10: 32014 no audio."""
    told: list[str] = []
    session = cast(Any, Session.__new__(Session))
    session.dialect = DIALECTS["twiml"]
    session.call = SimpleNamespace(leg=SimpleNamespace(on_silence_of_packets=session._quiet), answered=answered, over=over)
    session.report = lambda code, text, level: told.append(code)
    session._quiet(60.0)
    assert told == codes


def test_who_is_silent_while_it_rings_is_told_of_once_it_has_answered() -> None:
    told: list[str] = []
    session = cast(Any, Session.__new__(Session))
    session.dialect = DIALECTS["twiml"]
    session.call = SimpleNamespace(leg=SimpleNamespace(on_silence_of_packets=session._quiet), answered=False, over=False)
    session.report = lambda code, text, level: told.append(code)
    for answered in (False, True, True):
        session.call.answered = answered
        if session.call.leg.on_silence_of_packets is not None:
            session.call.leg.on_silence_of_packets(60.0)
    assert told == ["32014"]


def test_who_wants_to_know() -> None:
    assert {name: dialect.tells_silence for name, dialect in DIALECTS.items()} == {
        "twiml": True,
        "cxml": True,
        "bxml": False,
        "swml": False,
    }
