"""The REST face: what a request may say: parties, parameters, filters, and how a participant joins."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.faces import FACE
from tests.support.facts import START

from hubbub.api.rest import read_values
from hubbub.dialects.bxml import machine
from hubbub.dialects.machines import asked_by_rest
from hubbub.dialects.tables import Between, Operation
from hubbub.dialects.twiml.errors import ERRORS
from hubbub.dialects.twiml.operations import OPERATIONS
from hubbub.errors import Refused
from hubbub.events import Link
from hubbub.speech.machine import Thresholds
from hubbub.verbs.hearing import Detection

# -- parties ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spelled", "kind", "value"),
    [
        ("+15550001000", "number", "+15550001000"),
        ("+1 (555) 000-1000", "number", "+15550001000"),
        ("client:alice", "phone", "alice"),
        ("client:alice?team=blue", "phone", "alice"),
        ("sip:bob@127.0.0.1:5070", "sip", "bob"),
    ],
)
def test_parties(spelled: str, kind: str, value: str) -> None:
    party = FACE.party(spelled, "hub")
    assert (party.kind, party.value) == (kind, value)


@pytest.mark.parametrize("spelled", ["", "+", "+٣٣٣", "client:", "sip:bob", "tel:+1", "alice"])
def test_no_parties(spelled: str) -> None:
    with pytest.raises(Refused) as caught:
        FACE.party(spelled, "hub")
    assert caught.value.reason == "invalid-target"


@pytest.mark.parametrize("spelled", ["5550001000", "+1555000100000000"])
def test_digits_that_are_no_number(spelled: str) -> None:
    """21217: not in E.164."""
    with pytest.raises(Refused) as caught:
        FACE.party(spelled, "hub")
    assert caught.value.reason == "not-a-number"


# -- parameters ------------------------------------------------------------------------------------------------


def operation(does: str) -> Operation:
    return next(row for row in OPERATIONS if row.does == does)


def values(does: str, *pairs: tuple[str, str]) -> dict[str, Any]:
    return read_values(operation(does).params, list(pairs))


def refusal(does: str, *pairs: tuple[str, str]) -> tuple[int, int]:
    with pytest.raises(Refused) as caught:
        values(does, *pairs)
    status, body = FACE.error(caught.value, "/p")
    return status, body["code"]


def test_the_last_of_repeated_keys_wins_and_empty_ones_are_unset() -> None:
    assert values("create_member", ("Label", "a"), ("Label", "b"), ("From", "")) == {"label": "b"}


def test_unknown_parameters_are_ignored() -> None:
    """20001 warning only."""
    assert values("create_call", ("Nonsense", "1"), ("CallReason", "x")) == {}


def test_detection_of_machines() -> None:
    """5.4: Enable, DetectMessageEnd and four thresholds in milliseconds; 21234 for what is out of bounds."""
    given = values(
        "create_call",
        ("MachineDetection", "DetectMessageEnd"),
        ("MachineDetectionTimeout", "20"),
        ("MachineDetectionSpeechThreshold", "1000"),
        ("MachineDetectionSpeechEndThreshold", "900"),
        ("MachineDetectionSilenceTimeout", "2500"),
        ("AsyncAmd", "true"),
        ("AsyncAmdStatusCallback", "http://app.test/amd"),
        ("AsyncAmdStatusCallbackMethod", "GET"),
    )
    assert asked_by_rest(given) == Detection(
        thresholds=Thresholds(20.0, 1.0, 0.9, 2.5, await_end=True), waits=False, link=Link("http://app.test/amd", "GET")
    )
    assert asked_by_rest(values("create_call", ("MachineDetection", "Enable"))) == Detection(waits=True)
    assert asked_by_rest(values("create_call", ("AsyncAmd", "true"))) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MachineDetection", "enable"),
        ("MachineDetectionTimeout", "2"),
        ("MachineDetectionSpeechThreshold", "6001"),
        ("MachineDetectionSpeechEndThreshold", "499"),
        ("MachineDetectionSilenceTimeout", "1999"),
        ("AsyncAmd", "perhaps"),
    ],
)
def test_bad_detection(name: str, value: str) -> None:
    with pytest.raises(Refused) as refusal:
        values("create_call", (name, value))
    assert ERRORS[refusal.value.reason].code == "21234"


def test_detection_by_v2() -> None:
    """6.2: `mode` async, detectionTimeout 15, silenceTimeout 10, speechThreshold 10, speechEndThreshold 5, delayResult false."""
    wish = asked_by_rest(machine.completed({"detect_url": "http://app.test/amd"}))
    assert wish == Detection(thresholds=Thresholds(15.0, 10.0, 5.0, 10.0), waits=False, link=Link("http://app.test/amd"))
    wish = asked_by_rest(machine.completed({"detect_beside": False, "detect_url": "http://app.test/amd", "detect_machine_pause": 2.0}))
    assert wish == Detection(thresholds=Thresholds(15.0, 10.0, 5.0, 10.0, machine_pause_seconds=2.0), waits=True)
    assert machine.completed({"to": "x"}) == {"to": "x"}


def test_lists_by_repeated_keys_or_by_words() -> None:
    """repeated keys or one space-separated value; accept both."""
    expected = {"progress_events": frozenset({"ringing", "answered"})}
    assert values("create_call", ("StatusCallbackEvent", "ringing"), ("StatusCallbackEvent", "answered")) == expected
    assert values("create_call", ("StatusCallbackEvent", "ringing answered")) == expected


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("TRUE", True), ("false", False), ("1", False), ("yes", False)]
)
def test_muted_and_hold_are_false_unless_true(text: str, value: bool) -> None:
    """for Muted anything else = false; booleans of REST are read without regard to case."""
    assert values("update_member", ("Muted", text), ("Hold", text)) == {"muted": value, "held": value}


def test_other_booleans_are_checked() -> None:
    assert values("create_member", ("StartConferenceOnEnter", "False")) == {"start_on_enter": False}
    assert refusal("create_member", ("StartConferenceOnEnter", "maybe")) == (400, 20001)


@pytest.mark.parametrize(
    "pair",
    [
        *(("MaxParticipants", "1"), ("MaxParticipants", "251"), ("Beep", "loud"), ("ConferenceStatusCallback", "no url")),
        *(("ConferenceStatusCallbackEvent", "start finish"), ("ConferenceRecord", "yes"), ("ConferenceTrim", "x"), ("Region", "mars")),
    ],
)
def test_room_parameters_have_a_code_of_their_own(pair: tuple[str, str]) -> None:
    """16002: attribute set invalid."""
    assert refusal("create_member", pair) == (400, 16002)


@pytest.mark.parametrize("text", ["true", "True", "false", "onEnter", "onExit"])
def test_beeps(text: str) -> None:
    assert values("create_member", ("Beep", text))["beep"] in ("both", "none", "enter", "exit")


@pytest.mark.parametrize("text", ["4", "601", "x", "²", "٣٣", "9" * 5000])
def test_timeouts(text: str) -> None:
    """Timeout 5-600."""
    assert refusal("create_member", ("Timeout", text))[0] == 400


DAY = 1772409600.0  # 2026-03-02T00:00:00Z


@pytest.mark.parametrize(
    ("does", "pair", "key", "between"),
    [
        ("list_rooms", ("DateCreated", "2026-03-02"), "created", Between("=", DAY, DAY + 86400)),
        ("list_rooms", ("DateCreated<", "2026-03-02"), "created<", Between("<", DAY, DAY + 86400)),
        ("list_rooms", ("DateUpdated>", "2026-03-02"), "updated>", Between(">", DAY, DAY + 86400)),
        ("list_calls", ("StartTime>", "2026-03-02T09:00:00Z"), "started>", Between(">", START, START + 1)),
        ("list_calls", ("EndTime", "2026-03-02"), "ended", Between("=", DAY, DAY + 86400)),
        ("list_calls", ("StartTime", "2026-03-02T10:00:00+01:00"), "started", Between("=", START, START + 1)),
    ],
)
def test_filters_on_dates(does: str, pair: tuple[str, str], key: str, between: Between) -> None:
    """`DateCreated<=2020-01-01` is key `DateCreated<`: on or before; conference filters take dates only, calls also date-times."""
    assert values(does, pair) == {key: between}


@pytest.mark.parametrize(
    ("does", "pair"),
    [
        *(("list_rooms", ("DateCreated", "2026-03-02T09:00:00Z")), ("list_rooms", ("DateCreated", "yesterday"))),
        *(("list_rooms", ("DateCreated", "2026-13-01")), ("list_calls", ("StartTime", "soon"))),
        *(("list_calls", ("Status", "initiated")), ("list_calls", ("Status", "x"))),
        *(("list_rooms", ("DateCreated", "9999-12-31")), ("list_calls", ("EndTime", "9999-12-31"))),
    ],
)
def test_filters_that_are_refused(does: str, pair: tuple[str, str]) -> None:
    """date-times -> 400 for conferences; the last day of the calendar has no end."""
    assert refusal(does, pair) == (400, 20001)


def test_a_filter_that_is_no_sid() -> None:
    """20423: invalid SID."""
    assert refusal("list_calls", ("ParentCallSid", "x")) == (400, 20423)


@pytest.mark.parametrize(("spelled", "value"), [("client:alice", "alice"), ("sip:bob@h", "sip:bob@h"), ("+15550001000", "+15550001000")])
def test_filters_on_parties(spelled: str, value: str) -> None:
    """As `To` and `From` are spelled; compared with what the row of the call holds."""
    given = values("list_calls", ("To", spelled))["callee"]
    assert value in given.values()


# -- how a participant joins -----------------------------------------------------------------------------------


def test_what_rest_gives_a_joiner_by_default() -> None:
    """Beep true; ConferenceStatusCallbackEvent start end."""
    verb = FACE.join(values("create_member", ("ConferenceStatusCallback", "http://a/e")), "standup")
    assert (verb.joining.beep_on_enter, verb.joining.beep_on_exit, verb.joining.start_on_enter) == (True, True, True)
    assert verb.joining.settings.subscription is not None
    assert sorted(kind.value for kind in verb.joining.settings.subscription.events) == ["ended", "started"]


@pytest.mark.parametrize(
    ("given", "room", "code"),
    [
        ({"label": "CA" + "0" * 32}, "a", 16024),
        ({"label": "x" * 129}, "a", 16024),
        ({}, "", 16002),
        ({}, "x" * 129, 16002),
        ({"coaching": True}, "a", 16002),
    ],
)
def test_joiners_that_are_refused(given: dict[str, Any], room: str, code: int) -> None:
    with pytest.raises(Refused) as caught:
        FACE.join(given, room)
    assert FACE.error(caught.value, "/p")[1]["code"] == code


def test_a_document_as_text() -> None:
    assert len(FACE.program("<Response><Hangup/></Response>").main) == 1
    for document in ("<Response>", "x" * 4001):
        with pytest.raises(Refused) as caught:
            FACE.program(document)
        assert FACE.error(caught.value, "/p")[0] == 400
