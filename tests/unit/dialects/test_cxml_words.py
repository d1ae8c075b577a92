"""cXML where it differs from the dialect that it is compatible with: words, numbers and codes exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.facts import ACCOUNT, CALL, MEMBER, PUBLIC, RECORDING, ROOM, START
from tests.support.vectors import DIALECTS

from hubbub.calls.call import ProgressWish
from hubbub.conference.policy import Policy, RecordingWish, RoomSettings, Subscription
from hubbub.dialects.cxml import CxmlDialect
from hubbub.dialects.cxml.rest import CxmlRest
from hubbub.events import CallEvent, EndReason, Link, RecordingEvent, RoomEvent, RoomEventKind, RoomStatus
from hubbub.verbs.model import JoinRoom, Stage
from hubbub.verbs.program import Note, Program, Switch
from hubbub.webhooks.requester import HttpReply

DIALECT = CxmlDialect(PUBLIC, lambda call: CALL if call == CALL.id else None)
LINK = Link("http://app.test/events")
STANDARD = {"CallSid", "AccountSid", "From", "To", "Caller", "Called", "CallStatus", "ApiVersion", "Direction"}
SIP = {"CallerName", "SipCallId", "SipDomain", "SipSourceIp", "SipHeader_X-Team"}


def compiled(document: str, stage: Stage = Stage.CALL) -> Program:
    return DIALECT.compile(document.encode(), "text/xml", "http://app.test/docs/first", stage)


def joined(attributes: str = "", name: str = "standup") -> tuple[JoinRoom, list[str]]:
    program = compiled(f"<Response><Dial><Conference {attributes}>{name}</Conference></Dial></Response>")
    (verb,) = program.main
    assert isinstance(verb, JoinRoom)
    return verb, [remark.code for remark in program.remarks]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        *(("timeout", "11200"), ("connect_timeout", "11200"), ("refused", "11200"), ("network", "11200"), ("dns", "11210")),
        *(("redirects", "11215"), ("tls", "11220"), ("protocol", "11251"), ("too_large", "11750"), ("bad_url", "21402")),
    ],
)
def test_codes_of_failed_cxml_requests(kind: str, code: str) -> None:
    """1.10: "11200 webhook timed out / 502; 11210 / 11215 / 11217 DNS / >3 redirects / 4xx-5xx; 11220 / 11251"."""
    assert DIALECT.request_failure_code(kind) == code


@pytest.mark.parametrize(("status", "code"), [(404, "11217"), (500, "11217"), (502, "11200"), (200, None)])
def test_codes_of_statuses(status: int, code: str | None) -> None:
    reply = HttpReply(status=status, headers={}, content_type="text/xml", body=b"<Response/>", url="http://a/", seconds=0.1, attempts=1)
    found = DIALECT.reply_failure(reply)
    assert (found[0] if found else None) == code


def test_cxml_standard_parameters() -> None:
    """1.2: the standard parameters; ids are UUIDs, the account is its project."""
    fields = DIALECT.call_fields(ACCOUNT, CALL)
    assert set(fields) == STANDARD | SIP
    assert (fields["CallSid"], fields["AccountSid"]) == ("00000000-0000-0000-0000-000000000001", ACCOUNT.faces["signalwire"]["project"])
    assert fields["ApiVersion"] == "2010-04-01"


def test_answered_is_told_twice() -> None:
    """1.2: "a subscriber to `answered` receives both an `answered` and an `in-progress` callback"; others once."""
    wish = ProgressWish(LINK, frozenset({"answered", "completed", "ringing"}))

    def told(kind: Any) -> list[str]:
        return [dict(notice.fields)["CallStatus"] for notice in DIALECT.call_notices(ACCOUNT, CallEvent(kind, CALL, START, 1), wish)]

    assert told("answered") == ["answered", "in-progress"]
    assert told("ringing") == ["ringing"]


@pytest.mark.parametrize(("length", "codes"), [(0, ["20002"]), (1, []), (64, []), (65, ["20002"])])
def test_cxml_names(length: int, codes: list[str]) -> None:
    """1.5: "friendly name 1–64 chars (code 20002 otherwise)"; blanks are legal."""
    verb, remarks = joined(name="x" * length)
    assert (remarks, bool(verb.refused)) == (codes, bool(codes))
    assert joined(name="Room 1234")[0].room == "Room 1234"


def test_cxml_rooms_have_250_places() -> None:
    """1.5, 3.6: "default 250 (configurable), accept 2…100000, reject <2"; two start a room."""
    policy = joined()[0].joining.settings.policy
    assert (policy.capacity, policy.minimum_to_start) == (250, 2)


def test_swml_rooms_have_250_places() -> None:
    """3.6: "default 250"; "SWML join with true starts at once"."""
    document = b'{"sections": {"main": [{"join_conference": "team"}]}}'
    (verb, *_) = DIALECTS["swml"].compile(document, "application/json", "http://app.test/", Stage.CALL).main
    assert isinstance(verb, JoinRoom)
    policy = verb.joining.settings.policy
    assert (policy.capacity, policy.minimum_to_start) == (250, 1)


@pytest.mark.parametrize("verb", ["<Dial>+15550001</Dial>", "<Gather/>", "<Hangup/>", "<Record/>"])
def test_cxml_wait_documents(verb: str) -> None:
    """1.10: "13238 Dial, Gather, Hangup or Record inside wait/hold/announce doc"; 1.5: Say is taken too."""
    program = compiled(f"<Response><Say>wait</Say>{verb}</Response>", Stage.BESIDE)
    assert [remark.code for remark in program.remarks] == ["13238"]
    assert len(program.main) == 1


def test_cxml_recording_events_by_default() -> None:
    """1.5 recordingStatusCallbackEvent: "`completed failed`"; elsewhere `completed`."""
    wish = joined("recordingStatusCallback='/r'")[0].joining.settings.recording
    assert wish is not None
    assert wish.events == {"completed", "failed"}


RECORDED = {
    *("AccountSid", "RecordingSid", "RecordingUrl", "RecordingStatus", "RecordingChannels", "RecordingSource"),
    *("ConferenceSid", "RecordingStartTime"),
}


def test_cxml_recording_events() -> None:
    """1.8: its parameters, with ConferenceSid and RecordingStartTime; `absent` and `failed` to those who listed them."""
    wish = RecordingWish(LINK, frozenset({"in-progress", "completed", "absent", "failed"}))

    def told(kind: Any, source: Any = "room") -> dict[str, str]:
        (notice,) = DIALECT.recording_notices(ACCOUNT, RecordingEvent(kind, replace(RECORDING, source=source), START), wish)
        return dict(notice.fields)

    assert set(told("completed")) == RECORDED | {"RecordingDuration"}
    assert [told(kind)["RecordingStatus"] for kind in ("in-progress", "completed", "absent", "failed")] == [
        *("in-progress", "completed", "absent", "failed")
    ]
    assert told("completed", "room")["RecordingSource"] == "Conference"
    assert told("completed", "room-request")["RecordingSource"] == "StartConferenceRecording"
    for kind in ("absent", "in-progress"):
        assert not DIALECT.recording_notices(ACCOUNT, RecordingEvent(kind, RECORDING, START), RecordingWish(LINK))  # type: ignore[arg-type]


BASE = {"ConferenceSid", "FriendlyName", "AccountSid", "SequenceNumber", "Timestamp", "StatusCallbackEvent"}
FLAGS = {"Muted", "Hold", "Coaching", "StartConferenceOnEnter", "EndConferenceOnExit", "ParticipantLabel"}


def event_fields(event: RoomEvent) -> dict[str, str]:
    settings = RoomSettings("cxml", Policy(), Subscription(LINK, frozenset(RoomEventKind)))
    (notice,) = DIALECT.room_notices(ACCOUNT, event, settings)
    return dict(notice.fields)


def test_cxml_conference_events() -> None:
    """1.7: "Standard parameters (1.2) plus …"; "DO send them too": sequence numbers, labels, reasons."""
    fields = event_fields(RoomEvent(RoomEventKind.JOINED, ROOM, START, MEMBER, 3, call=CALL.id))
    assert set(fields) == STANDARD | SIP | BASE | FLAGS
    assert (fields["Muted"], fields["Hold"], fields["StartConferenceOnEnter"]) == ("false", "false", "true")
    assert fields["Timestamp"] == "Mon, 02 Mar 2026 09:00:00 +0000"
    assert set(event_fields(RoomEvent(RoomEventKind.STARTED, ROOM, START, None, 2))) == BASE


def test_cxml_the_end_of_a_recorded_conference() -> None:
    """1.7: "`EventName`, `RecordingUrl`, `RecordingFileSize`, `Duration` (s)": on the end of a recorded conference, else omitted."""
    over = replace(ROOM, status=RoomStatus.COMPLETED, end_reason=EndReason.REQUESTED)
    end = RoomEvent(RoomEventKind.ENDED, over, START + 90, None, 4)
    plain = event_fields(end)
    assert set(plain) == BASE | {"ReasonConferenceEnded", "Reason"}
    fields = event_fields(replace(end, recording=RECORDING))
    assert set(fields) == set(plain) | {"EventName", "RecordingUrl", "RecordingFileSize", "Duration"}
    assert (fields["EventName"], fields["Duration"], fields["RecordingFileSize"]) == ("conference-record-end", "74", "1184640")


def test_cxml_operations() -> None:
    """2.2, 2.4: "DO implement Twilio's" POST of participants; "DO offer `POST …/Conferences/{Sid}/Recordings`"; streams of rooms."""
    offered = {(row.method, row.path) for row in CxmlRest.operations}
    room, member, recording = "/Conferences/{room}", "/Conferences/{room}/Participants", "/Conferences/{room}/Recordings"
    assert offered >= {
        *(("GET", "/Conferences"), ("GET", room), ("POST", room), ("GET", member), ("POST", member)),
        *((method, member + "/{member}") for method in ("GET", "POST", "DELETE")),
        *(("GET", recording), ("POST", recording), *((method, recording + "/{recording}") for method in ("GET", "POST", "DELETE"))),
        *(("POST", room + "/Streams"), ("POST", room + "/Streams/{stream}"), ("GET", "/Recordings"), ("DELETE", "/Recordings/{recording}")),
        *(("GET", "/Calls"), ("POST", "/Calls"), ("GET", "/Calls/{call}"), ("POST", "/Calls/{call}"), ("DELETE", "/Calls/{call}")),
        *(("POST", "/Calls/{call}/Recordings"), ("POST", "/Calls/{call}/Streams")),
    }


def test_cxml_detection_none() -> None:
    """2.6: "`MachineDetection` (`none Enable DetectMessageEnd`)"."""
    params = next(row for row in CxmlRest.operations if (row.method, row.path) == ("POST", "/Calls")).params
    read = next(param for param in params if param.name == "MachineDetection").read
    assert read("none") is None
    assert (read("Enable"), read("DetectMessageEnd")) == (False, True)
    with pytest.raises(ValueError, match="none"):
        read("perhaps")


@pytest.mark.parametrize(("default", "told"), [("", ["relay_script_method_no_matching_condition"]), (', "default": []', [])])
def test_a_switch_without_a_match_is_told(default: str, told: list[str]) -> None:
    """SWML 3.4: "`switch`: string comparison; no match and no default is an error"."""
    document = '{"sections": {"main": [{"switch": {"variable": "a", "case": {"1": ["answer"]}' + default + "}}]}}"
    (switch,) = DIALECTS["swml"].compile(document.encode(), "application/json", "http://app.test/", Stage.CALL).main
    assert isinstance(switch, Switch)
    assert [step.remark.code for step in switch.default if isinstance(step, Note)] == told
