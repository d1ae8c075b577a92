"""CALLBACKS: the JSON of every webhook (5.2, 5.3)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from hubbub.calls.signalled import diversion, passport, verstat
from hubbub.dialects.bxml import machine
from hubbub.dialects.bxml.account import face
from hubbub.dialects.ids import HashedUuid
from hubbub.dialects.tables import Out
from hubbub.events import (
    CallEvent,
    CallRecord,
    Party,
    RecordingRecord,
    RecordingStatus,
    RoomEventKind,
    StreamEvent,
    StreamRecord,
)
from hubbub.ids import Id
from hubbub.settings import Account

Fact = TypeVar("Fact")
CALL, CONFERENCE, RECORDING, STREAM = HashedUuid("c-"), HashedUuid("conf-"), HashedUuid("r-"), HashedUuid("s-")
TRANSCRIPT = HashedUuid("t-")

EVENTS = {
    RoomEventKind.CREATED: "conferenceCreated",
    RoomEventKind.JOINED: "conferenceMemberJoin",
    RoomEventKind.LEFT: "conferenceMemberExit",
    RoomEventKind.ENDED: "conferenceCompleted",
}
DOCUMENT_EVENTS = {
    "room-redirect": "conferenceRedirect",
    "action-gather": "gather",
    "action-record": "recordComplete",
    "callee": "transferAnswer",
    "action-connect": "transferComplete",
    "action-bridgeto": "bridgeComplete",
    "action-refer": "referComplete",
    "bridged": "bridgeTargetComplete",
}
"""Requests for a document whose neutral name is another."""
CALL_EVENTS = {"completed": "disconnect", "digit": "dtmf", "words": "gatherPartial", "detected": "machineDetectionComplete"}
"""Progress of a call that is told to whoever asked for it."""


TRANSCRIPTION_EVENTS = {
    "started": "realTimeTranscriptionStarted",
    "stopped": "realTimeTranscriptionStopped",
    "failed": "realTimeTranscriptionRejected",
}
AVAILABLE = "realTimeTranscriptionAvailable"
"""Follows the end: what was understood is fetched."""


def event_name(event: CallEvent) -> str:
    """What the progress of a call is called: the end of one that a transfer made has a name of its own; empty: it is not told."""
    if event.kind == "transcription":
        return TRANSCRIPTION_EVENTS.get(event.facts["state"], "")
    return "transferDisconnect" if event.kind == "completed" and event.call.parent else CALL_EVENTS.get(event.kind, "")


CAUSES = {
    "hangup": "hangup",
    "busy": "busy",
    "timeout": "timeout",
    "cancel": "cancel",
    "rejected": "rejected",
    "invalid-document": "invalid-bxml",
    "request-failed": "callback-error",
    "unsupported": "application-error",
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
    """The member's call, where the fact is about a member; the recorded call, where it is about a recording."""
    detail: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Of something heard on a call."""


def time(seconds: float | None) -> str | None:
    """ISO 8601 in UTC with milliseconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


WITHHELD = frozenset({"restricted", "anonymous", "private", "unavailable"})
"""Words that stand for callers who do not say who they are."""


def address(party: Party) -> str:
    """E.164, `Anonymous` and the like, or the SIP URI."""
    if party.kind == "sip" and party.value.lower() in WITHHELD:
        return party.value.capitalize()
    return party.value if party.kind == "number" else party.uri


def stir_shaken(call: CallRecord) -> dict[str, str] | None:
    """What is known of how far the caller can be believed (5.3)."""
    claims = passport(call.signalled)
    found = {
        "verstat": verstat(call.signalled, call.caller),
        "attestationIndicator": claims.get("attest"),
        "originatingId": claims.get("origid"),
    }
    return {name: value for name, value in found.items() if value} or None


def _diversion(call: CallRecord) -> dict[str, str] | None:
    found = diversion(call.signalled)
    return None if found is None else {"origTo": found.pop("from"), **found}


