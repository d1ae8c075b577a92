"""Everything that can happen, and the facts about the things it happens to.

Records are the neutral facts about a call, a room, a member and a recording: what the store keeps, what REST and
webhooks render. Events are records plus what changed. Both are frozen; words are hubbub's own, dialects translate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from hubbub.ids import Id


@dataclass(frozen=True)
class Party:
    """Who a call is from or to."""

    kind: Literal["number", "phone", "sip", "application"]
    """`number`: E.164; `phone`: a registered SIP user; `sip`: any other SIP address; `application`: documents of this account."""
    value: str
    """`+15550001000`, the user name, the user part, or the application's identity."""
    uri: str
    """The SIP URI as it was on the wire."""
    display: str = ""


@dataclass(frozen=True)
class Link:
    """A URL to be requested, and how."""

    url: str
    method: str = "POST"
    username: str = ""
    password: str = ""
    timeout: float | None = None
    """Seconds for the whole request; None is the dialect's own."""
    fallback: Link | None = None


class CallStatus(StrEnum):
    """The life of a call."""

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        """Whether the call is over."""
        return self in _FINAL


_FINAL = frozenset({CallStatus.COMPLETED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.CANCELED})


@dataclass(frozen=True)
class CallRecord:
    """The facts about one call leg."""

    id: Id
    account: str
    dialect: str
    direction: Literal["inbound", "outbound-api", "outbound-dial"]
    caller: Party
    callee: Party
    status: CallStatus
    created: float
    updated: float
    answered: float | None = None
    ended: float | None = None
    parent: Id | None = None
    peer: Id | None = None
    """The call that it is, or was last, connected with."""
    sip_call_id: str = ""
    sip_source: str = ""
    sip_headers: Mapping[str, str] = field(default_factory=dict)
    signalled: Mapping[str, str] = field(default_factory=dict)
    """What its INVITE says of where it comes from, by header name in lower case: see `calls/signalled.py`."""
    sip_code: int | None = None
    sip_phrase: str = ""
    """The words beside it."""
    ended_by: str = ""
    """Who ended it: `remote`, `local`, or `error` where neither could; empty before, and where there was no SIP."""
    cause: str = ""
    """Why it ended: hangup, busy, timeout, cancel, rejected, invalid-document, request-failed, unsupported, error."""
    error: str = ""
    tag: str = ""
    queue_seconds: float = 0.0
    answered_by: str = ""
    """Who answered, where that was found out: the words of `speech/machine.py`."""
    detection_seconds: float = 0.0
    """How long it took to find out."""
    extra: Mapping[str, Any] = field(default_factory=dict)


class RoomStatus(StrEnum):
    """The life of a room."""

    INIT = "init"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"


class EndReason(StrEnum):
    """Why a room ended."""

    LAST_LEFT = "last-left"
    LAST_REMOVED = "last-removed"
    MODERATOR_LEFT = "moderator-left"
    MODERATOR_REMOVED = "moderator-removed"
    REQUESTED = "requested"
    TOO_OLD = "too-old"
    SERVER_RESTARTED = "server-restarted"


class LeaveReason(StrEnum):
    """Why a member left."""

    HUNG_UP = "hung-up"
    """The far end hung up."""
    WALKED_OUT = "walked-out"
    """The leg left by its own document: star, time limit."""
    REDIRECTED = "redirected"
    """Its call was given another document, or was ended, by request."""
    REMOVED = "removed"
    """It was removed by request."""
    MODERATOR_ENDED = "moderator-ended"
    REQUEST_ENDED = "request-ended"
    ADD_FAILED = "add-failed"
    """It was invited and never came."""
    SERVER_RESTARTED = "server-restarted"


class Presence(StrEnum):
    """How far a member has come."""

    INVITED = "invited"
    EARLY = "early"
    WAITING = "waiting"
    MIXED = "mixed"
    LEFT = "left"


