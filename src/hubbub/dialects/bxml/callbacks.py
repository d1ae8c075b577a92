"""CALLBACKS: the JSON of every webhook (5.2, 5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from hubbub.dialects.tables import HashedUuid, Out
from hubbub.events import CallRecord, Party, RoomEventKind
from hubbub.settings import Account

Fact = TypeVar("Fact")
CALL, CONFERENCE, RECORDING = HashedUuid("c-"), HashedUuid("conf-"), HashedUuid("r-")

EVENTS = {
    RoomEventKind.CREATED: "conferenceCreated",
    RoomEventKind.JOINED: "conferenceMemberJoin",
    RoomEventKind.LEFT: "conferenceMemberExit",
    RoomEventKind.ENDED: "conferenceCompleted",
}

CAUSES = {
    "hangup": "hangup",
    "busy": "busy",
    "timeout": "timeout",
    "cancel": "cancel",
    "rejected": "rejected",
    "invalid-document": "invalid-bxml",
    "request-failed": "callback-error",
    "error": "error",
}


@dataclass(frozen=True)
class Told(Generic[Fact]):
    """A fact, and what renders it needs to know beside it."""

    fact: Fact
    account: Account
    public_url: str
    event: str = ""
    at: float = 0.0
    call: CallRecord | None = None
    """The member's call, where the fact is about a member."""


def face(account: Account, key: str) -> str:
    """A value of the account's face."""
    return account.faces.get("bandwidth", {}).get(key, "")


def time(seconds: float | None) -> str | None:
    """ISO 8601 in UTC with milliseconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def address(party: Party) -> str:
    """E.164, or the SIP URI."""
    return party.value if party.kind == "number" else party.uri


def call_url(call: CallRecord, account: Account, public_url: str) -> str:
    """Where REST shows a call."""
    return f"{public_url}/api/v2/accounts/{face(account, 'account')}/calls/{CALL.write(call.id)}"


ROOM: tuple[Out, ...] = (
    Out("eventType", lambda told: EVENTS[told.fact.kind]),
    Out("eventTime", lambda told: time(told.fact.at)),
    Out("conferenceId", lambda told: CONFERENCE.write(told.fact.room.id)),
    Out("name", lambda told: told.fact.room.name),
    Out("tag", lambda told: told.fact.room.tag or None),
)
"""Conference events (5.2)."""

MEMBER: tuple[Out, ...] = (
    Out("callId", lambda told: CALL.write(told.fact.member.call) if told.fact.member else None),
    Out("from", lambda told: address(told.call.caller) if told.call else None),
    Out("to", lambda told: address(told.call.callee) if told.call else None),
)
"""What member events add, of the member's call."""

CALL_EVENT: tuple[Out, ...] = (
    Out("eventType", lambda told: told.event),
    Out("eventTime", lambda told: time(told.at)),
    Out("accountId", lambda told: face(told.account, "account")),
    Out("applicationId", lambda told: face(told.account, "application")),
    Out("from", lambda told: address(told.fact.caller)),
    Out("to", lambda told: address(told.fact.callee)),
    Out("direction", lambda told: "inbound" if told.fact.direction == "inbound" else "outbound"),
    Out("callId", lambda told: CALL.write(told.fact.id)),
    Out("callUrl", lambda told: call_url(told.fact, told.account, told.public_url)),
    Out("startTime", lambda told: time(told.fact.created)),
    Out("answerTime", lambda told: time(told.fact.answered)),
    Out("tag", lambda told: told.fact.tag or None),
)
"""Base fields of every call event (5.3)."""

DISCONNECT: tuple[Out, ...] = (
    Out("endTime", lambda told: time(told.fact.ended)),
    Out("cause", lambda told: CAUSES.get(told.fact.cause, "unknown")),
    Out("errorMessage", lambda told: told.fact.error or None),
    Out("sipCallId", lambda told: told.fact.sip_call_id or None),
    Out("sipResponseCode", lambda told: str(told.fact.sip_code) if told.fact.sip_code else None),
)

RECORDING_AVAILABLE: tuple[Out, ...] = (
    Out("eventType", lambda told: "conferenceRecordingAvailable"),
    Out("eventTime", lambda told: time(told.fact.at)),
    Out("accountId", lambda told: face(told.account, "account")),
    Out("conferenceId", lambda told: CONFERENCE.write(told.fact.recording.room)),
    Out("name", lambda told: told.fact.recording.room_name),
    Out("recordingId", lambda told: RECORDING.write(told.fact.recording.id)),
    Out("channels", lambda told: told.fact.recording.channels),
    Out("startTime", lambda told: time(told.fact.recording.started)),
    Out("endTime", lambda told: time(told.fact.recording.ended)),
    Out("duration", lambda told: f"PT{told.fact.recording.seconds:.3f}".rstrip("0").rstrip(".") + "S"),
    Out("fileFormat", lambda told: "wav"),
    Out(
        "mediaUrl",
        lambda told: (
            f"{told.public_url}/api/v2/accounts/{face(told.account, 'account')}/conferences/"
            f"{CONFERENCE.write(told.fact.recording.room)}/recordings/{RECORDING.write(told.fact.recording.id)}/media"
        ),
    ),
    Out("status", lambda told: "complete"),
)
