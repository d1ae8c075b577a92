"""RESOURCES: the paths of REST of 2010-04-01 and their parameters (5.4 to 5.8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from hubbub.dialects.builders import EVENT_GROUPS
from hubbub.dialects.tables import Between, Operation, Param, choice, described, integer, mapping, matching, text, words
from hubbub.dialects.twiml import announcements, beyond, directory, live, machine, queues, recording, streams, transcripts
from hubbub.dialects.twiml import words as spell
from hubbub.dialects.twiml.document import BEEP, JITTER, RECORD_FLAG, RECORDING_EVENTS, TRIM
from hubbub.events import CallStatus


def truth(value: str) -> bool:
    """REST booleans are read without regard to case."""
    if value.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return value.lower() == "true"


def recorded(value: str) -> bool:
    """`true` or `false`, or as a document spells it: `record-from-answer`, `do-not-record`."""
    spelled = {"record-from-answer": "true", "do-not-record": "false"}
    return truth(spelled.get(value, value))


def only_true(value: str) -> bool:
    """`Muted`, `Hold`: true, and anything else is false."""
    return value.lower() == "true"


def day(value: str) -> tuple[float, float]:
    """`YYYY-MM-DD` as the two ends of that day, UTC."""
    try:
        begin = datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
        return begin.timestamp(), (begin + timedelta(days=1)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("must be a date, YYYY-MM-DD") from None


def instant(value: str) -> tuple[float, float]:
    """A date or an ISO 8601 date-time."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return day(value)
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError("must be a date or an ISO 8601 date-time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp(), moment.timestamp() + 1


FILTER = "A date; with `<` on or before it, with `>` on or after it."
BEFORE = "A date or a time; with `<` before it, with `>` on or after it."


def _dates(name: str, to: str, read: Callable[[str], tuple[float, float]], *, strict: bool = False) -> tuple[Param, ...]:
    """`Name`, `Name<` and `Name>` (5.3); `strict`: `<` means before."""

    def filter_by(op: str) -> Callable[[str], Between]:
        return described(lambda value: Between(op, *read(value), strict=strict and op == "<"), BEFORE if strict else FILTER)

    return tuple(Param(name + op, f"{to}{op}", filter_by(op or "=")) for op in ("", "<", ">"))


def _call_sid(value: str) -> Any:
    identity = spell.CALL.read(value)
    if identity is None:
        raise ValueError("must be a call SID")
    return identity


def _room_sid(value: str) -> Any:
    identity = spell.CONFERENCE.read(value)
    if identity is None:
        raise ValueError("must be a conference SID")
    return identity


def absolute_url(value: str) -> str:
    """An absolute http or https URL."""  # a parameter has no document that a relative one could be resolved against
    stripped = value.strip()
    split = urlsplit(stripped)
    if split.scheme.lower() not in ("http", "https") or not split.hostname or not stripped.isprintable() or " " in stripped:
        raise ValueError("must be an absolute http or https URL")
    return stripped


def callback_url(value: str) -> str:
    """An absolute URL; "hosts must not contain underscores"."""
    stripped = absolute_url(value)
    if "_" in (urlsplit(stripped).hostname or ""):
        raise ValueError("must not have an underscore in its host name")
    return stripped


def _refused(value: str) -> None:
    """Only calls know it."""
    raise ValueError("is for calls; participants take AmdStatusCallback")


_PROGRESS_WORDS = words({name: frozenset({name}) for name in ("initiated", "ringing", "answered", "completed")})


def progress_events(value: str) -> frozenset[str]:
    """An event that does not exist is no error of the request: "still answers 201, and no callback is ever sent"."""
    try:
        return frozenset(_PROGRESS_WORDS(value)) or frozenset({"completed"})
    except ValueError:
        return frozenset()


def party_filter(column: str) -> Callable[[str], dict[str, str]]:
    """`To` and `From` as they are shown: a number, `client:NAME`, or a SIP URI."""

    def read(value: str) -> dict[str, str]:
        if value.startswith("client:"):
            return {column: value[7:], f"data.record.{column}.kind": "phone"}
        return {f"data.record.{column}.uri": value} if value.startswith(("sip:", "sips:")) else {column: value}

    return read


METHOD = choice("GET", "POST", get="GET", post="POST")
CALL_STATUSES = mapping(
    {status.value: status.value for status in CallStatus if status is not CallStatus.INITIATED}
    | {CallStatus.QUEUED.value: (CallStatus.QUEUED.value, CallStatus.INITIATED.value)}
)
"""REST does not know `initiated`: it shows, and finds, such calls as `queued`."""

PROGRESS = (
    Param("StatusCallback", "progress_url", callback_url, "bad-callback"),
    Param("StatusCallbackMethod", "progress_method", METHOD, "bad-method"),
    Param("StatusCallbackEvent", "progress_events", progress_events, many=True),
)
TARGET = (
    Param("To", "to", text),
    Param("From", "from", text),
    Param("TimeLimit", "total_seconds", integer(1)),
    Param("SipAuthUsername", "sip_username", matching(r".{0,255}", "has at most 255 characters"), "long-sip-username"),
    Param("SipAuthPassword", "sip_password", matching(r".{0,255}", "has at most 255 characters"), "long-sip-password"),
    Param("CallerId", None, why="the caller is `From`"),
    Param("Byoc", None, why="routes are configured"),
    Param("CallReason", None, why="shown by carriers only"),
    Param("CallToken", None, why="forwarding is not restricted here"),
)
RECORDED = (
    Param("RecordingStatusCallback", "recording_to", callback_url, "bad-callback"),
    Param("RecordingStatusCallbackMethod", "recording_by", METHOD, "bad-method"),
    Param("RecordingStatusCallbackEvent", "recording_told", recording.EVENTS, many=True),
    Param("Trim", "recording_trim", TRIM),
    Param("RecordingConfigurationId", None, why="names a storage set-up that exists in the cloud only"),
)
SIDES = (Param("RecordingChannels", "recording_channels", recording.CHANNELS), Param("RecordingTrack", "recording_track", recording.TRACK))
LEG_RECORDING = (Param("Record", "recorded", recorded), *SIDES, *RECORDED)
"""The recording of a leg from its answer on."""
TRACKS = Param("RecordingTracks", "recording_per_speaker", mapping({"mix": False, "speakers": True}))
"""Not the vendor's: a channel per speaker."""
UPDATE_RECORDING = (
    Param("Status", "status", choice("in-progress", "paused", "stopped")),
    Param("PauseBehavior", "keep_silence", mapping({"silence": True, "skip": False})),
)
DOCUMENT = (
    Param("Url", "url", absolute_url, "bad-url"),
    Param("Method", "method", METHOD, "bad-method"),
    Param("FallbackUrl", "fallback_url", absolute_url, "bad-url"),
    Param("FallbackMethod", "fallback_method", METHOD, "bad-method"),
    Param("Twiml", "document", text),
)

EMERGENCY = (
    *("EmergencyCallerPosition", "EmergencyCallerLocation", "EmergencyName", "EmergencyAddress", "EmergencyZipCode"),
    *("EmergencyCity", "EmergencyState", "EmergencyCountry"),
)

MEMBER_CREATE = (
    *TARGET,
    *PROGRESS,
    Param("Timeout", "ring_seconds", integer(5, 600), "bad-timeout"),
    Param("Label", "label", text, aliases=("ParticipantLabel",)),
    Param("EarlyMedia", "early_media", truth),
    Param("Muted", "muted", only_true),
    Param("Beep", "beep", lambda value: BEEP(value if value in ("onEnter", "onExit") else value.lower()), "bad-room-parameter"),
    Param("StartConferenceOnEnter", "start_on_enter", truth),
    Param("EndConferenceOnExit", "end_on_exit", truth),
    Param("WaitUrl", "wait_url", absolute_url, "bad-room-parameter"),
    Param("WaitMethod", "wait_method", METHOD, "bad-room-parameter"),
    *beyond.member(truth),
    Param("ExitActionUrl", "action", absolute_url, "bad-url", why="beyond the vendor: asked for a document when the participant has left"),
    Param("ExitActionMethod", "action_method", METHOD, "bad-method", why="beyond the vendor"),
    Param("JitterBufferSize", "jitter_ms", JITTER, "bad-room-parameter"),
    Param("Coaching", "coaching", truth),
    Param("CallSidToCoach", "coach", text, aliases=("Coach",)),
    Param("MaxParticipants", "max_members", integer(2, 250), "bad-room-parameter"),
    Param("ConferenceRecord", "record", RECORD_FLAG, "bad-room-parameter"),
    Param("ConferenceTrim", "trim", TRIM, "bad-room-parameter"),
    Param("ConferenceStatusCallback", "status_url", callback_url, "bad-room-parameter"),
    Param("ConferenceStatusCallbackMethod", "status_method", METHOD, "bad-room-parameter"),
    Param("ConferenceStatusCallbackEvent", "status_events", words(EVENT_GROUPS), "bad-room-parameter", many=True),
    Param("ConferenceRecordingStatusCallback", "recording_url", absolute_url, "bad-room-parameter"),
    Param("ConferenceRecordingStatusCallbackMethod", "recording_method", METHOD, "bad-room-parameter"),
    Param("ConferenceRecordingStatusCallbackEvent", "recording_events", RECORDING_EVENTS, "bad-room-parameter", many=True),
    Param("Region", "region", choice("us1", "us2", "ie1", "de1", "sg1", "br1", "au1", "jp1"), "bad-room-parameter"),
    Param("CallerDisplayName", "display", matching(r".{2,255}", "has 2 to 255 characters")),
    Param("ClientNotificationUrl", None, why="the cloud's own clients only"),
    *machine.params(),
    Param("AmdStatusCallback", "detect_url", callback_url, "bad-callback"),
    Param("AmdStatusCallbackMethod", "detect_method", METHOD, "bad-method"),
    *(
        Param(name, "refused", _refused, "asynchronous-detection")
        for name in ("AsyncAmd", "AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod")
    ),
    *LEG_RECORDING,
    Param("Passports", None, why="signed caller identities mean nothing to SIP peers here"),
    *(Param(name, None, why="no emergency calls are made from here") for name in EMERGENCY),
)

MEMBER_UPDATE = (
    Param("Muted", "muted", only_true),
    Param("Hold", "held", only_true),
    Param("HoldUrl", "hold_url", absolute_url, "bad-room-parameter"),
    Param("HoldMethod", "hold_method", METHOD, "bad-room-parameter"),
    Param("AnnounceUrl", "announce_url", absolute_url, "bad-room-parameter"),
    Param("AnnounceMethod", "announce_method", METHOD, "bad-room-parameter"),
    Param("WaitUrl", "wait_url", absolute_url, "bad-room-parameter"),
    Param("WaitMethod", "wait_method", METHOD, "bad-room-parameter"),
    Param("BeepOnExit", "beep_on_exit", truth),
    Param("EndConferenceOnExit", "end_on_exit", truth),
    Param("Coaching", "coaching", truth),
    Param("CallSidToCoach", "coach", text, aliases=("Coach",)),
)

ROOM_FILTERS = (
    Param("FriendlyName", "name", text),
    Param("Status", "status", choice("init", "in-progress", "completed")),
    *_dates("DateCreated", "created", day),
    *_dates("DateUpdated", "updated", day),
)
CALL_FILTERS = (
    Param("To", "callee", party_filter("callee")),
    Param("From", "caller", party_filter("caller")),
    Param("ParentCallSid", "parent", _call_sid, "bad-sid"),
    Param("Status", "status", CALL_STATUSES),
    *_dates("StartTime", "started", instant, strict=True),
    *_dates("EndTime", "ended", instant, strict=True),
)
MEMBER_FILTERS = (
    Param("Muted", "muted", truth),
    Param("Hold", "held", truth),
    Param("Coaching", "coaching", truth),
    Param("History", "everybody", truth, why="beyond the vendor: also those who have left, also of a conference that is over"),
)
RECORDING_FILTERS = (*_dates("DateCreated", "created", instant),)
DELETED_TOO = Param("IncludeSoftDeleted", "deleted_too", truth)

_ROOM, _MEMBER, _CALL = "/Conferences/{room}", "/Conferences/{room}/Participants/{member}", "/Calls/{call}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/Calls",
        "create_call",
        "call",
        (
            *TARGET,
            *PROGRESS,
            *DOCUMENT,
            Param("Timeout", "ring_seconds", integer(1, 600), "bad-timeout"),
            Param("SendDigits", "digits", matching(r"[0-9A-Da-d*#wW]{0,32}", "has at most 32 of 0-9 A-D * # w W"), "bad-digits"),
            Param("ApplicationSid", "application", directory.application_sid, "bad-application"),
            Param("AsyncAmd", "detect_beside", truth, "bad-machine-detection"),
            Param("AsyncAmdStatusCallback", "detect_url", callback_url, "bad-callback"),
            Param("AsyncAmdStatusCallbackMethod", "detect_method", METHOD, "bad-method"),
            Param("Passports", None, why="signed caller identities mean nothing to SIP peers here"),
            Param("ClientNotificationUrl", None, why="the cloud's own clients only"),
            *machine.params(),
            *LEG_RECORDING,
        ),
        201,
    ),
    Operation("GET", "/Calls", "list_calls", "call", CALL_FILTERS),
    Operation("GET", _CALL, "fetch_call", "call"),
    Operation(
        "POST",
        _CALL,
        "update_call",
        "call",
        (
            *DOCUMENT,
            *PROGRESS,
            Param("Status", "status", choice("completed", "canceled")),
            Param("TimeLimit", "total_seconds", integer(1)),
        ),
    ),
    Operation("DELETE", _CALL, "delete_call", status=204),
    *directory.operations(absolute_url, METHOD, _dates("MessageDate", "created", instant)),
    beyond.create_room(callback_url, METHOD, truth),
    Operation("GET", "/Conferences", "list_rooms", "room", ROOM_FILTERS),
    Operation("GET", _ROOM, "fetch_room", "room"),
    Operation(
        "POST",
        _ROOM,
        "update_room",
        "room",
        (
            Param("Status", "status", choice("completed")),
            Param("AnnounceUrl", "announce_url", absolute_url, "bad-room-parameter"),
            Param("AnnounceMethod", "announce_method", METHOD, "bad-room-parameter"),
            *beyond.room_status(callback_url, METHOD),
        ),
    ),
    *streams.operations(absolute_url, METHOD),
    *queues.operations(absolute_url, METHOD),
    *transcripts.OPERATIONS,
    *live.operations(absolute_url, METHOD, truth),
    *announcements.operations(absolute_url, METHOD, _call_sid),
    Operation("POST", _ROOM + "/Participants", "create_member", "member", MEMBER_CREATE, 201),
    Operation("GET", _ROOM + "/Participants", "list_members", "member", MEMBER_FILTERS),
    Operation("GET", _MEMBER, "fetch_member", "member"),
    Operation("POST", _MEMBER, "update_member", "member", MEMBER_UPDATE),
    Operation("DELETE", _MEMBER, "remove_member", status=204),
    Operation("GET", _ROOM + "/Recordings", "list_recordings", "room-recording", RECORDING_FILTERS),
    Operation("GET", _ROOM + "/Recordings/{recording}", "fetch_recording", "room-recording"),
    Operation("POST", _ROOM + "/Recordings", "create_room_recording", "room-recording", (*RECORDED, TRACKS), 201),
    Operation("GET", _ROOM + "/Recordings/{recording}/Tracks", "list_tracks", "track"),
    Operation("POST", _ROOM + "/Recordings/{recording}", "update_recording", "room-recording-now", UPDATE_RECORDING),
    Operation("DELETE", _ROOM + "/Recordings/{recording}", "delete_recording", status=204),
    Operation(
        "GET",
        "/Recordings",
        "list_recordings",
        "recording",
        (
            *RECORDING_FILTERS,
            Param("CallSid", "call", _call_sid, "bad-sid"),
            Param("ConferenceSid", "room", _room_sid, "bad-sid"),
            DELETED_TOO,
        ),
    ),
    Operation("GET", "/Recordings/{recording}", "fetch_recording", "recording", (DELETED_TOO,)),
    Operation("DELETE", "/Recordings/{recording}", "delete_recording", status=204),
    Operation("GET", _CALL + "/Recordings", "list_recordings", "call-recording", RECORDING_FILTERS),
    Operation("POST", _CALL + "/Recordings", "create_recording", "call-recording", (*SIDES, *RECORDED), 201),
    Operation("GET", _CALL + "/Recordings/{recording}", "fetch_recording", "call-recording"),
    Operation("POST", _CALL + "/Recordings/{recording}", "update_recording", "call-recording-now", UPDATE_RECORDING),
    Operation("DELETE", _CALL + "/Recordings/{recording}", "delete_recording", status=204),
)
