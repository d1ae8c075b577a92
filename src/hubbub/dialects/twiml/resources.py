"""RESOURCES: the fields of everything that REST of 2010-04-01 shows (5.4 to 5.8)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from hubbub.dialects.tables import (
    Out,
    Resource,
)
from hubbub.dialects.twiml import announcements, directory, live, machine, queues, streams, transcripts
from hubbub.dialects.twiml import words as spell
from hubbub.dialects.twiml.callbacks import forwarded_from, recording_url, stir_verstat
from hubbub.dialects.twiml.words import address, date
from hubbub.events import CallRecord, CallStatus, MemberRecord, Presence, RoomRecord, RoomStatus
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
    words: spell.Words = spell.TWIML

    @property
    def sid(self) -> str:
        """The account's SID."""
        return self.words.account_sid(self.account)

    @property
    def base(self) -> str:
        """The account's path."""
        return f"{self.words.path}/{self.sid}"


def _call_uri(shown: Shown[CallRecord], more: str = "") -> str:
    return f"{shown.base}/Calls/{shown.words.call.write(shown.thing.id)}{more}.json"


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
        Out("sid", lambda s: s.words.call.write(s.thing.id)),
        Out("account_sid", lambda s: s.sid),
        Out("parent_call_sid", lambda s: s.words.call.write(s.thing.parent) if s.thing.parent else None),
        Out("to", lambda s: address(s.thing.callee)),
        Out("to_formatted", lambda s: _formatted(address(s.thing.callee))),
        Out("from", lambda s: address(s.thing.caller)),
        Out("from_formatted", lambda s: _formatted(address(s.thing.caller))),
        Out("phone_number_sid", lambda s: directory.NUMBER_SID.write(number) if (number := s.thing.extra.get("number")) else None),
        Out("status", lambda s: spell.rest_status(s.thing.status)),
        Out("start_time", lambda s: date(s.thing.answered)),
        Out("end_time", lambda s: date(s.thing.ended)),
        Out("duration", lambda s: _call_seconds(s.thing)),
        Out("price", lambda s: None),
        Out("price_unit", lambda s: "USD"),
        Out("direction", lambda s: spell.DIRECTIONS[s.thing.direction]),
        Out("answered_by", lambda s: machine.answered_by(s.thing.answered_by)),
        Out("api_version", lambda s: spell.API_VERSION),
        Out("forwarded_from", lambda s: forwarded_from(s.thing)),
        Out("group_sid", lambda s: None),
        Out("caller_name", lambda s: s.thing.caller.display or None),
        Out("queue_time", lambda s: str(round(s.thing.queue_seconds * 1000))),
        Out("stir_verstat", lambda s: stir_verstat(s.thing)),
        Out("trunk_sid", lambda s: None),
        Out("date_created", lambda s: date(s.thing.created)),
        Out("date_updated", lambda s: date(s.thing.updated)),
        Out("uri", _call_uri),
        Out("subresource_uris", lambda s: {name: _call_uri(s, "/" + _path_word(name)) for name in CALL_LINKS}),
    ),
    "calls",
)


def _room_uri(shown: Shown[Any], more: str = "") -> str:
    return f"{shown.base}/Conferences/{shown.words.conference.write(shown.thing.id)}{more}.json"


def _room_status(shown: Shown[RoomRecord]) -> str:
    """Rooms in which everybody waits because nobody may start them are `init`; some saw them as `in-progress` (0.3)."""
    waiting = shown.thing.status is RoomStatus.INIT and shown.thing.size > 0
    return RoomStatus.IN_PROGRESS.value if waiting and shown.account.waiting_rooms_in_progress else shown.thing.status.value


CONFERENCE = Resource(
    (
        Out("sid", lambda s: s.words.conference.write(s.thing.id)),
        Out("account_sid", lambda s: s.sid),
        Out("friendly_name", lambda s: s.thing.name),
        Out("status", _room_status),
        Out("region", lambda s: s.thing.region or ("unknown" if s.thing.status is RoomStatus.INIT else "us1")),
        Out("api_version", lambda s: spell.API_VERSION),
        Out("date_created", lambda s: date(s.thing.created)),
        Out("date_updated", lambda s: date(s.thing.updated)),
        Out("reason_conference_ended", lambda s: spell.END_REASONS[s.thing.end_reason] if s.thing.end_reason else None),
        Out("call_sid_ending_conference", lambda s: s.words.call.write(s.thing.ended_by) if s.thing.ended_by else None),
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
    return shown.words.call.write(coaching[0]) if coaching else None


PARTICIPANT = Resource(
    (
        Out("account_sid", lambda s: s.sid),
        Out("call_sid", lambda s: s.words.call.write(s.thing.member.call)),
        Out("label", lambda s: s.thing.member.label or None),
        Out("call_sid_to_coach", _coached),
        Out("coaching", lambda s: s.thing.member.is_coach),
        Out("conference_sid", lambda s: s.words.conference.write(s.thing.member.room)),
        Out("date_created", lambda s: date(s.thing.member.created or s.thing.member.joined)),
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
                f"{s.base}/Conferences/{s.words.conference.write(s.thing.member.room)}"
                f"/Participants/{s.words.call.write(s.thing.member.call)}.json"
            ),
        ),
    ),
    "participants",
)


def _recording_uri(shown: Shown[Any], parent: str = "", more: str = "") -> str:
    return f"{shown.base}{parent}/Recordings/{shown.words.recording.write(shown.thing.id)}{more}.json"


_RECORDING_STATUS = {"paused": "processing", "stopped": "processing", "failed": "absent"}
ABSENT_CODES = {"short": 16101, "silent": 16102}

