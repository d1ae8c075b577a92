"""The face of this dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hubbub.calls.call import ProgressWish
from hubbub.conference.policy import RecordingWish, RoomSettings
from hubbub.dialects.cxml import CxmlDialect
from hubbub.dialects.cxml.words import CXML
from hubbub.dialects.notices import as_notice, link_of
from hubbub.dialects.readers import read_script
from hubbub.dialects.swml import callbacks, methods, requests, transcription
from hubbub.dialects.swml.actions import stream_action, told_fields
from hubbub.dialects.swml.callbacks import IDS, STATUS
from hubbub.dialects.swml.document import PREFIX
from hubbub.dialects.swml.outcomes import outcome_rules
from hubbub.dialects.tables import render
from hubbub.dialects.twiml.callbacks import recording_url
from hubbub.events import ActionEvent, CallEvent, CallRecord, Link, RecordingEvent, RecordingRecord, RoomEvent, StreamEvent
from hubbub.ids import Id
from hubbub.settings import Account
from hubbub.verbs.dialect import ANSWERING, DocumentFailure, DocumentRequest, Manners, OutcomeRule
from hubbub.verbs.held import HoldForFunctions
from hubbub.verbs.model import Hangup, JoinRoom, PlayAudio, Stage
from hubbub.verbs.program import Program, Verb
from hubbub.webhooks.delivery import Notice
from hubbub.webhooks.requester import HttpReply, HttpRequest


class SwmlDialect(Manners):
    """SWML."""

    name = "swml"
    answering = ANSWERING | {HoldForFunctions}

    def __init__(
        self, public_url: str = "", accounts: Sequence[Account] = (), find_call: Callable[[Id], CallRecord | None] = lambda call: None
    ) -> None:
        self.public_url = public_url
        self._accounts = {account.name: account for account in accounts}
        self._compatible = CxmlDialect(public_url, find_call)
        """Tells what is asked for in the style of the compatible dialect."""
        self.outcomes: Mapping[type[Verb], OutcomeRule] = outcome_rules(self._recording_url)

    def _recording_url(self, recording: RecordingRecord) -> str:
        account = self._accounts.get(recording.account)
        return "" if account is None else f"{recording_url(recording.id, account, self.public_url, CXML)}.{recording.format}"

    # -- documents ---------------------------------------------------------------------------------------------

    def compile(self, body: bytes, content_type: str, base: str, stage: Stage) -> Program:
        """A program from JSON or YAML, whatever the type says; audio is played."""
        if content_type.startswith("audio/"):
            loops = 0 if stage in (Stage.BESIDE, Stage.LINE) else 1
            return Program({"main": (PlayAudio(link=Link(base, "GET"), loops=loops, body=body, content_type=content_type),)}, base)
        return methods.compile_script(read_script(body, malformed=PREFIX + "parse_error", max_bytes=65536), base, stage)

    def failure_program(self, failure: DocumentFailure) -> Program:
        """The call ends."""
        return Program({"main": (Hangup(),)})

    def reply_failure(self, reply: HttpReply) -> tuple[str, str] | None:
        """Any 2xx is an answer."""
        return None if reply.status < 300 else (PREFIX + "internal_error", f"the application answered {reply.status}")

    def request_failure_code(self, kind: str) -> str:
        """One word for all of them."""
        return PREFIX + "internal_error"

    def refusal_code(self, reason: str) -> str:
        """A refused join is a method that failed."""
        return PREFIX + "method_execute_failed"

    # -- requests ----------------------------------------------------------------------------------------------

    def document_request(self, account: Account, request: DocumentRequest) -> HttpRequest:
        """A POST of the call, the variables and the environment (3.2)."""
        facts = self.facts(account, request.call)
        body = {**facts, "vars": dict(request.variables), "params": dict(request.fields.get("params") or {})}
        return requests.http_request(account, request.link, body)

    def facts(self, account: Account, call: CallRecord | None) -> Mapping[str, Any]:
        """`call` and `envs` of a document request and of expressions (3.2, 3.3)."""
        return requests.facts(account, call)

    def room_reply_request(self, account: Account, event: RoomEvent, settings: RoomSettings) -> HttpRequest:
        """Rooms of this dialect execute no replies; the notice goes out all the same."""
        return self.prepare(account, self.room_notices(account, event, settings)[0])

    # -- ids ---------------------------------------------------------------------------------------------------

    def call_id(self, text: str) -> Id | None:
        """The call that a UUID, or a call SID of the compatible dialect, names."""
        return IDS.read(text) or (IDS.read(text[2:]) if text.startswith("CA") else None)

    def room_key(self, verb: JoinRoom) -> tuple[str, Id | None]:
        """A room is named by its name."""
        return verb.room, None

    # -- notices -----------------------------------------------------------------------------------------------

    def room_notices(self, account: Account, event: RoomEvent, settings: RoomSettings) -> Sequence[Notice]:
        """Conference events in relay style (3.8)."""
        subscription = settings.subscription
        if subscription is None or event.kind not in subscription.events:
            return []
        if subscription.style == "cxml":
            return self._compatible.room_notices(account, event, settings)
        if event.kind not in STATUS:
            return []
        told = callbacks.Told(event, account, event.at, event.room.id)
        params = render(callbacks.ROOM, told)
        if event.recording is not None:
            params["recording_url"] = self._recording_url(event.recording)
        fields = render(callbacks.ENVELOPE, told) | {"params": params}
        return [as_notice(self.name, account, subscription.link, fields, STATUS[event.kind], room=event.room.id)]

    def call_notices(self, account: Account, event: CallEvent, wish: ProgressWish) -> Sequence[Notice]:
        """The state of a call, or what was said on it."""
        if event.kind == "transcription":
            fields = transcription.told_fields(account, event)
            return [as_notice(self.name, account, wish.link, fields, transcription.EVENT, call=event.call.id)]
        told = callbacks.Told(event.call, account, event.at, event.call.id, "calling.call.state")
        fields = render(callbacks.ENVELOPE, told) | {"params": render(callbacks.STATE, told)}
        return [as_notice(self.name, account, wish.link, fields, event.kind, call=event.call.id)]

    def recording_notices(self, account: Account, event: RecordingEvent, wish: RecordingWish) -> Sequence[Notice]:
        """A recording began or is whole."""
        if wish.link is None or event.kind not in wish.events:
            return []
        if wish.style == "cxml":
            return self._compatible.recording_notices(account, event, wish)
        of_call = event.recording.room is None
        kind = "calling.call.record" if of_call else "calling.conference"
        told = callbacks.Told(event, account, event.at, event.recording.id, kind)
        params = render(callbacks.CALL_RECORDING if of_call else callbacks.RECORDING, told)
        params["recording_url" if not of_call else "url"] = self._recording_url(event.recording)
        fields = render(callbacks.ENVELOPE, told) | {"params": params}
        word = params.get("status") or params.get("state") or event.kind
        return [as_notice(self.name, account, wish.link, fields, str(word), room=event.recording.room, call=event.recording.call)]

    def stream_notices(self, account: Account, event: StreamEvent, link: Link) -> Sequence[Notice]:
        """How a stream or a tap gets on."""
        return self.action_notices(account, stream_action(event), link)

    def action_notices(self, account: Account, event: ActionEvent, link: Link) -> Sequence[Notice]:
        """How a method with a `status_url` gets on, a user event, or what is wrong with a script."""
        told = told_fields(account, event)
        return [] if told is None else [as_notice(self.name, account, link, told[1], told[0], call=event.call.id)]

    def prepare(self, account: Account, notice: Notice) -> HttpRequest:
        """The HTTP request of a notice."""
        return requests.http_request(account, link_of(notice), dict(notice.fields))

    def notice_failure(self, notice: Notice, status: int | None, kind: str) -> tuple[str, str]:
        """Code and level of a notice that was not accepted."""
        return PREFIX + "internal_error", "warning"
