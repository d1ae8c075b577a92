"""The arrays of the media plane: one block of shared memory, one array per noun, indices instead of pointers.

Every field is declared once, in the record of the noun it belongs to, with its type and its shape. A group is an array of records: the
loop gets fifteen arrays, not a hundred and thirty, which compiles four times faster, and what is used together lies together. The server
and every media process map the same block; slots of all workers lie in it, so that a leg can move to another worker by REMOVED, then ADD.
This module imports no compiler: the server uses the arrays through plain numpy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hubbub.media.counters import COUNTER_WORDS, HEADER_WORDS, REASONS, TIMES
from hubbub.media.libsrtp import KEY_BYTES
from hubbub.media.messages import COMMAND_WORDS, COMMANDS, EVENT_WORDS, EVENTS

Array = NDArray[Any]
Record_co = TypeVar("Record_co", covariant=True)

RATE: Final = 16000
FRAME: Final = 320
"""Samples of a wide frame (20 ms at 16 kHz)."""
NARROW: Final = 160
"""Samples of a narrow frame (20 ms at 8 kHz), also bytes of a G.711 frame."""
TICK_NS: Final = 20_000_000
UNITY: Final = 4096
"""Gain one, Q12."""
GAIN_MAX: Final = 16384
APART: Final = 1 << 20
"""In place of an edge's gain: what the source says into the listener's mix is taken out of what the listener hears."""
OPEN: Final = 32768
"""Limiter gain one, Q15."""

PACKETS: Final = 16  # packets that a jitter buffer holds
PAST: Final = 3  # frames that are kept for filling a gap
PACKET_BYTES: Final = 1472
"""Largest UDP payload in an Ethernet frame without fragments."""
REPLACED_KEYS: Final = 4  # keys of a leg that were in force before, of which it is known how far they were heard
STREAMS: Final = 8  # streams of a leg whose packet indices are kept, where packets are encrypted
REPORT_BYTES: Final = 512  # longest RTCP packet that is looked at where it shares the port
FRAME_BYTES: Final = 640  # bytes of the longest frame (20 ms of L16 at 16 kHz)
LONGEST_PACKET: Final = 1280  # payload bytes of the longest packet that is sent
OUT_BYTES: Final = 12 + LONGEST_PACKET + FRAME_BYTES  # header, the longest packet, and one frame that did not fit any more
BAND_WORDS: Final = 24
G722_WORDS: Final = 2 * BAND_WORDS + 24
"""State of a G.722 coder: two bands, and what the filters look back on."""
G722_FRESH: Final = np.zeros(G722_WORDS, np.int64)
"""That state at birth: only the scale factors are not 0."""
G722_FRESH[1], G722_FRESH[BAND_WORDS + 1] = 32, 8
UP_HISTORY: Final = 23
SPECTRUM: Final = 512  # points of a spectrum, for windows of 20 ms at 16 kHz
BANDS: Final = SPECTRUM // 2 + 1
HOP: Final = FRAME // 2  # samples between two windows
DOWN_HISTORY: Final = 35
DIGIT_QUEUE: Final = 64
KEYS_IN_ORDER: Final = "0123456789*#ABCD"
"""Keys by their code (RFC 4733 3.2)."""
PAUSE: Final = 16  # code in a digit queue: no tone, only its gap
RING_SAMPLES: Final = 65536
"""4.1 s at 16 kHz: what a tap may hold before the writer comes."""

# Slot states.
FREE: Final = 0
ACTIVE: Final = 1
LEAVING: Final = 2

HANDED: Final = 2
"""`Slot.moving` of a slot that leaves for another worker (1: for another mix), and value of the event that says that it has left."""

# What feeds a slot.
SOCKET: Final = 1
PCM_RING: Final = 2
CLIP: Final = 3

# Codecs. The first two are rows of the G.711 tables.
PCMU: Final = 0
PCMA: Final = 1
G722: Final = 2
L16: Final = 3
L16_WIDE: Final = 4
OPUS: Final = 5
CODECS: Final = 6
CODEC_CLOCK: Final = np.array([1, 1, 1, 1, 2, 6], np.int64)
"""RTP clock in units of 8 kHz. G.722 counts 8 kHz though it samples at 16 (RFC 3551 4.5.2), Opus 48 kHz always (RFC 7587 4.1)."""
OPUS_CLOCK: Final = 6  # no other codec has it
CODEC_BYTES: Final = np.array([1, 1, 1, 2, 2, 1], np.int64)  # bytes of a unit of the RTP clock; Opus has packets of any size
CODEC_WIDE: Final = np.array([0, 0, 1, 0, 1, 1], np.int64)  # whether a codec gives wide frames
CODEC_PAST: Final = np.array([0, 0, 1, 0, 0, 1], np.int64)
"""Whether an encoder remembers what it has said: then a listener cannot change between two of them unheard."""
OPUS_BYTES: Final = 400  # bytes of the longest frame of Opus that we send: three of them fit into a packet
OPUS_FRAMES: Final = 3  # frames of 20 ms in the longest packet that we send

# Speech detection and gate of a leg at birth: mean squares, and frames.
LOUD: Final = 107374
"""-40 dBFS: speech may start."""
FAINT: Final = 26844
"""-46 dBFS: below it speech may end."""
ONSET: Final = 3
HANGOVER: Final = 25
GATE: Final = 1074
"""-60 dBFS: what stays below it for as long as speech may pause is not mixed."""

# What a tap listens to.
TAP_IN: Final = 1
TAP_OUT: Final = 2
TAP_MIX: Final = 3


@dataclass(frozen=True)
class Sizes:
    """How many of everything one block holds."""

    legs: int = 1024
    players: int = 1088
    mixes: int = 1024
    edges: int = 8192
    rings: int = 256
    arena: int = 32 * 1024 * 1024
    workers: int = 1

    @property
    def slots(self) -> int:
        """Legs, then players: everything that can be a source."""
        return self.legs + self.players


def sizes_for(legs: int, *, workers: int = 1, arena_bytes: int = 64 * 1024 * 1024) -> Sizes:
    """Sizes for `legs` callers per worker, each of whom may hear a player, with edges to spare."""
    total = legs * workers
    return Sizes(total, total + 64, max(64, total), 8 * total + 64, max(64, total // 4), arena_bytes // 2, workers)


class Wire:
    """Rings between the server and the workers; each counter has a cache line of its own."""

    command: Annotated[Array, np.int64, COMMANDS, COMMAND_WORDS]
    command_head: Annotated[Array, np.int64, 8]
    command_tail: Annotated[Array, np.int64, 8]
    event: Annotated[Array, np.int64, EVENTS, EVENT_WORDS]
    event_head: Annotated[Array, np.int64, 8]
    event_tail: Annotated[Array, np.int64, 8]
    header: Annotated[Array, np.int64, HEADER_WORDS]
    dropped: Annotated[Array, np.int64, REASONS]
    times: Annotated[Array, np.int64, TIMES]


class Slot:
    """Sources (legs, then players): state, place in the matrix, this tick's frame."""

    state: Annotated[int, np.int32]
    generation: Annotated[int, np.int32]
    worker: Annotated[int, np.int32]
    kind: Annotated[int, np.int32]
    mix: Annotated[int, np.int32]
    speak: Annotated[int, np.int32]
    speak_to: Annotated[int, np.int32]
    hear: Annotated[int, np.int32]
    hear_to: Annotated[int, np.int32]
    moving: Annotated[int, np.uint8]
    next_mix: Annotated[int, np.int32]
    next_speak: Annotated[int, np.int32]
    next_hear: Annotated[int, np.int32]
    have: Annotated[int, np.uint8]
    ring: Annotated[int, np.int32]
    pcm: Annotated[Array, np.int16, FRAME]


