"""Words of the counters: of a worker (its header, and why datagrams were dropped) and of a leg."""

from __future__ import annotations

from typing import Final

# Header words of a worker.
H_TICK: Final = 0
H_STOP: Final = 1
H_EPOCH: Final = 2
H_REALTIME: Final = 3
H_LATE: Final = 4
H_LATE_MAX_NS: Final = 5
H_SKIPPED: Final = 6
H_BAD_COMMANDS: Final = 7
H_BUSY_NS: Final = 8
H_RUNS: Final = 9
H_RECEIVED: Final = 10
H_SENT: Final = 11
H_EVENTS_LOST: Final = 12
H_REPAIRED: Final = 13
H_SEND_ERRORS: Final = 14
H_RECEIVE_NS: Final = 24
"""Of the busy time, what went into reading sockets: an estimate, by one leg in 64."""
HEADER_WORDS: Final = 32
TIMES: Final = 4096
"""Ticks whose durations are kept, for percentiles."""

# Why a datagram was dropped: words of `Counters.dropped` (per worker).
DROP_SHORT: Final = 0
DROP_VERSION: Final = 1
DROP_RTCP: Final = 2
DROP_MALFORMED: Final = 3
DROP_PAYLOAD_TYPE: Final = 4
DROP_SOURCE: Final = 5
DROP_SSRC: Final = 6
DROP_LATE: Final = 7
DROP_DUPLICATE: Final = 8
DROP_FAR: Final = 9
DROP_UNWANTED: Final = 10
DROP_EVENT: Final = 11
DROP_OVERSIZE: Final = 12
DROP_SEQUENCE: Final = 13
DROP_FORGED: Final = 14
DROP_REPLAYED: Final = 15
DROP_EXPIRED: Final = 16
REASONS: Final = 32
DROPS: Final = (
    "short", "version", "rtcp", "malformed", "payload_type", "source", "ssrc", "late", "duplicate", "far", "unwanted", "event", "oversize",
    "sequence", "forged", "replayed", "expired",
)  # fmt: skip

# Words of a leg's counters.
C_RECEIVED: Final = 0
C_SENT: Final = 1
C_LATE: Final = 2
C_DUPLICATE: Final = 3
C_BAD_SOURCE: Final = 4
C_BAD_SSRC: Final = 5
C_UNDERRUNS: Final = 6
C_FIRST: Final = 7
C_HIGHEST: Final = 8
C_ACCEPTED: Final = 9
C_JITTER: Final = 10
C_DROPPED: Final = 11
C_DIGITS: Final = 12
C_RESTARTS: Final = 13
C_SLIPS: Final = 14
C_CONCEALED: Final = 15
C_OCTETS: Final = 16
COUNTER_WORDS: Final = 20
