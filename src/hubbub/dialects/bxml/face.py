"""The face of this dialect."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from hubbub.calls.call import ProgressWish
from hubbub.conference.policy import Joining, RecordingWish, RoomSettings
from hubbub.dialects.bxml import account as accounts
from hubbub.dialects.bxml import callbacks
from hubbub.dialects.bxml.document import TABLE
from hubbub.dialects.bxml.outcomes import OUTCOMES
from hubbub.dialects.notices import as_notice, link_of
from hubbub.dialects.readers import read_xml
from hubbub.dialects.tables import Compiler, render
from hubbub.errors import DocumentError
from hubbub.events import CallEvent, CallRecord, Link, RecordingEvent, RoomEvent, StreamEvent
from hubbub.ids import Id
from hubbub.settings import Account
from hubbub.verbs.dialect import ANSWERING, CallLimits, DocumentFailure, DocumentRequest, Manners, OutcomeRule
from hubbub.verbs.model import Hangup, JoinRoom, Stage
from hubbub.verbs.program import Program, Remark, Verb
from hubbub.webhooks.delivery import Notice
from hubbub.webhooks.requester import HttpReply, HttpRequest, Limits


class _NoBase(Compiler):
    """Compiles a document that came with a request: it has no URL that its links could be relative to (2.3)."""

    def absolute(self, link: str) -> str:
        """The link itself, if it is absolute."""
        if urlsplit(link).scheme not in ("http", "https"):
            raise DocumentError(TABLE.bad_value, f"{link!r} must be an absolute URL: the document has none of its own")
        return link


class BxmlDialect(Manners):
    """BXML."""

    name = "bxml"
    outcomes: Mapping[type[Verb], OutcomeRule] = OUTCOMES
    answering = ANSWERING
    mistakes_fall_back = False
    audio_failure_ends = True

    def __init__(self, public_url: str = "", find_call: Callable[[Id], CallRecord | None] = lambda call: None) -> None:
        self.public_url = public_url
        self._find_call = find_call

    # -- documents ---------------------------------------------------------------------------------------------

    def compile(self, body: bytes, content_type: str, base: str, stage: Stage) -> Program:
        """A program from BXML; an empty answer is an empty document."""
        if not body.strip():
            return Program({"main": ()}, base)
        root = read_xml(body, TABLE)
        compiler = Compiler(TABLE, base, stage) if base else _NoBase(TABLE, "", stage)
        compiler.remarks += [
            Remark("unknown-attribute", f"attribute {name!r} of <{root.name}> is not known", root.at) for name in root.attributes
        ]
        return Program({"main": compiler.steps(root.children)}, base, tuple(compiler.remarks), self.name)

    def failure_program(self, failure: DocumentFailure) -> Program:
        """The call ends; its disconnect event says why."""
        return Program({"main": (Hangup(),)})

    def reply_failure(self, reply: HttpReply) -> tuple[str, str] | None:
        """Any 2xx is an answer."""
        return None if reply.status < 300 else ("callback-error", f"the application answered {reply.status}")

    def request_failure_code(self, kind: str) -> str:
        """One word for all of them."""
        return "callback-error"

    def refusal_code(self, reason: str) -> str:
        """Refusals keep their neutral word: the vendor publishes none."""
        return "application-error" if reason == "audio" else reason

    def settled(self, account: Account, call: CallRecord | None, joining: Joining) -> Joining:
        """A room has the limits of its account (1.4), the tag that its creator has by then, and its creator's time limit (4.1)."""
        options = accounts.options(account)
        policy = replace(joining.settings.policy, capacity=options.room_capacity, max_age_seconds=options.room_hours * 3600)
        tag, timeout = joining.settings.tag, joining.settings.timeout or options.callback_timeout
        if call is not None:
            tag, timeout = call.tag, joining.settings.timeout or call.extra.get("timeout", timeout)
        return replace(joining, settings=replace(joining.settings, policy=policy, tag=tag, timeout=timeout))

    # -- requests ----------------------------------------------------------------------------------------------

    def facts(self, account: Account, call: CallRecord | None) -> Mapping[str, Any]:
        """Nothing: its documents hold no expressions."""
        return {}

    def document_request(self, account: Account, request: DocumentRequest) -> HttpRequest:
        """A request with the JSON of a call's event, or of a room's."""
        event = callbacks.DOCUMENT_EVENTS.get(request.event, request.event)
        told = callbacks.Told(request, account, self.public_url, event, request.at)
        rows = callbacks.REDIRECTED_ROOM if request.call is None else callbacks.ASKING.get(event, callbacks.OF_CALL)
        timeout = request.timeout
        if timeout is None and request.call is not None:
            timeout = request.call.extra.get("timeout")
        return self._http(account, request.link, render(rows, told), timeout)

    def room_reply_request(self, account: Account, event: RoomEvent, settings: RoomSettings) -> HttpRequest:
        """A conference event, whose answer the room executes."""
        subscription = settings.subscription
        assert subscription is not None
        call = self._find_call(event.member.call) if event.member is not None else None
        told = callbacks.Told(event, account, self.public_url, call=call)
        return self._http(account, subscription.link, render((*callbacks.ROOM, *callbacks.MEMBER), told), settings.timeout)

    def _http(self, account: Account, link: Link, fields: Mapping[str, Any], timeout: float | None) -> HttpRequest:
        seconds = link.timeout or timeout or accounts.options(account).callback_timeout
        url, body = link.url, None
        headers = {"User-Agent": "BandwidthAPI/2.0", "Accept": "*/*"}
        if link.method == "GET":
            url += ("&" if urlsplit(url).query else "?") + urlencode(flat(fields))
        else:
            headers["Content-Type"] = "application/json; charset=utf-8"
            body = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        return HttpRequest(
            method=link.method,
            url=url,
            headers=headers,
            body=body,
            limits=Limits(connect=min(5.0, seconds), total=seconds, retries=1, retry_on=frozenset({"connect"})),
            username=link.username,
            password=link.password,
            max_redirects=0,
        )

    # -- ids ---------------------------------------------------------------------------------------------------

    def call_id(self, text: str) -> Id | None:
        """The call that `c-…` names."""
        return callbacks.CALL.read(text)

    def room_key(self, verb: JoinRoom) -> tuple[str, Id | None]:
        """A room is named by its name."""
        return verb.room, None

    def recording_of(self, url: str) -> Id | None:
        """ "The `mediaUrl` of a recording may be played (the platform authorises itself)" (3.2)."""
        before, _, rest = url.partition("/recordings/")
        if not before.startswith(f"{self.public_url}/api/v2/accounts/") or not rest.endswith("/media"):
            return None
        return callbacks.RECORDING.read(rest.removesuffix("/media"))

    # -- notices -----------------------------------------------------------------------------------------------

    def room_notices(self, account: Account, event: RoomEvent, settings: RoomSettings) -> Sequence[Notice]:
        """All room events of this dialect go through the room's queue, in order: see room_reply_request."""
        return []

    def call_notices(self, account: Account, event: CallEvent, wish: ProgressWish) -> Sequence[Notice]:
        """`disconnect`, when the call is over; `dtmf`, for each key; what was heard on the call."""
        name = callbacks.event_name(event)
        names = (name, callbacks.AVAILABLE) if name == callbacks.TRANSCRIPTION_EVENTS["stopped"] else (name,)
        request = DocumentRequest(wish.link, event.kind, event.call)
        timeout = event.call.extra.get("timeout")
        found = []
        for each in filter(None, names):
            told = callbacks.Told(request, account, self.public_url, each, event.at, detail=event.detail, facts=event.facts)
            fields = render(callbacks.TOLD[each], told)
            found.append(as_notice(self.name, account, wish.link, fields, told.event, call=event.call.id, timeout=timeout))
        return found

    def recording_notices(self, account: Account, event: RecordingEvent, wish: RecordingWish) -> Sequence[Notice]:
        """`conferenceRecordingAvailable`, or `recordingAvailable` of a call, when the file is whole; `transcriptionAvailable`."""
        transcribed = event.kind == "transcribed"
        link = wish.transcript_link if transcribed else wish.link
        if link is None or event.kind not in ("completed", "failed", "absent", "transcribed"):
            return []
        recording = event.recording
        call = self._find_call(recording.call) if recording.room is None and recording.call is not None else None
        told = callbacks.Told(event, account, self.public_url, at=event.at, call=call)
        rows = callbacks.ROOM_RECORDING_AVAILABLE if recording.room else callbacks.RECORDING_AVAILABLE
        rows = callbacks.TRANSCRIPTION_AVAILABLE if transcribed else rows
        fields = render(rows, told)
        return [as_notice(self.name, account, link, fields, fields["eventType"], room=recording.room, call=recording.call)]

    def call_limits(self, account: Account) -> CallLimits:
        """Of the account: its vendor has 5 calls a second and 100 at a time (1.4)."""
        options = accounts.options(account)
        return CallLimits(options.calls_per_second, options.concurrent_calls)

    def stream_notices(self, account: Account, event: StreamEvent, link: Link) -> Sequence[Notice]:
        """`mediaStreamStarted`, `mediaStreamStopped`, `mediaStreamRejected`."""
        name = callbacks.STREAM_EVENTS[event.kind]
        request = DocumentRequest(link, name, event.call, fields={"stream": event})
        fields = render(callbacks.MEDIA_STREAM, callbacks.Told(request, account, self.public_url, name, event.at))
        return [as_notice(self.name, account, link, fields, name, call=event.call.id, timeout=event.call.extra.get("timeout"))]

    def prepare(self, account: Account, notice: Notice) -> HttpRequest:
        """The HTTP request of a notice."""
        return self._http(account, link_of(notice), dict(notice.fields), None)

    def notice_failure(self, notice: Notice, status: int | None, kind: str) -> tuple[str, str]:
        """Code and level of a notice that was not accepted."""
        return "callback-error", "warning"


def flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Properties for a query string: those of an object under its own name and a dot, a list as JSON (2.5 leaves it open)."""
    found: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value if isinstance(value, str) else json.dumps(value)
    return found