def cause(call: CallRecord) -> str:
    """Why a call ended, of the open list in 5.3."""
    return CAUSES.get(call.cause, "unknown")


def error_id(call: CallRecord) -> str | None:
    """What names an error in the log: the log names the call."""
    return str(uuid.UUID(call.id)) if call.error else None


def duration(seconds: float) -> str:
    """ISO 8601, as `PT13.67S`."""
    return f"PT{seconds:.3f}".rstrip("0").rstrip(".") + "S"


def file_format(recording: RecordingRecord) -> str:
    """`wav` or `mp3`."""
    return recording.format


def base_url(account: Account, public_url: str) -> str:
    """The account's URL."""
    return f"{public_url}/api/v2/accounts/{face(account, 'account')}"


def call_url(call: CallRecord, account: Account, public_url: str) -> str:
    """Where REST shows a call."""
    return f"{base_url(account, public_url)}/calls/{CALL.write(call.id)}"


def media_url(recording: RecordingRecord, account: Account, public_url: str) -> str:
    """Where the audio of a recording is: below its room, or below its call."""
    parent = "accounts"
    if recording.room is not None:
        parent = f"conferences/{CONFERENCE.write(recording.room)}"
    elif recording.call is not None:
        parent = f"calls/{CALL.write(recording.call)}"
    return f"{base_url(account, public_url)}/{parent}/recordings/{RECORDING.write(recording.id)}/media"


# -- rooms -----------------------------------------------------------------------------------------------------

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

REDIRECTED_ROOM: tuple[Out, ...] = (
    Out("eventType", lambda told: told.event),
    Out("eventTime", lambda told: time(told.at)),
    *(ROOM[place] for place in (2, 3, 4)),
)
"""`conferenceRedirect`: what a redirected room asks its application (5.2)."""

# -- calls -----------------------------------------------------------------------------------------------------


def _call(name: str, read: Callable[[CallRecord], Any]) -> Out:
    return Out(name, lambda told: read(told.fact.call))


CALL_EVENT: tuple[Out, ...] = (
    Out("eventType", lambda told: told.event),
    Out("eventTime", lambda told: time(told.at)),
    Out("accountId", lambda told: face(told.account, "account")),
    Out("applicationId", lambda told: face(told.account, "application")),
    _call("from", lambda call: address(call.caller)),
    _call("to", lambda call: address(call.callee)),
    _call("direction", lambda call: "inbound" if call.direction == "inbound" else "outbound"),
    _call("callId", lambda call: CALL.write(call.id)),
    Out("callUrl", lambda told: call_url(told.fact.call, told.account, told.public_url)),
    _call("enqueuedTime", lambda call: None if call.direction == "inbound" else time(call.created)),
    _call("startTime", lambda call: time(call.created)),
)
TRANSFERRED: tuple[Out, ...] = (
    _call("parentCallId", lambda call: CALL.write(call.parent) if call.parent else None),
    _call("transferCallerId", lambda call: address(call.caller) if call.parent else None),
    _call("transferTo", lambda call: address(call.callee) if call.parent else None),
)
"""Of a call that a transfer made."""
OF_CALL: tuple[Out, ...] = (
    *CALL_EVENT,
    _call("answerTime", lambda call: time(call.answered)),
    _call("tag", lambda call: call.tag or None),
    *TRANSFERRED,
)
"""Base fields of every call event (5.3)."""

SIP: tuple[Out, ...] = (
    _call("sipCallId", lambda call: call.sip_call_id or None),
    _call("sipHeaders", lambda call: {name.lower(): value for name, value in call.sip_headers.items()} or None),
)
INITIATE = (
    *CALL_EVENT,
    _call("tag", lambda call: call.tag or None),
    _call("diversion", _diversion),
    _call("stirShaken", stir_shaken),
    _call("uui", lambda call: call.signalled.get("user-to-user")),
    *SIP,
)
DETECTED = _call("machineDetectionResult", lambda call: machine.result(call.answered_by, call.detection_seconds, duration))
ANSWER = (*OF_CALL, DETECTED, SIP[0])
GATHER = (
    *OF_CALL,
    Out("digits", lambda told: told.fact.fields.get("digits", "")),
    Out("terminatingDigit", lambda told: told.fact.fields.get("finish", "")),
    Out("speechResult", lambda told: told.fact.fields.get("speech")),
    Out("confidence", lambda told: told.fact.fields.get("confidence")),
)