_RECORDING = (
    Out("sid", lambda s: s.words.recording.write(s.thing.id)),
    Out("account_sid", lambda s: s.sid),
    Out("api_version", lambda s: spell.API_VERSION),
    Out("call_sid", lambda s: s.words.call.write(s.thing.call) if s.thing.call else None),
    Out("conference_sid", lambda s: s.words.conference.write(s.thing.room) if s.thing.room else None),
    Out("channels", lambda s: s.thing.channels),
    Out("date_created", lambda s: date(s.thing.created)),
    Out("date_updated", lambda s: date(s.thing.updated)),
    Out("start_time", lambda s: date(s.thing.started)),
    Out("duration", lambda s: str(round(s.thing.seconds)) if s.thing.ended else None),
    Out("price", lambda s: None),
    Out("price_unit", lambda s: "USD"),
    Out("source", lambda s: spell.RECORDING_SOURCES[s.thing.source]),
    Out("status", lambda s: _RECORDING_STATUS.get(s.thing.status.value, s.thing.status.value)),
    Out("error_code", lambda s: ABSENT_CODES.get(s.thing.absent_reason)),
    Out("encryption_details", lambda s: None),
)
"""What every view of a recording shows; `uri` "uses the path it was asked by"."""

ROOM_RECORDING = Resource(
    (*_RECORDING, Out("uri", lambda s: _recording_uri(s, f"/Conferences/{s.words.conference.write(s.thing.room)}"))), "recordings"
)
CALL_RECORDING = Resource(
    (
        *_RECORDING,
        Out("track", lambda s: s.thing.track),
        Out("uri", lambda s: _recording_uri(s, f"/Calls/{s.words.call.write(s.thing.call)}")),
    ),
    "recordings",
)


TRACK = Resource(
    (
        Out("channel", lambda s: s.thing[0]),
        Out("call_sid", lambda s: s.words.call.write(s.thing[1].call)),
        Out("label", lambda s: s.thing[1].label or None),
        Out("recording_sid", lambda s: s.words.recording.write(s.thing[2].id)),
    ),
    "tracks",
)
"""Who is in which channel of a conference recording with a channel per speaker."""


def _now(resource: Resource) -> Resource:
    """The answer to an update "shows the fine status (paused, in-progress, stopped)"."""
    fine = Out("status", lambda s: s.thing.status.value)
    return Resource(tuple(fine if row.name == "status" else row for row in resource.fields), resource.list_key)


ACCOUNT_RECORDING = Resource(
    (
        *_RECORDING,
        Out("media_url", lambda s: recording_url(s.thing.id, s.account, s.public_url, s.words)),
        Out("uri", _recording_uri),
        Out("subresource_uris", lambda s: {n: _recording_uri(s, "", f"/{_path_word(n)}") for n in ("add_on_results", "transcriptions")}),
    ),
    "recordings",
)


READABLE = " :/,;'()<>"
"""What needs no escape in a message that people read too."""


def _message(shown: Shown[Any]) -> str:
    """What happened as a query string: `LogLevel`, `ErrorCode`, `Msg`, and `url` where one was asked."""
    row, url = shown.thing, shown.thing["data"].get("url")
    level = "ERROR" if row["level"] == "error" else "WARN"
    told = {"LogLevel": level, "ErrorCode": row["code"], "Msg": row["data"].get("message") or "", **({"url": url} if url else {})}
    return urlencode(told, quote_via=quote, safe=READABLE)


EXCHANGED = {"request_variables": "sent", "response_headers": "headers", "response_body": "body"}


def _of_exchange(name: str, key: str) -> Out:
    """Of the request that a notification is about; null where it is about none, or nothing was answered."""
    return Out(name, lambda s: s.thing["data"].get("exchange", {}).get(key) or None)


NOTIFICATION = Resource(
    (
        Out("sid", lambda s: s.words.notification.write(s.thing["id"])),
        Out("account_sid", lambda s: s.sid),
        Out("api_version", lambda s: spell.API_VERSION),
        Out("call_sid", lambda s: s.words.call.write(s.thing["call"]) if s.thing["call"] else None),
        Out("error_code", lambda s: str(s.thing["code"])),
        Out("log", lambda s: "0" if s.thing["level"] == "error" else "1"),
        Out("message_text", _message),
        Out("message_date", lambda s: date(s.thing["created"])),
        Out("more_info", lambda s: f"{s.words.errors}{s.thing['code']}"),
        Out("request_method", lambda s: s.thing["data"].get("method") or None),
        Out("request_url", lambda s: s.thing["data"].get("url") or None),
        *(_of_exchange(name, key) for name, key in EXCHANGED.items()),
        Out("date_created", lambda s: date(s.thing["created"])),
        Out("date_updated", lambda s: date(s.thing["created"])),
        Out("uri", lambda s: f"{s.base}/Notifications/{s.words.notification.write(s.thing['id'])}.json"),
    ),
    "notifications",
)

RESOURCES = {
    "call": CALL,
    "room": CONFERENCE,
    "opened-room": CONFERENCE,
    "member": PARTICIPANT,
    "room-recording": ROOM_RECORDING,
    "call-recording": CALL_RECORDING,
    "track": TRACK,
    "transcript": transcripts.RESOURCE,
    "live-transcription": live.RESOURCE,
    "room-recording-now": _now(ROOM_RECORDING),
    "call-recording-now": _now(CALL_RECORDING),
    "recording": ACCOUNT_RECORDING,
    "notification": NOTIFICATION,
    **directory.RESOURCES,
    **queues.RESOURCES,
    "announcement": announcements.RESOURCE,
    "stream": streams.RESOURCE,
}
