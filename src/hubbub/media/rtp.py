"""RTP in and out of a leg: checks, source latch, SSRC lock, framing (RFC 3550, RFC 3551, RFC 4961)."""

from __future__ import annotations

from hubbub.media import dtmf, opus
from hubbub.media.compiled import kernel
from hubbub.media.counters import (
    C_ACCEPTED,
    C_BAD_SOURCE,
    C_BAD_SSRC,
    C_DROPPED,
    C_DUPLICATE,
    C_FIRST,
    C_HIGHEST,
    C_JITTER,
    C_LATE,
    C_RECEIVED,
    C_RESTARTS,
    DROP_DUPLICATE,
    DROP_EVENT,
    DROP_FAR,
    DROP_LATE,
    DROP_MALFORMED,
    DROP_OVERSIZE,
    DROP_PAYLOAD_TYPE,
    DROP_RTCP,
    DROP_SEQUENCE,
    DROP_SHORT,
    DROP_SOURCE,
    DROP_SSRC,
    DROP_UNWANTED,
    DROP_VERSION,
)
from hubbub.media.jitter import DUPLICATE, FAR, LATE, calm, follow, restart, store
from hubbub.media.layout import (
    CODEC_BYTES,
    CODEC_CLOCK,
    CODECS,
    LONGEST_PACKET,
    NARROW,
    OPUS,
    PACKET_BYTES,
    REPORT_BYTES,
    Array,
    Jitter,
    Keys,
    Links,
    Wires,
)
from hubbub.media.libc import fence
from hubbub.media.rows import copy

PROBATION = 2
"""Packets in order that a new SSRC or a new sequence must show before it is believed (RFC 3550 A.1)."""
STILL = 5
"""Ticks (100 ms) of silence of a stream before another from its source is believed: what is slipped in beside it is not heard."""
MISORDER = 100
"""How far a sequence number may jump (RFC 3550 A.1)."""
UNLATCH = 250
"""Ticks (5 s) of silence after which another source may take over (a NAT that forgot)."""
COMFORT_NOISE = 13

AUDIO = -1
NOTHING = -2


@kernel
def source_number(address: Array) -> int:
    """An IPv4 socket address (`sockaddr_in`) as one number: address, then 16 bits of port."""
    host = (int(address[4]) << 24) | (int(address[5]) << 16) | (int(address[6]) << 8) | int(address[7])
    return (host << 16) | (int(address[2]) << 8) | int(address[3])


@kernel
def write_peer(links: Links, leg: int, source: int) -> None:
    """Make `source` the address that the leg sends to."""
    links[leg].peer[0] = 2  # AF_INET, little endian as on every supported processor
    links[leg].peer[1] = 0
    for n in range(6):
        links[leg].peer[2 + n] = (source >> (8 - 8 * n) if n < 2 else source >> (40 - 8 * (n - 2))) & 255


@kernel
def drop(wires: Wires, worker: int, links: Links, leg: int, reason: int) -> int:
    """Count a datagram that is not used, and why."""
    wires[worker].dropped[reason] += 1
    links[leg].counters[C_DROPPED] += 1
    return NOTHING


@kernel
def _payload(data: Array, size: int) -> int:
    """First byte of the payload and its length (as start << 16 | length), or -1 when header or padding do not fit (RFC 3550 5.1)."""
    start = 12 + 4 * (data[0] & 15)
    if data[0] & 0x10:
        if size < start + 4:
            return -1
        start += 4 + 4 * ((int(data[start + 2]) << 8) | int(data[start + 3]))
    length = size - start
    if length <= 0:
        return -1
    if data[0] & 0x20:
        padding = int(data[size - 1])
        if padding == 0 or padding >= length:
            return -1
        length -= padding
    return int((start << 16) | length)


