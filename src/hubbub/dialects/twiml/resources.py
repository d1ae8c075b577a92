"""RESOURCES: REST of 2010-04-01: paths, parameters, fields (5.4 to 5.8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from hubbub.dialects.builders import EVENT_GROUPS
from hubbub.dialects.tables import (
    NOT_BUILT,
    Between,
    Operation,
    Out,
    Param,
    Resource,
    choice,
    described,
    integer,
    mapping,
    matching,
    text,
    url,
    words,
)
from hubbub.dialects.twiml import words as spell
from hubbub.dialects.twiml.callbacks import recording_url
from hubbub.dialects.twiml.document import BEEP, JITTER, RECORD_FLAG, RECORDING_EVENTS, TRIM
from hubbub.dialects.twiml.words import address, date
from hubbub.events import CallRecord, CallStatus, MemberRecord, Presence, RoomStatus
from hubbub.settings import Account

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Shown(Generic[Thing]):
    """A thing, and what shows it needs to know beside it."""

    thing: Thing
    account: Account
    public_url: str
    created: bool = False
    """Whether this answers its creation."""

    @property
    def sid(self) -> str:
        """The account's SID."""
        return spell.account_sid(self.account)

    @property
    def base(self) -> str:
        """The account's path."""
        return f"/{spell.API_VERSION}/Accounts/{self.sid}"


def _call_uri(shown: Shown[CallRecord], more: str = "") -> str:
    return f"{shown.base}/Calls/{spell.CALL.write(shown.thing.id)}{more}.json"


def _formatted(number: str) -> str:
    match = re.fullmatch(r"\+1(\d{3})(\d{3})(\d{4})", number)
    return f"({match[1]}) {match[2]}-{match[3]}" if match else number


def _call_seconds(call: CallRecord) -> str | None:
    return str(round(call.ended - call.answered)) if call.ended and call.answered else ("0" if call.ended else None)


CALL_LINKS = (
    "notifications",
    "recordings",
    "payments",
    "events",
    "siprec",
    "streams",
    "transcriptions",
    "user_defined_message_subscriptions",
    "user_defined_messages",
)


