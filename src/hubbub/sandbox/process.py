"""The server's end of the sandbox: a request, and its reply within a bounded time."""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hubbub.child import PipedChild

WALL_SECONDS = 3.0
"""For a machine so busy that the child does not get the CPU time that it may use."""
CPU_SECONDS = 0.15
"""What a request took that ended its process (`worker.CPU_SECONDS`)."""
INTERRUPTED = "interrupted: it takes too long"


class SandboxFailed(Exception):
    """JavaScript that has no value, and why."""


class SandboxUnavailable(SandboxFailed):
    """It could not be asked at all: nothing is known of the JavaScript."""


def _nobody(seconds: float) -> None:
    """Nobody counts."""


class Sandboxes:
    """One sandbox for each thread that asks."""

    def __init__(self) -> None:
        self._of = threading.local()

    def evaluate(self, text: str, names: Mapping[str, Any], seconds: float, spend: Callable[[float], None] = _nobody) -> str | bool | None:
        """As a Sandbox does."""
        if not hasattr(self._of, "thread"):
            self._of.thread = Sandbox()
        found: Sandbox = self._of.thread
        return found.evaluate(text, names, seconds, spend)


class Sandbox:
    """Starts its process when it is needed, and again when it died; that ends with its input, when the server does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child = PipedChild([sys.executable, "-I", str(Path(__file__).with_name("worker.py"))])

    def evaluate(self, text: str, names: Mapping[str, Any], seconds: float, spend: Callable[[float], None] = _nobody) -> str | bool | None:
        """The value of `text` with these global names (JSON values) within `seconds` of the engine's clock. Raises SandboxFailed.

        `spend` is told the CPU seconds that it took, also where it failed.
        """
        request = json.dumps({"text": text, "names": names, "seconds": seconds}, default=str).encode() + b"\n"
        with self._lock:
            try:
                line = self._ask(request)
            except OSError as error:
                self._child.end()
                raise SandboxUnavailable(f"the sandbox could not be asked: {error.strerror}") from error
            if not line:
                self._child.end()
                spend(CPU_SECONDS)
                raise SandboxFailed(INTERRUPTED)
        reply = json.loads(line)
        spend(reply["seconds"])
        if "error" in reply:
            raise SandboxFailed(str(reply["error"]))
        value: str | bool | None = reply["value"]
        return value

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._child.end()

    def _ask(self, request: bytes) -> bytes:
        """The reply; nothing when the process ended over it or time is up. OSError when it cannot be started or does not read."""
        asked, answers = (pipe.fileno() for pipe in self._child.pipes())
        os.set_blocking(asked, False)
        deadline = time.monotonic() + WALL_SECONDS
        while request:
            if not _ready(asked, select.POLLOUT, deadline):
                return b""
            request = request[os.write(asked, request) :]
        reply = bytearray()
        while not reply.endswith(b"\n"):
            piece = os.read(answers, 1 << 16) if _ready(answers, select.POLLIN, deadline) else b""
            if not piece:
                return b""
            reply += piece
        return bytes(reply)


def _ready(descriptor: int, what: int, deadline: float) -> bool:
    """Whether a pipe can be used before the time is up; poll, since a busy server has more files than `select` knows."""
    poll = select.poll()
    poll.register(descriptor, what)
    left = deadline - time.monotonic()
    return left > 0 and bool(poll.poll(left * 1000))