@kernel
def _source_ok(links: Links, jitter: Jitter, leg: int, source: int, tick: int) -> bool:
    """Latch onto the first source; afterwards only it, the signalled address, or, after silence, another one."""
    if links[leg].latched == source:
        return True
    new = links[leg].latched == 0 or source == links[leg].signalled or tick - links[leg].last_heard > UNLATCH
    if not new or (source == links[leg].former and source != links[leg].signalled):
        return False
    if links[leg].latched != 0:
        links[leg].locked = 0
        restart(jitter, leg)
    links[leg].latched = source
    links[leg].latched_at = tick
    write_peer(links, leg, source)
    return True


@kernel
def _probe(links: Links, leg: int, ssrc: int, sequence: int) -> bool:
    """Count a packet of an unknown stream; True when it has shown enough in order."""
    if links[leg].probe_ssrc == ssrc and sequence == (links[leg].probe_sequence + 1) & 0xFFFF:
        links[leg].probes += 1
    else:
        links[leg].probe_ssrc = ssrc
        links[leg].probes = 1
        links[leg].kept_length = 0
    links[leg].probe_sequence = sequence
    return bool(links[leg].probes >= PROBATION)


@kernel
def _lock(links: Links, leg: int, ssrc: int, sequence: int) -> None:
    links[leg].locked = 1
    links[leg].ssrc = ssrc
    links[leg].probes = 0
    links[leg].probe_ssrc = -1
    links[leg].highest = 65536 + sequence
    if links[leg].counters[C_FIRST] == 0:
        links[leg].counters[C_FIRST] = 65536 + sequence
    else:  # a new stream: what was lost before stays counted
        gone = links[leg].counters[C_HIGHEST] - links[leg].counters[C_FIRST]
        links[leg].counters[C_FIRST] = 65536 + sequence - gone - 1
    links[leg].counters[C_HIGHEST] = 65536 + sequence


@kernel
def _stream_ok(links: Links, jitter: Jitter, leg: int, ssrc: int, sequence: int, tick: int) -> int:
    """0 when the packet belongs to the locked stream, or the reason to drop it. Extends the sequence number."""
    if not links[leg].locked:
        restart(jitter, leg)
        _lock(links, leg, ssrc, sequence)
        return 0
    highest = links[leg].highest
    step = ((sequence - highest + 0x8000) & 0xFFFF) - 0x8000
    same = ssrc == links[leg].ssrc
    if same and -MISORDER < step < MISORDER:
        if step > 0:
            links[leg].highest = highest + step
            links[leg].counters[C_HIGHEST] += step
        links[leg].probes = 0
        return 0
    if _probe(links, leg, ssrc, sequence) and tick - links[leg].last_heard >= STILL:
        follow(jitter, leg)
        _lock(links, leg, ssrc, sequence)
        links[leg].counters[C_RESTARTS] += 1
        return 0
    if same:
        return DROP_SEQUENCE
    links[leg].counters[C_BAD_SSRC] += 1
    return DROP_SSRC


@kernel
def _keep(links: Links, leg: int, data: Array, start: int, length: int, time: int) -> None:
    """Keep the newest packet of a stream that is not believed yet: if the next one is, it is played before that."""
    if links[leg].receives:
        copy(links[leg].kept, 0, data, start, length)
        links[leg].kept_time = time
        links[leg].kept_length = length


@kernel
def _bring_back(wires: Wires, worker: int, links: Links, jitter: Jitter, leg: int, sequence: int, codec: int) -> None:
    """Play the packet that was kept before `sequence`, and count it as one that was used."""
    length = int(links[leg].kept_length)
    links[leg].kept_length = 0
    if length == 0:
        return
    store(jitter, leg, (sequence - 1) & 0xFFFF, int(links[leg].kept_time), links[leg].kept, 0, length, codec)
    links[leg].counters[C_FIRST] -= 1
    links[leg].counters[C_ACCEPTED] += 1
    links[leg].counters[C_DROPPED] -= 1