class Link:
    """The RTP side of a leg: addresses, locks, what is sent. What every tick needs comes first (docs/media.md 2)."""

    connected: Annotated[int, np.uint8]
    sends: Annotated[int, np.uint8]
    receives: Annotated[int, np.uint8]
    signalled: Annotated[int, np.int64]
    latched: Annotated[int, np.int64]
    latched_at: Annotated[int, np.int64]
    may_plug: Annotated[int, np.uint8]
    plugged: Annotated[int, np.int64]
    plug_after: Annotated[int, np.int64]
    codec: Annotated[int, np.int32]
    payload_type: Annotated[int, np.int32]
    event_type: Annotated[int, np.int32]
    ptime: Annotated[int, np.int32]
    locked: Annotated[int, np.uint8]
    ssrc: Annotated[int, np.int64]
    highest: Annotated[int, np.int64]
    probes: Annotated[int, np.int32]
    last_heard: Annotated[int, np.int64]
    quiet_after: Annotated[int, np.int64]
    quiet_said: Annotated[int, np.int64]
    transit: Annotated[int, np.int64]
    out_ssrc: Annotated[int, np.int64]
    out_sequence: Annotated[int, np.int64]
    out_time: Annotated[int, np.int64]
    out_length: Annotated[int, np.int32]
    out_mark: Annotated[int, np.uint8]
    event_clock: Annotated[int, np.uint8]
    counters: Annotated[Array, np.int64, COUNTER_WORDS]
    packet: Annotated[Array, np.uint8, OUT_BYTES]
    peer: Annotated[Array, np.uint8, 16]
    former: Annotated[int, np.int64]
    probe_ssrc: Annotated[int, np.int64]
    probe_sequence: Annotated[int, np.int32]
    kept_length: Annotated[int, np.int32]
    kept_time: Annotated[int, np.int64]
    handed: Annotated[int, np.int64]
    form: Annotated[int, np.int64]
    far_loss: Annotated[int, np.int32]
    muxed: Annotated[int, np.uint8]
    report_bytes: Annotated[int, np.int32]
    report_tick: Annotated[int, np.int64]
    frames: Annotated[int, np.int32]
    frame_bytes: Annotated[Array, np.int32, OPUS_FRAMES]
    frame: Annotated[Array, np.uint8, OPUS_FRAMES, OPUS_BYTES]
    kept: Annotated[Array, np.uint8, PACKET_BYTES]
    report: Annotated[Array, np.uint8, REPORT_BYTES]


