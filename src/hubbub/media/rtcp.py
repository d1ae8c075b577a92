"""RTCP: reports to bytes and back, and what a leg's two sides know of each other's reception (RFC 3550 6.4). Pure; time is an argument."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

SENDER_REPORT, RECEIVER_REPORT, DESCRIPTION, BYE = 200, 201, 202, 203
CNAME = 1
EPOCH: Final = 2_208_988_800
"""Seconds from 1900, where NTP counts from, to 1970."""
BLOCK = struct.Struct("!IIIIII")
LONGEST_BLOCKS = 31
SECONDS_16 = 65536.0
"""Units of the short timestamps in a second."""


class RtcpError(ValueError):
    """A packet that is no RTCP; the message says why."""


@dataclass(frozen=True)
class SenderInfo:
    """What a sender says of itself: NTP time (64 bits) and RTP time of the same instant, and what it has sent."""

    ntp: int
    rtp: int
    packets: int
    octets: int


@dataclass(frozen=True)
class Block:
    """What a receiver says of one stream: `fraction` in 1/256, `jitter` in units of the RTP clock, times in 1/65536 s."""

    ssrc: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    last_report: int
    delay: int


@dataclass(frozen=True)
class Report:
    """One sender or receiver report."""

    ssrc: int
    sender: SenderInfo | None
    blocks: tuple[Block, ...]


def ntp_of(seconds: float) -> int:
    """64-bit NTP time of a time since 1970."""
    return int((seconds + EPOCH) * 2**32) & (2**64 - 1)


def middle(ntp: int) -> int:
    """The 32 bits in the middle: 1/65536 s, as reports refer to each other."""
    return ntp >> 16 & 0xFFFFFFFF


def parse(data: bytes) -> list[Report]:
    """Reports of a compound packet; other kinds of packets in it are passed over. RtcpError when it does not hold together."""
    reports: list[Report] = []
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise RtcpError("shorter than a header")
        first, kind, words = struct.unpack_from("!BBH", data, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            raise RtcpError("version or length is wrong")
        if kind in (SENDER_REPORT, RECEIVER_REPORT):
            reports.append(_report(data[at:end], kind, first & 31))
        at = end
    return reports


def _report(data: bytes, kind: int, count: int) -> Report:
    head = 28 if kind == SENDER_REPORT else 8
    if len(data) < head + count * BLOCK.size:
        raise RtcpError("a report is cut off")
    (ssrc,) = struct.unpack_from("!I", data, 4)
    sender = SenderInfo(*struct.unpack_from("!QIII", data, 8)) if kind == SENDER_REPORT else None
    return Report(ssrc, sender, tuple(_block(data, head + n * BLOCK.size) for n in range(count)))


def _block(data: bytes, at: int) -> Block:
    ssrc, loss, highest, jitter, last, delay = BLOCK.unpack_from(data, at)
    lost = loss & 0xFFFFFF
    return Block(ssrc, loss >> 24, lost - (1 << 24) if lost & 0x800000 else lost, highest, jitter, last, delay)


def build(ssrc: int, sender: SenderInfo | None, blocks: tuple[Block, ...], name: str) -> bytes:
    """A compound packet: a report and the canonical name (RFC 3550 6.1 wants both in each)."""
    body = b"".join(
        BLOCK.pack(b.ssrc, b.fraction << 24 | _clamped(b.lost) & 0xFFFFFF, b.highest, b.jitter, b.last_report, b.delay) for b in blocks
    )
    info = b"" if sender is None else struct.pack("!QIII", sender.ntp, sender.rtp, sender.packets & 0xFFFFFFFF, sender.octets & 0xFFFFFFFF)
    kind = RECEIVER_REPORT if sender is None else SENDER_REPORT
    return _packet(kind, len(blocks), struct.pack("!I", ssrc) + info + body) + description(ssrc, name)


def _clamped(lost: int) -> int:
    return max(-0x800000, min(lost, 0x7FFFFF))


def description(ssrc: int, name: str) -> bytes:
    """SDES with the canonical name (RFC 3550 6.5.1)."""
    text = name.encode("ascii", "replace")[:255]
    items = struct.pack("!IBB", ssrc, CNAME, len(text)) + text + b"\0"
    return _packet(DESCRIPTION, 1, items + b"\0" * (-len(items) % 4))


def farewell(ssrc: int, name: str) -> bytes:
    """The last packet of a stream (RFC 3550 6.6)."""
    return build(ssrc, None, (), name) + _packet(BYE, 1, struct.pack("!I", ssrc))


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


@dataclass
class Spread:
    """Mean and extremes of a figure that is measured now and then."""

    count: int = 0
    total: float = 0.0
    least: float = 0.0
    most: float = 0.0
    last: float = 0.0

    def add(self, value: float) -> None:
        """Another measurement."""
        self.least = value if self.count == 0 else min(self.least, value)
        self.most = max(self.most, value)
        self.count += 1
        self.total += value
        self.last = value

    @property
    def mean(self) -> float:
        """0 before the first measurement."""
        return self.total / self.count if self.count else 0.0


@dataclass(frozen=True)
class Received:
    """What a leg has received so far: highest sequence number with its cycles, packets, what should have come, jitter in RTP units."""

    ssrc: int
    highest: int
    packets: int
    expected: int
    jitter: int


@dataclass
class Reception:
    """Both directions of one leg as reports tell them; `clock` is the RTP clock in Hz."""

    ssrc: int
    round_trip: Spread = field(default_factory=Spread)
    """Milliseconds."""
    jitter_in: Spread = field(default_factory=Spread)
    """Milliseconds, of what we receive."""
    jitter_out: Spread = field(default_factory=Spread)
    """Milliseconds, of what the far end receives."""
    lost_out: int = 0
    """Packets of ours that the far end says it has lost."""
    loss_out: int = 0
    """Of late, in percent."""
    loss_in: int = 0
    received_reports: int = 0
    sent_reports: int = 0
    _before: Received | None = None
    _last_report: int = 0
    _last_report_at: float = 0.0

    def take(self, reports: list[Report], now: float, clock: int) -> None:
        """What the far end says came at `now` (seconds since 1970)."""
        for report in reports:
            self.received_reports += 1
            if report.sender is not None:
                self._last_report, self._last_report_at = middle(report.sender.ntp), now
            for block in report.blocks:
                if block.ssrc == self.ssrc:
                    self._take_block(block, now, clock)

    def _take_block(self, block: Block, now: float, clock: int) -> None:
        self.lost_out = max(0, block.lost)
        self.loss_out = block.fraction * 100 // 256
        self.jitter_out.add(block.jitter * 1000 / clock)
        if block.last_report:
            passed = (middle(ntp_of(now)) - block.last_report - block.delay) & 0xFFFFFFFF
            if passed < 30 * SECONDS_16:  # more is a mistake of the far end, or a report of another life
                self.round_trip.add(passed * 1000 / SECONDS_16)

    def tell(self, received: Received | None, sender: SenderInfo | None, now: float, clock: int, name: str) -> bytes:
        """The report that is due at `now`."""
        self.sent_reports += 1
        blocks: tuple[Block, ...] = ()
        if received is not None:
            delay = int((now - self._last_report_at) * SECONDS_16) & 0xFFFFFFFF if self._last_report else 0
            jitter, lost = max(0, received.jitter), received.expected - received.packets
            highest = received.highest & 0xFFFFFFFF
            blocks = (Block(received.ssrc, self._fraction(received), lost, highest, jitter & 0xFFFFFFFF, self._last_report, delay),)
            self.jitter_in.add(jitter * 1000 / clock)
            self._before = received
        return build(self.ssrc, sender, blocks, name)

    def _fraction(self, received: Received) -> int:
        """Share of what should have come since the last report that did not, in 1/256 (RFC 3550 A.3)."""
        before = self._before
        expected = received.expected - (before.expected if before else 0)
        packets = received.packets - (before.packets if before else 0)
        fraction = 0 if expected <= 0 or packets >= expected else min(255, (expected - packets) * 256 // expected)
        self.loss_in = fraction * 100 // 256
        return fraction


def opinion(round_trip: float, jitter: float, loss: float) -> float:
    """Mean opinion score that a listener would give (ITU-T G.107, with what is not measured as usual): ms, ms, percent; 1 to 4.5."""
    delay = round_trip / 2 + 2 * jitter + 20
    factor = 93.2 - delay * 0.024 - max(0.0, delay - 177.3) * 0.11 - 95 * loss / (loss + 10)
    factor = max(0.0, min(factor, 100.0))
    return max(1.0, 1 + 0.035 * factor + factor * (factor - 60) * (100 - factor) * 7e-6)
