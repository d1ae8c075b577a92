"""A leg: one caller's audio, seen from the server."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

import structlog

from hubbub.errors import MediaError
from hubbub.media import block, counters, layout, libopus, libsrtp, messages
from hubbub.media.control import Control
from hubbub.media.layout import KEYS_IN_ORDER, PAUSE, UNITY, decibels
from hubbub.media.libsrtp import Cipher
from hubbub.media.mixes import Mix
from hubbub.media.ports import address_number, bind
from hubbub.media.reports import Line, Quality

if TYPE_CHECKING:
    from hubbub.media.playback import Playback

log = structlog.get_logger()

CODECS = {
    "PCMU": layout.PCMU, "PCMA": layout.PCMA, "G722": layout.G722, "L16/8000": layout.L16, "L16/16000": layout.L16_WIDE,
    "OPUS": layout.OPUS,
}  # fmt: skip
CLOSE_SECONDS = 5.0
MIN_GAP_TICKS = 3
"""The end packets of a digit need 60 ms before the next one."""


@dataclass(frozen=True)
class Codec:
    """What both sides agreed to send."""

    name: Literal["PCMU", "PCMA", "G722", "L16/8000", "L16/16000", "OPUS"] | str
    payload_type: int
    ptime: int = 20
    """Milliseconds per packet that we send, 10 to 60; what arrives may have any."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What the other side's `a=fmtp` says of the format."""
    event_rate: int = 0
    """Clock of telephone events where it is not the codec's, in Hz."""


@dataclass(frozen=True)
class LegCounters:
    """What a leg has seen so far."""

    received: int
    """Datagrams of any kind."""
    sent: int
    lost: int
    late: int
    duplicates: int
    bad_source: int
    bad_ssrc: int
    dropped: int
    """All datagrams that were not used, for any reason."""
    underruns: int
    """Frames of which nothing had arrived in time."""
    restarts: int
    digits: int
    jitter_ms: float
    """Interarrival jitter of RFC 3550, known to the 20 ms of a tick."""
    level_db: float
    """Level of the last frame, dBFS."""
    talking: bool


def parse_digits(digits: str, tone_ms: int, gap_ms: int) -> list[tuple[int, int, int]]:
    """Queue entries (code, ticks of tone, ticks of gap) of a string of digits; `w` is half a second, `W` a second.

    ValueError for a character that is no digit.
    """
    tone, gap = max(2, round(tone_ms / 20)), max(MIN_GAP_TICKS, round(gap_ms / 20))
    entries: list[tuple[int, int, int]] = []
    for character in digits:
        if character in "wW":
            pause = 25 if character == "w" else 50
            if entries and entries[-1][0] == PAUSE and entries[-1][2] + pause <= 3000:
                entries[-1] = (PAUSE, 1, entries[-1][2] + pause)
            else:
                entries.append((PAUSE, 1, pause))
            continue
        code = KEYS_IN_ORDER.find(character.upper())
        if code < 0:
            raise ValueError(f"not a digit: {character!r}")
        entries.append((code, tone, gap))
    return entries