@dataclass(frozen=True)
class RoomRecord:
    """The facts about one room."""

    id: Id
    account: str
    dialect: str
    """The dialect of its creator: its notices speak it."""
    name: str
    status: RoomStatus
    created: float
    updated: float
    started: float | None = None
    ended: float | None = None
    end_reason: EndReason | None = None
    ended_by: Id | None = None
    """The call whose leaving ended it."""
    ended_by_label: str = ""
    region: str = ""
    tag: str = ""
    size: int = 0
    """Members present."""
    namespace: str = ""
    """Rooms of different namespaces may have the same name."""


@dataclass(frozen=True)
class MemberRecord:
    """The facts about one call's stay in a room."""

    id: Id
    call: Id
    room: Id
    account: str
    presence: Presence
    joined: float
    updated: float
    label: str = ""
    tag: str = ""
    muted: bool = False
    held: bool = False
    coaching: tuple[Id, ...] = ()
    """The calls that hear this member, when it coaches."""
    is_coach: bool = False
    start_on_enter: bool = True
    end_on_exit: bool = False
    beep_on_enter: bool = True
    beep_on_exit: bool = True
    left: float | None = None
    leave_reason: LeaveReason | None = None
    call_status: CallStatus | None = None
    """The status of its call when it left."""
    queue_seconds: float | None = None
    created: float | None = None
    """When it was invited, or came; None in rows of an older server."""
    goes_on: bool = True
    """Whether its call has something to go on with when it has left."""
    jitter_ms: int | Literal["adaptive"] = 60
    """How long its packets wait before they are played, as it was asked for when it came."""


class RecordingStatus(StrEnum):
    """The life of a recording."""

    IN_PROGRESS = "in-progress"
    PAUSED = "paused"
    STOPPED = "stopped"
    PROCESSING = "processing"
    COMPLETED = "completed"
    ABSENT = "absent"
    FAILED = "failed"
    DELETED = "deleted"
    """Its facts are kept for a while, its audio is gone."""


RecordingSource = Literal["room", "room-request", "verb", "dial", "outgoing", "request", "document"]
"""What made a recording: the room's own setting, a request for a room, the verb that waits, a recorded dial, an outgoing
call that is recorded from its answer, a request for a call, a document's start beside everything else."""
Track = Literal["inbound", "outbound", "both"]
"""Sides of a leg: what it says, what it hears, or both."""


@dataclass(frozen=True)
class Speaker:
    """Who is heard in a channel of a recording."""

    call: Id
    label: str = ""


@dataclass(frozen=True)
class Transcript:
    """What is said in a recording."""

    status: Literal["in-progress", "completed", "failed"]
    created: float
    text: str = ""
    confidence: float = 0.0
    """0 to 1."""
    ended: float | None = None


@dataclass(frozen=True)
class RecordingRecord:
    """The facts about one recording."""

    id: Id
    account: str
    source: RecordingSource
    status: RecordingStatus
    created: float
    updated: float
    call: Id | None = None
    room: Id | None = None
    room_name: str = ""
    channels: int = 1
    seconds: float = 0.0
    started: float = 0.0
    ended: float | None = None
    file: str = ""
    """Path below the recordings folder."""
    size: int = 0
    absent_reason: Literal["", "short", "silent"] = ""
    trim: bool = False
    """Whether silence at its ends is cut off."""
    track: Track = "both"
    name: str = ""
    """What a document calls it."""
    speakers: tuple[Speaker, ...] = ()
    """Of a room that is recorded with a channel per speaker: who is in which."""
    tag: str = ""
    """Of the room."""
    format: str = "wav"
    """How whoever asked for it wants its sound: `wav` or `mp3`. The file is a WAV; other forms are made of it."""
    transcript: Transcript | None = None