@kernel
def _jitter_of(links: Links, leg: int, time: int, now: int) -> None:
    """Interarrival jitter of RFC 3550 6.4.1, in 1/16 units of 8 kHz; `now` in those units, known to a tick."""
    clock = CODEC_CLOCK[links[leg].codec]
    transit = now * clock - time
    if links[leg].transit != 0:
        change = abs(((transit - links[leg].transit + 0x80000000) & 0xFFFFFFFF) - 0x80000000)
        change //= clock
        if change < 80000:
            links[leg].counters[C_JITTER] += change - ((links[leg].counters[C_JITTER] + 8) >> 4)
    links[leg].transit = transit


@kernel
def _post(links: Links, leg: int, data: Array, size: int, source: int, tick: int) -> bool:
    """Leave a report for the server, one at a time, where both sides said that it comes to this port (RFC 5761)."""
    mine = source == links[leg].latched or source == links[leg].signalled
    if not links[leg].muxed or not mine or size > REPORT_BYTES or links[leg].report_bytes != 0:
        return False
    copy(links[leg].report, 0, data, 0, size)
    links[leg].report_tick = tick
    fence()
    links[leg].report_bytes = size
    return True


@kernel
def ingest(
    wires: Wires, worker: int, links: Links, jitter: Jitter, keys: Keys, leg: int, data: Array, size: int, source: int, tick: int
) -> int:
    """Take one datagram `data[:size]` from `source`.

    Returns the key that was pressed (0-15), AUDIO when a packet was stored, NOTHING otherwise. Every index is checked before it is used:
    `data` may hold anything.
    """
    links[leg].counters[C_RECEIVED] += 1
    if size < 12:
        return drop(wires, worker, links, leg, DROP_SHORT)
    if data[0] & 0xC0 != 0x80:
        return drop(wires, worker, links, leg, DROP_VERSION)
    if 192 <= data[1] <= 223:  # RFC 5761 4
        if _post(links, leg, data, size, source, tick):
            return NOTHING
        return drop(wires, worker, links, leg, DROP_RTCP)
    if size > PACKET_BYTES:
        return drop(wires, worker, links, leg, DROP_OVERSIZE)
    place = _payload(data, size)
    if place < 0:
        return drop(wires, worker, links, leg, DROP_MALFORMED)
    kind = int(data[1] & 0x7F)
    event = kind == links[leg].event_type
    if not links[leg].connected or not (event or kind == links[leg].payload_type or kind == COMFORT_NOISE):
        return drop(wires, worker, links, leg, DROP_PAYLOAD_TYPE)
    if not _source_ok(links, jitter, leg, source, tick):
        links[leg].counters[C_BAD_SOURCE] += 1
        return drop(wires, worker, links, leg, DROP_SOURCE)
    sequence = (int(data[2]) << 8) | int(data[3])
    ssrc = (int(data[8]) << 24) | (int(data[9]) << 16) | (int(data[10]) << 8) | int(data[11])
    time = (int(data[4]) << 24) | (int(data[5]) << 16) | (int(data[6]) << 8) | int(data[7])
    start = place >> 16
    length = place & 0xFFFF
    codec = links[leg].codec
    restarts = links[leg].counters[C_RESTARTS]
    reason = _stream_ok(links, jitter, leg, ssrc, sequence, tick)
    if reason != 0:
        if kind == links[leg].payload_type and not (codec == OPUS and opus.units_of(data, start, length) == 0):
            _keep(links, leg, data, start, length, time)
        return drop(wires, worker, links, leg, reason)
    if links[leg].counters[C_RESTARTS] != restarts:
        _bring_back(wires, worker, links, jitter, leg, sequence, codec)
    links[leg].last_heard = tick
    links[leg].quiet_said = 0
    links[leg].counters[C_ACCEPTED] += 1
    if event:
        key = dtmf.receive(keys, leg, time, data, start, length, CODEC_CLOCK[links[leg].codec])
        if key == dtmf.MALFORMED:
            return drop(wires, worker, links, leg, DROP_EVENT)
        return key
    if kind == COMFORT_NOISE:
        calm(jitter, leg, time, int(data[start]) & 127)
        return NOTHING
    if not links[leg].receives:
        return drop(wires, worker, links, leg, DROP_UNWANTED)
    if length < CODEC_BYTES[codec] or (codec == OPUS and opus.units_of(data, start, length) == 0):
        return drop(wires, worker, links, leg, DROP_MALFORMED)
    _jitter_of(links, leg, time, tick * NARROW)
    result = store(jitter, leg, sequence, time, data, start, length, codec)
    if result == LATE:
        links[leg].counters[C_LATE] += 1
        return drop(wires, worker, links, leg, DROP_LATE)
    if result == DUPLICATE:
        links[leg].counters[C_DUPLICATE] += 1
        links[leg].counters[C_ACCEPTED] -= 1
        return drop(wires, worker, links, leg, DROP_DUPLICATE)
    if result == FAR:
        return drop(wires, worker, links, leg, DROP_FAR)
    return AUDIO