def _recorded(name: str, read: Callable[[RecordingRecord], Any]) -> Out:
    return Out(name, lambda told: read(found) if (found := told.fact.fields.get("recording")) is not None else None)


RECORD_COMPLETE = (
    *(row for row in OF_CALL if row.name != "startTime"),
    _recorded("startTime", lambda recording: time(recording.started)),
    _recorded("endTime", lambda recording: time(recording.ended)),
    _recorded("recordingId", lambda recording: RECORDING.write(recording.id)),
    Out(
        "mediaUrl",
        lambda told: media_url(found, told.account, told.public_url) if (found := told.fact.fields.get("recording")) is not None else None,
    ),
    _recorded("duration", lambda recording: duration(recording.seconds)),
    _recorded("channels", lambda recording: recording.channels),
    _recorded("fileFormat", file_format),
)
"""`startTime` is the recording's."""

COMPLETE_CAUSES = {"completed": "hangup", "busy": "busy", "no-answer": "timeout", "canceled": "cancel", "failed": "error"}


def _transfer(name: str, read: Callable[[CallRecord], Any]) -> Out:
    return Out(name, lambda told: read(found) if (found := told.fact.fields.get("child")) is not None else None)


def _transfer_cause(fields: Mapping[str, Any]) -> str:
    if fields.get("status") == "failed" and fields.get("refused") == "too-many-calls":
        return "account-limit"
    return COMPLETE_CAUSES.get(fields.get("status", ""), "unknown")


def _failure(message: str, failed: Callable[[Mapping[str, Any]], bool]) -> tuple[Out, ...]:
    """`errorMessage` and `errorId` of a verb that failed."""

    def told(value: Callable[[CallRecord], str]) -> Callable[[Any], str | None]:
        return lambda facts: value(facts.fact.call) if failed(facts.fact.fields) else None

    return Out("errorMessage", told(lambda call: message)), Out("errorId", told(lambda call: str(uuid.UUID(call.id))))


TRANSFER_COMPLETE = (
    *OF_CALL,
    _transfer("transferCallerId", lambda child: address(child.caller)),
    _transfer("transferTo", lambda child: address(child.callee)),
    Out("cause", lambda told: _transfer_cause(told.fact.fields)),
    *_failure("the transfer could not be made", lambda fields: fields.get("status") == "failed"),
)
BRIDGE_COMPLETE = (
    *OF_CALL,
    Out("cause", lambda told: told.fact.fields.get("cause") or None),
    *_failure("the call to bridge with is not there", lambda fields: bool(fields.get("cause"))),
)
REFER_COMPLETE = (
    *OF_CALL,
    Out("referCallStatus", lambda told: "failure"),
    Out("referSipResponseCode", lambda told: told.fact.fields.get("refer_code")),
    Out("notifySipResponseCode", lambda told: told.fact.fields.get("notify_code")),
)
"""Only a failure is told (5.1)."""
ASKING: Mapping[str, tuple[Out, ...]] = {
    "initiate": INITIATE,
    "answer": ANSWER,
    "gather": GATHER,
    "recordComplete": RECORD_COMPLETE,
    "transferComplete": TRANSFER_COMPLETE,
    "bridgeComplete": BRIDGE_COMPLETE,
    "referComplete": REFER_COMPLETE,
}
"""Requests for a document that carry more, or less, than the base fields."""

