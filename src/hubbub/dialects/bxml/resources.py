"""RESOURCES: the fields of everything that REST v2 shows (6.2 to 6.7)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hubbub.dialects.bxml.account import face
from hubbub.dialects.bxml.callbacks import (
    CALL,
    CONFERENCE,
    RECORDING,
    address,
    base_url,
    call_url,
    cause,
    duration,
    error_id,
    file_format,
    media_url,
    stir_shaken,
    time,
    transcription,
)
from hubbub.dialects.bxml.callbacks import TRANSCRIPT as CALL_TRANSCRIPT_ID
from hubbub.dialects.tables import Out, Resource
from hubbub.events import CallStatus, RecordingRecord, RecordingStatus, RoomStatus
from hubbub.settings import Account
from hubbub.webhooks.addresses import loggable

Thing = TypeVar("Thing")

STATES = {
    CallStatus.QUEUED: "queued",
    CallStatus.INITIATED: "initiated",
    CallStatus.RINGING: "initiated",
    CallStatus.IN_PROGRESS: "answered",
}
"""A call that is over is `disconnected`."""
RECORDING_STATES = {
    RecordingStatus.COMPLETED: "complete",
    RecordingStatus.ABSENT: "error",
    RecordingStatus.FAILED: "error",
    RecordingStatus.DELETED: "deleted",
    RecordingStatus.IN_PROGRESS: "open",
    RecordingStatus.PAUSED: "open",
}


@dataclass(frozen=True)
class Shown(Generic[Thing]):
    """A thing, and what shows it needs to know beside it."""

    thing: Thing
    account: Account
    public_url: str

    @property
    def base(self) -> str:
        """The account's URL."""
        return base_url(self.account, self.public_url)


_CALL: tuple[Out, ...] = (
    Out("applicationId", lambda s: face(s.account, "application")),
    Out("accountId", lambda s: face(s.account, "account")),
    Out("callId", lambda s: CALL.write(s.thing.id)),
    Out("parentCallId", lambda s: CALL.write(s.thing.parent) if s.thing.parent else None),
    Out("to", lambda s: address(s.thing.callee)),
    Out("from", lambda s: address(s.thing.caller)),
    Out("direction", lambda s: "inbound" if s.thing.direction == "inbound" else "outbound"),
    Out("state", lambda s: STATES.get(s.thing.status, "disconnected")),
    Out("stirShaken", lambda s: stir_shaken(s.thing)),
    Out("identity", lambda s: s.thing.signalled.get("identity")),
    Out("enqueuedTime", lambda s: None if s.thing.direction == "inbound" else time(s.thing.created)),
    Out("startTime", lambda s: None if s.thing.status is CallStatus.QUEUED else time(s.thing.created)),
    Out("answerTime", lambda s: time(s.thing.answered)),
    Out("endTime", lambda s: time(s.thing.ended)),
    Out("disconnectCause", lambda s: cause(s.thing) if s.thing.status.final else None),
    Out("errorMessage", lambda s: s.thing.error or None),
    Out("errorId", lambda s: error_id(s.thing)),
    Out("lastUpdate", lambda s: time(s.thing.updated)),
)

CREATED_CALL: tuple[Out, ...] = (
    Out("accountId", lambda s: face(s.account, "account")),
    Out("callId", lambda s: CALL.write(s.thing.id)),
    Out("callUrl", lambda s: call_url(s.thing, s.account, s.public_url)),
    Out("to", lambda s: address(s.thing.callee)),
    Out("from", lambda s: address(s.thing.caller)),
    Out("enqueuedTime", lambda s: time(s.thing.created)),
    Out("startTime", lambda s: None),
)
"""What the answer to a creation adds to the echo of its request."""


def _event_link(shown: Shown[Any]) -> Any:
    settings = shown.thing.settings
    return settings.subscription.link if settings is not None and settings.subscription is not None else None


def _room_url(shown: Shown[Any], room: str) -> str:
    return f"{shown.base}/conferences/{CONFERENCE.write(room)}"  # type: ignore[arg-type]


LISTED_ROOM: tuple[Out, ...] = (
    Out("id", lambda s: CONFERENCE.write(s.thing.room.id)),
    Out("name", lambda s: s.thing.room.name),
    Out("createdTime", lambda s: time(s.thing.room.created)),
    Out("completedTime", lambda s: time(s.thing.room.ended) if s.thing.room.status is RoomStatus.COMPLETED else None),
    Out("conferenceEventUrl", lambda s: loggable(link.url) if (link := _event_link(s)) else None),
    Out("conferenceEventMethod", lambda s: link.method if (link := _event_link(s)) else "POST"),
    Out("tag", lambda s: s.thing.room.tag or None),
)
MEMBER: tuple[Out, ...] = (
    Out("callId", lambda s: CALL.write(s.thing.call)),
    Out("conferenceId", lambda s: CONFERENCE.write(s.thing.room)),
    Out("memberUrl", lambda s: f"{_room_url(s, s.thing.room)}/members/{CALL.write(s.thing.call)}"),
    Out("mute", lambda s: s.thing.muted),
    Out("hold", lambda s: s.thing.held),
    Out("callIdsToCoach", lambda s: [CALL.write(call) for call in s.thing.coaching] if s.thing.is_coach else None),
)


def _members(shown: Shown[Any]) -> list[dict[str, Any]]:
    views = [Shown(member, shown.account, shown.public_url) for member in shown.thing.members or ()]
    return [{row.name: row.read(view) for row in MEMBER} for view in views]


ROOM = (*LISTED_ROOM, Out("activeMembers", _members))


