"""The face of this dialect: its tables behind the interface that the interpreter, the webhooks and REST use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hubbub.calls.call import ProgressWish
from hubbub.calls.line import LinePlace
from hubbub.conference.policy import RecordingWish, RoomSettings
from hubbub.dialects.notices import as_notice, link_of
from hubbub.dialects.readers import read_xml
from hubbub.dialects.tables import Compiler, DocumentTable, render
from hubbub.dialects.twiml import callbacks, requests, streams, words
from hubbub.dialects.twiml.callbacks import Fact
from hubbub.dialects.twiml.document import TABLE
from hubbub.dialects.twiml.errors import REFUSALS
from hubbub.dialects.twiml.outcomes import OUTCOMES
from hubbub.dialects.twiml.words import TWIML, Words
from hubbub.errors import DocumentError
from hubbub.events import CallEvent, CallRecord, Link, RecordingEvent, RecordingKind, RecordingRecord, RoomEvent, RoomRecord, StreamEvent
from hubbub.ids import Id, new_id
from hubbub.settings import Account
from hubbub.verbs.dialect import ANSWERING, CallLimits, DocumentFailure, DocumentRequest, Manners, OutcomeRule
from hubbub.verbs.model import Hangup, JoinRoom, PlayAudio, Speak, Stage
from hubbub.verbs.program import Program, Verb
from hubbub.webhooks.delivery import Notice
from hubbub.webhooks.requester import HttpReply, HttpRequest

LONGEST_CALL, LONG_CALL = 14_400.0, 86_400.0
APOLOGY = "An application error has occurred. Goodbye."


class TwimlDialect(Manners):
    """TwiML."""

    name = "twiml"
    words: Words = TWIML
    table: DocumentTable = TABLE
    refusals: Mapping[str, str] = REFUSALS
    failure_codes: Mapping[str, str] = requests.FAILURE_CODES
    envelope = requests.ENVELOPE
    call_rows = callbacks.CALL
    progress_rows = callbacks.PROGRESS
    room_rows = callbacks.ROOM
    recording_rows = callbacks.RECORDING
    transcript_rows = callbacks.TRANSCRIPT
    outcomes: Mapping[type[Verb], OutcomeRule] = OUTCOMES
    tells_silence = True
    answering = ANSWERING | {Hangup}
    """A `<Hangup>` that stands first "answers and bills"."""

    def __init__(self, public_url: str = "", find_call: Callable[[Id], CallRecord | None] = lambda call: None) -> None:
        self.public_url = public_url
        self._find_call = find_call

    # -- documents ---------------------------------------------------------------------------------------------

    def compile(self, body: bytes, content_type: str, base: str, stage: Stage) -> Program:
        """A program from TwiML, from audio, or from text that is to be spoken (1.3, 1.5)."""
        if content_type.startswith("audio/"):
            loops = 0 if stage is Stage.BESIDE else 1
            return Program({"main": (PlayAudio(link=Link(base, "GET"), loops=loops, body=body, content_type=content_type),)}, base)
        try:
            root = read_xml(body, self.table)
        except DocumentError:
            if content_type != "text/plain" or not body.strip():
                raise
            return Program({"main": (Speak(text=body.decode("utf-8", "replace").strip()),)}, base)
        compiler = Compiler(self.table, base, stage)
        for name in root.attributes:
            if name == "version":
                raise DocumentError("12101", "<Response version> is not supported", line=root.at.line, column=root.at.column)
            compiler.object(self.table.unknown, f"attribute {name!r} of <Response> is not known", root.at)
        steps = compiler.steps(root.children)
        requests.remark_on_urls(compiler, root)
        requests.remark_on_text(compiler, root)
        return Program({"main": steps}, base, tuple(compiler.remarks))

    def failure_program(self, failure: DocumentFailure) -> Program:
        """Apologise and hang up."""
        return Program({"main": (Speak(text=APOLOGY), Hangup())})

    def longest_call(self, account: Account) -> float | None:
        """ "Max call 4 h (24 h account option)" (3.5)."""
        return LONG_CALL if account.long_calls else LONGEST_CALL

    def call_limits(self, account: Account) -> CallLimits:
        """ "10004 call concurrency" (1.10); the vendor's one call a second is not asked of anybody."""
        return CallLimits(at_a_time=account.calls_at_a_time)

    # -- requests ----------------------------------------------------------------------------------------------

    def facts(self, account: Account, call: CallRecord | None) -> Mapping[str, Any]:
        """Nothing: its documents hold no expressions."""
        return {}

    def document_request(self, account: Account, request: DocumentRequest) -> HttpRequest:
        """A signed request with the standard parameters."""
        fields: dict[str, str] = {}
        if request.call is not None:
            fields |= self.call_fields(account, request.call)
        if request.room is not None:
            fields |= {"ConferenceSid": self.words.conference.write(request.room.id), "FriendlyName": request.room.name}
        for name, value in request.fields.items():
            if value is not None:
                fields |= self._extra(account, name, value)
        cookies = request.call.id if request.call else None
        return self.http_request(account, request.link, list(fields.items()), cookies=cookies, token=new_token())

    def call_fields(self, account: Account, call: CallRecord) -> dict[str, str]:
        """The standard parameters of a voice webhook."""
        fields = {**call.extra.get("parameters", {}), **render(self.call_rows, self._told(call, account))}
        headers = {f"SipHeader_{name}": value for name, value in call.sip_headers.items()}
        return {**fields, **headers}

    def _extra(self, account: Account, name: str, value: Any) -> dict[str, str]:
        if isinstance(value, RecordingRecord):
            found = {
                "RecordingUrl": callbacks.recording_url(value.id, account, self.public_url, self.words),
                "RecordingSid": self.words.recording.write(value.id),
            }
            return found if name == "dial_recording" else {**found, "RecordingDuration": str(round(value.seconds))}
        if isinstance(value, CallRecord):
            return {"DialCallSid": self.words.call.write(value.id)}
        if isinstance(value, RoomRecord):  # beyond the vendor, for accounts that wish it
            found = {"ConferenceSid": self.words.conference.write(value.id), "FriendlyName": value.name}
            return found if account.room_in_actions else {}
        if isinstance(value, LinePlace):
            return {
                "QueueSid": words.QUEUE.write(value.line),
                "QueuePosition": str(value.position),
                "QueueTime": str(round(value.seconds)),
                "AvgQueueTime": str(round(value.average)),
                "CurrentQueueSize": str(value.size),
            }
        if name == "line":
            return {"QueueSid": words.QUEUE.write(value)}
        renamed = {"failed_code": "ErrorCode", "failed_url": "ErrorUrl"}.get(name, name)
        return {renamed: str(value)}

    def http_request(
        self,
        account: Account,
        link: Link,
        fields: Sequence[tuple[str, str]],
        *,
        cookies: str | None = None,
        token: str = "",
        notice: bool = False,
    ) -> HttpRequest:
        """A signed request; `notice`: its answer does not matter."""
        return requests.http_request(self.envelope, account, link, fields, cookies=cookies, token=token, notice=notice)

    def audio_headers(self, account: Account, url: str) -> Mapping[str, str]:
        """As any request: "every request carries `X-Twilio-Signature`" (1.3)."""
        return self.http_request(account, Link(url, "GET"), ()).headers

    def _told(self, fact: Fact, account: Account) -> callbacks.Told[Fact]:
        return callbacks.Told(fact, account, self.public_url, self.words)

    def reply_failure(self, reply: HttpReply) -> tuple[str, str] | None:
        """Code and text where an answer is no document."""
        return requests.empty_chunks(reply) or requests.reply_failure(reply)

    def request_failure_code(self, kind: str) -> str:
        """The number of a request that got no reply."""
        return self.failure_codes.get(kind, "11200")

    def refusal_code(self, reason: str) -> str:
        """The number of a neutral refusal."""
        return self.refusals.get(reason, "16099")

    def room_reply_request(self, account: Account, event: RoomEvent, settings: RoomSettings) -> HttpRequest:
        """Rooms of this dialect execute no replies; the notice goes out all the same."""
        notice = self.room_notices(account, event, settings)[0]
        return self.prepare(account, notice)

    # -- ids ---------------------------------------------------------------------------------------------------

    def call_id(self, text: str) -> Id | None:
        """The call that `CA…` names."""
        return self.words.call.read(text)

    def room_key(self, verb: JoinRoom) -> tuple[str, Id | None]:
        """A room is named by its name or, while it lives, by its `CF…` SID."""
        return verb.room, self.words.conference.read(verb.room)

    # -- notices -----------------------------------------------------------------------------------------------

    def room_notices(self, account: Account, event: RoomEvent, settings: RoomSettings) -> Sequence[Notice]:
        """Conference events (4.1)."""
        subscription = settings.subscription
        if subscription is None or event.kind not in subscription.events or event.kind not in words.ROOM_EVENTS:
            return []
        fields = {**render(self.room_rows, self._told(event, account)), **self._parties(account, event)}
        return [self._notice(account, subscription.link, fields, fields["StatusCallbackEvent"], room=event.room)]

    def _parties(self, account: Account, event: RoomEvent) -> dict[str, str]:
        """Beyond the vendor: from whom to whom the call is that an event is about, for accounts that wish it."""
        call = self._find_call(event.call) if account.parties_in_events and event.call is not None else None
        return {} if call is None else {"From": words.address(call.caller), "To": words.address(call.callee)}

    def call_notices(self, account: Account, event: CallEvent, wish: ProgressWish) -> Sequence[Notice]:
        """Call progress (4.3), and what was heard on the call."""
        if event.kind in callbacks.ALONE:
            fields = render(callbacks.ALONE[event.kind], self._told(event, account))
            return [self._notice(account, wish.link, fields, event.kind, call=event.call)]
        fields = self.call_fields(account, event.call)
        if event.kind in callbacks.HEARD:
            fields |= render(callbacks.HEARD[event.kind], self._told(event, account))
            return [self._notice(account, wish.link, fields, event.kind, call=event.call)]
        fields |= render(self.progress_rows, self._told(event, account))
        fields["CallStatus"] = callbacks.progress_status(event)
        return [self._notice(account, wish.link, fields, event.kind, call=event.call)]

    def _transcript_notices(self, account: Account, event: RecordingEvent, wish: RecordingWish) -> Sequence[Notice]:
        recording = event.recording
        call = self._find_call(recording.call) if recording.call is not None else None
        if wish.transcript_link is None:
            return []
        standard = self.call_fields(account, call) if call is not None else {}
        fields = {**standard, **render(self.transcript_rows, self._told(event, account))}
        return [self._notice(account, wish.transcript_link, fields, "transcribed", recording=recording)]

    def recording_notices(self, account: Account, event: RecordingEvent, wish: RecordingWish) -> Sequence[Notice]:
        """Recording status (4.4), and transcripts."""
        if event.kind == "transcribed":
            return self._transcript_notices(account, event, wish)
        if wish.link is None:
            return []
        if wish.end_link is not None:
            besides = RecordingWish(wish.end_link, style=callbacks.RECORD_END_STYLE)
            return [*self.recording_notices(account, event, replace(wish, end_link=None)), *self.recording_notices(account, event, besides)]
        rows = callbacks.RECORD_END if wish.style == callbacks.RECORD_END_STYLE else self.recording_rows
        kinds: tuple[RecordingKind, ...] = ("started", "in-progress") if event.kind == "in-progress" else (event.kind,)
        return [
            self._notice(
                account,
                wish.link,
                render(rows, self._told(replace(event, kind=kind), account)),
                f"recording-{kind}",
                recording=event.recording,
            )
            for kind in kinds
            if kind in wish.events
        ]

    def stream_notices(self, account: Account, event: StreamEvent, link: Link) -> Sequence[Notice]:
        """`stream-started`, `stream-stopped`, `stream-error` (8.2)."""
        fields = render(streams.NOTICE, self._told(event, account))
        return [self._notice(account, link, fields, fields["StreamEvent"], call=event.call)]

    def _notice(
        self,
        account: Account,
        link: Link,
        fields: Mapping[str, str],
        event: str,
        *,
        room: RoomRecord | None = None,
        call: CallRecord | None = None,
        recording: RecordingRecord | None = None,
    ) -> Notice:
        room_id = room.id if room else recording.room if recording else None
        call_id = call.id if call else recording.call if recording else None
        return as_notice(self.name, account, link, tuple(fields.items()), event, room=room_id, call=call_id)

    def prepare(self, account: Account, notice: Notice) -> HttpRequest:
        """The signed HTTP request of a notice."""
        link, fields = link_of(notice), dict(notice.fields)
        return self.http_request(account, link, list(fields.items()), cookies=notice.call, token=notice.id, notice=True)

    def notice_remark(self, notice: Notice, reply: HttpReply) -> tuple[str, str] | None:
        """ "Warning answer to status callback" (1.10)."""
        return requests.needless_answer(reply)

    def notice_failure(self, notice: Notice, status: int | None, kind: str) -> tuple[str, str]:
        """Number and level of a notice that was not accepted (1.3, 4.2)."""
        if status is None:
            return self.request_failure_code(kind), "error"
        return ("16011", "error") if notice.room is not None else ("15003", "warning")


def new_token() -> str:
    """Marks all attempts of one request."""
    return new_id()
