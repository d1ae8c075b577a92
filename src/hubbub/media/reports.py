"""Sends and reads the reports of all legs: a socket beside each RTP port, or the RTP port itself (RFC 3550 6, RFC 5761).

The loop is not asked for anything: it leaves reports that came to the RTP port in the shared block, and its counters say the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from hubbub.media import counters, layout, libsrtp
from hubbub.media.libsrtp import Cipher, Session, SrtpError
from hubbub.media.rtcp import Received, Reception, RtcpError, SenderInfo, farewell, ntp_of, opinion, parse

if TYPE_CHECKING:
    from hubbub.media.leg import Leg

log = structlog.get_logger()

INTERVAL: Final = 5.0
"""Seconds between two reports, half as much before the first; each is moved by up to half (RFC 3550 6.2, 6.3.1)."""
LOOK: Final = 0.25
"""Seconds between two looks at what came to RTP ports and what is due."""
LONGEST = 1500
FORMER_KEYS: Final = 8
"""Keys of the far end whose sessions are kept: it may bring a new one with every change of the call."""
NAME = "hubbub"


@dataclass(frozen=True)
class Quality:
    """How a leg's audio gets through, both ways. `in` is what we receive, `out` what the far end receives of ours, by its own word.

    Times in milliseconds, loss in percent of all packets; `mos` is from 1 to 4.5. Figures of the far end are 0 while `reports` is.
    """

    reports: int
    """How many reports of the far end came."""
    packets_in: int
    lost_in: int
    loss_in: float
    jitter_in: float
    jitter_in_most: float
    packets_out: int
    lost_out: int
    loss_out: float
    jitter_out: float
    jitter_out_least: float
    jitter_out_most: float
    round_trip: float
    round_trip_least: float
    round_trip_most: float
    mos_in: float
    mos_out: float
    jitter_in_least: float = 0.0
    late_in: int = 0
    """Packets that came too late or twice."""
    concealed_in: int = 0
    """Frames that were made up for what did not come."""
    digits_in: int = 0


class _Hearing:
    """What comes by one key of the far end: of the streams that came last, for the library would keep every one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._streams: dict[int, None] = {}

    def open(self, data: bytes) -> bytes:
        """A packet, decrypted; SrtpError for what is forged or came before."""
        opened = self._session.unprotect_rtcp(data)
        ssrc = int.from_bytes(data[4:8], "big")
        if ssrc not in self._streams:
            if len(self._streams) >= layout.STREAMS:
                first = next(iter(self._streams))
                del self._streams[first]
                self._session.forget(first)
            self._streams[ssrc] = None
        return opened