@kernel
def write_header(links: Links, leg: int, kind: int, mark: int, time: int) -> None:
    """Write the header of the leg's next packet and count its sequence number on."""
    packet = links[leg].packet
    sequence = links[leg].out_sequence
    ssrc = links[leg].out_ssrc
    packet[0] = 0x80
    packet[1] = (kind & 0x7F) | (mark << 7)
    packet[2] = (sequence >> 8) & 255
    packet[3] = sequence & 255
    for n in range(4):
        packet[4 + n] = (time >> (24 - 8 * n)) & 255
        packet[8 + n] = (ssrc >> (24 - 8 * n)) & 255
    links[leg].out_sequence = sequence + 1  # never cut to 16 bits: what is above them is the rollover counter (RFC 3711 3.3.1)


@kernel
def pass_time(links: Links, leg: int, ticks: int) -> None:
    """Count the clock of what is sent on."""
    links[leg].out_time = (links[leg].out_time + ticks * NARROW * CODEC_CLOCK[links[leg].codec]) & 0xFFFFFFFF


@kernel
def appended(links: Links, leg: int, count: int) -> None:
    """A frame of `count` bytes lies behind what waits to be sent."""
    links[leg].out_length += count
    pass_time(links, leg, 1)


@kernel
def packet_bytes(codec: int, ptime: int) -> int:
    """Payload bytes of a packet of `ptime` eighths of a millisecond."""
    return int(ptime * CODEC_CLOCK[codec] * CODEC_BYTES[codec])


@kernel
def packet_ok(codec: int, ptime: int) -> bool:
    """Whether packets of `ptime` (eighths of a millisecond) of a codec can be made."""
    if not (0 <= codec < CODECS and 80 <= ptime <= 480):
        return False
    return bool(codec == OPUS or packet_bytes(codec, ptime) <= LONGEST_PACKET)


@kernel
def next_packet(links: Links, leg: int) -> int:
    """Write the header when a whole packet waits; return its size, or 0."""
    codec = links[leg].codec
    size = packet_bytes(codec, links[leg].ptime)
    if links[leg].out_length < size:
        return 0
    time = links[leg].out_time - links[leg].out_length // CODEC_BYTES[codec]
    write_header(links, leg, links[leg].payload_type, links[leg].out_mark, time & 0xFFFFFFFF)
    links[leg].out_mark = 0
    return 12 + size


@kernel
def packet_sent(links: Links, leg: int) -> None:
    """Take the packet that was sent away and move the rest to the front."""
    size = packet_bytes(links[leg].codec, links[leg].ptime)
    rest = links[leg].out_length - size
    copy(links[leg].packet, 12, links[leg].packet, 12 + size, rest)
    links[leg].out_length = rest
