"""The 20 ms beat: one thread for all phones of the process. It sends what mouths say and gathers what ears hear."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from hubbub.media.rtcp import Received, Reception, RtcpError, parse
from hubbub.testing.ear import RATE, Ear
from hubbub.testing.mouth import Mouth
from hubbub.testing.srtp import Cipher

PERIOD: Final = 0.020
SAMPLES: Final = 160
CATCH_UP: Final = 0.2
"""Seconds of delay that are sent late; what is beyond is left out, as a sound card would."""
_TIMESTAMP: Final = 35  # SO_TIMESTAMPNS, Linux: when the kernel got the packet, however late this thread is
_ANCILLARY: Final = socket.CMSG_SPACE(16)
_BUFFER: Final = 1 << 20


@dataclass
class Line:
    """One call's socket with its mouth and ear. `lock` guards both; `remote` is None until it is known."""

    socket: socket.socket
    mouth: Mouth
    ear: Ear
    remote: tuple[str, int] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    reception: Reception | None = None
    """What reports said, once one came."""
    cipher: Cipher | None = None
    """How packets are encrypted, once that is agreed on."""

    @classmethod
    def open(cls, host: str, mouth: Mouth) -> Line:
        """Bind a free UDP port on `host`."""
        opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind((host, 0))
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        try:
            opened.setsockopt(socket.SOL_SOCKET, _TIMESTAMP, 1)
        except OSError:
            pass  # arrival is then when the thread looks
        return cls(opened, mouth, Ear(time.monotonic()))

    @property
    def local(self) -> tuple[str, int]:
        """Address and port for SDP."""
        name = self.socket.getsockname()
        return name[0], name[1]

    def send(self, skipped: int) -> None:
        """One beat of sending."""
        with self.lock:
            if skipped:
                self.mouth.skip(skipped)
            packets = self.mouth.advance(SAMPLES)
            remote, cipher = self.remote, self.cipher
            if cipher is not None:
                packets = [cipher.protect(packet) for packet in packets]
        if remote is None:
            return
        for packet in packets:
            try:
                self.socket.sendto(packet, remote)
            except OSError:
                pass  # the other side's port is gone, or its buffer full: the network loses packets too

    def receive(self, real_to_monotonic: float) -> None:
        """Take everything that came."""
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(2048, _ANCILLARY)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP answer to something sent: the packets behind it are still there
            at = time.monotonic()
            if ancillary and len(ancillary[0][2]) >= 16:
                seconds, nanoseconds = struct.unpack_from("=qq", ancillary[0][2])
                at = seconds + nanoseconds * 1e-9 + real_to_monotonic
            with self.lock:
                plain = data if self.cipher is None else self.cipher.unprotect(data)
                if plain is None:
                    continue
                data = plain
                self.ear.receive(data, at)
                if len(data) > 1 and 192 <= data[1] <= 223 and self.remote is not None:
                    self._report(data, at - real_to_monotonic)

    def _report(self, data: bytes, at: float) -> None:
        """Answer a report that came `at` (seconds since 1970) with one of our own, at once."""
        self.reception = self.reception or Reception(self.mouth.ssrc)
        ear = self.ear
        try:
            self.reception.take(parse(data), at, RATE)
        except RtcpError:
            ear.strange += 1
            return
        received = Received(ear.ssrcs[-1], len(ear.arrivals), len(ear.arrivals), len(ear.arrivals) + ear.lost, 0) if ear.ssrcs else None
        report = self.reception.tell(received, None, time.time(), RATE, "phone")
        try:
            self.socket.sendto(report if self.cipher is None else self.cipher.protect(report), self.remote or ("", 0))
        except OSError:
            pass


class Beat:
    """The thread. It starts with the first line and ends with the last."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.worst_delay = 0.0
        self.skipped = 0

    def add(self, line: Line) -> None:
        """Serve `line` from the next beat on."""
        with self._lock:
            self._lines = [*self._lines, line]
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="phones", daemon=True)
                self._thread.start()

    def remove(self, line: Line) -> None:
        """Forget `line` and close its socket (in the thread, so that it is never closed while in use)."""
        with self._lock:
            self._lines = [other for other in self._lines if other is not line]
        with line.lock:
            line.remote = None

    def _run(self) -> None:
        _hurry()
        due = time.monotonic()
        served: list[Line] = []
        while True:
            delay = time.monotonic() - due
            if delay < 0:
                time.sleep(-delay)
                delay = 0.0
            self.worst_delay = max(self.worst_delay, delay)
            missed = int((delay - CATCH_UP) / PERIOD) + 1 if delay > CATCH_UP else 0
            self.skipped += missed
            due += missed * PERIOD
            with self._lock:
                lines = self._lines
                if not lines and not served:
                    self._thread = None
                    return
            gone = [line for line in served if line not in lines] if served is not lines else []
            for line in gone:
                line.socket.close()
            served = lines
            self._serve(lines, missed * SAMPLES)
            due += PERIOD

    @staticmethod
    def _serve(lines: list[Line], skipped: int) -> None:
        for line in lines:
            line.send(skipped)
        real_to_monotonic = time.monotonic() - time.time()
        for line in lines:
            line.receive(real_to_monotonic)


def _hurry() -> None:
    """Ask for a better place in the queue; without the right to it, go on as we are."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (OSError, AttributeError):
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -5)
        except OSError:
            pass


BEAT: Final = Beat()
"""The beat of this process."""
