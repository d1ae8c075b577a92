"""The bound: a loop that only reads and sends datagrams, one socket per caller, as the engine does; nothing else."""

from __future__ import annotations

import os
import socket
from typing import Any

import numpy as np

from hubbub.media.compiled import kernel
from hubbub.media.libc import DONTWAIT, MONOTONIC, THREAD_CPU, clock_ns, recvfrom, sendto, sleep_until


@kernel
def bare(descriptors: Any, data: Any, peer: Any, spec: Any, ticks: int, reads: int, length: int) -> int:
    """`ticks` rounds of: read each socket until it is empty (at most `reads` times), send one packet; returns the thread's CPU time in ns.

    `length` is that of the address to send to: 0 for sockets that are connected.
    """
    begin = clock_ns(MONOTONIC, spec)
    cpu = clock_ns(THREAD_CPU, spec)
    for tick in range(ticks):
        sleep_until(begin + (tick + 1) * 20_000_000, spec)
        for n in range(descriptors.size):
            for _ in range(reads):
                if recvfrom(descriptors[n], data.ctypes.data, 2048, DONTWAIT, data.ctypes.data + 2048, data.ctypes.data + 2064) < 0:
                    break
        for n in range(descriptors.size):
            sendto(descriptors[n], data.ctypes.data + 3000, 172, DONTWAIT, peer.ctypes.data if length else 0, length)
    return clock_ns(THREAD_CPU, spec) - cpu


class Bare:
    """The sockets of the bare loop."""

    def __init__(self, count: int) -> None:
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        for sock in self.sockets:
            sock.bind(("127.0.0.1", 0))
        self.ports = [sock.getsockname()[1] for sock in self.sockets]

    def run(self, port: int, seconds: float, core: int, *, connected: bool, reads: int = 4) -> float:
        """µs of CPU per socket and tick, on one core with real-time priority where allowed."""
        if connected:
            for sock in self.sockets:
                sock.connect(("127.0.0.1", port))
        length = 0 if connected else 16
        descriptors = np.array([sock.fileno() for sock in self.sockets], np.int32)
        data, spec, peer = np.zeros(4096, np.uint8), np.zeros(2, np.int64), np.zeros(16, np.uint8)
        data.view(np.int32)[516] = 16
        data[3000] = 0x80
        peer[0], peer[4:8] = 2, (127, 0, 0, 1)
        peer[2:4] = port >> 8, port & 255
        bare(descriptors, data, peer, spec, 0, reads, length)
        before = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {core})
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
        except OSError:
            pass
        ticks = int(seconds * 50)
        spent = bare(descriptors, data, peer, spec, ticks, reads, length)
        try:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        except OSError:
            pass
        os.sched_setaffinity(0, before)
        return spent / ticks / len(self.sockets) / 1000

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()
