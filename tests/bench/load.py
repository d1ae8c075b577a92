"""A load generator: many RTP callers from one socket, in a process of its own, compiled, with real-time priority where that is allowed.

`python -m tests.bench.load SECONDS CODEC ROOM TALKERS CORE COACHES SUITE`, destination ports on standard input (rooms of ROOM in order; the
first TALKERS of each send a tone of their own, the others encoded silence; the first COACHES of all are heard by one other only; SUITE is
how packets are encrypted, `plain`: they are not). Prints
the port it sends from, and at the end one line of JSON. The last second of twelve listeners is kept, and what they heard
is checked.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
import time
from typing import Any

import numpy as np
from numba import types

from hubbub.media import libopus, libsrtp, srtp
from hubbub.media.compiled import kernel
from hubbub.media.libc import DONTWAIT, MONOTONIC, clock_ns, recvfrom, sendto, sleep_until
from tests.support.rtp_peer import ULAW_DECODE, level_of, sine, ulaw

SLOTS = 20
"""Streams are spread over the 20 ms of a frame, as callers are."""
TONES = tuple(320.0 + 30 * n for n in range(97))
LEVEL = 1500.0
PRIORITY = 15
SETTLED = 100
"""Frames after which it is told how long no packet came."""
LONGEST = 400
"""Bytes of the longest frame."""


_i32, _ptr = types.int32, types.uintp
_protect: Any = types.ExternalFunction("srtp_protect", _i32(_ptr, _ptr, _ptr))
_unprotect: Any = types.ExternalFunction("srtp_unprotect", _i32(_ptr, _ptr, _ptr))
srtp.bind()


def key_of(place: int, speaks: bool, suite: str) -> bytes:
    """The key of the caller at a place, of what it says or what it hears."""
    size = libsrtp.SUITES[suite].key_bytes
    return (b"%06d" % (2 * place + speaks) * 8)[:size]


@kernel
def run(
    descriptor: int,
    packets: Any,
    sounds: Any,
    sizes: Any,
    units: int,
    tone_of: Any,
    peers: Any,
    watch: Any,
    kept: Any,
    kept_sizes: Any,
    counts: Any,
    buffer: Any,
    spec: Any,
    mouths: Any,
    ears: Any,
    came: Any,
    gaps: Any,
    ticks: int,
) -> int:
    """Send `ticks` frames on each stream and keep what the watched listeners receive; returns how late the generator was at most (ns)."""
    streams = packets.shape[0]
    begin = clock_ns(MONOTONIC, spec) + 20_000_000
    worst = 0
    for step in range(ticks * SLOTS):
        due = begin + step * 1_000_000
        sleep_until(due, spec)
        worst = max(worst, clock_ns(MONOTONIC, spec) - due)
        frame = step // SLOTS
        for i in range(streams * (step % SLOTS) // SLOTS, streams * (step % SLOTS + 1) // SLOTS):
            packets[i, 2] = frame >> 8 & 255
            packets[i, 3] = frame & 255
            stamp = (frame * units) & 0xFFFFFFFF
            for n in range(4):
                packets[i, 4 + n] = (stamp >> (24 - 8 * n)) & 255
            sound = sounds[tone_of[i], frame % 50]
            length = sizes[tone_of[i], frame % 50]
            for n in range(length):
                packets[i, 12 + n] = sound[n]
            length += 12
            if mouths[i] != 0:
                spec.view(np.int32)[0] = length
                _protect(mouths[i], packets[i].ctypes.data, spec.ctypes.data)
                length = spec.view(np.int32)[0]
            sendto(descriptor, packets[i].ctypes.data, length, DONTWAIT, peers[i].ctypes.data, 16)
        while True:
            size = recvfrom(descriptor, buffer.ctypes.data, 2048, DONTWAIT, buffer.ctypes.data + 2048, buffer.ctypes.data + 2064)
            if size <= 0:
                break
            counts[0] += 1
            port = (int(buffer[2050]) << 8) | int(buffer[2051])
            if frame > SETTLED and came[port] != 0:
                gaps[port] = max(gaps[port], due - came[port])
            came[port] = due
            who = watch[port]
            if who >= 0 and ears[who] != 0:
                spec.view(np.int32)[0] = size
                size = 0 if _unprotect(ears[who], buffer.ctypes.data, spec.ctypes.data) != 0 else spec.view(np.int32)[0]
            if who >= 0 and 12 < size <= 12 + LONGEST:
                at = counts[1 + who] % 50
                kept_sizes[who, at] = size - 12
                for n in range(size - 12):
                    kept[who, at, n] = buffer[12 + n]
                counts[1 + who] += 1
    for i in range(streams):  # who is sent nothing any more has waited until now
        port = (int(peers[i, 2]) << 8) | int(peers[i, 3])
        gaps[port] = max(gaps[port], begin + ticks * 20_000_000 - (came[port] if came[port] != 0 else begin))
    return worst


def sounds_of(codec: str) -> tuple[np.ndarray, np.ndarray]:
    """One second of each tone, and of silence, as 50 frames of at most `LONGEST` bytes, and their sizes."""
    made = []
    for tone in (*TONES, None):
        if codec == "OPUS":
            pcm = np.zeros(16000, np.int16) if tone is None else sine((tone,), rate=16000, amplitude=LEVEL)
            made.append(opus_frames(np.concatenate([pcm, pcm]))[50:])
            continue
        if codec == "G722":
            from G722 import G722

            pcm = np.zeros(16000, np.int16) if tone is None else sine((tone,), rate=16000, amplitude=LEVEL)
            made.append(bytes(G722(16000, 64000).encode(np.concatenate([pcm, pcm])))[8000:])
        else:
            made.append(ulaw(np.zeros(8000, np.int16) if tone is None else sine((tone,), amplitude=LEVEL)))
    frames = [data if isinstance(data, list) else [data[at : at + 160] for at in range(0, 8000, 160)] for data in made]
    sounds = np.zeros((len(frames), 50, LONGEST), np.uint8)
    for n, parts in enumerate(frames):
        for k, part in enumerate(parts):
            sounds[n, k, : len(part)] = np.frombuffer(part, np.uint8)
    return sounds, np.array([[len(part) for part in parts] for parts in frames], np.int64)


def _libopus() -> Any:
    found = libopus.find()
    assert found is not None, libopus.HOW_TO_GET_IT
    return found


def opus_frames(pcm: np.ndarray) -> list[bytes]:
    """Packets of 20 ms (16 kHz), without DTX, as phones send them: 24 kbit/s."""
    library = _libopus()
    state, out, packets = ctypes.create_string_buffer(library.fresh_encoder()), ctypes.create_string_buffer(LONGEST), []
    for at in range(0, len(pcm), 320):
        frame = np.ascontiguousarray(pcm[at : at + 320])
        size = library.handle.opus_encode(state, frame.ctypes.data_as(ctypes.c_void_p), 320, out, LONGEST)
        packets.append(out.raw[:size])
    return packets


def opus_samples(packets: list[bytes]) -> np.ndarray:
    """What a phone hears of them (16 kHz)."""
    library = _libopus()
    state, out, heard = ctypes.create_string_buffer(library.fresh_decoder()), np.zeros(1920, np.int16), []
    for packet in packets:
        count = library.handle.opus_decode(state, packet, len(packet), out.ctypes.data_as(ctypes.c_void_p), 1920, 0)
        heard.append(out[: max(0, count)].copy())
    return np.concatenate(heard)


def heard_right(kept: np.ndarray, sizes: np.ndarray, count: int, codec: str, wanted: list[float], unwanted: list[float]) -> bool:
    """Whether a listener heard every wanted tone at its level, and none of the others."""
    if count < 50:
        return False
    order = (count + np.arange(50)) % 50
    packets = [kept[n, : sizes[n]].tobytes() for n in order]
    data = np.frombuffer(b"".join(packets), np.uint8)
    if codec == "OPUS":
        pcm, rate = opus_samples(packets)[4000:], 16000
    elif codec == "G722":
        from G722 import G722

        pcm, rate = np.asarray(G722(16000, 64000).decode(data.tobytes()), np.int16)[4000:], 16000
    else:
        pcm, rate = ULAW_DECODE[data], 8000
    level = 20 * np.log10(LEVEL / 32768)
    return all(abs(level_of(pcm, tone, rate) - level) < 4 for tone in wanted) and all(
        level_of(pcm, tone, rate) < level - 15 for tone in unwanted
    )


def make_realtime(core: int) -> bool:
    """A core of its own and FIFO priority, else a better nice value."""
    try:
        os.sched_setaffinity(0, {core})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
        return True
    except OSError:
        try:
            os.nice(-11)
        except OSError:
            pass
        return False


def main() -> None:
    ports = [int(word) for word in sys.stdin.read().split()]
    seconds, codec, room, talkers, core = float(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    coaches, suite = int(sys.argv[6]), sys.argv[7]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    for option in (socket.SO_RCVBUF, 33):  # 33: SO_RCVBUFFORCE
        try:
            sock.setsockopt(socket.SOL_SOCKET, option, 64 << 20)
        except OSError:
            pass
    sock.setblocking(False)
    count = len(ports)
    packets = np.zeros((count, 12 + LONGEST + libsrtp.TRAILER), np.uint8)
    packets[:, 0] = 0x80
    packets[:, 1] = {"G722": 9, "OPUS": 96}.get(codec, 0)
    packets[:, 8:12] = np.arange(count, dtype=">u4").view(np.uint8).reshape(-1, 4)
    peers = np.zeros((count, 16), np.uint8)
    peers[:, 0], peers[:, 4:8] = 2, (127, 0, 0, 1)
    peers[:, 2:4] = np.array(ports, ">u2").view(np.uint8).reshape(-1, 2)
    place = np.arange(count)
    tone_of = np.where(place % room < talkers, place % len(TONES), len(TONES))
    chosen = [int(n) for n in np.linspace(0, count - 1, min(12, count)).astype(int)]
    watch = np.full(65536, -1, np.int64)
    watch[np.array(ports)[chosen]] = np.arange(len(chosen))
    kept, kept_sizes, counts = np.zeros((12, 50, LONGEST), np.uint8), np.zeros((12, 50), np.int64), np.zeros(16, np.int64)
    spec, buffer, (sounds, sizes) = np.zeros(2, np.int64), np.zeros(4096, np.uint8), sounds_of(codec)
    units = 960 if codec == "OPUS" else 160
    buffer.view(np.int32)[516] = 16
    mouths, ears, sessions = np.zeros(count, np.int64), np.zeros(16, np.int64), []
    if suite != "plain":
        library = libsrtp.find()
        assert library is not None, libsrtp.HOW_TO_GET_IT
        for n in range(count):
            sessions.append(library.session(suite, key_of(n, True, suite), n))
            mouths[n] = sessions[-1].address
        for index, n in enumerate(chosen):
            sessions.append(library.session(suite, key_of(n, False, suite)))
            ears[index] = sessions[-1].address
    came, gaps = np.zeros(65536, np.int64), np.zeros(65536, np.int64)
    arguments = (
        sock.fileno(),
        packets,
        sounds,
        sizes,
        units,
        tone_of,
        peers,
        watch,
        kept,
        kept_sizes,
        counts,
        buffer,
        spec,
        mouths,
        ears,
        came,
        gaps,
    )
    run(*arguments, 0)
    realtime = make_realtime(core)
    print(sock.getsockname()[1], flush=True)
    began, cpu = time.monotonic(), time.process_time()
    worst = run(*arguments, int(seconds * 50))
    took = time.monotonic() - began
    right = 0
    for index, listener in enumerate(chosen):
        first = listener // room * room
        mates = [n for n in range(max(first, coaches), min(count, first + room)) if n != listener and n % room < talkers]
        if coaches <= listener < 2 * coaches:
            mates.append(listener - coaches)
        tones = {TONES[n % len(TONES)] for n in mates}
        if len(mates) > 20 or len(tones) < len(mates):  # many tones on one frequency, or limited: not told apart
            right += 1
            continue
        others = [tone for tone in TONES[::7] if all(abs(tone - other) > 25 for other in tones)]
        right += heard_right(kept[index], kept_sizes[index], int(counts[1 + index]), codec, sorted(tones), others)
    without = gaps[np.array(ports)] / 1e6
    result = {
        "gap_ms": {"p50": float(np.median(without)), "most": float(without.max())},
        "received": int(counts[0]), "late_ms": worst / 1e6, "cpu": (time.process_time() - cpu) / took, "realtime": realtime,
        "right": right, "watched": len(chosen),
    }  # fmt: skip
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
