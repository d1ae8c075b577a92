"""The verbs that keep or carry sound: recordings, streams, taps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hubbub.conference.policy import RecordingWish
from hubbub.events import Link, Track
from hubbub.verbs.program import Verb


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
    rate: int = 8000
    """Samples a second of what the far side hears."""
    codec: str = ""
    """How its dialect writes sound there, where it has several ways."""
    what: str = "stream"
    """What its notices call it."""


@dataclass(frozen=True, kw_only=True)
class TapLeg(Verb):
    """Send the call's audio as RTP packets, beside everything else, until it is stopped. Outcome: see `verbs/taps.py`."""

    host: str
    """An IPv4 address."""
    port: int
    codec: Literal["PCMU", "PCMA"] = "PCMU"
    packet_ms: int = 20
    tracks: tuple[Literal["inbound", "outbound"], ...] = ("inbound",)
    """Several are sent as their sum."""
    name: str = ""
    notices: Link | None = None


@dataclass(frozen=True, kw_only=True)
class CloseStream(Verb):
    """End the stream of that name, or with that identity; all for the empty name."""

    name: str = ""
    waits: bool = False
    """Whether the call goes on only when it has ended."""
