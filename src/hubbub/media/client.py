"""The face of the media plane for asyncio: legs, mixes, playbacks, recordings. Nothing here touches a packet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubbub.errors import MediaError, ResourceExhausted
from hubbub.media import counters, layout, libopus, libsrtp, process
from hubbub.media.control import Control
from hubbub.media.layout import RATE
from hubbub.media.leg import Codec, Leg, LegCounters
from hubbub.media.mixes import Mix
from hubbub.media.pcmleg import PcmLeg
from hubbub.media.playback import Arena, Clip, Pcm, Playback, Source, Stream, Target
from hubbub.media.recorder import Capture, CaptureResult, Recorder, Tap, recover_captures
from hubbub.media.reports import Quality, Reports, summary
from hubbub.settings import MediaSettings

__all__ = [
    "RATE", "Capture", "CaptureResult", "Clip", "Codec", "Leg", "LegCounters", "Media", "MediaStats", "Mix", "Pcm", "PcmLeg", "Playback",
    "Quality", "Source", "Stream", "Tap", "recover_captures",
]  # fmt: skip

ARENA_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class MediaStats:
    """How the media plane is doing."""

    ticks: int
    late: int
    """Ticks that ended more than 20 ms after they were due."""
    tick_late_ms: float
    """The latest end of a tick so far."""
    skipped: int
    """Ticks that nobody served (20 ms of sound each, for all)."""
    tick_p50_ms: float
    tick_p99_ms: float
    """From due to done, over the last 82 seconds at most."""
    busy_seconds: float
    """Processor time of the loop."""
    legs: int
    mixes: int
    playbacks: int
    received: int
    sent: int
    send_errors: int
    dropped: dict[str, int]
    """Datagrams that were not used, by reason."""
    takeovers: int
    takeover_ms: float
    """From the end of the last lost process to the promotion of the next."""
    standby: bool
    realtime: bool
    bad_commands: int
    events_lost: int
    reports_sent: int
    reports_received: int
    """RTCP packets."""
    quality: dict[str, float]
    """Mean and worst of the legs that are open (`reports.Quality`): milliseconds, percent."""


class Media:
    """The media plane of a server: media processes, each with rooms of its own, and a hot standby."""

    def __init__(self, settings: MediaSettings, *, host: str = "127.0.0.1", advertise: str = "", arena_bytes: int = ARENA_BYTES) -> None:
        self.on_failure: Callable[[str], None] | None = None
        self._settings = settings
        self._host = host
        self._advertise = advertise
        first, last = settings.port_range
        self._ports = range(first + first % 2, last + 1, 2)
        self._next_port = 0
        self._control = Control(layout.sizes_for(settings.legs, workers=settings.workers, arena_bytes=arena_bytes))
        self._control.supervisor.on_failure = self._failed
        self._arena = Arena(self._control.engine.arena)
        self._recorder = Recorder(self._control)
        self._reports = Reports(host)
        wanted = tuple(name if "/" in name else name.upper() for name in settings.codecs)
        self.codecs: tuple[str, ...] = wanted if libopus.find() else tuple(name for name in wanted if name != "OPUS")
        """What is spoken here, in order of preference."""
        library = libsrtp.find()
        self.suites: tuple[str, ...] = tuple(name for name in settings.srtp_suites if library is not None and name in library.suites)
        """By what calls may be encrypted, in order of preference; none where there is no libsrtp."""
        self._started = False

    def _failed(self, text: str) -> None:
        if self.on_failure:
            self.on_failure(text)

    async def start(self) -> None:
        """Compile if that has not been done, start the processes; returns when every loop ticks."""
        await asyncio.to_thread(process.warm)
        await self._control.start()
        self._recorder.start()
        self._reports.start()
        self._started = True

    async def stop(self) -> None:
        """End recordings (their files stay whole) and processes."""
        if self._started:
            self._started = False
            await self._recorder.stop()
            await self._reports.stop()
            await self._control.stop()

    def stats(self) -> MediaStats:
        """How it is going."""
        wires = [self._control.engine.wires[worker] for worker in range(self._control.sizes.workers)]
        headers = np.array([wire.header for wire in wires])
        header = headers.sum(axis=0).tolist()
        # Ticks that were never served are 0.
        times = np.concatenate([wire.times[wire.times > 0] for wire in wires])
        p50, p99 = np.percentile(times, [50, 99]) / 1e6 if len(times) else (0.0, 0.0)
        supervisor = self._control.supervisor
        return MediaStats(
            ticks=header[counters.H_RUNS],
            late=header[counters.H_LATE],
            tick_late_ms=int(headers[:, counters.H_LATE_MAX_NS].max()) / 1e6,
            skipped=header[counters.H_SKIPPED],
            tick_p50_ms=float(p50),
            tick_p99_ms=float(p99),
            busy_seconds=header[counters.H_BUSY_NS] / 1e9,
            legs=self._control.legs.used,
            mixes=self._control.mixes.used,
            playbacks=self._control.players.used,
            received=header[counters.H_RECEIVED],
            sent=header[counters.H_SENT],
            send_errors=header[counters.H_SEND_ERRORS],
            dropped=dict(zip(counters.DROPS, np.sum([wire.dropped for wire in wires], axis=0).tolist(), strict=False)),
            takeovers=supervisor.takeovers,
            takeover_ms=supervisor.takeover_seconds * 1000,
            standby=supervisor.standby_ready,
            realtime=int(headers[:, counters.H_REALTIME].min()) == process.REALTIME_FIFO,
            bad_commands=header[counters.H_BAD_COMMANDS],
            events_lost=header[counters.H_EVENTS_LOST],
            reports_sent=self._reports.sent,
            reports_received=self._reports.received,
            quality=summary([line.quality() for line in self._reports.lines()]),
        )

    @property
    def tick(self) -> int:
        """The last tick that was done: the clock that all audio shares, 20 ms a tick."""
        return self._control.tick

    @property
    def worker_pid(self) -> int:
        """The process of the first worker (for operators and tests), 0 while there is none."""
        return self.worker_pids[0]

    @property
    def worker_pids(self) -> list[int]:
        """The processes that carry the audio now, by worker, 0 where there is none."""
        return self._control.supervisor.active_pids

    def open_leg(self, *, depth_ms: int = 60) -> Leg:
        """A leg with an RTP port of its own; `depth_ms` is how long its jitter buffer waits.

        ResourceExhausted when no port or slot is left.
        """
        self._need_started()
        leg = Leg(self._control, self._host, self._ports, self._next_port, self._advertise, depth_ms)
        try:
            leg.reports = self._reports.open(leg)
        except OSError as error:
            leg.leave()
            raise ResourceExhausted(f"no reports for a leg: {error.strerror}") from error
        self._next_port = (self._ports.index(leg.bound_port) + 1) % len(self._ports)
        return self._treated(leg)

    def open_pcm_leg(self) -> PcmLeg:
        """A leg without RTP. ResourceExhausted when no slot or ring is left."""
        self._need_started()
        leg = PcmLeg(self._control)
        self._treated(leg)
        return leg

    def _treated(self, leg: Leg) -> Leg:
        """Levels and thresholds as they are configured."""
        wanted = self._settings
        leg.listen_for(
            start_db=wanted.speech_start_db,
            stop_db=wanted.speech_stop_db,
            onset_ms=wanted.speech_onset_ms,
            hangover_ms=wanted.speech_hangover_ms,
        )
        if wanted.automatic_level:
            leg.level(wanted.level_db)
        if wanted.noise_suppression:
            leg.suppress_noise(True)
        return leg

    def open_mix(self, near: Leg | None = None) -> Mix:
        """A mix, at the worker that carries `near`, or else at the one with the least load; legs follow it. ResourceExhausted."""
        self._need_started()
        return Mix(self._control, near.worker if near is not None else self._control.least_loaded())

    def play(self, source: Source, to: Leg | Mix, *, besides: Leg | None = None, on_end: Callable[[], None] | None = None) -> Playback:
        """Play to one leg (heard by it alone, over whatever it hears) or into a mix (heard by all of it, or by all `besides` one leg).

        ResourceExhausted when no player is left.
        """
        self._need_started()
        if to.closed:
            raise MediaError("cannot play to what is closed")
        apart = besides.address if besides is not None and not besides.closed else None
        target = Target(to.index, to.worker, besides=apart) if isinstance(to, Mix) else Target(leg=to.address)
        playback = Playback(self._control, self._arena, source, target, on_end)
        to.playbacks.add(playback)
        playback.when_closed(lambda: to.playbacks.discard(playback))
        return playback

    def record(self, path: Path, taps: Sequence[Tap], *, rate: int = 8000, mono: bool = False) -> Capture:
        """Write what the taps give to `path`: WAV, 16 bits, one channel per tap (`mono`: their sum), `rate` samples a second.

        ResourceExhausted when no ring is left, MediaError when the file cannot be written.
        """
        self._need_started()
        return self._recorder.record(path, taps, rate, mono=mono)

    def levels(self) -> list[tuple[Leg, float, bool]]:
        """Every leg with the level of its last frame (dBFS) and whether it speaks, the loudest first: who is heard now."""
        found = [(leg, leg.level_db, leg.talking) for leg in self._control.listeners() if isinstance(leg, Leg)]
        return sorted(found, key=lambda entry: entry[1], reverse=True)

    def _need_started(self) -> None:
        if not self._started:
            raise MediaError("the media plane is not running")