DISCONNECT: tuple[Out, ...] = (
    _call("endTime", lambda call: time(call.ended)),
    _call("cause", cause),
    _call("errorMessage", lambda call: call.error or None),
    _call("errorId", error_id),
    SIP[0],
    _call("sipResponseCode", lambda call: str(call.sip_code) if call.sip_code else None),
)
DTMF: tuple[Out, ...] = (Out("digit", lambda told: told.detail),)
WORDS: tuple[Out, ...] = (Out("speechResult", lambda told: told.detail),)
"""The words so far; the names of speech fields are this server's, for no page of the vendor gives them (5.3)."""


def live_url(call: CallRecord, transcription: Id, account: Account, public_url: str) -> str:
    """Where REST shows what was understood of a call."""
    return f"{call_url(call, account, public_url)}/transcriptions/{TRANSCRIPT.write(transcription)}"


def _live(told: Told[Any]) -> dict[str, Any]:
    """`realTimeTranscription`; when it is over also its status and where it is."""
    facts = told.facts
    found = {
        "id": TRANSCRIPT.write(facts["transcription"]),
        "name": facts["name"] or None,
        "startTime": time(facts["begun"]),
        "tracks": facts["tracks"],
    }
    if told.event == AVAILABLE:
        url = live_url(told.fact.call, facts["transcription"], told.account, told.public_url)
        found |= {"status": "available", "url": url, "completedTime": time(told.at)}
    return {name: value for name, value in found.items() if value is not None}


TOLD: Mapping[str, tuple[Out, ...]] = {
    "disconnect": (*OF_CALL, *DISCONNECT),
    "transferDisconnect": (*OF_CALL, *DISCONNECT[:4]),
    "dtmf": (*OF_CALL, *DTMF),
    "gatherPartial": (*OF_CALL, *WORDS),
    **dict.fromkeys((*TRANSCRIPTION_EVENTS.values(), AVAILABLE), (*OF_CALL, Out("realTimeTranscription", _live))),
    "machineDetectionComplete": (*OF_CALL, DETECTED),
}
"""What is told of a call's progress."""

# -- media streams ---------------------------------------------------------------------------------------------

STREAM_EVENTS = {"started": "mediaStreamStarted", "stopped": "mediaStreamStopped", "rejected": "mediaStreamRejected"}


def stream_name(stream: StreamRecord) -> str:
    """The name of a stream; one that was given none is called by its id."""
    return stream.name or STREAM.write(stream.id)


def stream(record: StreamRecord) -> dict[str, Any]:
    """A stream, as its webhooks show it."""
    return {
        "id": STREAM.write(record.id),
        "name": stream_name(record),
        "destination": record.url,
        "startTime": time(record.begun),
        "tracks": list(record.tracks),
        "type": "WebSocket",
    }


def _of_stream(name: str, read: Callable[[StreamEvent], Any]) -> Out:
    return Out(name, lambda told: read(told.fact.fields["stream"]))


MEDIA_STREAM: tuple[Out, ...] = (
    *OF_CALL,
    _of_stream("mediaStream", lambda event: stream(event.stream)),
    _of_stream("cause", lambda event: event.cause or None),
    _of_stream("errorMessage", lambda event: event.error or None),
    _of_stream("originalMediaStream", lambda event: stream(event.original) if event.original is not None else None),
)
"""`mediaStreamStarted`, `mediaStreamStopped`, `mediaStreamRejected`."""

# -- recordings ------------------------------------------------------------------------------------------------

STATUSES = {RecordingStatus.COMPLETED: "complete"}
"""Every other one that is told is `error`: nothing was heard, or it could not be written."""

_RECORDING: tuple[Out, ...] = (
    Out("recordingId", lambda told: RECORDING.write(told.fact.recording.id)),
    Out("channels", lambda told: told.fact.recording.channels),
    Out("startTime", lambda told: time(told.fact.recording.started)),
    Out("endTime", lambda told: time(told.fact.recording.ended)),
    Out("duration", lambda told: duration(told.fact.recording.seconds)),
    Out("fileFormat", lambda told: file_format(told.fact.recording)),
    Out("mediaUrl", lambda told: media_url(told.fact.recording, told.account, told.public_url)),
    Out("status", lambda told: STATUSES.get(told.fact.recording.status, "error")),
)

