"""What the tables have beyond their vendors: other spellings, roles, larger conferences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.facts import ACCOUNT

from hubbub.api.rest import read_values, remarks_on
from hubbub.dialects.registry import all_dialects, rest_faces
from hubbub.dialects.twiml.operations import OPERATIONS
from hubbub.dialects.twiml.rest import TwimlRest
from hubbub.errors import Refused
from hubbub.verbs.model import JoinRoom, Stage

MEMBER = next(operation for operation in OPERATIONS if operation.does == "create_member").params


def joined(attributes: str, most: int = 250, dialect: str = "twiml") -> tuple[JoinRoom, list[tuple[str, str]]]:
    document = f"<Response><Dial><Conference {attributes}>a</Conference></Dial></Response>".encode()
    program = all_dialects("", lambda call: None, most=most)[dialect].compile(document, "text/xml", "http://app.test/", Stage.CALL)
    (verb,) = program.main
    assert isinstance(verb, JoinRoom)
    return verb, [(remark.code, remark.message) for remark in program.remarks]


@pytest.mark.parametrize("dialect", ["twiml", "cxml"])
@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("participantLabel='x'", "label='x'"),
        ("coach='CA00000000000000000000000000000001'", "callSidToCoach='CA00000000000000000000000000000001'"),
        ("record='record-from-start'", "conferenceRecord='true'"),
        ("statusCallback='/e' statusCallbackEvent='join'", "conferenceStatusCallback='/e' conferenceStatusCallbackEvent='join'"),
        ("record='true' recordingStatusCallback='/r'", "conferenceRecord='true' conferenceRecordingStatusCallback='/r'"),
    ],
)
def test_both_spellings_in_documents(here: str, there: str, dialect: str) -> None:
    """P21: "accept both spellings everywhere": with a warning that says how it is spelled here."""
    usual, other = joined(here, dialect=dialect), joined(there, dialect=dialect)
    assert other[0] == usual[0]
    assert usual[1] == []
    assert other[1]
    assert all("is spelled" in text for _, text in other[1])


def test_the_spelling_of_the_place_goes_first() -> None:
    verb, remarks = joined("label='there' participantLabel='here'")
    assert verb.joining.label == "here"
    assert [code for code, _ in remarks] == ["12200"]


@pytest.mark.parametrize(
    ("pairs", "values"),
    [
        ([("ParticipantLabel", "x")], {"label": "x"}),
        ([("Coach", "CA1")], {"coach": "CA1"}),
        ([("Record", "record-from-answer")], {"recorded": True}),
        ([("Record", "do-not-record")], {"recorded": False}),
        ([("Coach", "CA1"), ("CallSidToCoach", "CA1")], {"coach": "CA1"}),
    ],
)
def test_both_spellings_in_rest(pairs: list[tuple[str, str]], values: Mapping[str, Any]) -> None:
    assert read_values(MEMBER, pairs) == values
    assert remarks_on(MEMBER, pairs) == []


def test_the_spelling_of_the_place_goes_first_in_rest() -> None:
    """Law 1, "never silently lost": what the other one says is told."""
    pairs = [("Coach", "CA1"), ("CallSidToCoach", "CA2")]
    assert read_values(MEMBER, pairs) == {"coach": "CA2"}
    assert ["'Coach'" in words for _, words in remarks_on(MEMBER, pairs)] == [True]


def test_a_flag_goes_before_the_role() -> None:
    """P8: "role presets"."""
    verb, _ = joined("role='moderator' endConferenceOnExit='false'")
    assert (verb.joining.start_on_enter, verb.joining.end_on_exit) == (True, False)
    verb, _ = joined("role='supervisor'")
    assert (verb.joining.muted, verb.joining.start_on_enter, verb.joining.beep_on_enter) == (True, False, False)


def test_conferences_are_as_large_as_configuration_says() -> None:
    """P25: "250 participants: higher, configurable"; 250 unless it says so."""
    assert joined("")[0].joining.settings.policy.capacity == 250
    assert joined("maxParticipants='251'")[1][0][0] == "16002"
    large, remarks = joined("maxParticipants='900'", most=1000)
    assert (large.joining.settings.policy.capacity, remarks) == (900, [])
    assert joined("", most=1000)[0].joining.settings.policy.capacity == 1000
    assert joined("", most=1000, dialect="cxml")[0].joining.settings.policy.capacity == 1000
    faces = rest_faces("http://hubbub.test", (ACCOUNT,), lambda: 0.0, most=1000)
    face = next(face for face in faces if type(face) is TwimlRest)
    rows = next(operation for operation in face.operations if operation.does == "create_member").params
    assert read_values(rows, [("MaxParticipants", "1000")]) == {"max_members": 1000}
    assert face.join({}, "a").joining.settings.policy.capacity == 1000
    for row, value in ((rows, "1001"), (MEMBER, "251")):
        with pytest.raises(Refused):
            read_values(row, [("MaxParticipants", value)])
