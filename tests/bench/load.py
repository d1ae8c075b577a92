"""A load generator for the media plane: many streams from one socket, in a process of its own, compiled.

`python -m tests.bench.load SECONDS`, destination ports on standard input; prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from typing import Any

import numpy as np

from hubbub.media.compiled import kernel
from hubbub.media.libc import DONTWAIT, MONOTONIC, clock_ns, recvfrom, sendto, sleep_until

SLOTS = 20
"""Streams are spread over the 20 ms of a frame, as callers are."""


@kernel
def run(descriptor: int, packets: Any, tones: Any, peers: Any, seen: Any, buffer: Any, spec: Any, ticks: int) -> int:
    """Send `ticks` frames on each stream and count what comes back, by SSRC; returns how late the generator itself was at most (ns)."""
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
            stamp = frame * 160
            for n in range(4):
                packets[i, 4 + n] = (stamp >> (24 - 8 * n)) & 255
            for n in range(160):
                packets[i, 12 + n] = tones[i % tones.shape[0], (frame % 50) * 160 + n]
            sendto(descriptor, packets[i].ctypes.data, 172, DONTWAIT, peers[i].ctypes.data, 16)
        while True:
            size = recvfrom(descriptor, buffer.ctypes.data, 2048, DONTWAIT, 0, 0)
            if size <= 0:
                break
            seen[0] += 1
            if size == 172:
                seen[1] += 1
    return worst


def main() -> None:
    ports = [int(word) for word in sys.stdin.read().split()]
    seconds = float(sys.argv[1])
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    for option in (socket.SO_RCVBUF, 33):  # 33: SO_RCVBUFFORCE
        try:
            sock.setsockopt(socket.SOL_SOCKET, option, 32 << 20)
        except OSError:
            pass
    sock.setblocking(False)
    try:
        os.nice(-11)  # the generator's own lateness must not be taken for the server's
    except OSError:
        pass
    packets = np.zeros((len(ports), 172), np.uint8)
    packets[:, 0] = 0x80
    packets[:, 8:12] = np.arange(len(ports), dtype=">u4").view(np.uint8).reshape(-1, 4)
    peers = np.zeros((len(ports), 16), np.uint8)
    peers[:, 0], peers[:, 4:8] = 2, (127, 0, 0, 1)
    peers[:, 2:4] = np.array(ports, ">u2").view(np.uint8).reshape(-1, 2)
    from tests.support.rtp_peer import sine, ulaw

    tones = np.stack([np.frombuffer(ulaw(sine((300.0 + 7 * n,), amplitude=3000)), np.uint8) for n in range(97)])
    seen = np.zeros(4, np.int64)
    spec, buffer = np.zeros(2, np.int64), np.zeros(2048, np.uint8)
    run(sock.fileno(), packets, tones, peers, np.zeros(4, np.int64), buffer, spec, 0)
    print(sock.getsockname()[1], flush=True)
    began, cpu = time.monotonic(), time.process_time()
    worst = run(sock.fileno(), packets, tones, peers, seen, buffer, spec, int(seconds * 50))
    took = time.monotonic() - began
    result = {"received": int(seen[0]), "late_ms": worst / 1e6, "cpu": (time.process_time() - cpu) / took, "seconds": took}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
