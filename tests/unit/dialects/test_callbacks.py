"""CALLBACKS: what a webhook holds, field by field."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.faces import LINK, TWIML, happened, settings
from tests.support.facts import ACCOUNT, CALL, MEMBER, PUBLIC, RECORDING, ROOM, START, identity

from hubbub.calls.call import ProgressWish
from hubbub.conference.policy import Policy, RecordingWish, RoomSettings, Subscription
from hubbub.dialects.bxml import BxmlDialect
from hubbub.dialects.cxml import CxmlDialect
from hubbub.dialects.swml import SwmlDialect
from hubbub.dialects.twiml.callbacks import forwarded_from, stir_verstat
from hubbub.dialects.twiml.words import date
from hubbub.events import (
    CallEvent,
    CallRecord,
    CallStatus,
    EndReason,
    LeaveReason,
    Party,
    RecordingEvent,
    RoomEvent,
    RoomEventKind,
    RoomStatus,
)
from hubbub.ids import Id
from hubbub.verbs.dialect import DocumentRequest
from hubbub.webhooks.requester import HttpRequest


def found(call: Id) -> CallRecord | None:
    return CALL if call == CALL.id else None


BXML, SWML = BxmlDialect(PUBLIC, found), SwmlDialect(PUBLIC)
SWML_HERE = SwmlDialect(PUBLIC, [ACCOUNT], found)


LEFT = replace(MEMBER, leave_reason=LeaveReason.HUNG_UP, call_status=CallStatus.COMPLETED, left=START + 60)
OVER = replace(
    ROOM, status=RoomStatus.COMPLETED, end_reason=EndReason.LAST_LEFT, ended_by=CALL.id, ended_by_label="agent 7", ended=START + 60
)

# -- conference events, 4.1 ------------------------------------------------------------------------------------

BASE = {"ConferenceSid", "FriendlyName", "AccountSid", "SequenceNumber", "Timestamp", "StatusCallbackEvent"}
MEMBERS = BASE | {"CallSid", "ParticipantLabel", "Muted", "Hold", "Coaching", "StartConferenceOnEnter", "EndConferenceOnExit"}
END = BASE | {"ReasonConferenceEnded", "Reason", "CallSidEndingConference", "ParticipantLabelEndingConference"}
CASES: list[tuple[RoomEvent, str, set[str]]] = [
    (happened(RoomEventKind.STARTED), "conference-start", BASE),
    (happened(RoomEventKind.ENDED, room=OVER), "conference-end", END),
    (
        happened(RoomEventKind.ENDED, room=replace(OVER, end_reason=EndReason.REQUESTED, ended_by=None, ended_by_label="")),
        "conference-end",
        BASE | {"ReasonConferenceEnded", "Reason"},
    ),
    (happened(RoomEventKind.JOINED, MEMBER), "participant-join", MEMBERS),
    (happened(RoomEventKind.JOINED, replace(MEMBER, label="")), "participant-join", MEMBERS - {"ParticipantLabel"}),
    (happened(RoomEventKind.LEFT, LEFT), "participant-leave", MEMBERS | {"ReasonParticipantLeft", "ParticipantCallStatus"}),
    (happened(RoomEventKind.MUTED, replace(MEMBER, muted=True)), "participant-mute", MEMBERS),
    (happened(RoomEventKind.UNMUTED, MEMBER), "participant-unmute", MEMBERS),
    (happened(RoomEventKind.HELD, MEMBER), "participant-hold", MEMBERS),
    (happened(RoomEventKind.UNHELD, MEMBER), "participant-unhold", MEMBERS),
    (happened(RoomEventKind.MODIFIED, MEMBER), "participant-modify", MEMBERS),
    (happened(RoomEventKind.SPEECH_STARTED, MEMBER), "participant-speech-start", MEMBERS),
    (happened(RoomEventKind.SPEECH_STOPPED, MEMBER), "participant-speech-stop", MEMBERS),
    (happened(RoomEventKind.ANNOUNCEMENT_ENDED, url="http://a/x"), "announcement-end", BASE | {"AnnounceUrl"}),
    (happened(RoomEventKind.ANNOUNCEMENT_ENDED, MEMBER, url="http://a/x"), "announcement-end", MEMBERS | {"AnnounceUrl"}),
    (
        happened(RoomEventKind.ANNOUNCEMENT_FAILED, url="http://a/x", detail="answered 404"),
        "announcement-fail",
        BASE | {"AnnounceUrl", "ReasonAnnouncementFailed"},
    ),
]


def fields_of(notices: Any) -> dict[str, str]:
    (notice,) = notices
    return dict(notice.fields)


@pytest.mark.parametrize(("event", "word", "keys"), CASES, ids=lambda part: part if isinstance(part, str) else "")
def test_conference_events_have_exactly_these_fields(event: RoomEvent, word: str, keys: set[str]) -> None:
    fields = fields_of(TWIML.room_notices(ACCOUNT, event, settings("twiml")))
    assert set(fields) == keys
    assert fields["StatusCallbackEvent"] == word
    assert all(isinstance(value, str) for value in fields.values())


def test_the_sample_of_a_join() -> None:
    """5.10 "participant-join"."""
    assert fields_of(TWIML.room_notices(ACCOUNT, happened(RoomEventKind.JOINED, MEMBER), settings("twiml"))) == {
        "ConferenceSid": "CF00000000000000000000000000000001",
        "FriendlyName": "standup",
        "AccountSid": "AC00000000000000000000000000000001",
        "SequenceNumber": "3",
        "Timestamp": "Mon, 02 Mar 2026 09:00:09 +0000",
        "StatusCallbackEvent": "participant-join",
        "CallSid": "CA00000000000000000000000000000001",
        "ParticipantLabel": "agent 7",
        "Muted": "false",
        "Hold": "false",
        "Coaching": "false",
        "StartConferenceOnEnter": "true",
        "EndConferenceOnExit": "false",
    }


def test_flags_have_their_value_after_the_change() -> None:
    changed = replace(MEMBER, muted=True, held=True, is_coach=True, start_on_enter=False, end_on_exit=True)
    fields = fields_of(TWIML.room_notices(ACCOUNT, happened(RoomEventKind.MODIFIED, changed), settings("twiml")))
    assert [fields[name] for name in ("Muted", "Hold", "Coaching", "StartConferenceOnEnter", "EndConferenceOnExit")] == [
        *("true", "true", "true", "false", "true")
    ]


@pytest.mark.parametrize("kind", list(LeaveReason))
def test_every_leave_reason_has_a_word(kind: LeaveReason) -> None:
    event = happened(RoomEventKind.LEFT, replace(LEFT, leave_reason=kind))
    assert fields_of(TWIML.room_notices(ACCOUNT, event, settings("twiml")))["ReasonParticipantLeft"] in {
        "participant_hung_up",
        "participant_updated_via_api",
        "moderator_ended_conference",
        "conference_ended_via_api",
        "participant_add_failed",
    }


@pytest.mark.parametrize("kind", list(EndReason))
def test_every_end_reason_has_a_word(kind: EndReason) -> None:
    fields = fields_of(TWIML.room_notices(ACCOUNT, happened(RoomEventKind.ENDED, room=replace(OVER, end_reason=kind)), settings("twiml")))
    assert fields["ReasonConferenceEnded"].startswith(("last-participant-", "participant-with-end-", "conference-ended-via-api"))
    assert fields["Reason"]


def test_what_nobody_asked_for_is_not_told() -> None:
    event = happened(RoomEventKind.JOINED, MEMBER)
    assert list(TWIML.room_notices(ACCOUNT, event, RoomSettings("twiml"))) == []
    only_end = RoomSettings("twiml", Policy(), Subscription(LINK, frozenset({RoomEventKind.ENDED})))
    assert list(TWIML.room_notices(ACCOUNT, event, only_end)) == []
    assert list(TWIML.room_notices(ACCOUNT, happened(RoomEventKind.CREATED), settings("twiml"))) == []


# -- calls, 1.2 and 4.3 ----------------------------------------------------------------------------------------

STANDARD = {"CallSid", "AccountSid", "From", "To", "Caller", "Called", "CallStatus", "ApiVersion", "Direction"}
SIP = {"CallerName", "SipCallId", "SipDomain", "SipSourceIp", "SipHeader_X-Team"}
PROGRESS = {"Timestamp", "CallbackSource", "SequenceNumber"}
WISH = ProgressWish(LINK, frozenset({"initiated", "ringing", "answered", "completed"}))
ENDED = replace(CALL, status=CallStatus.COMPLETED, ended=START + 66.4, sip_code=200)


def test_the_standard_parameters() -> None:
    assert set(TWIML.call_fields(ACCOUNT, CALL)) == STANDARD | SIP
    bare = replace(CALL, caller=replace(CALL.caller, display=""), sip_headers={}, sip_call_id="", sip_source="")
    assert set(TWIML.call_fields(ACCOUNT, bare)) == STANDARD
    child = replace(bare, parent=ROOM.id, direction="outbound-dial")
    assert set(TWIML.call_fields(ACCOUNT, child)) == STANDARD | {"ParentCallSid"}


@pytest.mark.parametrize(
    ("verified", "level", "told"),
    [
        ("TN-Validation-Passed", "A", "TN-Validation-Passed-A"),
        ("TN-Validation-Failed", "C", "TN-Validation-Failed-C"),
        ("TN-Validation-Passed-B", "B", "TN-Validation-Passed-B"),
        ("No-TN-Validation", "A", "No-TN-Validation"),
        ("TN-Validation-Passed", "", "TN-Validation-Passed"),
    ],
)
def test_what_the_last_network_says(verified: str, level: str, told: str) -> None:
    """1.2: "ForwardedFrom … if available", "StirVerstat, StirPassportToken: carrier supplied; `stir_verstat` also in call JSON"."""
    headers = {
        "diversion": "<sip:+15550009999@pbx.test>;reason=away, <sip:+15550008888@pbx.test>",
        "identity": "e30.e30.c2ln;info=<https://cert.test/c.pem>",
        "p-asserted-identity": f"<sip:+14158675308@x;verstat={verified}>",
        "p-attestation-indicator": level,
    }
    call = replace(CALL, signalled=headers)
    fields = TWIML.call_fields(ACCOUNT, call)
    assert set(fields) == STANDARD | SIP | {"ForwardedFrom", "StirVerstat", "StirPassportToken"}
    assert (fields["ForwardedFrom"], fields["StirVerstat"], fields["StirPassportToken"]) == ("+15550009999", told, "e30.e30.c2ln")
    assert (forwarded_from(call), stir_verstat(call)) == (fields["ForwardedFrom"], told)


@pytest.mark.parametrize(
    ("party", "spelled"),
    [
        (Party("number", "+15550001000", "sip:+15550001000@x"), "+15550001000"),
        (Party("phone", "alice", "sip:alice@x"), "client:alice"),
        (Party("sip", "bob", "sip:bob@x:5070"), "sip:bob@x:5070"),
    ],
)
def test_parties(party: Party, spelled: str) -> None:
    """user `+digits` -> E.164; a registered phone -> `client:NAME`; else the SIP URI."""
    assert TWIML.call_fields(ACCOUNT, replace(CALL, caller=party))["From"] == spelled


@pytest.mark.parametrize(("kind", "status"), [("initiated", "initiated"), ("ringing", "ringing"), ("answered", "in-progress")])
def test_progress_of_a_call(kind: Any, status: str) -> None:
    event = CallEvent(kind, replace(CALL, ended=None), START, 1)
    fields = fields_of(TWIML.call_notices(ACCOUNT, event, WISH))
    assert set(fields) == STANDARD | SIP | PROGRESS
    assert fields["CallStatus"] == status
    assert fields["CallbackSource"] == "call-progress-events"
    assert fields["SequenceNumber"] == "1"


def test_the_end_of_a_call() -> None:
    fields = fields_of(TWIML.call_notices(ACCOUNT, CallEvent("completed", ENDED, START + 66, 3), WISH))
    assert set(fields) == STANDARD | SIP | PROGRESS | {"CallDuration", "Duration", "SipResponseCode"}
    assert (fields["CallStatus"], fields["CallDuration"], fields["Duration"]) == ("completed", "61", "2")


# -- recordings, 4.4 -------------------------------------------------------------------------------------------

RECORDED = {
    *("AccountSid", "RecordingSid", "RecordingUrl", "RecordingStatus"),
    *("ConferenceSid", "RecordingChannels", "RecordingStartTime", "RecordingSource"),
}


def test_recordings_of_a_room() -> None:
    wish = RecordingWish(LINK, frozenset({"in-progress", "completed", "absent"}))
    done = fields_of(TWIML.recording_notices(ACCOUNT, RecordingEvent("completed", RECORDING, START), wish))
    assert set(done) == RECORDED | {"RecordingDuration"}
    assert done["RecordingDuration"] == "74"
    assert done["RecordingSource"] == "Conference"
    assert (
        done["RecordingUrl"]
        == "http://hubbub.test/2010-04-01/Accounts/AC00000000000000000000000000000001/Recordings/RE00000000000000000000000000000001"
    )
    (begun,) = (fields_of([each]) for each in TWIML.recording_notices(ACCOUNT, RecordingEvent("in-progress", RECORDING, START), wish))
    assert set(begun) == RECORDED
    absent = RecordingEvent("absent", replace(RECORDING, absent_reason="silent"), START)
    assert fields_of(TWIML.recording_notices(ACCOUNT, absent, wish))["ErrorCode"] == "16102"
    assert list(TWIML.recording_notices(ACCOUNT, absent, RecordingWish(LINK))) == []


def test_recordings_of_a_call() -> None:
    fields = fields_of(
        TWIML.recording_notices(
            ACCOUNT, RecordingEvent("completed", replace(RECORDING, room=None, source="verb"), START), RecordingWish(LINK)
        )
    )
    assert set(fields) == RECORDED - {"ConferenceSid"} | {"CallSid", "RecordingDuration", "RecordingTrack"}
    assert fields["RecordingSource"] == "RecordVerb"


# -- the other dialects ----------------------------------------------------------------------------------------


def sent(request: HttpRequest) -> dict[str, Any]:
    assert request.headers["Content-Type"].startswith("application/json")
    body: dict[str, Any] = json.loads(request.body or b"")
    return body


CREATED = {"eventType", "eventTime", "conferenceId", "name", "tag"}
BXML_ROOM = [
    (happened(RoomEventKind.CREATED), "conferenceCreated", CREATED),
    (happened(RoomEventKind.JOINED, MEMBER), "conferenceMemberJoin", CREATED | {"callId", "from", "to"}),
    (happened(RoomEventKind.LEFT, LEFT), "conferenceMemberExit", CREATED | {"callId", "from", "to"}),
    (happened(RoomEventKind.ENDED, room=OVER), "conferenceCompleted", CREATED),
    (happened(RoomEventKind.CREATED, room=replace(ROOM, tag="")), "conferenceCreated", CREATED - {"tag"}),
]


@pytest.mark.parametrize(("event", "word", "keys"), BXML_ROOM, ids=lambda part: part if isinstance(part, str) else "")
def test_bxml_conference_events(event: RoomEvent, word: str, keys: set[str]) -> None:
    """Specification 5.2, all fields."""
    fields = sent(BXML.room_reply_request(ACCOUNT, event, settings("bxml")))
    assert set(fields) == keys
    assert fields["eventType"] == word
    assert fields["eventTime"] == "2026-03-02T09:00:09.250Z"
    assert fields["conferenceId"] == "conf-00000001-00000000-0000-0000-0000-000000000001"


def test_bxml_recording_event() -> None:
    (notice,) = BXML.recording_notices(ACCOUNT, RecordingEvent("completed", RECORDING, START + 82), RecordingWish(LINK))
    fields = sent(BXML.prepare(ACCOUNT, notice))
    assert set(fields) == {
        *("eventType", "eventTime", "conferenceId", "name", "accountId", "recordingId", "mediaUrl", "channels"),
        *("startTime", "endTime", "duration", "fileFormat", "status"),
    } | ({"tag"} & set(fields))
    assert fields["duration"] == "PT74.04S"
    assert fields["channels"] == 1


def test_bxml_call_events() -> None:
    request = DocumentRequest(LINK, "initiate", CALL)
    base = {"eventType", "eventTime", "accountId", "applicationId", "from", "to", "direction", "callId", "callUrl", "startTime"}
    fields = sent(BXML.document_request(ACCOUNT, request))
    assert set(fields) == base | {"sipCallId", "sipHeaders"}, "no answerTime yet"
    assert (fields["eventType"], fields["sipHeaders"]) == ("initiate", {"x-team": "blue"})
    (notice,) = BXML.call_notices(ACCOUNT, CallEvent("completed", replace(ENDED, cause="hangup"), START + 66), WISH)
    fields = sent(BXML.prepare(ACCOUNT, notice))
    assert set(fields) == base | {"answerTime", "endTime", "cause", "sipCallId", "sipResponseCode"}
    assert (fields["eventType"], fields["cause"]) == ("disconnect", "hangup")
    assert list(BXML.call_notices(ACCOUNT, CallEvent("ringing", CALL, START), WISH)) == []


ALWAYS = {"call_id", "name", "conference_id", "status", "size", "node_id"}
PARTICIPANT = ALWAYS | {"muted", "hold", "coaching", "start_on_join", "end_on_leave"}


@pytest.mark.parametrize(
    ("event", "status", "keys"),
    [
        (happened(RoomEventKind.STARTED, witness=CALL.id), "conference-start", ALWAYS),
        (happened(RoomEventKind.JOINED, MEMBER), "participant-join", PARTICIPANT),
        (happened(RoomEventKind.LEFT, LEFT), "participant-leave", PARTICIPANT),
        (happened(RoomEventKind.ENDED, room=OVER), "conference-end", ALWAYS | {"reason_ended", "call_id_ending_conf"}),
        (
            happened(RoomEventKind.ENDED, room=OVER, recording=RECORDING),
            "conference-end",
            ALWAYS | {"reason_ended", "call_id_ending_conf", "recording_url", "recording_file_size", "recording_duration"},
        ),
        (happened(RoomEventKind.ANNOUNCEMENT_ENDED, url="http://a/x", witness=CALL.id), "announcement-end", ALWAYS | {"announce_url"}),
        (
            happened(RoomEventKind.ANNOUNCEMENT_FAILED, MEMBER, url="http://a/x", detail="answered 404"),
            "announcement-fail",
            PARTICIPANT | {"announce_url", "reason"},
        ),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_swml_conference_events(event: RoomEvent, status: str, keys: set[str]) -> None:
    """Specification 3.8; the announcements as the compatible dialect spells them ("whether `announcement-*` exist is unverified")."""
    (notice,) = SWML_HERE.room_notices(ACCOUNT, event, settings("swml"))
    fields = sent(SWML.prepare(ACCOUNT, notice))
    assert set(fields) == {"event_type", "event_channel", "timestamp", "project_id", "space_id", "params"}
    assert fields["event_type"] == "calling.conference"
    assert set(fields["params"]) >= keys
    assert set(fields["params"]) <= keys | {"segment_id", "region", "tag"}
    assert fields["params"]["status"] == status


def test_swml_recording_of_a_conference() -> None:
    """3.8: "`call_id name conference_id status size` always"; recording callbacks use the same envelope."""
    wish = RecordingWish(LINK, frozenset({"completed"}))
    (notice,) = SWML_HERE.recording_notices(ACCOUNT, RecordingEvent("completed", RECORDING, START + 82, 2), wish)
    params = sent(SWML_HERE.prepare(ACCOUNT, notice))["params"]
    assert set(params) == ALWAYS | {"recording_url", "recording_duration", "recording_file_size"}
    assert (params["status"], params["size"], params["recording_file_size"]) == ("record-stop", 2, 1_184_640)
    assert params["recording_url"].endswith(".wav")


WITH_CALL = {"CallSid", "From", "To", "CallStatus", "ApiVersion", "Direction", "AccountSid"}
AT_THE_END = {"EventName", "RecordingUrl", "RecordingFileSize", "Duration"}


@pytest.mark.parametrize(
    ("event", "keys", "lacks"),
    [
        (happened(RoomEventKind.JOINED, MEMBER), MEMBERS | WITH_CALL, AT_THE_END),
        (happened(RoomEventKind.STARTED, witness=CALL.id), BASE, WITH_CALL - {"AccountSid"}),
        (happened(RoomEventKind.ENDED, room=OVER), END, AT_THE_END),
        (happened(RoomEventKind.ENDED, room=OVER, recording=RECORDING), END | AT_THE_END, set()),
    ],
    ids=["join", "start", "end", "end of a recorded one"],
)
def test_cxml_conference_events(event: RoomEvent, keys: set[str], lacks: set[str]) -> None:
    """1.7: "Standard parameters (1.2) plus"; `conference-record-end` with the recording fields on the end event, otherwise omitted."""
    fields = fields_of(CxmlDialect(PUBLIC, found).room_notices(ACCOUNT, event, settings("cxml")))
    assert set(fields) >= keys
    assert not set(fields) & lacks
    if event.recording is not None:
        assert (fields["EventName"], fields["Duration"], fields["RecordingFileSize"]) == ("conference-record-end", "74", "1184640")


def test_swml_document_request() -> None:
    """Specification 3.2."""
    request = DocumentRequest(LINK, "initiate", CALL, variables={"a": 1})
    fields = sent(SWML.document_request(ACCOUNT, request))
    assert set(fields) == {"call", "vars", "envs", "params"}
    assert fields["vars"] == {"a": 1}
    assert set(fields["call"]) == {
        *("call_id", "node_id", "segment_id", "call_state", "direction", "type", "from", "to", "headers"),
        *("project_id", "space_id", "from_number", "to_number", "sip_data"),
    }
    assert fields["call"]["sip_data"] == {
        "sip_req_user": "+15550001000",
        "sip_req_host": "127.0.0.1",
        "sip_req_uri": "+15550001000@127.0.0.1",
        "sip_from_user": "+14158675308",
        "sip_from_host": "10.0.0.1",
        "sip_from_uri": "+14158675308@10.0.0.1",
        "sip_to_user": "+15550001000",
        "sip_to_host": "127.0.0.1",
        "sip_to_uri": "+15550001000@127.0.0.1",
    }
    assert fields["call"]["call_state"] == "answered"
    assert fields["call"]["headers"] == [{"name": "X-Team", "value": "blue"}]
    child = replace(CALL, parent=identity(7), tag="blue", direction="outbound-dial")
    told = sent(SWML.document_request(ACCOUNT, DocumentRequest(LINK, "callee", child)))["call"]
    assert (told["tag"], told["parent"]["device_type"]) == ("blue", "phone")
    assert told["parent"]["call_id"] == "00000000-0000-0000-0000-000000000007"
    told = sent(SWML.document_request(ACCOUNT, DocumentRequest(LINK, "callee", replace(child, peer=identity(8)))))["call"]
    assert told["peer"] == {"call_id": "00000000-0000-0000-0000-000000000008", "node_id": "hubbub"}


@pytest.mark.parametrize(
    ("change", "won"),
    [
        ({}, None),
        ({"direction": "outbound-api"}, "true"),
        ({"direction": "outbound-api", "answered": None}, None),
        ({"direction": "outbound-dial", "parent": identity(7)}, None),
        ({"direction": "outbound-dial", "parent": identity(7), "peer": identity(8)}, "true"),
    ],
)
def test_who_won_a_dial(change: dict[str, Any], won: str | None) -> None:
    """3.2: optional `dial_winner:"true"`: a call that was dialled and answered; of several that rang, the one that is connected."""
    told = sent(SWML.document_request(ACCOUNT, DocumentRequest(LINK, "initiate", replace(CALL, **change))))["call"]
    assert told.get("dial_winner") == won


# -- dates -----------------------------------------------------------------------------------------------------


def test_dates_are_rfc_2822_in_utc() -> None:
    """`Fri, 18 Feb 2011 19:26:50 +0000`, read by position by the SDKs."""
    assert date(1298057210.9) == "Fri, 18 Feb 2011 19:26:50 +0000"
    assert date(START) == "Mon, 02 Mar 2026 09:00:00 +0000"
    assert date(None) is None