class Leg:
    """One caller's audio: an RTP port (or a pair of PCM rings), a place in a mix, edges to others."""

    def __init__(self, control: Control, host: str, ports: range, start: int, advertise: str, depth_ms: int = 60) -> None:
        self.on_digit: Callable[[str], None] | None = None
        self.on_speech: Callable[[bool], None] | None = None
        self.speech_beside: set[Callable[[bool], None]] = set()
        """Who else is told that it speaks, or does no longer."""
        self.on_silence_of_packets: Callable[[float], None] | None = None
        self.quiet_seconds = 30.0
        """After how long without packets `on_silence_of_packets` is called (again and again); taken over at `connect`."""
        self.playbacks: set[Playback] = set()
        self._control = control
        self._socket: socket.socket | None = None
        self._whispers: dict[Leg, int | None] = {}
        """Who hears it beside any mix, and by which edge: None while there is none because one of the two is under way."""
        self._coaches: set[Leg] = set()
        self._removed: asyncio.Event = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._digits_end = 0.0
        self._cipher: Cipher | None = None
        self.reports: Line | None = None
        """Its RTCP, where it has any."""
        self.slot = control.legs.take()
        try:
            if len(ports):
                self._socket = bind(host, ports, start)
        except BaseException:
            control.legs.give(self.slot)
            raise
        self.bound_port: int = self._socket.getsockname()[1] if self._socket else 0
        self.local: tuple[str, int] = (advertise or host, self.bound_port)
        """What to put into SDP."""
        self.near: tuple[str, int] = ("127.0.0.1" if host in ("", "0.0.0.0") else host, self.bound_port)
        """The same for a far end on this machine."""
        self.ssrc = secrets.randbits(32)
        self._generation = control.claim(self.slot, self, control.least_loaded())
        self._born(depth_ms)

    def _born(self, depth_ms: int) -> None:
        engine = self._control.engine
        block.clear_leg(engine, self.slot)
        engine.slots[self.slot].kind = layout.SOCKET if self._socket else layout.PCM_RING
        engine.jitter[self.slot].depth = depth_ms * 8
        link = engine.links[self.slot]
        link.out_ssrc = self.ssrc
        link.out_sequence = secrets.randbits(15)  # RFC 3550 5.1: random, and far from the first wrap
        link.out_time = secrets.randbits(32)
        link.out_mark = 1
        # Where the socket has every address of the machine, connecting it would choose one: perhaps not the one that is written to.
        link.may_plug = self._socket is not None and self._socket.getsockname()[0] != "0.0.0.0"
        if self._socket:
            self._control.supervisor.open_descriptor(self.slot, self._generation, self._socket.fileno())
            self._add()

    def _add(self) -> None:
        self._control.post(messages.ADD, self.slot, self._generation, -1)

    @property
    def address(self) -> tuple[int, int]:
        """Slot and generation."""
        return self.slot, self._generation

    @property
    def link(self) -> layout.Link:
        """The RTP side as the loop sees it; to be read only."""
        return self._control.engine.links[self.slot]

    @property
    def socket(self) -> socket.socket | None:
        """The RTP port."""
        return self._socket

    @property
    def peer_host(self) -> str:
        """Where audio comes from, as an address; empty while none has come."""
        latched = int(self.link.latched)
        return str(ipaddress.IPv4Address(latched >> 16)) if latched > 0 else ""

    @property
    def _header(self) -> layout.Array:
        """Of the worker that serves it."""
        return self._control.engine.wires[int(self._control.engine.slots[self.slot].worker)].header

    def tick_at(self, tick: int) -> float:
        """When a tick was due, on the monotonic clock."""
        return (int(self._header[counters.H_EPOCH]) + tick * layout.TICK_NS) / 1e9

    @property
    def ticked(self) -> float:
        """When the last tick was due."""
        return self.tick_at(int(self._header[counters.H_TICK]))

    def heed_loss(self, percent: int) -> None:
        """The far end loses so much of what we send: a codec that can repair loss gets ready for it."""
        self._post(messages.HEED, percent)

    def quality(self) -> Quality | None:
        """How the audio gets through both ways; None for a leg without RTP."""
        return self.reports.quality() if self.reports else None

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closing is not None

    def connect(
        self,
        remote: tuple[str, int],
        codec: Codec,
        *,
        telephone_event: int | None = None,
        send: bool = True,
        receive: bool = True,
        reports: tuple[str, int] | None = None,
        cipher: Cipher | None = None,
    ) -> None:
        """Send to `remote` and take what comes from there (RFC 3264: again for each new offer).

        RTCP goes to `reports`; where that is `remote`, it comes and goes by the RTP port (RFC 5761). None: there is none.

        With `cipher` every packet is encrypted, and what is not by its key is dropped; a key that stays goes on as it is.

        A source other than `remote` is believed when it is the first to send a packet of the right type (symmetric RTP, RFC 4961).
        MediaError when codec, frame length or address cannot be used.
        """
        if codec.name.upper() not in CODECS:
            raise MediaError(f"unknown codec {codec.name}")
        number = CODECS[codec.name.upper()]
        if number == layout.OPUS and libopus.find() is None:
            raise MediaError(f"no libopus on this machine: {libopus.HOW_TO_GET_IT}")
        unit = 0 if number == layout.OPUS else int(layout.CODEC_CLOCK[number] * layout.CODEC_BYTES[number])
        if not 10 <= codec.ptime <= 60 or codec.ptime % 10 or codec.ptime * 8 * unit > layout.LONGEST_PACKET:
            raise MediaError(f"packets of {codec.ptime} ms cannot be made")
        event = 0 if telephone_event is None else (telephone_event & 127) + 1
        packed = number | (codec.payload_type & 127) << 8 | event << 16 | int(send) << 24 | int(receive) << 25
        if codec.event_rate == 8000:
            packed |= 1 << 26
        mux = reports == remote
        if mux:
            packed |= 1 << 27
        address = address_number(remote)
        if remote[0] == "0.0.0.0" or remote[1] == 0:  # RFC 2543 hold
            packed &= ~(1 << 24)
        form = libopus.format_word(codec.parameters) if number == layout.OPUS else 0
        self._encrypt(cipher)
        self._post(messages.CONNECT, address, packed, codec.ptime * 8, round(self.quiet_seconds * 50), form)
        if self.reports:
            held = remote[0] == "0.0.0.0" or remote[1] == 0
            self.reports.aim(None if held else reports, mux, time.monotonic())

    def _encrypt(self, cipher: Cipher | None) -> None:
        """From now on by these keys, RTCP too."""
        if cipher == self._cipher:
            return
        library = libsrtp.find()
        if cipher is not None and (library is None or cipher.suite not in library.suites):
            raise MediaError(f"{cipher.suite} cannot be done on this machine: {libsrtp.HOW_TO_GET_IT}")
        self._cipher = cipher
        self._post(messages.CIPHER, *(cipher.words() if cipher else (libsrtp.OFF,)))
        if self.reports:
            self.reports.encrypt(cipher)

    def _post(self, code: int, *words: int) -> None:
        if not self._closing:
            self._control.post(code, self.slot, self._generation, *words)

    def route(self, mix: Mix | None, *, speak: bool = True, hear: bool = True) -> None:
        """Place the leg in the matrix: `speak` = it is in the mix's sum, `hear` = it hears the sum minus itself."""
        self._control.moves.at_rest(lambda: self._route(mix, UNITY if speak else 0, UNITY if hear else 0), self.slot)

    def _route(self, mix: Mix | None, speak: int, hear: int) -> None:
        # The index of a mix that was closed may be another's by now.
        index = mix.index if mix is not None and not mix.closed else -1
        if mix is not None and index >= 0 and mix.worker != self.worker and not self._closing:
            self._move(mix.worker)
        self._post(messages.ROUTE, index, speak, hear)

    @property
    def worker(self) -> int:
        """Which media process carries it."""
        return self._control.worker_of(self.slot)

    def _move(self, worker: int) -> None:
        """Go to another worker, with everything that is played to it."""
        for playback in self.playbacks:
            playback.follow()
        self._control.move(self.slot, worker, self._moved)

    def _moved(self) -> None:
        for coach in (self, *self._coaches):
            coach._whisper_again()

    def jitter(self, depth: int | Literal["adaptive"]) -> None:
        """Let packets wait `depth` milliseconds (0 to 200) before they are played, or as little as the network allows.

        What is on its way keeps its delay until a quiet moment. MediaError when the depth cannot be had.
        """
        if depth == "adaptive":
            self._post(messages.TUNE, -1)
        elif 0 <= depth <= 200:
            self._post(messages.TUNE, depth * 8)
        else:
            raise MediaError(f"a jitter buffer of {depth} ms is not possible")

    @property
    def buffer(self) -> tuple[bool, int]:
        """Whether its jitter buffer adapts, and how many milliseconds it waits now."""
        jitter = self._control.engine.jitter[self.slot]
        return bool(jitter.adaptive), int(jitter.depth) // 8

    def listen_for(
        self, *, start_db: float = -40, stop_db: float = -46, onset_ms: int = 60, hangover_ms: int = 500, gate_db: float | None = -60
    ) -> None:
        """Say what is speech: it starts after `onset_ms` above `start_db`, it has stopped after `hangover_ms` below `stop_db` (dBFS).

        A leg that stays below `gate_db` for the hangover is not mixed until it is louder again (None: always mixed).
        MediaError for levels beyond -120 to 0 dBFS and times beyond 20 s.
        """
        if not all(-120 <= level <= 0 for level in (start_db, stop_db, gate_db or 0)) or not all(
            0 < time <= 20_000 for time in (onset_ms, hangover_ms)
        ):
            raise MediaError("levels of speech are -120 to 0 dBFS, times at most 20 s")
        levels = [round(32768**2 * 10 ** (level / 10)) for level in (start_db, stop_db)]
        gate = 0 if gate_db is None else round(32768**2 * 10 ** (gate_db / 10))
        self._post(messages.SENSE, *levels, round(onset_ms / 20), round(hangover_ms / 20), gate)

    def level(self, target_db: float | None = -20) -> None:
        """Bring its talker to that loudness (dBFS of speech, -40 to -9), by at most 12 dB and slowly; None (as at birth): as it is.

        What others hear and recordings of the leg are levelled; levels and speech events are those of what came in.
        """
        if target_db is not None and not -40 <= target_db <= -9:
            raise MediaError(f"speech cannot be brought to {target_db} dBFS")
        self._post(messages.LEVEL, 0 if target_db is None else round(32768**2 * 10 ** (target_db / 10)))

    def suppress_noise(self, on: bool) -> None:
        """Turn down the noise behind its talker, or no longer (as at birth); heard 10 ms later, from 0.2 s after the change on.

        Levels and speech events are those of the cleaned sound.
        """
        self._post(messages.SUPPRESS, int(on))

    def whisper(self, targets: Collection[Leg]) -> None:
        """Be heard by exactly these legs, beside any mix; none takes all such edges away."""
        if self._closing:
            return
        for leg in [leg for leg in self._whispers if leg not in targets]:
            edge = self._whispers.pop(leg)
            leg._coaches.discard(self)
            if edge is not None:
                self._control.drop_edge(edge, self.address, leg.address)
        for leg in targets:
            if leg not in self._whispers and leg is not self and not leg.closed:
                self._whispers[leg] = None
                leg._coaches.add(self)
        self._whisper_again()

    def _whisper_again(self) -> None:
        """Make the edges that are missing, as soon as both ends are at rest."""
        for leg, edge in self._whispers.items():
            if edge is None:
                self._control.moves.at_rest(partial(self._whisper_to, leg), self.slot, leg.slot)

    def _whisper_to(self, leg: Leg) -> None:
        wished = leg in self._whispers and self._whispers[leg] is None
        if wished and self.worker == leg.worker and not self._closing and not leg.closed:
            self._whispers[leg] = self._control.add_edge(self.address, leg.address, UNITY, self._edge_gone)

    def _edge_gone(self, edge: int) -> None:
        for leg, kept in list(self._whispers.items()):
            if kept == edge and leg.closed:
                del self._whispers[leg]
            elif kept == edge:
                self._whispers[leg] = None

    def send_digits(self, digits: str, *, tone_ms: int = 200, gap_ms: int = 100) -> float:
        """Send keys as telephone events (RFC 4733), or as tones where the far end takes no events; returns how many seconds it takes.

        What is sent while earlier digits are under way comes after them.
        """
        entries = parse_digits(digits, tone_ms, gap_ms)
        loop = asyncio.get_running_loop()
        began = max(loop.time(), self._digits_end)
        at = began
        for place, (code, tone, gap) in enumerate(entries):
            # The loop's queue holds 64: what is far away waits here.
            if place < layout.DIGIT_QUEUE // 2 and at - loop.time() < 1:
                self._post(messages.DIGIT, code, tone, gap)
            else:
                loop.call_at(at - 0.5, self._post, messages.DIGIT, code, tone, gap)
            at += (gap if code == PAUSE else tone + gap) * 0.02
        self._digits_end = at
        return at - loop.time() if entries else 0.0

    @property
    def level_db(self) -> float:
        """Level of the last frame, dBFS; -96 is silence."""
        return decibels(int(self._control.engine.voices[self.slot].level))

    @property
    def talking(self) -> bool:
        """Whether the caller speaks now."""
        return bool(self._control.engine.voices[self.slot].talking)

    def counters(self) -> LegCounters:
        """What the leg has seen so far."""
        words = self._control.engine.links[self.slot].counters.tolist()
        voice = self._control.engine.voices[self.slot]
        expected = words[counters.C_HIGHEST] - words[counters.C_FIRST] + 1 if words[counters.C_FIRST] else 0
        return LegCounters(
            received=words[counters.C_RECEIVED],
            sent=words[counters.C_SENT],
            lost=max(0, expected - words[counters.C_ACCEPTED]),
            late=words[counters.C_LATE],
            duplicates=words[counters.C_DUPLICATE],
            bad_source=words[counters.C_BAD_SOURCE],
            bad_ssrc=words[counters.C_BAD_SSRC],
            dropped=words[counters.C_DROPPED],
            underruns=words[counters.C_UNDERRUNS],
            restarts=words[counters.C_RESTARTS],
            digits=words[counters.C_DIGITS],
            jitter_ms=words[counters.C_JITTER] / 16 / 8,
            level_db=decibels(int(voice.level)),
            talking=bool(voice.talking),
        )

    def handle(self, code: int, value: int) -> None:
        """An event of the loop."""
        if code == messages.REMOVED:
            self._removed.set()
        elif code == messages.KEY and self.on_digit and 0 <= value < len(KEYS_IN_ORDER):
            self.on_digit(KEYS_IN_ORDER[value])
        elif code == messages.SPEECH:
            for told in (self.on_speech, *tuple(self.speech_beside)):
                if told is not None:
                    told(value > 0)
        elif code == messages.QUIET and self.on_silence_of_packets:
            self.on_silence_of_packets(value / 50)

    async def close(self) -> None:
        """Fade out, stop what it plays, and give the port and slot back. A second call waits for the first."""
        await asyncio.shield(self.leave())

    def leave(self) -> asyncio.Task[None]:
        """Begin to close; done when its port and slot are given back."""
        if not self._closing:
            self._control.post(messages.REMOVE, self.slot, self._generation)
            self._closing = asyncio.get_running_loop().create_task(self._finish())
        return self._closing

    async def _finish(self) -> None:
        for playback in list(self.playbacks):
            playback.stop()
        for leg in self._whispers:
            leg._coaches.discard(self)
        for coach in self._coaches:
            coach._whispers.pop(self, None)
        self._whispers.clear()
        if self.reports:
            self.reports.end()
        deadline = asyncio.get_running_loop().time() + CLOSE_SECONDS
        while not self._removed.is_set() and asyncio.get_running_loop().time() < deadline:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._removed.wait(), 0.25)
            # An event that was lost with a process must not hold the port for ever; the state says the same.
            if self._control.is_free(self.slot):
                break
        self._control.supervisor.close_descriptor(self.slot, self._generation)
        if self._socket:
            self._socket.close()
        self._released()

    def _released(self) -> None:
        if self._control.is_free(self.slot):
            self._control.release(self.slot)
        else:  # no media process answers: the slot is not safe to reuse
            log.error("media_slot_leaked", slot=self.slot)