class CipherState:
    """How a leg's packets are encrypted: what its contexts, which each process has of its own, are made from."""

    suite: Annotated[int, np.int32]
    changes: Annotated[int, np.int32]
    life_in: Annotated[int, np.int64]
    life_out: Annotated[int, np.int64]
    left: Annotated[int, np.int64]
    next: Annotated[int, np.int32]
    ssrc: Annotated[Array, np.int64, STREAMS]
    newest: Annotated[Array, np.int64, STREAMS]
    lives: Annotated[Array, np.int64, STREAMS]
    key_in: Annotated[Array, np.uint8, KEY_BYTES]
    key_out: Annotated[Array, np.uint8, KEY_BYTES]
    heard: Annotated[Array, np.int64, STREAMS]
    replaced: Annotated[int, np.int32]
    replaced_suite: Annotated[Array, np.int32, REPLACED_KEYS]
    replaced_key: Annotated[Array, np.uint8, REPLACED_KEYS, KEY_BYTES]
    replaced_left: Annotated[Array, np.int64, REPLACED_KEYS]
    replaced_ssrc: Annotated[Array, np.int64, REPLACED_KEYS, STREAMS]
    replaced_newest: Annotated[Array, np.int64, REPLACED_KEYS, STREAMS]


class JitterBuffer:
    """Packets that wait for their playout time."""

    started: Annotated[int, np.uint8]
    sounded: Annotated[int, np.uint8]
    depth: Annotated[int, np.int32]
    play: Annotated[int, np.int64]
    newest: Annotated[int, np.int64]
    clock: Annotated[int, np.int32]
    wide: Annotated[int, np.uint8]
    misplaced: Annotated[int, np.int32]
    adaptive: Annotated[int, np.uint8]
    rebase: Annotated[int, np.uint8]
    shift: Annotated[int, np.int64]
    held: Annotated[int, np.int32]
    patience: Annotated[int, np.int32]
    least: Annotated[int, np.int64]
    most: Annotated[int, np.int64]
    window: Annotated[int, np.int32]
    slip: Annotated[int, np.int32]
    slips: Annotated[int, np.int64]
    concealed: Annotated[int, np.int32]
    lag: Annotated[int, np.int32]
    past_at: Annotated[int, np.int32]
    resting: Annotated[int, np.uint8]
    noise: Annotated[int, np.int32]
    noise_at: Annotated[int, np.int64]
    dice: Annotated[int, np.int64]
    repaired: Annotated[int, np.int64]
    length: Annotated[Array, np.int32, PACKETS]
    codec: Annotated[Array, np.int32, PACKETS]
    sequence: Annotated[Array, np.int32, PACKETS]
    time: Annotated[Array, np.int64, PACKETS]
    past: Annotated[Array, np.int16, PAST, FRAME]
    payload: Annotated[Array, np.uint8, PACKETS, PACKET_BYTES]


