"""Datagrams in and out of a leg's socket, with as few system calls as will do.

Most of what a caller costs is the kernel's UDP path. A socket that is connected to its peer saves the kernel the way there and the look
who it is from; a socket that gave its packet is not asked again whether there is another, except now and then.
"""

from __future__ import annotations

from hubbub.media import srtp
from hubbub.media.compiled import kernel
from hubbub.media.counters import C_DIGITS, C_OCTETS, C_RECEIVED, C_SENT, H_RECEIVED, H_SEND_ERRORS, H_SENT
from hubbub.media.desk import RECEIVE_BYTES, Desk
from hubbub.media.layout import Engine
from hubbub.media.libc import DONTWAIT, connect, recvfrom, sendto
from hubbub.media.messages import KEY
from hubbub.media.rtp import UNLATCH, drop, ingest, source_number
from hubbub.media.signals import tell

READS = 4
"""Datagrams read per socket and tick at most: catches up after a pause, and is the flood protection."""
DRAIN = 4
"""Ticks after which a socket is read until it is empty though nothing was missing."""


@kernel
def open_descriptor(engine: Engine, desk: Desk, leg: int) -> int:
    """The descriptor of a leg's socket in this process, or -1."""
    mine = desk.descriptor_generation[leg] == engine.slots[leg].generation
    return int(desk.descriptor[leg]) if mine else -1


@kernel
def _plug(engine: Engine, desk: Desk, leg: int, descriptor: int, tick: int) -> None:
    """Keep the socket connected to the peer it is latched to, while nobody else may speak (docs/media.md 3)."""
    links = engine.links
    latched = links[leg].latched
    wanted = latched
    if not links[leg].may_plug or tick - links[leg].last_heard > UNLATCH or tick < links[leg].plug_after:
        wanted = 0
    if latched != links[leg].signalled and tick - links[leg].latched_at <= UNLATCH:
        wanted = 0
    if wanted == links[leg].plugged:
        return
    desk.spec[0] = 0
    desk.spec[1] = 0
    failed = connect(descriptor, desk.spec.ctypes.data if wanted == 0 else links[leg].peer.ctypes.data, 16) < 0
    links[leg].plugged = 0 if failed else wanted
    if failed:
        links[leg].plug_after = tick + UNLATCH


@kernel
def receive_leg(engine: Engine, desk: Desk, worker: int, leg: int, tick: int) -> None:
    """Read what waits at a leg's socket: as much as came last time, or all of it when something was missing, and now and then anyway."""
    descriptor = open_descriptor(engine, desk, leg)
    if descriptor < 0:
        return
    _plug(engine, desk, leg, descriptor, tick)
    data = desk.receive.ctypes.data
    address = desk.source.ctypes.data
    length = desk.source_length.ctypes.data
    drain = desk.pace[leg] == 0 or (tick + leg) % DRAIN == 0
    most = READS if drain else min(desk.pace[leg], READS)
    count = 0
    while count < most:
        desk.source_length[0] = 16
        size = recvfrom(descriptor, data, RECEIVE_BYTES, DONTWAIT, address, length)
        if size < 0:
            break
        count += 1
        engine.wires[worker].header[H_RECEIVED] += 1
        source = source_number(desk.source)
        if engine.ciphers[leg].suite != 0:
            size = srtp.unseal(engine, desk, leg, desk.receive, size)
            if size < 0:
                engine.links[leg].counters[C_RECEIVED] += 1
                drop(engine.wires, worker, engine.links, leg, -1 - size)
                continue
        key = ingest(engine.wires, worker, engine.links, engine.jitter, engine.keys, leg, desk.receive, size, source, tick)
        if key >= 0:
            engine.links[leg].counters[C_DIGITS] += 1
            tell(engine.wires, worker, KEY, leg, engine.slots[leg].generation, key)
    # After a full read that found more than fits, or too little, the next one is a full one too.
    if drain:
        desk.pace[leg] = count % READS
    elif count < most:
        desk.pace[leg] = 0


@kernel
def send(engine: Engine, desk: Desk, worker: int, leg: int, size: int) -> None:
    """Send the first `size` bytes of the leg's packet."""
    descriptor = open_descriptor(engine, desk, leg)
    if descriptor < 0:
        return
    links = engine.links
    plugged = links[leg].plugged > 0
    octets = size - 12
    packet = links[leg].packet.ctypes.data
    if engine.ciphers[leg].suite != 0:
        packet = desk.srtp_packet.ctypes.data
        size = srtp.seal(engine, desk, leg, size)
        if size == 0:
            engine.wires[worker].header[H_SEND_ERRORS] += 1
            return
    peer = links[leg].peer.ctypes.data
    sent = sendto(descriptor, packet, size, DONTWAIT, 0 if plugged else peer, 0 if plugged else 16)
    if sent != size and plugged:  # what a connected socket says first is that an earlier packet was refused
        sent = sendto(descriptor, packet, size, DONTWAIT, 0, 0)
    if sent == size:
        links[leg].counters[C_SENT] += 1
        links[leg].counters[C_OCTETS] += octets
        engine.wires[worker].header[H_SENT] += 1
    else:
        engine.wires[worker].header[H_SEND_ERRORS] += 1