def _path_word(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


CALL = Resource(
    (
        Out("sid", lambda s: spell.CALL.write(s.thing.id)),
        Out("account_sid", lambda s: s.sid),
        Out("parent_call_sid", lambda s: spell.CALL.write(s.thing.parent) if s.thing.parent else None),
        Out("to", lambda s: address(s.thing.callee)),
        Out("to_formatted", lambda s: _formatted(address(s.thing.callee))),
        Out("from", lambda s: address(s.thing.caller)),
        Out("from_formatted", lambda s: _formatted(address(s.thing.caller))),
        Out("phone_number_sid", lambda s: None),
        Out("status", lambda s: spell.rest_status(s.thing.status)),
        Out("start_time", lambda s: date(s.thing.answered)),
        Out("end_time", lambda s: date(s.thing.ended)),
        Out("duration", lambda s: _call_seconds(s.thing)),
        Out("price", lambda s: None),
        Out("price_unit", lambda s: "USD"),
        Out("direction", lambda s: spell.DIRECTIONS[s.thing.direction]),
        Out("answered_by", lambda s: None),
        Out("api_version", lambda s: spell.API_VERSION),
        Out("forwarded_from", lambda s: None),
        Out("group_sid", lambda s: None),
        Out("caller_name", lambda s: s.thing.caller.display or None),
        Out("queue_time", lambda s: str(round(s.thing.queue_seconds * 1000))),
        Out("trunk_sid", lambda s: None),
        Out("date_created", lambda s: date(s.thing.created)),
        Out("date_updated", lambda s: date(s.thing.updated)),
        Out("uri", _call_uri),
        Out("subresource_uris", lambda s: {name: _call_uri(s, "/" + _path_word(name)) for name in CALL_LINKS}),
    ),
    "calls",
)


def _room_uri(shown: Shown[Any], more: str = "") -> str:
    return f"{shown.base}/Conferences/{spell.CONFERENCE.write(shown.thing.id)}{more}.json"


CONFERENCE = Resource(
    (
        Out("sid", lambda s: spell.CONFERENCE.write(s.thing.id)),
        Out("account_sid", lambda s: s.sid),
        Out("friendly_name", lambda s: s.thing.name),
        Out("status", lambda s: s.thing.status.value),
        Out("region", lambda s: s.thing.region or ("unknown" if s.thing.status is RoomStatus.INIT else "us1")),
        Out("api_version", lambda s: spell.API_VERSION),
        Out("date_created", lambda s: date(s.thing.created)),
        Out("date_updated", lambda s: date(s.thing.updated)),
        Out("reason_conference_ended", lambda s: spell.END_REASONS[s.thing.end_reason] if s.thing.end_reason else None),
        Out("call_sid_ending_conference", lambda s: spell.CALL.write(s.thing.ended_by) if s.thing.ended_by else None),
        Out("uri", _room_uri),
        Out("subresource_uris", lambda s: {name: _room_uri(s, "/" + _path_word(name)) for name in ("participants", "recordings")}),
    ),
    "conferences",
)


@dataclass(frozen=True)
class MemberView:
    """A member and how its call stands."""

    member: MemberRecord
    call_status: CallStatus


_CALL_STATES = {CallStatus.QUEUED: "queued", CallStatus.INITIATED: "connecting", CallStatus.RINGING: "ringing"}
_FAILED = {CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.CANCELED}


def _member_status(shown: Shown[MemberView]) -> str:
    if shown.created:
        return "queued"
    view = shown.thing
    if view.member.presence is Presence.LEFT:
        return "failed" if view.call_status in _FAILED else "complete"
    if view.member.presence in (Presence.WAITING, Presence.MIXED):
        return "connected"
    return _CALL_STATES.get(view.call_status, "connecting")


def _coached(shown: Shown[MemberView]) -> str | None:
    coaching = shown.thing.member.coaching
    return spell.CALL.write(coaching[0]) if coaching else None


PARTICIPANT = Resource(
    (
        Out("account_sid", lambda s: s.sid),
        Out("call_sid", lambda s: spell.CALL.write(s.thing.member.call)),
        Out("label", lambda s: s.thing.member.label or None),
        Out("call_sid_to_coach", _coached),
        Out("coaching", lambda s: s.thing.member.is_coach),
        Out("conference_sid", lambda s: spell.CONFERENCE.write(s.thing.member.room)),
        Out("date_created", lambda s: date(s.thing.member.joined)),
        Out("date_updated", lambda s: date(s.thing.member.updated)),
        Out("end_conference_on_exit", lambda s: s.thing.member.end_on_exit),
        Out("muted", lambda s: s.thing.member.muted),
        Out("hold", lambda s: s.thing.member.held),
        Out("start_conference_on_enter", lambda s: s.thing.member.start_on_enter),
        Out("status", _member_status),
        Out("queue_time", lambda s: str(round((s.thing.member.queue_seconds or 0) * 1000)) if s.created else None),
        Out(
            "uri",
            lambda s: (
                f"{s.base}/Conferences/{spell.CONFERENCE.write(s.thing.member.room)}"
                f"/Participants/{spell.CALL.write(s.thing.member.call)}.json"
            ),
        ),
    ),
    "participants",
)


def _recording_uri(shown: Shown[Any]) -> str:
    recording = shown.thing
    parent = f"/Conferences/{spell.CONFERENCE.write(recording.room)}" if recording.room else ""
    return f"{shown.base}{parent}/Recordings/{spell.RECORDING.write(recording.id)}.json"


_RECORDING_STATUS = {"paused": "processing", "stopped": "processing", "failed": "absent"}
_ABSENT_CODES = {"short": 16101, "silent": 16102}

RECORDING = Resource(
    (
        Out("sid", lambda s: spell.RECORDING.write(s.thing.id)),
        Out("account_sid", lambda s: s.sid),
        Out("api_version", lambda s: spell.API_VERSION),
        Out("call_sid", lambda s: spell.CALL.write(s.thing.call) if s.thing.call else None),
        Out("conference_sid", lambda s: spell.CONFERENCE.write(s.thing.room) if s.thing.room else None),
        Out("channels", lambda s: s.thing.channels),
        Out("date_created", lambda s: date(s.thing.created)),
        Out("date_updated", lambda s: date(s.thing.updated)),
        Out("start_time", lambda s: date(s.thing.started)),
        Out("duration", lambda s: str(round(s.thing.seconds)) if s.thing.ended else None),
        Out("price", lambda s: None),
        Out("price_unit", lambda s: "USD"),
        Out("source", lambda s: {"room": "Conference", "verb": "RecordVerb"}.get(s.thing.source, "OutboundAPI")),
        Out("status", lambda s: _RECORDING_STATUS.get(s.thing.status.value, s.thing.status.value)),
        Out("error_code", lambda s: _ABSENT_CODES.get(s.thing.absent_reason)),
        Out("encryption_details", lambda s: None),
        Out("media_url", lambda s: recording_url(s.thing.id, s.account, s.public_url)),
        Out("uri", _recording_uri),
    ),
    "recordings",
)

NOTIFICATION = Resource(
    (
        Out("sid", lambda s: spell.NOTIFICATION.write(s.thing["id"])),
        Out("account_sid", lambda s: s.sid),
        Out("api_version", lambda s: spell.API_VERSION),
        Out("call_sid", lambda s: spell.CALL.write(s.thing["call"]) if s.thing["call"] else None),
        Out("error_code", lambda s: str(s.thing["code"])),
        Out("log", lambda s: "0" if s.thing["level"] == "error" else "1"),
        Out("message_text", lambda s: s.thing["data"].get("message")),
        Out("message_date", lambda s: date(s.thing["created"])),
        Out("more_info", lambda s: f"https://www.twilio.com/docs/errors/{s.thing['code']}"),
        Out("request_method", lambda s: s.thing["data"].get("method") or None),
        Out("request_url", lambda s: s.thing["data"].get("url") or None),
        Out("date_created", lambda s: date(s.thing["created"])),
        Out("date_updated", lambda s: date(s.thing["created"])),
        Out("uri", lambda s: f"{s.base}/Notifications/{spell.NOTIFICATION.write(s.thing['id'])}.json"),
    ),
    "notifications",
)

RESOURCES = {"call": CALL, "room": CONFERENCE, "member": PARTICIPANT, "recording": RECORDING, "notification": NOTIFICATION}


# -- parameters ------------------------------------------------------------------------------------------------


def truth(value: str) -> bool:
    """REST booleans are read without regard to case."""
    if value.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return value.lower() == "true"


def only_true(value: str) -> bool:
    """`Muted`, `Hold`: true, and anything else is false."""
    return value.lower() == "true"


def day(value: str) -> tuple[float, float]:
    """`YYYY-MM-DD` as the two ends of that day, UTC."""
    try:
        begin = datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("must be a date, YYYY-MM-DD") from None
    return begin.timestamp(), (begin + timedelta(days=1)).timestamp()


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


def _dates(name: str, to: str, read: Callable[[str], tuple[float, float]]) -> tuple[Param, ...]:
    """`Name`, `Name<` and `Name>` (5.3)."""

    def filter_by(op: str) -> Callable[[str], Between]:
        return described(lambda value: Between(op, *read(value)), FILTER)

    return tuple(Param(name + op, f"{to}{op}", filter_by(op or "=")) for op in ("", "<", ">"))


def _call_sid(value: str) -> Any:
    identity = spell.CALL.read(value)
    if identity is None:
        raise ValueError("must be a call SID")
    return identity


def party_value(value: str) -> str:
    """E.164, `client:NAME`, or a SIP address, whose user part is compared."""
    scheme, colon, rest = value.partition(":")
    return rest.partition("@")[0] if colon and scheme in ("client", "sip", "sips") else value


METHOD = choice("GET", "POST", get="GET", post="POST")
CALL_EVENTS = words({name: frozenset({name}) for name in ("initiated", "ringing", "answered", "completed")})
CALL_STATUSES = mapping({status.value: status.value for status in CallStatus if status is not CallStatus.INITIATED})

PROGRESS = (
    Param("StatusCallback", "progress_url", url),
    Param("StatusCallbackMethod", "progress_method", METHOD),
    Param("StatusCallbackEvent", "progress_events", CALL_EVENTS, many=True),
)
TARGET = (
    Param("To", "to", text),
    Param("From", "from", text),
    Param("TimeLimit", "total_seconds", integer(1)),
    Param("SipAuthUsername", "sip_username", matching(r".{0,255}", "has at most 255 characters")),
    Param("SipAuthPassword", "sip_password", matching(r".{0,255}", "has at most 255 characters")),
    Param("CallerId", None, why="the caller is `From`"),
    Param("Byoc", None, why="routes are configured"),
    Param("CallReason", None, why="shown by carriers only"),
    Param("CallToken", None, why="forwarding is not restricted here"),
)
MACHINE = tuple(
    Param(name, None, why=NOT_BUILT)
    for name in (
        "MachineDetection",
        "MachineDetectionTimeout",
        "MachineDetectionSpeechThreshold",
        "MachineDetectionSpeechEndThreshold",
        "MachineDetectionSilenceTimeout",
    )
)
LEG_RECORDING = tuple(
    Param(name, None, why=NOT_BUILT)
    for name in (
        "Record",
        "RecordingChannels",
        "RecordingTrack",
        "RecordingStatusCallback",
        "RecordingStatusCallbackMethod",
        "RecordingStatusCallbackEvent",
        "Trim",
    )
)
DOCUMENT = (
    Param("Url", "url", url, "url-missing"),
    Param("Method", "method", METHOD),
    Param("FallbackUrl", "fallback_url", url),
    Param("FallbackMethod", "fallback_method", METHOD),
    Param("Twiml", "document", text),
)

MEMBER_CREATE = (
    *TARGET,
    *PROGRESS,
    Param("Timeout", "ring_seconds", integer(5, 600)),
    Param("Label", "label", text),
    Param("EarlyMedia", "early_media", truth),
    Param("Muted", "muted", only_true),
    Param("Beep", "beep", lambda value: BEEP(value if value in ("onEnter", "onExit") else value.lower()), "bad-room-parameter"),
    Param("StartConferenceOnEnter", "start_on_enter", truth),
    Param("EndConferenceOnExit", "end_on_exit", truth),
    Param("WaitUrl", "wait_url", url),
    Param("WaitMethod", "wait_method", METHOD),
    Param("JitterBufferSize", None, JITTER, why=f"{NOT_BUILT}: every leg buffers 60 ms, which is `large`"),
    Param("Coaching", "coaching", truth),
    Param("CallSidToCoach", "coach", text),
    Param("MaxParticipants", "max_members", integer(2, 250), "bad-room-parameter"),
    Param("ConferenceRecord", "record", RECORD_FLAG, "bad-room-parameter"),
    Param("ConferenceTrim", "trim", TRIM, "bad-room-parameter"),
    Param("ConferenceStatusCallback", "status_url", url, "bad-room-parameter"),
    Param("ConferenceStatusCallbackMethod", "status_method", METHOD, "bad-room-parameter"),
    Param("ConferenceStatusCallbackEvent", "status_events", words(EVENT_GROUPS), "bad-room-parameter", many=True),
    Param("ConferenceRecordingStatusCallback", "recording_url", url, "bad-room-parameter"),
    Param("ConferenceRecordingStatusCallbackMethod", "recording_method", METHOD, "bad-room-parameter"),
    Param("ConferenceRecordingStatusCallbackEvent", "recording_events", RECORDING_EVENTS, "bad-room-parameter", many=True),
    Param("Region", "region", choice("us1", "us2", "ie1", "de1", "sg1", "br1", "au1", "jp1"), "bad-room-parameter"),
    Param("CallerDisplayName", "display", matching(r".{2,255}", "has 2 to 255 characters")),
    Param("ClientNotificationUrl", None, why="the cloud's own clients only"),
    *MACHINE,
    *LEG_RECORDING,
)

MEMBER_UPDATE = (
    Param("Muted", "muted", only_true),
    Param("Hold", "held", only_true),
    Param("HoldUrl", "hold_url", url),
    Param("HoldMethod", "hold_method", METHOD),
    Param("AnnounceUrl", "announce_url", url),
    Param("AnnounceMethod", "announce_method", METHOD),
    Param("WaitUrl", "wait_url", url),
    Param("WaitMethod", "wait_method", METHOD),
    Param("BeepOnExit", "beep_on_exit", truth),
    Param("EndConferenceOnExit", "end_on_exit", truth),
    Param("Coaching", "coaching", truth),
    Param("CallSidToCoach", "coach", text),
)

ROOM_FILTERS = (
    Param("FriendlyName", "name", text),
    Param("Status", "status", choice("init", "in-progress", "completed")),
    *_dates("DateCreated", "created", day),
    *_dates("DateUpdated", "updated", day),
)
CALL_FILTERS = (
    Param("To", "callee", party_value),
    Param("From", "caller", party_value),
    Param("ParentCallSid", "parent", _call_sid),
    Param("Status", "status", CALL_STATUSES),
    *_dates("StartTime", "started", instant),
    *_dates("EndTime", "ended", instant),
)
MEMBER_FILTERS = (Param("Muted", "muted", truth), Param("Hold", "held", truth), Param("Coaching", "coaching", truth))
RECORDING_FILTERS = (*_dates("DateCreated", "created", instant),)

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
            Param("Timeout", "ring_seconds", integer(1, 600)),
            Param("ApplicationSid", None, why=NOT_BUILT),
            *MACHINE,
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
            *(
                Param(name, None, why=f"{NOT_BUILT}: who is told is fixed when the call is made")
                for name in ("StatusCallback", "StatusCallbackMethod")
            ),
            Param("Status", "status", choice("completed", "canceled")),
            Param("TimeLimit", "total_seconds", integer(1)),
        ),
    ),
    Operation("DELETE", _CALL, "delete_call", status=204),
    Operation("GET", _CALL + "/Notifications", "list_notifications", "notification"),
    Operation("GET", "/Notifications", "list_notifications", "notification"),
    Operation("GET", "/Conferences", "list_rooms", "room", ROOM_FILTERS),
    Operation("GET", _ROOM, "fetch_room", "room"),
    Operation(
        "POST",
        _ROOM,
        "update_room",
        "room",
        (
            Param("Status", "status", choice("completed")),
            Param("AnnounceUrl", "announce_url", url),
            Param("AnnounceMethod", "announce_method", METHOD),
        ),
    ),
    Operation("POST", _ROOM + "/Participants", "create_member", "member", MEMBER_CREATE, 201),
    Operation("GET", _ROOM + "/Participants", "list_members", "member", MEMBER_FILTERS),
    Operation("GET", _MEMBER, "fetch_member", "member"),
    Operation("POST", _MEMBER, "update_member", "member", MEMBER_UPDATE),
    Operation("DELETE", _MEMBER, "remove_member", status=204),
    Operation("GET", _ROOM + "/Recordings", "list_recordings", "recording", RECORDING_FILTERS),
    Operation("GET", _ROOM + "/Recordings/{recording}", "fetch_recording", "recording"),
    Operation("GET", "/Recordings", "list_recordings", "recording", RECORDING_FILTERS),
    Operation("GET", "/Recordings/{recording}", "fetch_recording", "recording"),
    Operation("GET", _CALL + "/Recordings", "list_recordings", "recording", RECORDING_FILTERS),
)
