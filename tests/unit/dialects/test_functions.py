"""Functions of `ai`: what a document may declare, and what a reply may ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.facts import START

from hubbub.dialects.swml.functions import Declared, SwaigDesk
from hubbub.dialects.swml.methods import compile_script
from hubbub.dialects.swml.replies import HOLD_SECONDS, LONGEST_HOLD, Memory
from hubbub.errors import DocumentError
from hubbub.events import Link
from hubbub.verbs.held import FunctionCall
from hubbub.verbs.model import PlayTone, Stage


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"params": [1]}, "/params"),
        ({"SWAIG": {"functions": 3}}, "/SWAIG/functions"),
        ({"SWAIG": {"functions": {"function": "f"}}}, "/SWAIG/functions"),
        ({"SWAIG": {"defaults": [1], "functions": [{"function": "f"}]}}, "/SWAIG/defaults"),
        ({"SWAIG": {"functions": [{"function": "f", "meta_data": [1]}]}}, "/meta_data"),
        ({"global_data": 1}, "/global_data"),
    ],
)
def test_what_has_another_shape_is_wrong(params: dict[str, Any], path: str) -> None:
    with pytest.raises(DocumentError, match=path):
        compile_script({"sections": {"main": [{"ai": params}]}}, "", Stage.CALL)


def test_what_is_null_is_not_given() -> None:
    given = {"params": None, "global_data": None, "SWAIG": {"functions": None, "defaults": None}}
    assert compile_script({"sections": {"main": [{"ai": given}]}}, "", Stage.CALL).main


def desk() -> SwaigDesk:
    memory = Memory({"a": 1, "b": 2}, {"f": {"c": 3}})
    return SwaigDesk({"f": Declared(Link("http://app.test/f"), {"function": "f", "meta_data_token": "f"})}, "session", memory)


CALLED = FunctionCall("f", {}, {}, START)


def test_only_texts_are_names_of_data() -> None:
    ours = desk()
    said = {"action": [{"unset_global_data": [{}, "a", 1, []]}, {"unset_meta_data": {}}, {"unset_meta_data": [["c"]]}]}
    ours.reaction(CALLED, json.dumps(said).encode(), "http://app.test/")
    assert (ours.memory.global_data, ours.memory.meta_data) == ({"b": 2}, {"f": {"c": 3}})


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(5, 5.0), ("7", 7.0), ("nan", HOLD_SECONDS), ("inf", HOLD_SECONDS), (10**400, HOLD_SECONDS), (9999, LONGEST_HOLD)],
)
def test_a_hold_lasts_a_finite_time(given: Any, seconds: float) -> None:
    program = desk().reaction(CALLED, json.dumps({"action": {"hold": given}}).encode(), "http://app.test/").program
    assert program is not None
    (tone,) = program.main
    assert isinstance(tone, PlayTone)
    assert tone.seconds == seconds


@pytest.mark.parametrize("body", [b'{"action": {"hold": NaN}}', b'{"action": {"set_global_data": {"a": "\\ud800"}}}'])
def test_a_reply_that_is_no_json_is_an_error_of_the_document(body: bytes) -> None:
    with pytest.raises(DocumentError, match="not JSON"):
        desk().reaction(CALLED, body, "http://app.test/")