class Coder:
    """State of a leg's codec, where it has any: what the far end's decoder believes, and what its encoder has told."""

    encoder: Annotated[Array, np.int64, G722_WORDS]
    decoder: Annotated[Array, np.int64, G722_WORDS]


class Voice:
    """What is known of a leg's sound, and how it is levelled."""

    level: Annotated[int, np.int64]
    talking: Annotated[int, np.uint8]
    onset: Annotated[int, np.int32]
    hang: Annotated[int, np.int32]
    loud: Annotated[int, np.int64]
    faint: Annotated[int, np.int64]
    onset_frames: Annotated[int, np.int32]
    hang_frames: Annotated[int, np.int32]
    gate: Annotated[int, np.int64]
    target: Annotated[int, np.int64]
    loudness: Annotated[int, np.int64]
    gain: Annotated[int, np.int32]
    open: Annotated[int, np.int32]
    up: Annotated[Array, np.int16, UP_HISTORY]
    tail: Annotated[int, np.uint8]


class Suppressor:
    """What is known of the noise behind a talker, and what is not said yet."""

    wanted: Annotated[int, np.uint8]
    age: Annotated[int, np.int32]
    share: Annotated[int, np.int32]
    silent: Annotated[int, np.int32]
    talk: Annotated[float, np.float64]
    past: Annotated[Array, np.int16, HOP]
    carry: Annotated[Array, np.float32, HOP]
    noise: Annotated[Array, np.float32, BANDS]
    before: Annotated[Array, np.float32, BANDS]
    heard: Annotated[Array, np.float32, BANDS]


class Keypad:
    """Digits in (deduplicated) and digits out (queued)."""

    seen: Annotated[int, np.uint8]
    time: Annotated[int, np.int64]
    code: Annotated[int, np.int32]
    duration: Annotated[int, np.int64]
    ended: Annotated[int, np.uint8]
    queue_head: Annotated[int, np.int64]
    queue_tail: Annotated[int, np.int64]
    phase: Annotated[int, np.int32]
    entry: Annotated[int, np.int64]
    elapsed: Annotated[int, np.int32]
    start: Annotated[int, np.int64]
    turn: Annotated[Array, np.int64, 2]
    queue: Annotated[Array, np.int64, DIGIT_QUEUE]


class Ear:
    """What a leg hears, and the state of its own distinct mix."""

    first_edge: Annotated[int, np.int32]
    limiter: Annotated[int, np.int32]
    down: Annotated[Array, np.int16, DOWN_HISTORY]
    same: Annotated[int, np.uint8]
    shared: Annotated[int, np.uint8]
    joined: Annotated[int, np.uint8]
    pcm: Annotated[Array, np.int16, FRAME]


