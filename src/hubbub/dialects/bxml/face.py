"""The face of this dialect."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from hubbub.calls.call import ProgressWish
from hubbub.conference.policy import RecordingWish, RoomSettings
from hubbub.dialects.bxml import callbacks
from hubbub.dialects.bxml.document import TABLE
from hubbub.dialects.readers import read_xml
from hubbub.dialects.tables import Compiler, render
from hubbub.events import CallEvent, CallRecord, Link, RecordingEvent, RoomEvent
from hubbub.ids import Id, new_id
from hubbub.settings import Account
from hubbub.verbs.dialect import ANSWERING, DocumentFailure, DocumentRequest, OutcomeRule
from hubbub.verbs.model import Hangup, JoinRoom, Program, Remark, Stage, Verb
from hubbub.webhooks.delivery import Notice, lane_of
from hubbub.webhooks.requester import HttpReply, HttpRequest, Limits

SECONDS = 15.0
EVENT_NAMES = {"initiate": "initiate", "answer": "answer", "redirect": "redirect"}


class BxmlDialect:
    """BXML."""

    name = "bxml"
    outcomes: Mapping[type[Verb], OutcomeRule] = {}
    answering = ANSWERING

    def __init__(self, public_url: str = "", find_call: Callable[[Id], CallRecord | None] = lambda call: None) -> None:
        self.public_url = public_url
        self._find_call = find_call

    # -- documents ---------------------------------------------------------------------------------------------

    def compile(self, body: bytes, content_type: str, base: str, stage: Stage) -> Program:
        """A program from BXML; an empty answer is an empty document."""
        if not body.strip():
            return Program({"main": ()}, base)
        root = read_xml(body, TABLE)
        compiler = Compiler(TABLE, base, stage)
        compiler.remarks += [
            Remark("unknown-attribute", f"attribute {name!r} of <{root.name}> is not known", root.at) for name in root.attributes
        ]
        return Program({"main": compiler.steps(root.children)}, base, tuple(compiler.remarks))

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

    # -- requests ----------------------------------------------------------------------------------------------

    def document_request(self, account: Account, request: DocumentRequest) -> HttpRequest:
        """A request with the JSON of a call event."""
        event = EVENT_NAMES.get(request.event, request.event)
        fields: dict[str, Any] = {"eventType": event}
        if request.call is not None:
            told = callbacks.Told(request.call, account, self.public_url, event, request.call.updated)
            fields = render(callbacks.CALL_EVENT, told)
        return self._http(request.link, fields)

    def room_reply_request(self, account: Account, event: RoomEvent, settings: RoomSettings) -> HttpRequest:
        """A conference event, whose answer the room executes."""
        subscription = settings.subscription
        assert subscription is not None
        return self._http(subscription.link, self._room_fields(account, event))

    def _room_fields(self, account: Account, event: RoomEvent) -> dict[str, Any]:
        call = self._find_call(event.member.call) if event.member is not None else None
        told = callbacks.Told(event, account, self.public_url, call=call)
        return render((*callbacks.ROOM, *callbacks.MEMBER), told)

    def _http(self, link: Link, fields: Mapping[str, Any]) -> HttpRequest:
        limits = Limits(connect=5.0, total=link.timeout or SECONDS, retries=1, retry_on=frozenset({"connect"}))
        url, body = link.url, None
        headers = {"User-Agent": "BandwidthAPI/2.0", "Accept": "*/*"}
        if link.method == "GET":
            query = urlencode({name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()})
            url += ("&" if urlsplit(url).query else "?") + query
        else:
            headers["Content-Type"] = "application/json; charset=utf-8"
            body = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        return HttpRequest(
            method=link.method,
            url=url,
            headers=headers,
            body=body,
            limits=limits,
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

    # -- notices -----------------------------------------------------------------------------------------------

    def room_notices(self, account: Account, event: RoomEvent, settings: RoomSettings) -> Sequence[Notice]:
        """All room events of this dialect go through the room's queue, in order: see room_reply_request."""
        return []

    def call_notices(self, account: Account, event: CallEvent, wish: ProgressWish) -> Sequence[Notice]:
        """`disconnect`, when the call is over."""
        if event.kind != "completed":
            return []
        told = callbacks.Told(event.call, account, self.public_url, "disconnect", event.at)
        fields = render(callbacks.CALL_EVENT, told) | render(callbacks.DISCONNECT, told)
        return [self._notice(account, wish.link, fields, "disconnect", call=event.call.id)]

    def recording_notices(self, account: Account, event: RecordingEvent, wish: RecordingWish) -> Sequence[Notice]:
        """`conferenceRecordingAvailable`, when the file is whole."""
        if wish.link is None or event.kind != "completed":
            return []
        fields = render(callbacks.RECORDING_AVAILABLE, callbacks.Told(event, account, self.public_url))
        return [self._notice(account, wish.link, fields, fields["eventType"], room=event.recording.room)]

    def _notice(
        self, account: Account, link: Link, fields: dict[str, Any], event: str, *, room: Id | None = None, call: Id | None = None
    ) -> Notice:
        return Notice(
            id=new_id(),
            lane=lane_of(str(room or call), link.url),
            account=account.name,
            face=self.name,
            method=link.method,
            url=link.url,
            fields=fields,
            kind="json",
            call=call,
            room=room,
            event=event,
            options={"username": link.username, "password": link.password, "timeout": link.timeout},
        )

    def prepare(self, account: Account, notice: Notice) -> HttpRequest:
        """The HTTP request of a notice."""
        options = notice.options
        link = Link(notice.url, notice.method, options.get("username", ""), options.get("password", ""), options.get("timeout"))
        return self._http(link, dict(notice.fields))

    def notice_failure(self, notice: Notice, status: int | None, kind: str) -> tuple[str, str]:
        """Code and level of a notice that was not accepted."""
        return "callback-error", "warning"
