"""What the interpreter and the stages ask of a dialect; `dialects/` answers with tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from hubbub.conference.policy import Joining, RoomSettings
from hubbub.events import ActionEvent, CallRecord, Link, RoomEvent, RoomRecord, StreamEvent
from hubbub.ids import Id
from hubbub.settings import Account
from hubbub.verbs.capture import OpenStream, Record
from hubbub.verbs.model import (
    Answer,
    Detect,
    Echo,
    Gather,
    JoinRoom,
    Pause,
    PlayAudio,
    Playlist,
    PlayTone,
    SendDigits,
    Speak,
    Stage,
    TakeFromLine,
    WaitInLine,
)
from hubbub.verbs.program import Outcome, Program, Verb
from hubbub.webhooks.notices import Notice
from hubbub.webhooks.requester import HttpReply, HttpRequest


@dataclass(frozen=True)
class OutcomeRule:
    """What a dialect does when a verb has ended (a row of OUTCOMES)."""

    asks: Callable[[Outcome], bool] = lambda outcome: outcome.kind != "replaced"
    """Whether the verb's `on_done` is requested for this outcome (when the verb has one)."""
    fields: Callable[[Outcome], Mapping[str, Any]] = lambda outcome: {}
    """What that request carries beside the standard parameters."""
    variables: Callable[[Outcome], Mapping[str, Any]] = lambda outcome: {}
    """Variables set for the steps that follow."""
    asks_when_replaced: bool = False
    """Whether `on_done` is requested, and its answer discarded, when another document takes over."""
    asks_when_gone: bool = False
    """Whether `on_done` is requested, and its answer discarded, after the far end hung up."""


ANSWERING: frozenset[type[Verb]] = frozenset(
    {
        Answer,
        Detect,
        Speak,
        PlayAudio,
        PlayTone,
        Playlist,
        SendDigits,
        JoinRoom,
        Gather,
        Record,
        Pause,
        Echo,
        WaitInLine,
        TakeFromLine,
        OpenStream,
    }
)
"""Verbs that answer a call that is not answered yet."""

DocumentFailure = Literal["request", "document"]


@dataclass(frozen=True)
class DocumentRequest:
    """A request for a document, in neutral words: REQUESTS turns it into HTTP."""

    link: Link
    event: str
    """Why it is made: `initiate`, `answer`, `callee`, `redirect`, `action`, `wait`, `hold`, `announce`, `line`."""
    call: CallRecord | None = None
    room: RoomRecord | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    at: float = 0.0
    """When it is made."""
    timeout: float | None = None
    """Seconds for a link that names none itself."""


@dataclass(frozen=True)
class CallLimits:
    """Bounds of the calls that an account asks for; 0 is none."""

    per_second: float = 0.0
    """More wait until they are due, in the order of their priority."""
    at_a_time: int = 0
    """Of all its live calls; one more is refused."""


class Manners:
    """What a dialect may do otherwise than most; these are the common manners."""

    mistakes_fall_back = True
    """Whether a document that is wrong as a whole is asked for again at its fallback URL."""
    audio_failure_ends = False
    tells_silence = False
    """Whether an account is told of a call from which nothing comes for a minute."""
    """Whether audio that cannot be had ends its call, rather than going on with the next verb."""

    def settled(self, account: Account, call: CallRecord | None, joining: Joining) -> Joining:
        """What a document leaves to the account, and to the call that opens a room with it."""
        return joining

    def call_limits(self, account: Account) -> CallLimits:
        """How many calls an account may ask for."""
        return CallLimits()

    def stream_notices(self, account: Account, event: StreamEvent, link: Link) -> Sequence[Notice]:
        """What is told of a media stream."""
        return ()

    def recording_of(self, url: str) -> Id | None:
        """The recording whose audio a URL of this server is, where its documents play that without credentials."""
        return None

    def action_notices(self, account: Account, event: ActionEvent, link: Link) -> Sequence[Notice]:
        """What is told of something that is done on a call: nothing."""
        return ()

    def audio_headers(self, account: Account, url: str) -> Mapping[str, str]:
        """What a request for audio that a document plays carries: nothing."""
        return {}

    def notice_remark(self, notice: Notice, reply: HttpReply) -> tuple[str, str] | None:
        """Code and words where the answer to a notice that was accepted says something that nobody reads."""
        return None

    def longest_call(self, account: Account) -> float | None:
        """Seconds after which an answered call ends, whatever else was wished."""
        return None


class Dialect(Protocol):
    """A vocabulary: tables behind one face."""

    name: str
    outcomes: Mapping[type[Verb], OutcomeRule]
    answering: frozenset[type[Verb]]
    """Verbs that answer a call that is not answered yet."""
    mistakes_fall_back: bool
    audio_failure_ends: bool
    tells_silence: bool

    def settled(self, account: Account, call: CallRecord | None, joining: Joining) -> Joining:
        """How a call opens a room: see Manners."""

    def call_limits(self, account: Account) -> CallLimits:
        """How many calls an account may ask for: see Manners."""

    def stream_notices(self, account: Account, event: StreamEvent, link: Link) -> Sequence[Notice]:
        """What is told of a media stream: see Manners."""

    def longest_call(self, account: Account) -> float | None:
        """How long a call may last: see Manners."""

    def recording_of(self, url: str) -> Id | None:
        """The recording whose audio a URL is: see Manners."""

    def audio_headers(self, account: Account, url: str) -> Mapping[str, str]:
        """What a request for audio carries: see Manners."""

    def notice_remark(self, notice: Notice, reply: HttpReply) -> tuple[str, str] | None:
        """What is wrong with an answer that was accepted: see Manners."""

    def compile(self, body: bytes, content_type: str, base: str, stage: Stage) -> Program:
        """A program from a document. DocumentError where it is wrong as a whole."""

    def facts(self, account: Account, call: CallRecord | None) -> Mapping[str, Any]:
        """What expressions of a document may know about its call."""

    def document_request(self, account: Account, request: DocumentRequest) -> HttpRequest:
        """The HTTP request for a document: encoded, signed, with this dialect's limits."""

    def reply_failure(self, reply: HttpReply) -> tuple[str, str] | None:
        """Code and text when this reply is no document (a status, a type), else None."""

    def request_failure_code(self, kind: str) -> str:
        """The error code for a request that got no reply (`RequestFailed.kind`)."""

    def refusal_code(self, reason: str) -> str:
        """The error code for a neutral refusal (`Refused.reason`)."""

    def call_id(self, text: str) -> Id | None:
        """The call that this dialect spells `text`."""

    def room_key(self, verb: JoinRoom) -> tuple[str, Id | None]:
        """Name of the room, and its id where the document named it by id."""

    def room_reply_request(self, account: Account, event: RoomEvent, settings: RoomSettings) -> HttpRequest:
        """The notice whose answer the room executes."""

    def failure_program(self, failure: DocumentFailure) -> Program:
        """What a call does when a document it needs cannot be had."""
