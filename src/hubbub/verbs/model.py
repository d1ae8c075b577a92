"""The neutral verbs: what a document of any dialect compiles to.

A program (`verbs/program.py`) is a set of sections of steps; most steps are the verbs below.
Names are hubbub's own, units stand in the names, nothing here knows a vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from hubbub.calls.call import ProgressWish
from hubbub.conference.policy import Joining, RecordingOrder, RecordingWish, Wait
from hubbub.events import Link, Party, Track
from hubbub.verbs.program import (
    Execute,
    Flow,
    Goto,
    Label,
    Note,
    Outcome,
    Position,
    Program,
    Remark,
    Return,
    Scope,
    SetVariables,
    Step,
    Switch,
    Template,
    Transfer,
    UnsetVariables,
    Verb,
)


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


@dataclass(frozen=True, kw_only=True)
class Answer(Verb):
    """Answer the call, if it is not answered yet."""


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
    """Play a tone that needs no URL: silence or ringing."""

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
    """Collect digits while prompts play."""

    prompts: tuple[Verb, ...] = ()
    on_done: Link | None = None
    max_digits: int | None = None
    finish_on: str = "#"
    first_timeout: float = 5.0
    next_timeout: float = 5.0
    ask_when_empty: bool = False
    followed: Followed | None = None


@dataclass(frozen=True)
class RecordingEnd:
    """What ends a recording of a leg, whatever comes first; zeros and the empty text never do."""

    first_silence_seconds: float = 0.0
    """Without speech from its beginning on."""
    silence_seconds: float = 0.0
    """Of silence after speech."""
    finish_on: str = ""
    max_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Record(Verb):
    """Record the caller until silence, a key, the limit or the end of the call."""

    on_done: Link | None = None
    silence_seconds: float = 5.0
    """0: never end by silence."""
    first_silence_seconds: float | None = None
    """Without speech from its beginning on; None: as after speech."""
    track: Track = "inbound"
    finish_on: str = "1234567890*#"
    max_seconds: float = 3600.0
    beep: bool = True
    trim: bool = True
    name: str = ""
    notices: RecordingWish | None = None

    @property
    def until(self) -> RecordingEnd:
        """What ends it."""
        first = self.silence_seconds if self.first_silence_seconds is None else self.first_silence_seconds
        return RecordingEnd(first, self.silence_seconds, self.finish_on, self.max_seconds)


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


@dataclass(frozen=True, kw_only=True)
class Target:
    """Somebody to be called, and what is wished for that call."""

    callee: Party
    caller: Party | None = None
    """Who it sees calling; None: as the others."""
    ring_seconds: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """SIP headers of the INVITE."""
    username: str = ""
    password: str = ""
    digits: str = ""
    """Sent as soon as it is answered."""
    document: Link | Program | None = None
    """Heard by the callee before it is connected (stage CALLEE)."""
    progress: tuple[ProgressWish, ...] = ()
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


@dataclass(frozen=True, kw_only=True)
class OpenStream(Verb):
    """Carry the call's audio over a WebSocket: until the far side closes, or beside everything else."""

    url: str
    speaks: Callable[..., Any] = field(compare=False, repr=False)
    """Makes what speaks the dialect's messages (verbs/streams.py, `Speaks`)."""
    waits: bool = False
    """Whether the call does nothing else until the far side closes."""
    both_ways: bool = False
    """Whether the far side may speak."""
    name: str = ""
    tracks: tuple[Literal["inbound", "outbound"], ...] = ("inbound",)
    parameters: Mapping[str, str] = field(default_factory=dict)
    username: str = ""
    """Of the far side, with `password`."""
    password: str = field(default="", repr=False)
    on_done: Link | None = None
    notices: Link | None = None
    """Told when it begins, ends, or is rejected."""
    only_name: bool = False
    """Whether a second stream of a name is rejected while the first goes on."""
    most_tracks: int | None = None
    """Of all streams of the call together; one more is rejected."""


@dataclass(frozen=True, kw_only=True)
class CloseStream(Verb):
    """End the stream of that name, or with that identity; all for the empty name."""

    name: str = ""
    waits: bool = False
    """Whether the call goes on only when it has ended."""


@dataclass(frozen=True, kw_only=True)
class StartRecording(Verb):
    """Record the leg, or the room, beside everything else, until it is stopped or the leg or room is over."""

    notices: RecordingWish | None = None
    track: Track = "both"
    channels: int = 1
    """Of a leg: 2 puts what it says in the first and what it hears in the second channel."""
    trim: bool = False
    name: str = ""
    """What the verbs below call it; it need not be the only one of that name."""
    only_one: bool = False
    """Does nothing where a recording is under way."""
    beep: bool = False
    """Whether the leg hears a beep before it begins."""
    until: RecordingEnd = RecordingEnd()


@dataclass(frozen=True, kw_only=True)
class StopRecording(Verb):
    """End the recordings of that name; all for the empty name."""

    name: str = ""


@dataclass(frozen=True, kw_only=True)
class PauseRecording(Verb):
    """Pause recordings; with `keep_silence` the gap is kept as silence."""

    name: str = ""
    keep_silence: bool = False


@dataclass(frozen=True, kw_only=True)
class ResumeRecording(Verb):
    """Go on with paused recordings."""

    name: str = ""


Fields = list[tuple[str, str]]
"""Parameters of a request, in order."""

__all__ = [
    "Answer",
    "BridgeTo",
    "CloseStream",
    "Connect",
    "Execute",
    "Fields",
    "Flow",
    "Followed",
    "Gather",
    "Goto",
    "Hangup",
    "JoinRoom",
    "Label",
    "LeaveLine",
    "Note",
    "OpenStream",
    "Outcome",
    "Pause",
    "PauseRecording",
    "PlayAudio",
    "PlayTone",
    "Playlist",
    "Position",
    "Program",
    "Record",
    "RecordingEnd",
    "Redirect",
    "Refer",
    "Reject",
    "Remark",
    "ResumeRecording",
    "Return",
    "Scope",
    "SendDigits",
    "SendRequest",
    "SetVariables",
    "Speak",
    "Stage",
    "StartRecording",
    "Step",
    "StopRecording",
    "Switch",
    "Tag",
    "TakeFromLine",
    "Target",
    "Tell",
    "Template",
    "Transfer",
    "UnsetVariables",
    "UnwatchKeys",
    "Verb",
    "WaitInLine",
    "WatchKeys",
]
