"""The neutral verbs: what a document of any dialect compiles to.

A program (`verbs/program.py`) is a set of sections of steps; most steps are the verbs below.
Names are hubbub's own, units stand in the names, nothing here knows a vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from hubbub.calls.call import ProgressWish
from hubbub.conference.policy import Joining, RecordingOrder, Wait
from hubbub.events import Link, Party
from hubbub.settings import Srtp
from hubbub.verbs.capture import OpenStream
from hubbub.verbs.program import Program, Verb

if TYPE_CHECKING:
    from hubbub.verbs.hearing import Detection, Listening, Manner


class Stage(StrEnum):
    """Where a program runs."""

    CALL = "call"
    CALLEE = "callee"
    """Somebody who was called and has answered, before being connected."""
    LINE = "line"
    """What a call does while it waits in a line."""
    BESIDE = "beside"
    """Wait or hold audio beside a call."""
    ANNOUNCEMENT = "announcement"
    """An announcement to a room or to one of its members."""
    ROOM = "room"
    """The queue of a room: heard by all of it."""


@dataclass(frozen=True)
class Followed:
    """Who wants to know how a verb gets on, and what it is called there."""

    link: Link
    action: str
    """A word of ActionEvent."""
    name: str = ""
    dialect: str = ""
    """In which it is told; empty: in that of the call."""


@dataclass(frozen=True, kw_only=True)
class Answer(Verb):
    """Answer the call, if it is not answered yet."""

    limit_seconds: float | None = None
    """How long it may last from then on; None: as before."""


@dataclass(frozen=True, kw_only=True)
class Detect(Verb):
    """Find out who answered. Outcome: `by` and `seconds` (speech/machine.py, Verdict), where its document waits for it."""

    detection: Detection
    followed: Followed | None = None


@dataclass(frozen=True, kw_only=True)
class Hangup(Verb):
    """End the call."""

    reason: str = "hangup"


@dataclass(frozen=True, kw_only=True)
class Reject(Verb):
    """Refuse an unanswered call."""

    reason: str = "declined"
    """`declined` or `busy`."""


@dataclass(frozen=True, kw_only=True)
class Pause(Verb):
    """Wait in silence."""

    seconds: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Speak(Verb):
    """Say text."""

    text: str
    voice: str = ""
    language: str = ""
    gender: str = ""
    loops: int = 1
    """0 is for ever."""
    gain_db: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PlayAudio(Verb):
    """Play the audio behind a URL, or the audio that was answered instead of a document."""

    link: Link
    loops: int = 1
    """0 is for ever."""
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""
    gain_db: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PlayTone(Verb):
    """Play something that needs no URL: ringing (`ring`) or hold music (`music`)."""

    kind: str
    seconds: float = 1.0
    country: str = "us"
    answers: bool = True
    """Whether it answers a call that is not answered yet; else that rings on."""
    gain_db: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Playlist(Verb):
    """Several sounds, one after the other, followed as one."""

    sounds: tuple[Verb, ...]
    loops: int = 1
    """0 is for ever."""
    followed: Followed | None = None


@dataclass(frozen=True, kw_only=True)
class PlayBeside(Verb):
    """Let the call hear audio beside everything else, in place of what it heard so before; None: nothing any more."""

    link: Link | None = None


@dataclass(frozen=True, kw_only=True)
class SuppressNoise(Verb):
    """Turn down the noise behind whoever speaks on the call, from now on; or no longer."""

    on: bool = True
    followed: Followed | None = None


@dataclass(frozen=True, kw_only=True)
class Echo(Verb):
    """Let the call hear itself."""

    seconds: float = 60.0


@dataclass(frozen=True, kw_only=True)
class SendDigits(Verb):
    """Send DTMF to the far end; `w` waits half a second, `W` one."""

    digits: str
    tone_ms: int = 200
    gap_ms: int = 100


@dataclass(frozen=True, kw_only=True)
class WatchKeys(Verb):
    """Tell each key that is pressed on the call from now on, whatever it is doing; not while digits are gathered."""

    link: Link


@dataclass(frozen=True, kw_only=True)
class UnwatchKeys(Verb):
    """Tell keys no more."""


@dataclass(frozen=True, kw_only=True)
class Gather(Verb):
    """Collect digits, or what is said, while prompts play. Outcome: see `verbs/gather.py`."""

    prompts: tuple[Verb, ...] = ()
    on_done: Link | None = None
    max_digits: int | None = None
    finish_on: str = "#"
    first_timeout: float = 5.0
    next_timeout: float = 5.0
    ask_when_empty: bool = False
    speech: Listening | None = None
    """None: nobody listens."""
    followed: Followed | None = None
    manner: Manner | None = None
    """None: it ends with the first result."""


@dataclass(frozen=True, kw_only=True)
class Tell(Verb):
    """Tell whoever follows the call something of the document's own."""

    event: Any


@dataclass(frozen=True, kw_only=True)
class SendRequest(Verb):
    """Send a request to anybody, and keep the reply."""

    link: Link
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Any = None
    """A text as it is; anything else as JSON."""
    connect_seconds: float = 5.0
    total_seconds: float = 15.0
    read_reply: bool = False
    """Whether a reply of JSON is read."""


@dataclass(frozen=True, kw_only=True)
class Redirect(Verb):
    """Go on with another document."""

    link: Link


