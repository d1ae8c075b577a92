"""The REST face: key sets of resources, paging, errors, parties, parameters."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from tests.support.facts import ACCOUNT, CALL, MEMBER, PUBLIC, RECORDING, ROOM, START, identity

from hubbub.api.rest import read_values
from hubbub.dialects.bxml import machine
from hubbub.dialects.machines import asked_by_rest
from hubbub.dialects.tables import Between, Operation, Page, Window
from hubbub.dialects.twiml import TwimlDialect
from hubbub.dialects.twiml.errors import ERRORS
from hubbub.dialects.twiml.operations import OPERATIONS
from hubbub.dialects.twiml.rest import TwimlRest
from hubbub.errors import Refused
from hubbub.events import CallStatus, EndReason, Link, Presence, RecordingStatus, RoomStatus
from hubbub.speech.machine import Thresholds
from hubbub.verbs.hearing import Detection

FACE = TwimlRest(TwimlDialect(PUBLIC), [ACCOUNT])
AC = "AC00000000000000000000000000000001"
BASE = f"/2010-04-01/Accounts/{AC}"


# -- resources, 5.4 to 5.10 ------------------------------------------------------------------------------------


def test_a_conference() -> None:
    """5.10, key set exact."""
    sid = "CF00000000000000000000000000000001"
    assert FACE.show("room", ROOM, ACCOUNT) == {
        "sid": sid,
        "account_sid": AC,
        "friendly_name": "standup",
        "status": "in-progress",
        "region": "us1",
        "api_version": "2010-04-01",
        "date_created": "Mon, 02 Mar 2026 09:00:00 +0000",
        "date_updated": "Mon, 02 Mar 2026 09:00:07 +0000",
        "reason_conference_ended": None,
        "call_sid_ending_conference": None,
        "uri": f"{BASE}/Conferences/{sid}.json",
        "subresource_uris": {
            "participants": f"{BASE}/Conferences/{sid}/Participants.json",
            "recordings": f"{BASE}/Conferences/{sid}/Recordings.json",
        },
    }


def test_a_conference_that_is_over() -> None:
    over = replace(ROOM, status=RoomStatus.COMPLETED, end_reason=EndReason.LAST_LEFT, ended_by=CALL.id)
    shown = FACE.show("room", over, ACCOUNT)
    assert (shown["status"], shown["reason_conference_ended"]) == ("completed", "last-participant-left")
    assert shown["call_sid_ending_conference"] == "CA00000000000000000000000000000001"


def test_a_participant() -> None:
    """5.10, key set exact; `queue_time` only in the create answer."""
    shown = FACE.show("member", (replace(MEMBER, held=True), CallStatus.IN_PROGRESS), ACCOUNT)
    assert shown == {
        "account_sid": AC,
        "call_sid": "CA00000000000000000000000000000001",
        "label": "agent 7",
        "conference_sid": "CF00000000000000000000000000000001",
        "date_created": "Mon, 02 Mar 2026 09:00:05 +0000",
        "date_updated": "Mon, 02 Mar 2026 09:00:09 +0000",
        "muted": False,
        "hold": True,
        "coaching": False,
        "call_sid_to_coach": None,
        "start_conference_on_enter": True,
        "end_conference_on_exit": False,
        "status": "connected",
        "queue_time": None,
        "uri": f"{BASE}/Conferences/CF00000000000000000000000000000001/Participants/CA00000000000000000000000000000001.json",
    }
    created = FACE.show("member", (replace(MEMBER, presence=Presence.INVITED), CallStatus.QUEUED), ACCOUNT, created=True)
    assert (created["status"], created["queue_time"]) == ("queued", "0")
    assert set(created) == set(shown)


@pytest.mark.parametrize(
    ("presence", "call", "status"),
    [
        (Presence.INVITED, CallStatus.QUEUED, "queued"),
        (Presence.INVITED, CallStatus.INITIATED, "connecting"),
        (Presence.EARLY, CallStatus.RINGING, "ringing"),
        (Presence.WAITING, CallStatus.IN_PROGRESS, "connected"),
        (Presence.MIXED, CallStatus.IN_PROGRESS, "connected"),
        (Presence.LEFT, CallStatus.COMPLETED, "complete"),
        (Presence.LEFT, CallStatus.IN_PROGRESS, "complete"),
        (Presence.LEFT, CallStatus.BUSY, "failed"),
        (Presence.LEFT, CallStatus.NO_ANSWER, "failed"),
    ],
)
def test_participant_status(presence: Presence, call: CallStatus, status: str) -> None:
    """queued -> connecting -> ringing -> connected -> complete | failed."""
    assert FACE.show("member", (replace(MEMBER, presence=presence), call), ACCOUNT)["status"] == status


def test_a_conference_recording() -> None:
    """5.10, key set exact."""
    assert FACE.show("room-recording", RECORDING, ACCOUNT) == {
        "sid": "RE00000000000000000000000000000001",
        "account_sid": AC,
        "api_version": "2010-04-01",
        "call_sid": "CA00000000000000000000000000000001",
        "conference_sid": "CF00000000000000000000000000000001",
        "channels": 1,
        "source": "Conference",
        "status": "completed",
        "duration": "74",
        "start_time": "Mon, 02 Mar 2026 09:00:07 +0000",
        "date_created": "Mon, 02 Mar 2026 09:00:07 +0000",
        "date_updated": "Mon, 02 Mar 2026 09:01:22 +0000",
        "price": None,
        "price_unit": "USD",
        "error_code": None,
        "encryption_details": None,
        "uri": f"{BASE}/Conferences/CF00000000000000000000000000000001/Recordings/RE00000000000000000000000000000001.json",
    }


def test_recordings_seen_from_elsewhere() -> None:
    """Account-wide adds subresource_uris and media_url; those of calls add track; the `uri` is the path asked by (5.7)."""
    keys = set(FACE.show("room-recording", RECORDING, ACCOUNT))
    whole = FACE.show("recording", RECORDING, ACCOUNT)
    assert set(whole) == keys | {"media_url", "subresource_uris"}
    assert whole["uri"] == f"{BASE}/Recordings/RE{RECORDING.id}.json"
    assert whole["media_url"] == f"{PUBLIC}{BASE}/Recordings/RE{RECORDING.id}"
    assert set(FACE.show("call-recording", RECORDING, ACCOUNT)) == keys | {"track"}


def test_a_recording_that_is_empty() -> None:
    absent = replace(RECORDING, status=RecordingStatus.ABSENT, absent_reason="short", seconds=0.0)
    assert FACE.show("recording", absent, ACCOUNT)["error_code"] == 16101


def test_a_call() -> None:
    shown = FACE.show("call", replace(CALL, status=CallStatus.COMPLETED, ended=START + 66), ACCOUNT)
    assert set(shown) == {
        *("sid", "account_sid", "parent_call_sid", "to", "to_formatted", "from", "from_formatted", "phone_number_sid", "status"),
        *("start_time", "end_time", "duration", "price", "price_unit", "direction", "answered_by", "api_version", "forwarded_from"),
        *("group_sid", "caller_name", "queue_time", "stir_verstat", "trunk_sid", "date_created", "date_updated", "uri", "subresource_uris"),
    }
    assert set(shown["subresource_uris"]) == {
        *("notifications", "recordings", "payments", "events", "siprec", "streams", "transcriptions"),
        *("user_defined_message_subscriptions", "user_defined_messages"),
    }
    assert (shown["from_formatted"], shown["to_formatted"]) == ("(415) 867-5308", "(555) 000-1000")
    assert (shown["duration"], shown["queue_time"]) == ("61", "0")
    queued = FACE.show("call", replace(CALL, status=CallStatus.INITIATED, answered=None), ACCOUNT)
    assert (queued["status"], queued["start_time"], queued["end_time"], queued["duration"]) == ("queued", None, None, None)


def test_a_call_that_was_diverted_here() -> None:
    """5.4 "forwarded_from", "stir_verstat"."""
    signalled = {"diversion": "<sip:+15550009999@pbx.test>", "p-asserted-identity": "<sip:a@b;verstat=TN-Validation-Failed>"}
    shown = FACE.show("call", replace(CALL, signalled=signalled), ACCOUNT)
    assert (shown["forwarded_from"], shown["stir_verstat"]) == ("+15550009999", "TN-Validation-Failed")
    bare = FACE.show("call", CALL, ACCOUNT)
    assert (bare["forwarded_from"], bare["stir_verstat"]) == (None, None)


def test_a_notification() -> None:
    row = {
        "id": identity(3),
        "call": CALL.id,
        "code": "13230",
        "level": "warning",
        "created": START,
        "data": {"message": "muted", "url": "u"},
    }
    shown = FACE.show("notification", row, ACCOUNT)
    assert (shown["sid"], shown["error_code"], shown["log"]) == (f"NO{identity(3)}", "13230", "1")
    assert shown["request_method"] is None


# -- paging, 5.3 -----------------------------------------------------------------------------------------------

KEYS = {"first_page_uri", "next_page_uri", "previous_page_uri", "page", "page_size", "start", "end", "uri"}


def page(number: int, size: int, count: int, *, more: bool, query: dict[str, str] | None = None) -> dict[str, Any]:
    items = tuple(replace(ROOM, id=identity(number * size + index)) for index in range(count))
    return FACE.show_page("room", Page(items, number, size, more), ACCOUNT, f"{BASE}/Conferences.json", query or {})


def test_the_only_page() -> None:
    shown = page(0, 50, 2, more=False, query={"Status": "in-progress"})
    assert set(shown) == KEYS | {"conferences"}
    assert (shown["page"], shown["page_size"], shown["start"], shown["end"]) == (0, 50, 0, 1)
    assert shown["first_page_uri"] == f"{BASE}/Conferences.json?Status=in-progress&PageSize=50&Page=0"
    assert shown["next_page_uri"] is None
    assert shown["previous_page_uri"] is None


def test_a_page_in_the_middle() -> None:
    shown = page(1, 2, 2, more=True, query={"Page": "1", "PageToken": "PAx", "PageSize": "2"})
    assert (shown["start"], shown["end"]) == (2, 3)
    assert shown["next_page_uri"] == f"{BASE}/Conferences.json?PageSize=2&Page=2&PageToken=PACF{identity(3)}"
    assert shown["previous_page_uri"] == f"{BASE}/Conferences.json?PageSize=2&Page=0&PageToken=PBCF{identity(2)}"


def test_an_empty_page() -> None:
    shown = page(0, 50, 0, more=False)
    assert (shown["start"], shown["end"], shown["conferences"]) == (0, 0, [])


@pytest.mark.parametrize(
    ("query", "window"),
    [
        ({}, Window(0, 50)),
        ({"PageSize": "1000"}, Window(0, 1000)),
        ({"Page": "3", "PageSize": "1", "PageToken": "PACF0"}, Window(3, 1)),
        ({"Page": "", "PageSize": ""}, Window(0, 50)),
    ],
)
def test_windows(query: dict[str, str], window: Window) -> None:
    assert FACE.window(query) == window


@pytest.mark.parametrize("query", [{"PageSize": "1001"}, {"PageSize": "0"}, {"PageSize": "many"}, {"Page": "-1"}, {"Page": "9" * 30}])
def test_windows_that_are_none(query: dict[str, str]) -> None:
    """PageSize > 1000 -> 20007."""
    with pytest.raises(Refused) as caught:
        FACE.window(query)
    assert caught.value.reason == "page-size"


def test_a_bad_token() -> None:
    with pytest.raises(Refused) as caught:
        FACE.window({"PageToken": "XX"})
    assert FACE.error(caught.value, "/x")[1]["code"] == 21481


# -- errors, 5.2 -----------------------------------------------------------------------------------------------


def test_the_body_of_an_error() -> None:
    path = f"{BASE}/Calls/CA1.json"
    assert FACE.error(Refused("not-found"), path) == (
        404,
        {
            "code": 20404,
            "message": f"The requested resource {path} was not found",
            "more_info": "https://www.twilio.com/docs/errors/20404",
            "status": 404,
        },
    )
    assert set(FACE.error(Refused("unauthenticated"), path)[1]) == {"code", "message", "more_info", "status", "detail"}


@pytest.mark.parametrize("reason", sorted(ERRORS))
def test_every_error_can_be_rendered(reason: str) -> None:
    status, body = FACE.error(Refused(reason, "because {of} this"), "/p")
    assert status == body["status"]
    assert body["message"]


def test_a_refusal_that_nobody_foresaw() -> None:
    assert FACE.error(Refused("never-heard-of"), "/p")[0] == 400


# -- who asks --------------------------------------------------------------------------------------------------


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_credentials() -> None:
    token = ACCOUNT.faces["twilio"]["token"]
    assert FACE.authenticate(basic(AC, token), AC) is ACCOUNT
    for header in ("", "Basic", "Basic !!!", "Bearer x", basic(AC, "wrong"), basic("", ""), basic("AC1", token), "Basic /w=="):
        with pytest.raises(Refused) as caught:
            FACE.authenticate(header, AC)
        assert caught.value.reason == "unauthenticated"
    with pytest.raises(Refused) as caught:
        FACE.authenticate(basic(AC, token), "AC" + "9" * 32)
    assert caught.value.reason == "forbidden"


def test_an_account_without_this_face_lets_nobody_in() -> None:
    face = TwimlRest(TwimlDialect(PUBLIC), [ACCOUNT.model_copy(update={"faces": {}})])
    with pytest.raises(Refused):
        face.authenticate(basic("", ""), "")


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
