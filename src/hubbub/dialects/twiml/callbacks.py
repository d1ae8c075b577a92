"""CALLBACKS: the fields of every webhook that tells something (4.1 to 4.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from hubbub.calls.signalled import diversion, passport, passport_token, verstat
from hubbub.dialects.tables import Out
from hubbub.dialects.twiml import live, machine, speech, transcripts, words
from hubbub.dialects.twiml.directory import APPLICATION_SID
from hubbub.dialects.twiml.words import TWIML, Words, address, date, flag
from hubbub.events import CallEvent, CallRecord, MemberRecord, RecordingEvent, RoomEvent, RoomEventKind
from hubbub.ids import Id
from hubbub.settings import Account

Fact = TypeVar("Fact")


@dataclass(frozen=True)
class Told(Generic[Fact]):
    """A fact, and what renders it needs to know beside it."""

    fact: Fact
    account: Account
    public_url: str
    words: Words = TWIML


def recording_url(recording: Id, account: Account, public_url: str, spelled: Words = TWIML) -> str:
    """Where a recording is, without extension."""
    return f"{public_url}{spelled.path}/{spelled.account_sid(account)}/Recordings/{spelled.recording.write(recording)}"


def _member(told: Told[RoomEvent]) -> MemberRecord | None:
    return told.fact.member


def _of_member(name: str) -> Out:
    """A flag of the member, with its value after the change."""
    fields = {
        "Muted": "muted",
        "Hold": "held",
        "Coaching": "is_coach",
        "StartConferenceOnEnter": "start_on_enter",
        "EndConferenceOnExit": "end_on_exit",
    }
    field = fields[name]

    def read(told: Told[RoomEvent]) -> str | None:
        member = told.fact.member
        return None if member is None else flag(bool(getattr(member, field)))

    return Out(name, read)


def _ending(told: Told[RoomEvent]) -> Id | None:
    return told.fact.room.ended_by if told.fact.kind is RoomEventKind.ENDED else None


def _leaving(told: Told[RoomEvent]) -> MemberRecord | None:
    return told.fact.member if told.fact.kind is RoomEventKind.LEFT else None


ROOM: tuple[Out, ...] = (
    Out("ConferenceSid", lambda told: told.words.conference.write(told.fact.room.id)),
    Out("FriendlyName", lambda told: told.fact.room.name),
    Out("AccountSid", lambda told: told.words.account_sid(told.account)),
    Out("SequenceNumber", lambda told: str(told.fact.number)),
    Out("Timestamp", lambda told: date(told.fact.at)),
    Out("StatusCallbackEvent", lambda told: words.ROOM_EVENTS[told.fact.kind]),
    Out("CallSid", lambda told: told.words.call.write(told.fact.call) if told.fact.call else None),
    Out("ParticipantLabel", lambda told: (told.fact.member.label or None) if told.fact.member else None),
    *(_of_member(name) for name in ("Muted", "Hold", "Coaching", "StartConferenceOnEnter", "EndConferenceOnExit")),
    Out("CallSidEndingConference", lambda told: told.words.call.write(call) if (call := _ending(told)) else None),
    Out("ParticipantLabelEndingConference", lambda told: (told.fact.room.ended_by_label or None) if _ending(told) else None),
    Out(
        "ReasonConferenceEnded",
        lambda told: words.END_REASONS[told.fact.room.end_reason] if told.fact.kind is RoomEventKind.ENDED else None,
    ),
    Out("Reason", lambda told: words.END_TEXTS[told.fact.room.end_reason] if told.fact.kind is RoomEventKind.ENDED else None),
    Out("ReasonParticipantLeft", lambda told: words.LEAVE_REASONS[m.leave_reason] if (m := _leaving(told)) and m.leave_reason else None),
    Out("ParticipantCallStatus", lambda told: words.webhook_status(m.call_status) if (m := _leaving(told)) and m.call_status else None),
    Out("AnnounceUrl", lambda told: told.fact.url or None),
    Out("ReasonAnnouncementFailed", lambda told: told.fact.detail if told.fact.kind is RoomEventKind.ANNOUNCEMENT_FAILED else None),
    Out("Digits", lambda told: told.fact.detail if told.fact.kind is RoomEventKind.DIGIT else None),
)
"""Conference events (4.1)."""

VERIFIED = ("TN-Validation-Passed", "TN-Validation-Failed")
LEVELS = ("A", "B", "C")

CALL: tuple[Out, ...] = (
    Out("CallSid", lambda told: told.words.call.write(told.fact.id)),
    Out("AccountSid", lambda told: told.words.account_sid(told.account)),
    Out("From", lambda told: address(told.fact.caller)),
    Out("To", lambda told: address(told.fact.callee)),
    Out("Caller", lambda told: address(told.fact.caller)),
    Out("Called", lambda told: address(told.fact.callee)),
    Out("CallStatus", lambda told: words.webhook_status(told.fact.status)),
    Out("ApiVersion", lambda told: words.API_VERSION),
    Out("Direction", lambda told: words.DIRECTIONS[told.fact.direction]),
    Out("ParentCallSid", lambda told: told.words.call.write(told.fact.parent) if told.fact.parent else None),
    Out("ApplicationSid", lambda told: APPLICATION_SID.write(found) if (found := told.fact.extra.get("application")) else None),
    Out("CallerName", lambda told: told.fact.caller.display or None),
    Out("ForwardedFrom", lambda told: forwarded_from(told.fact)),
    Out("StirVerstat", lambda told: stir_verstat(told.fact)),
    Out("StirPassportToken", lambda told: passport_token(told.fact.signalled) or None),
    Out("SipCallId", lambda told: told.fact.sip_call_id or None),
    Out("SipDomain", lambda told: _domain(told.fact.callee.uri) if told.fact.sip_call_id and told.fact.direction == "inbound" else None),
    Out("SipSourceIp", lambda told: told.fact.sip_source or None),
    Out("AnsweredBy", lambda told: machine.answered_by(told.fact.answered_by)),
    Out("MachineDetectionDuration", lambda told: machine.duration(told.fact.detection_seconds) if told.fact.answered_by else None),
)
"""The standard parameters of a voice webhook (1.2)."""


def forwarded_from(call: CallRecord) -> str | None:
    """Who the call was for when it was diverted here, of its newest Diversion."""
    found = diversion(call.signalled)
    return found["from"] if found else None


def stir_verstat(call: CallRecord) -> str | None:
    """What the verification of the caller gave, with the level of attestation where it is known: `TN-Validation-Passed-A`."""
    found, level = verstat(call.signalled, call.caller), passport(call.signalled).get("attest", "")
    if found in VERIFIED and level in LEVELS:
        return f"{found}-{level}"
    return found


def _domain(uri: str) -> str | None:
    """The host of a SIP URI, without its port."""
    host = re.match(r"sips?:(?:[^@]*@)?(\[[^\]]*\]|[^:;?>]*)", uri)
    return host[1] if host else None


PROGRESS: tuple[Out, ...] = (
    Out("CallDuration", lambda told: _duration(told.fact.call) if told.fact.kind == "completed" else None),
    Out("Duration", lambda told: _minutes(told.fact.call) if told.fact.kind == "completed" else None),
    Out("SipResponseCode", lambda told: str(told.fact.call.sip_code) if told.fact.call.sip_code else None),
    Out("RecordingUrl", lambda told: recording_url(it, told.account, told.public_url, told.words) if (it := _recorded(told)) else None),
    Out("RecordingSid", lambda told: told.words.recording.write(it) if (it := _recorded(told)) else None),
    Out("RecordingDuration", lambda told: _recorded_seconds(told.fact.call) if _recorded(told) else None),
    Out("Timestamp", lambda told: date(told.fact.at)),
    Out("CallbackSource", lambda told: "call-progress-events"),
    Out("SequenceNumber", lambda told: str(told.fact.number)),
)
"""What call progress callbacks add (4.3)."""


def _recorded(told: Told[CallEvent]) -> Id | None:
    """The recording of the whole call, when that is over."""
    return told.fact.call.extra.get("recording") if told.fact.kind == "completed" else None


def _recorded_seconds(call: CallRecord) -> str:
    return str(round((call.ended or call.updated) - call.extra["recorded_from"]))


HEARD: Mapping[str, tuple[Out, ...]] = {"words": speech.WORDS}
"""What notices of things heard on a call add, by the neutral kind of event."""


ALONE: Mapping[str, tuple[Out, ...]] = {"detected": machine.TOLD, "transcription": live.TOLD}
"""Notices of things heard on a call that carry nothing else."""


def _finished(told: Told[RecordingEvent]) -> bool:
    return told.fact.kind == "completed"


RECORDING: tuple[Out, ...] = (
    Out("AccountSid", lambda told: told.words.account_sid(told.account)),
    Out("RecordingSid", lambda told: told.words.recording.write(told.fact.recording.id)),
    Out("RecordingUrl", lambda told: recording_url(told.fact.recording.id, told.account, told.public_url, told.words)),
    Out("RecordingStatus", lambda told: told.fact.kind),
    Out("ConferenceSid", lambda told: told.words.conference.write(told.fact.recording.room) if told.fact.recording.room else None),
    Out("CallSid", lambda told: told.words.call.write(told.fact.recording.call) if not told.fact.recording.room else None),
    Out("RecordingDuration", lambda told: str(round(told.fact.recording.seconds)) if _finished(told) else None),
    Out("RecordingChannels", lambda told: str(told.fact.recording.channels)),
    Out("RecordingStartTime", lambda told: date(told.fact.recording.started)),
    Out("RecordingSource", lambda told: words.RECORDING_SOURCES[told.fact.recording.source]),
    Out("RecordingTrack", lambda told: None if told.fact.recording.room else told.fact.recording.track),
    Out("ErrorCode", lambda told: {"short": "16101", "silent": "16102"}.get(told.fact.recording.absent_reason)),
)
"""Recording callbacks (4.4)."""


def _transcript_url(told: Told[RecordingEvent]) -> str:
    base = f"{told.public_url}{told.words.path}/{told.words.account_sid(told.account)}"
    return f"{base}/Transcriptions/{told.words.transcript.write(told.fact.recording.id)}"


TRANSCRIPT: tuple[Out, ...] = (
    *(row for row in RECORDING if row.name in ("AccountSid", "CallSid", "RecordingSid", "RecordingUrl")),
    *transcripts.TOLD,
    Out("TranscriptionUrl", _transcript_url),
)
"""What `transcribeCallback` gets, beside the standard parameters while the call is still known."""


RECORD_END_STYLE = "record-end"
RECORD_END: tuple[Out, ...] = (
    Out("EventName", lambda told: "conference-record-end"),
    Out("ConferenceSid", lambda told: told.words.conference.write(told.fact.recording.room)),
    Out("FriendlyName", lambda told: told.fact.recording.room_name),
    Out("AccountSid", lambda told: told.words.account_sid(told.account)),
    Out("RecordingUrl", lambda told: recording_url(told.fact.recording.id, told.account, told.public_url, told.words)),
    Out("Duration", lambda told: str(round(told.fact.recording.seconds))),
    Out("RecordingFileSize", lambda told: str(told.fact.recording.size)),
    Out("Timestamp", lambda told: date(told.fact.at)),
)
"""The deprecated end of a conference's recording (4.1)."""


def _duration(call: CallRecord) -> str:
    """Whole seconds from answer to end."""
    return str(round(call.ended - call.answered)) if call.answered and call.ended else "0"


def _minutes(call: CallRecord) -> str:
    """Begun minutes."""
    return str(-(-int(_duration(call)) // 60))


def progress_status(event: CallEvent) -> str:
    """`CallStatus` that belongs to a progress event, whatever has happened since."""
    return {"initiated": "initiated", "ringing": "ringing", "answered": "in-progress"}.get(event.kind, event.call.status.value)