class Line:
    """The reports of one leg."""

    def __init__(self, leg: Leg, host: str, end: Callable[[Line], None]) -> None:
        self.leg = leg
        self._end = end
        self.reception = Reception(leg.ssrc)
        self.target: tuple[str, int] | None = None
        self.mux = False
        self.due = 0.0
        self.told_loss = 0
        self._sent = 0
        self.forged = 0
        """Packets that were not by the key."""
        self._speaking: dict[tuple[str, bytes], Session] = {}
        """By suite and key, every session that packets were encrypted in: each goes on counting, whenever it comes into force again."""
        self._hearing: dict[tuple[str, bytes], _Hearing] = {}
        """The same of the last few keys of the far end: each goes on knowing what it has heard."""
        self._speaks: Session | None = None
        self._hears: _Hearing | None = None
        self.socket: socket.socket | None = None
        try:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((host, leg.bound_port + 1))
            self.socket.setblocking(False)
        except OSError as error:
            # The call goes on without a second port: with rtcp-mux it needs none.
            log.info("report_port_taken", port=leg.bound_port + 1, error=error.strerror)
            if self.socket is not None:
                self.socket.close()
            self.socket = None

    def aim(self, target: tuple[str, int] | None, mux: bool, now: float) -> None:
        """Send to `target` from now on, from the RTP port when `mux`."""
        if target != self.target or mux != self.mux:
            self.target, self.mux = target, mux
            self.due = now + INTERVAL / 2 * random.uniform(0.5, 1.5) if target else 0.0

    @property
    def clock(self) -> int:
        """RTP clock in Hz."""
        return 8000 * int(layout.CODEC_CLOCK[self.leg.link.codec])

    def encrypt(self, cipher: Cipher | None) -> None:
        """Encrypt reports from now on, and take only such, or plain ones (SRTCP, RFC 3711 3.4)."""
        library = libsrtp.find()
        if cipher is None or library is None:
            self._speaks = self._hears = None
            return
        # A session that began anew under its key would count from 1 again: RFC 3711 9.1, a pad that is used twice.
        ours, theirs = (cipher.suite, cipher.sends), (cipher.suite, cipher.receives)
        if ours not in self._speaking:
            self._speaking[ours] = library.session(*ours, self.leg.ssrc)
        self._speaks = self._speaking[ours]
        self._hears = self._hearing.pop(theirs, None) or _Hearing(library.session(*theirs))
        self._hearing[theirs] = self._hears
        if len(self._hearing) > FORMER_KEYS:
            del self._hearing[next(iter(self._hearing))]

    def receive(self, data: bytes, now: float) -> None:
        """Reports of the far end; what is none, or forged, is dropped."""
        try:
            if self._hears is not None:
                data = self._hears.open(data)
        except SrtpError as error:
            self.forged += 1
            log.debug("rtcp_forged", port=self.leg.bound_port, reason=str(error))
            return
        try:
            self.reception.take(parse(data), now, self.clock)
        except RtcpError as error:
            log.debug("rtcp_unreadable", port=self.leg.bound_port, reason=str(error))

    def compose(self, now: float, monotonic: float) -> bytes:
        """The report that is due."""
        words = self.leg.link.counters.tolist()
        clock = self.clock
        received = None
        if words[counters.C_FIRST]:
            expected = words[counters.C_HIGHEST] - words[counters.C_FIRST] + 1
            jitter = words[counters.C_JITTER] // 16 * clock // 8000
            link = self.leg.link
            received = Received(int(link.ssrc), int(link.highest) - 65536, words[counters.C_ACCEPTED], expected, jitter)
        sender = None
        if words[counters.C_SENT] > self._sent:
            self._sent = words[counters.C_SENT]
            rtp = (int(self.leg.link.out_time) + int((monotonic - self.leg.ticked) * clock)) & 0xFFFFFFFF
            sender = SenderInfo(ntp_of(now), rtp, words[counters.C_SENT], words[counters.C_OCTETS])
        return self.reception.tell(received, sender, now, clock, self._name)

    @property
    def _name(self) -> str:
        return f"{NAME}@{self.leg.local[0]}"

    def send(self, data: bytes) -> bool:
        """Send a packet; False when there is nowhere to send it."""
        port = self.leg.socket if self.mux else self.socket
        if port is None or self.target is None:
            return False
        try:
            port.sendto(data if self._speaks is None else self._speaks.protect_rtcp(data), self.target)
        except (OSError, SrtpError):
            return False  # the far end has no such port, or the buffer is full: the next one comes in 5 s
        return True

    def end(self) -> None:
        """The leg ends: nothing is sent or read any more; the figures stay."""
        self._end(self)

    def close(self) -> None:
        """Say goodbye."""
        if self.reception.sent_reports:
            self.send(farewell(self.leg.ssrc, self._name))
        if self.socket is not None:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(self.socket)
            self.socket.close()
            self.socket = None

    def quality(self) -> Quality:
        """How it has been so far."""
        words = self.leg.link.counters.tolist()
        told = self.reception
        expected = words[counters.C_HIGHEST] - words[counters.C_FIRST] + 1 if words[counters.C_FIRST] else 0
        lost = max(0, expected - words[counters.C_ACCEPTED])
        loss_in = 100 * lost / expected if expected > 0 else 0.0
        loss_out = min(100.0, 100 * told.lost_out / words[counters.C_SENT]) if words[counters.C_SENT] else 0.0
        jitter = told.jitter_in.mean if told.jitter_in.count else words[counters.C_JITTER] / 16 / 8
        return Quality(
            reports=told.received_reports,
            packets_in=words[counters.C_ACCEPTED],
            lost_in=lost,
            loss_in=loss_in,
            jitter_in=jitter,
            jitter_in_most=max(jitter, told.jitter_in.most),
            packets_out=words[counters.C_SENT],
            lost_out=told.lost_out,
            loss_out=loss_out,
            jitter_out=told.jitter_out.mean,
            jitter_out_least=told.jitter_out.least,
            jitter_out_most=told.jitter_out.most,
            round_trip=told.round_trip.mean,
            round_trip_least=told.round_trip.least,
            round_trip_most=told.round_trip.most,
            mos_in=opinion(told.round_trip.mean, jitter, loss_in),
            mos_out=opinion(told.round_trip.mean, told.jitter_out.mean, loss_out),
            jitter_in_least=min(jitter, told.jitter_in.least) if told.jitter_in.count else jitter,
            late_in=words[counters.C_LATE] + words[counters.C_DUPLICATE],
            concealed_in=words[counters.C_UNDERRUNS],
            digits_in=words[counters.C_DIGITS],
        )