class RoomEventKind(StrEnum):
    """What can happen in a room."""

    CREATED = "created"
    STARTED = "started"
    ENDED = "ended"
    RINGING = "ringing"
    """Somebody who was called into the room is being alerted."""
    ANSWERED = "answered"
    """That one has answered; it joins next."""
    JOINED = "joined"
    LEFT = "left"
    MUTED = "muted"
    UNMUTED = "unmuted"
    HELD = "held"
    UNHELD = "unheld"
    MODIFIED = "modified"
    SPEECH_STARTED = "speech-started"
    SPEECH_STOPPED = "speech-stopped"
    DIGIT = "digit"
    """A member pressed a key (`detail` says which)."""
    ANNOUNCEMENT_ENDED = "announcement-ended"
    ANNOUNCEMENT_FAILED = "announcement-failed"


@dataclass(frozen=True)
class RoomEvent:
    """Something happened in a room."""

    kind: RoomEventKind
    room: RoomRecord
    at: float
    member: MemberRecord | None = None
    number: int | None = None
    """Position in the room's sequence of events that somebody asked for; None when nobody did."""
    url: str = ""
    detail: str = ""
    call: Id | None = None
    """The call that it is about, also when that has left the room meanwhile (`member` is None then)."""
    witness: Id | None = None
    """A call that was in the room then, or was the last one: of events that are about none."""
    recording: RecordingRecord | None = None
    """Of the end: the room's last recording, as far as it is known by then; one under way is finished afterwards."""


@dataclass(frozen=True)
class CallEvent:
    """A call made progress: initiated, ringing, answered, completed; or a key was pressed on it."""

    kind: Literal["initiated", "ringing", "answered", "completed", "digit", "words", "detected", "transcription"]
    call: CallRecord
    at: float
    number: int | None = None
    detail: str = ""
    """The key, of a `digit`; the words so far, of `words`."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else is told of it."""


RecordingKind = Literal["started", "in-progress", "completed", "absent", "paused", "resumed", "stopped", "failed", "transcribed"]


@dataclass(frozen=True)
class RecordingEvent:
    """A recording changed."""

    kind: RecordingKind
    recording: RecordingRecord
    at: float
    size: int = 0
    """Members of its room then."""


@dataclass(frozen=True)
class StreamRecord:
    """The facts about a media stream of a call."""

    id: Id
    call: Id
    name: str
    url: str
    begun: float
    tracks: tuple[Literal["inbound", "outbound"], ...] = ("inbound",)
    room: Id | None = None
    """The room that is streamed, and not a leg."""
    what: str = "stream"


@dataclass(frozen=True)
class StreamEvent:
    """A media stream began, ended, or could not begin."""

    kind: Literal["started", "stopped", "rejected"]
    stream: StreamRecord
    call: CallRecord
    at: float
    cause: Literal["", "connection-error", "duplicate", "track-limit", "error"] = ""
    """Of one that was rejected."""
    error: str = ""
    original: StreamRecord | None = None
    """The stream that has the name of one rejected as a duplicate."""


@dataclass(frozen=True)
class ActionEvent:
    """Something that is done on a call, and that somebody follows, made progress."""

    action: str
    """What: `playing`, `gathering`, `line`, `stream`, `tap`, `message`, `warning`…"""
    state: str
    """How it stands: `began`, `ended`, `failed`; or a word of the action's own."""
    call: CallRecord
    at: float
    name: str = ""
    """What its document calls it."""
    details: Mapping[str, Any] = field(default_factory=dict)


Event = RoomEvent | CallEvent | RecordingEvent | ActionEvent
Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Exchange:
    """A request to an application and its answer, as texts; empty where there was none."""

    sent: str = ""
    headers: str = ""
    """Of the answer, a line each."""
    body: str = ""


@dataclass(frozen=True)
class Problem:
    """Something went wrong that the account's owner should read (law 6)."""

    account: str
    code: str
    level: Level
    message: str
    call: Id | None = None
    room: Id | None = None
    url: str = ""
    method: str = ""
    line: int | None = None
    exchange: Exchange | None = None
    """What was sent and answered, where it is about a request to an application."""
