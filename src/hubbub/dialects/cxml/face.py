"""The face of this dialect: TwiML's, with other tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hubbub.calls.call import ProgressWish
from hubbub.conference.policy import RoomSettings
from hubbub.dialects.cxml import requests
from hubbub.dialects.cxml.document import TABLE
from hubbub.dialects.cxml.words import CXML
from hubbub.dialects.ids import Uuid
from hubbub.dialects.tables import Out, render
from hubbub.dialects.twiml import callbacks, streams
from hubbub.dialects.twiml.callbacks import Told, recording_url
from hubbub.dialects.twiml.errors import REFUSALS
from hubbub.dialects.twiml.face import TwimlDialect
from hubbub.dialects.twiml.requests import reply_failure
from hubbub.events import CallEvent, Link, RecordingEvent, RoomEvent, StreamEvent
from hubbub.settings import Account
from hubbub.verbs.model import Pause
from hubbub.webhooks.delivery import Notice
from hubbub.webhooks.requester import HttpReply

IDS = Uuid()
SOURCES = {
    "room": "Conference",
    "room-request": "StartConferenceRecording",
    "verb": "RecordVerb",
    "dial": "DialVerb",
    "request": "StartCallRecordingApi",
}


TRACKS = {("inbound",): "inbound_track", ("outbound",): "outbound_track"}
ERRORS = {
    "connection-error": "connection_refused",
    "duplicate": "Duplicated stream name",
    "track-limit": "general_error",
    "error": "codec_error",
}
STREAM: tuple[Out, ...] = (
    Out("AccountSid", lambda told: told.words.account_sid(told.account)),
    Out("CallSid", lambda told: told.words.call.write(told.fact.call.id)),
    Out("ConferenceSid", lambda told: told.fact.stream.room and told.words.conference.write(told.fact.stream.room)),
    Out("StreamSid", lambda told: IDS.write(told.fact.stream.id)),
    Out("StreamName", lambda told: told.fact.stream.name or IDS.write(told.fact.stream.id)),
    Out("StreamTrack", lambda told: TRACKS.get(told.fact.stream.tracks, "both_tracks")),
    Out("StreamEvent", lambda told: streams.EVENTS[told.fact.kind]),
    Out("StreamError", lambda told: ERRORS.get(told.fact.cause)),
    Out("Unique-ID", lambda told: told.words.call.write(told.fact.call.id)),
    *(row for row in streams.NOTICE if row.name == "Timestamp"),
)
"""What is told of a stream, of a call or of a room."""


HANGUPS = {"remote": "inbound", "local": "outbound"}
"""Which way the message went that ended a call."""


def _hangup_direction(told: Told[CallEvent]) -> str | None:
    return HANGUPS.get(told.fact.call.ended_by) if told.fact.call.status.final else None


def _hangup_by(told: Told[CallEvent]) -> str | None:
    """The party on whose side it was ended: the far end is the caller of a call that came in, else the callee."""
    direction = _hangup_direction(told)
    if direction is None:
        return None
    caller_is_far = told.fact.call.direction == "inbound"
    return "caller" if (direction == "inbound") == caller_is_far else "callee"


def _phrase(told: Told[CallEvent]) -> str | None:
    """The words of the response that the INVITE got: OK for a call that was answered."""
    call = told.fact.call
    return "OK" if call.answered is not None else call.sip_phrase or None


def _mos(told: Told[CallEvent]) -> str | None:
    quality = told.fact.call.extra.get("quality")
    return None if quality is None else f"{quality['mos_in']:.2f}"


RECORD_END: tuple[Out, ...] = (
    Out("EventName", lambda told: "conference-record-end" if told.fact.recording else None),
    Out(
        "RecordingUrl",
        lambda told: told.fact.recording and recording_url(told.fact.recording.id, told.account, told.public_url, told.words),
    ),
    Out("RecordingFileSize", lambda told: str(told.fact.recording.size) if told.fact.recording else None),
    Out("Duration", lambda told: str(round(told.fact.recording.seconds)) if told.fact.recording else None),
)
"""What the end of a recorded conference adds (1.7): as it is then, before silence is cut off."""


COUNTED: Mapping[str, tuple[str, int]] = {
    "AudioInMediaPacketCount": ("packets_in", 0),
    "AudioInDtmfPacketCount": ("digits_in", 0),
    "AudioInFlushPacketCount": ("late_in", 0),
    "AudioInSkipPacketCount": ("concealed_in", 0),
    "AudioInJitterMinVariance": ("jitter_in_least", 2),
    "AudioInJitterMaxVariance": ("jitter_in_most", 2),
    "AudioOutMediaPacketCount": ("packets_out", 0),
}
"""Counters of a call that has ended (1.2), and how many places they have. Digits are counted, not their packets; variances are
milliseconds. The largest buffer, the packets of digits that were sent and the average packet time are not known."""


def _counted(name: str, field: str, places: int) -> Out:
    def show(told: Told[CallEvent]) -> str | None:
        found = told.fact.call.extra.get("quality")
        return None if found is None or field not in found else f"{found[field]:.{places}f}"

    return Out(name, show)


def _source(told: Told[RecordingEvent]) -> str:
    return SOURCES.get(told.fact.recording.source, "OutBoundApi")


class CxmlDialect(TwimlDialect):
    """cXML."""

    name = "cxml"
    answering = TwimlDialect.answering - {Pause}
    """A `<Pause>` "as first verb delays answering" (1.3)."""
    words = CXML
    table = TABLE
    refusals: Mapping[str, str] = {**REFUSALS, "invalid-name": "20002", "label-taken": "16002", "internal": "20504", "full": "16002"}
    failure_codes = requests.FAILURE_CODES
    envelope = requests.ENVELOPE
    progress_rows = (
        *callbacks.PROGRESS,
        Out("SipResultCode", lambda told: str(told.fact.call.sip_code) if told.fact.call.sip_code else None),
        Out("SipInviteResultPhrase", _phrase),
        Out("HangupBy", _hangup_by),
        Out("HangupDirection", _hangup_direction),
        Out("AudioInMos", _mos),
        *(_counted(name, *where) for name, where in COUNTED.items()),
    )
    """What progress callbacks add (1.2). The words of HangupBy and HangupDirection are unverified."""
    room_rows = (*callbacks.ROOM, *RECORD_END)
    recording_rows = (*(row for row in callbacks.RECORDING if row.name != "RecordingSource"), Out("RecordingSource", _source))

    def reply_failure(self, reply: HttpReply) -> tuple[str, str] | None:
        """Code and text where an answer is no document."""
        return requests.failed_status(reply) or reply_failure(reply)

    def room_notices(self, account: Account, event: RoomEvent, settings: RoomSettings) -> Sequence[Notice]:
        """Conference events: "Standard parameters (1.2) plus", of the call that an event is about."""
        call = self._find_call(event.call) if event.call is not None else None
        standard = {} if call is None else self.call_fields(account, call)
        return [
            replace(notice, fields=tuple((standard | dict(notice.fields)).items()))
            for notice in super().room_notices(account, event, settings)
        ]

    def notice_remark(self, notice: Notice, reply: HttpReply) -> tuple[str, str] | None:
        """Nothing: any answer below 400 is right here."""
        return None

    def stream_notices(self, account: Account, event: StreamEvent, link: Link) -> Sequence[Notice]:
        """As its compatible dialect tells it, with this one's ids and words (1.5)."""
        fields = render(STREAM, self._told(event, account))
        return [self._notice(account, link, fields, fields["StreamEvent"], call=event.call)]

    def call_notices(self, account: Account, event: CallEvent, wish: ProgressWish) -> Sequence[Notice]:
        """Call progress; who asked for `answered` gets it twice, as `answered` and as `in-progress` (1.2)."""
        notices = super().call_notices(account, event, wish)
        if event.kind != "answered":
            return notices
        return [*(_with(notice, CallStatus="answered") for notice in notices), *super().call_notices(account, event, wish)]


def _with(notice: Notice, **changes: Any) -> Notice:
    return replace(notice, fields=tuple((name, changes.get(name, value)) for name, value in dict(notice.fields).items()))