ROOM_RECORDING_AVAILABLE: tuple[Out, ...] = (
    Out("eventType", lambda told: "conferenceRecordingAvailable"),
    Out("eventTime", lambda told: time(told.fact.at)),
    Out("accountId", lambda told: face(told.account, "account")),
    Out("conferenceId", lambda told: CONFERENCE.write(told.fact.recording.room)),
    Out("name", lambda told: told.fact.recording.room_name),
    Out("tag", lambda told: told.fact.recording.tag or None),
    *_RECORDING,
)


def _of_recorded(name: str, read: Callable[[CallRecord], Any]) -> Out:
    return Out(name, lambda told: read(told.call) if told.call is not None else None)


RECORDING_AVAILABLE: tuple[Out, ...] = (
    Out("eventType", lambda told: "recordingAvailable"),
    Out("eventTime", lambda told: time(told.fact.at)),
    Out("accountId", lambda told: face(told.account, "account")),
    Out("applicationId", lambda told: face(told.account, "application")),
    _of_recorded("from", lambda call: address(call.caller)),
    _of_recorded("to", lambda call: address(call.callee)),
    _of_recorded("direction", lambda call: "inbound" if call.direction == "inbound" else "outbound"),
    Out("callId", lambda told: CALL.write(told.fact.recording.call)),
    Out("callUrl", lambda told: f"{base_url(told.account, told.public_url)}/calls/{CALL.write(told.fact.recording.call)}"),
    _of_recorded("enqueuedTime", lambda call: None if call.direction == "inbound" else time(call.created)),
    _of_recorded("parentCallId", lambda call: CALL.write(call.parent) if call.parent else None),
    _of_recorded("transferCallerId", lambda call: address(call.caller) if call.parent else None),
    _of_recorded("transferTo", lambda call: address(call.callee) if call.parent else None),
    *_RECORDING,
    Out("recordingName", lambda told: told.fact.recording.name or None),
    _of_recorded("tag", lambda call: call.tag or None),
)

TRANSCRIPT_STATES = {"completed": "available", "in-progress": "processing", "failed": "error"}


def transcription(recording: RecordingRecord, account: Account, public_url: str) -> dict[str, Any] | None:
    """`transcription`: the text is fetched from its URL."""
    transcript = recording.transcript
    return (
        None
        if transcript is None
        else {
            "id": TRANSCRIPT.write(recording.id),
            "url": media_url(recording, account, public_url).removesuffix("/media") + "/transcription",
            "status": TRANSCRIPT_STATES[transcript.status],
            "completedTime": time(transcript.ended),
        }
    )


TRANSCRIPTION_AVAILABLE: tuple[Out, ...] = (
    Out("eventType", lambda told: "transcriptionAvailable"),
    *(row for row in RECORDING_AVAILABLE if row.name not in ("eventType", "status", "channels", "recordingName")),
    Out("transcription", lambda told: transcription(told.fact.recording, told.account, told.public_url)),
)

WEBHOOKS: Mapping[str, tuple[Out, ...]] = {
    **dict.fromkeys((name for name in DOCUMENT_EVENTS.values() if name not in ASKING and name != "conferenceRedirect"), OF_CALL),
    "redirect": OF_CALL,
    **ASKING,
    **TOLD,
    **dict.fromkeys(STREAM_EVENTS.values(), MEDIA_STREAM),
    "recordingAvailable": RECORDING_AVAILABLE,
    "transcriptionAvailable": TRANSCRIPTION_AVAILABLE,
    "conferenceRecordingAvailable": ROOM_RECORDING_AVAILABLE,
    "conferenceRedirect": REDIRECTED_ROOM,
    **{name: (*ROOM, *(MEMBER if "Member" in name else ())) for name in EVENTS.values()},
}
"""The fields of every webhook, by its `eventType`."""