@dataclass(frozen=True, kw_only=True)
class Tag(Verb):
    """Set or clear the call's tag."""

    tag: str


@dataclass(frozen=True, kw_only=True)
class JoinRoom(Verb):
    """Join a conference room; ends when the leg leaves it."""

    room: str
    joining: Joining
    on_done: Link | None = None
    time_limit_seconds: float | None = None
    leave_on_star: bool = False
    coach_ids: tuple[str, ...] = ()
    """Ids as the document spells them; resolved when the verb runs."""
    coach_must_be_present: bool = True
    refused: str = ""
    """Why this join cannot succeed, where the document shows it already."""
    recording: RecordingOrder | None = None
    """A recording of the leg while it is in the room."""
    stream: OpenStream | None = None
    """Carries the sound of the whole room."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Somebody to be called, and what is wished for that call."""

    callee: Party
    caller: Party | None = None
    """Who it sees calling; None: as the others."""
    ring_seconds: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """SIP headers of the INVITE."""
    codecs: tuple[str, ...] = ()
    """Offered to it, in this order, as far as they are spoken here; none: what is configured."""
    srtp: Srtp | None = None
    """How much the call to it is to be encrypted; None: as is configured."""
    username: str = ""
    password: str = ""
    digits: str = ""
    """Sent as soon as it is answered."""
    document: Link | Program | None = None
    """Heard by the callee before it is connected (stage CALLEE)."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """They come along with every request of its call."""
    copies_callee: bool = False
    """Whether an application sees whom its caller had called, rather than itself."""
    progress: tuple[ProgressWish, ...] = ()
    detection: Detection | None = None
    """Whether it is found out who answers."""
    tag: str = ""


@dataclass(frozen=True, kw_only=True)
class Connect(Verb):
    """Call others and connect the first who answers; ends when they part. Outcome: see `verbs/connect.py`."""

    groups: tuple[tuple[Target, ...], ...]
    """The targets of a group ring at the same time, the groups one after the other."""
    on_done: Link | None = None
    caller: Party | None = None
    """Who they see calling; None: who calls."""
    display: str = ""
    """The name that they see, if it is another than the caller's."""
    private: bool = False
    """Whether they do not see who calls."""
    only_unanswered: bool = False
    """Whether it ends a call that is answered already."""
    diversion: Literal["none", "propagate", "stack"] = "none"
    """What they are told of where the call was meant to go: nothing, what this call came with, or that and its callee on top."""
    diversion_reason: str = "unknown"
    ring_seconds: float = 30.0
    """For each group."""
    time_limit_seconds: float | None = None
    """How long they may talk."""
    leave_on_star: bool = False
    answer_on_bridge: bool = False
    """An unanswered caller goes on ringing until somebody is connected; else it is answered and hears ringing."""
    ring_country: str = "us"
    ringing: Playlist | None = None
    """What an answered caller hears instead of ringing."""
    recording: RecordingOrder | None = None
    """A recording of the caller's leg: what it says and what it hears."""
    record_ringing: bool = False
    """Whether that begins at once, and not when somebody is connected."""
    on_referred: Link | None = None
    """Asked instead of `on_done` when the callee sends a REFER; None: that is refused."""


@dataclass(frozen=True, kw_only=True)
class BridgeTo(Verb):
    """Connect with another call, whatever it is doing; ends when they part. Outcome: see `verbs/bridging.py`."""

    target: str
    """The other call, as the document spells it; resolved when the verb runs."""
    on_done: Link | None = None
    on_target_done: Link | None = None
    """What the other call goes on with; None: it ends."""


@dataclass(frozen=True, kw_only=True)
class Refer(Verb):
    """Ask the far end by SIP to call somebody else in place of this call. Outcome: see `verbs/refer.py`."""

    uri: str
    """SIP URI; headers that its INVITE shall carry stand behind `?`."""
    on_done: Link | None = None
    patience_seconds: float = 30.0
    """Within which the far end says how it went; None of it: `unknown`."""
    hang_up: bool = False
    """Whether this call ends when it went well."""
    followed: Followed | None = None
    only_inbound: bool = False
    """Whether it fails on a call that was made by this side."""
    tag: str | None = None
    """None leaves the call's tag as it is."""


@dataclass(frozen=True, kw_only=True)
class WaitInLine(Verb):
    """Wait in a line until somebody takes the call from it. Outcome: see `verbs/waiting.py`."""

    line: str
    on_done: Link | None = None
    wait: Wait = field(default_factory=Wait)
    capacity: int | None = None
    """Of a line that this call is the first in; None: the built-in one."""
    most_seconds: float | None = None
    """How long it waits; None: for ever."""
    followed: Followed | None = None


@dataclass(frozen=True, kw_only=True)
class LeaveLine(Verb):
    """Leave the line that the call waits in; elsewhere it does nothing."""


@dataclass(frozen=True, kw_only=True)
class TakeFromLine(Verb):
    """Connect the call that has waited longest in a line; waits for one while the line is empty."""

    line: str
    on_done: Link | None = None
    document: Link | None = None
    """Heard by the one who waited before it is connected."""
    recording: RecordingOrder | None = None
    """A recording of the taker's leg while they talk."""
    ring_seconds: float = 30.0
    time_limit_seconds: float | None = None
    leave_on_star: bool = False


Fields = list[tuple[str, str]]
"""Parameters of a request, in order."""