def _media(shown: Shown[Any], recording: RecordingRecord) -> str | None:
    ready = recording.status is RecordingStatus.COMPLETED
    return media_url(recording, shown.account, shown.public_url) if ready else None


ROOM_RECORDING: tuple[Out, ...] = (
    Out("accountId", lambda s: face(s.account, "account")),
    Out("conferenceId", lambda s: CONFERENCE.write(s.thing.room)),
    Out("name", lambda s: s.thing.room_name),
    Out("recordingId", lambda s: RECORDING.write(s.thing.id)),
    Out("duration", lambda s: duration(s.thing.seconds)),
    Out("channels", lambda s: s.thing.channels),
    Out("startTime", lambda s: time(s.thing.started)),
    Out("endTime", lambda s: time(s.thing.ended)),
    Out("fileFormat", lambda s: file_format(s.thing)),
    Out("status", lambda s: RECORDING_STATES.get(s.thing.status, "processing")),
    Out("mediaUrl", lambda s: _media(s, s.thing)),
    Out("recordingName", lambda s: s.thing.name or None),
)


def _of_call(name: str, read: Any) -> Out:
    return Out(name, lambda s: read(s.thing.call) if s.thing.call is not None else None)


def _of_recording(name: str, read: Any) -> Out:
    return Out(name, lambda s: read(s.thing.recording))


CALL_RECORDING: tuple[Out, ...] = (
    Out("applicationId", lambda s: face(s.account, "application")),
    Out("accountId", lambda s: face(s.account, "account")),
    _of_recording("callId", lambda recording: CALL.write(recording.call)),
    _of_call("parentCallId", lambda call: CALL.write(call.parent) if call.parent else None),
    _of_recording("recordingId", lambda recording: RECORDING.write(recording.id)),
    _of_call("to", lambda call: address(call.callee)),
    _of_call("from", lambda call: address(call.caller)),
    _of_call("direction", lambda call: "inbound" if call.direction == "inbound" else "outbound"),
    _of_call("transferCallerId", lambda call: address(call.caller) if call.parent else None),
    _of_call("transferTo", lambda call: address(call.callee) if call.parent else None),
    _of_recording("duration", lambda recording: duration(recording.seconds)),
    _of_recording("channels", lambda recording: recording.channels),
    _of_recording("startTime", lambda recording: time(recording.started)),
    _of_recording("endTime", lambda recording: time(recording.ended)),
    _of_recording("fileFormat", file_format),
    _of_recording("status", lambda recording: RECORDING_STATES.get(recording.status, "processing")),
    Out("mediaUrl", lambda s: _media(s, s.thing.recording)),
    _of_recording("recordingName", lambda recording: recording.name or None),
    Out("transcription", lambda s: transcription(s.thing.recording, s.account, s.public_url)),
)

TRANSCRIPT = (
    Out(
        "transcripts",
        lambda s: [{"text": s.thing.transcript.text, "confidence": s.thing.transcript.confidence}] if s.thing.transcript.text else [],
    ),
)

NOTIFICATION: tuple[Out, ...] = (
    Out("id", lambda s: str(uuid.UUID(s.thing["id"]))),
    Out("accountId", lambda s: face(s.account, "account")),
    Out("callId", lambda s: CALL.write(s.thing["call"]) if s.thing["call"] else None),
    Out("conferenceId", lambda s: CONFERENCE.write(s.thing["room"]) if s.thing["room"] else None),
    Out("time", lambda s: time(s.thing["created"])),
    Out("level", lambda s: s.thing["level"]),
    Out("code", lambda s: s.thing["code"]),
    Out("message", lambda s: s.thing["data"].get("message")),
    Out("url", lambda s: s.thing["data"].get("url") or None),
    Out("method", lambda s: s.thing["data"].get("method") or None),
    Out("line", lambda s: s.thing["data"].get("line")),
)
"""Beyond the vendor: what its support staff would be asked for (2.4)."""

LISTED_CALL_TRANSCRIPT = (
    Out("transcriptionId", lambda s: CALL_TRANSCRIPT_ID.write(s.thing.id)),
    Out("transcriptionName", lambda s: s.thing.name or None),
    Out("transcriptionUrl", lambda s: f"{s.base}/calls/{CALL.write(s.thing.call)}/transcriptions/{CALL_TRANSCRIPT_ID.write(s.thing.id)}"),
)
CALL_TRANSCRIPT = (
    Out("accountId", lambda s: face(s.account, "account")),
    Out("callId", lambda s: CALL.write(s.thing.call)),
    Out("transcriptionId", lambda s: CALL_TRANSCRIPT_ID.write(s.thing.id)),
    Out(
        "tracks",
        lambda s: [
            {"detectedLanguage": "en-US", "track": track, "transcript": text, "confidence": confidence}
            for track, (text, confidence) in s.thing.tracks.items()
        ],
    ),
)

RESOURCES = {
    "notification": Resource(NOTIFICATION, ""),
    "listed-call-transcript": Resource(LISTED_CALL_TRANSCRIPT, ""),
    "call-transcript": Resource(CALL_TRANSCRIPT, ""),
    "transcript": Resource(TRANSCRIPT, ""),
    "call": Resource(_CALL, ""),
    "created-call": Resource(CREATED_CALL, ""),
    "room": Resource(ROOM, ""),
    "listed-room": Resource(LISTED_ROOM, ""),
    "member": Resource(MEMBER, ""),
    "room-recording": Resource(ROOM_RECORDING, ""),
    "call-recording": Resource(CALL_RECORDING, ""),
    "statistics": Resource((Out("currentCallQueueSize", lambda s: s.thing.waiting), Out("maxCallQueueSize", lambda s: s.thing.most)), ""),
}
"""A list is a plain array (6.8): there are no keys of lists."""