class MixState:
    """Sums, and what all plain listeners of a mix hear."""

    state: Annotated[int, np.int32]
    generation: Annotated[int, np.int32]
    worker: Annotated[int, np.int32]
    sources: Annotated[int, np.int32]
    total: Annotated[Array, np.int32, FRAME]
    limiter: Annotated[int, np.int32]
    limiter_before: Annotated[int, np.int32]
    down: Annotated[Array, np.int16, DOWN_HISTORY]
    down_before: Annotated[Array, np.int16, DOWN_HISTORY]
    computed: Annotated[int, np.int64]
    narrowed: Annotated[int, np.int64]
    encoded: Annotated[Array, np.int64, CODECS]
    encoder: Annotated[Array, np.int64, G722_WORDS]
    encoder_before: Annotated[Array, np.int64, G722_WORDS]
    pcm: Annotated[Array, np.int16, FRAME]
    narrow: Annotated[Array, np.int16, NARROW]
    payload: Annotated[Array, np.uint8, CODECS, FRAME_BYTES]
    opus_bytes: Annotated[int, np.int32]


class Edge:
    """Sparse exceptions to the matrix: a source heard by one leg."""

    state: Annotated[int, np.int32]
    worker: Annotated[int, np.int32]
    apart: Annotated[int, np.uint8]
    source: Annotated[int, np.int32]
    listener: Annotated[int, np.int32]
    gain: Annotated[int, np.int32]
    gain_to: Annotated[int, np.int32]
    next: Annotated[int, np.int32]


class PlayerState:
    """Clips that are played: where they lie in the arena and how far they are."""

    offset: Annotated[int, np.int64]
    length: Annotated[int, np.int64]
    position: Annotated[int, np.int64]
    played: Annotated[int, np.int64]
    loops: Annotated[int, np.int64]
    stopping: Annotated[int, np.uint8]
    underruns: Annotated[int, np.int64]


class Ring:
    """Rings of wide PCM between the server and the loop."""

    pcm: Annotated[Array, np.int16, RING_SAMPLES]
    head: Annotated[Array, np.int64, 8]
    tail: Annotated[Array, np.int64, 8]
    ended: Annotated[int, np.uint8]


class TapState:
    """Copies of frames for the recorder; tap i fills ring i."""

    state: Annotated[int, np.int32]
    worker: Annotated[int, np.int32]
    kind: Annotated[int, np.int32]
    of: Annotated[int, np.int32]
    start: Annotated[int, np.int64]
    due: Annotated[int, np.int64]
    overruns: Annotated[int, np.int64]


class Records(Protocol[Record_co]):
    """An array of records: what the loop and the server see of a group."""

    size: int
    itemsize: int
    ctypes: Any

    def __getitem__(self, index: int) -> Record_co: ...


Wires = Records[Wire]
Slots = Records[Slot]
Links = Records[Link]
Ciphers = Records[CipherState]
Jitter = Records[JitterBuffer]
Coders = Records[Coder]
Voices = Records[Voice]
Suppressors = Records[Suppressor]
Keys = Records[Keypad]
Ears = Records[Ear]
Mixes = Records[MixState]
Edges = Records[Edge]
Players = Records[PlayerState]
Rings = Records[Ring]
Taps = Records[TapState]


class Engine(NamedTuple):
    """All groups of the shared block."""

    wires: Wires
    slots: Slots
    links: Links
    ciphers: Ciphers
    jitter: Jitter
    coders: Coders
    voices: Voices
    suppressors: Suppressors
    keys: Keys
    ears: Ears
    mixes: Mixes
    edges: Edges
    players: Players
    rings: Rings
    taps: Taps
    arena: Array
    """int16: clips, one behind the other."""


def decibels(level: int) -> float:
    """A mean square in dB below full scale; silence is -96."""
    return 10 * math.log10(level / 32768**2) if level > 0 else -96.0