class Reports:
    """The reports of all legs of a media plane."""

    def __init__(self, host: str) -> None:
        self.sent = 0
        self.received = 0
        self._host = host
        self._lines: dict[int, Line] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="rtcp")

    async def stop(self) -> None:
        """Close all ports."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for line in self._lines.values():
            line.close()
        self._lines.clear()

    def open(self, leg: Leg) -> Line:
        """Reports for a leg, until `close`."""
        line = Line(leg, self._host, self.close)
        self._lines[leg.slot] = line
        if line.socket is not None:
            asyncio.get_running_loop().add_reader(line.socket, self._read, line)
        return line

    def close(self, line: Line) -> None:
        """The leg ends."""
        if self._lines.get(line.leg.slot) is line:
            del self._lines[line.leg.slot]
        line.close()

    def lines(self) -> list[Line]:
        """All that are open."""
        return list(self._lines.values())

    def _read(self, line: Line) -> None:
        if line.socket is None:
            return
        for _ in range(8):
            try:
                data, source = line.socket.recvfrom(LONGEST)
            except OSError:
                return
            # Only the machine that the audio goes to may say how it arrives.
            if line.target is not None and source[0] in (line.target[0], line.leg.peer_host):
                self._take(line, data, time.time())

    def _take(self, line: Line, data: bytes, now: float) -> None:
        self.received += 1
        line.receive(data, now)
        loss = max(line.reception.loss_out, line.told_loss // 2)
        if loss != line.told_loss:
            line.told_loss = loss
            line.leg.heed_loss(loss)

    def look(self) -> None:
        """Read what came to RTP ports, and send what is due."""
        now, monotonic = time.time(), time.monotonic()
        for line in list(self._lines.values()):
            link = line.leg.link
            size = int(link.report_bytes)
            if size:
                # The packet came at some time within the 20 ms before its tick.
                age = monotonic - line.leg.tick_at(int(link.report_tick)) + 0.01
                data = link.report[:size].tobytes()
                link.report_bytes = 0
                self._take(line, data, now - age)
            if line.due and monotonic >= line.due:
                line.due = monotonic + INTERVAL * random.uniform(0.5, 1.5)
                self.sent += line.send(line.compose(now, monotonic))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                self.look()
            except Exception:
                log.exception("reports_failed")


def summary(qualities: list[Quality]) -> dict[str, float]:
    """Mean and worst of what legs have seen; legs whose far end sends no reports count for what we receive alone."""
    told = [one for one in qualities if one.reports]
    figures = {
        "jitter_in_ms": [one.jitter_in for one in qualities],
        "loss_in_percent": [one.loss_in for one in qualities],
        "jitter_out_ms": [one.jitter_out for one in told],
        "loss_out_percent": [one.loss_out for one in told],
        "round_trip_ms": [one.round_trip for one in told],
    }
    found = {"legs": float(len(qualities)), "legs_reporting": float(len(told))}
    for name, values in figures.items():
        found[f"{name}_mean"] = sum(values) / len(values) if values else 0.0
        found[f"{name}_most"] = max(values, default=0.0)
    return found
