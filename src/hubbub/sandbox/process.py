"""The server's end of the sandbox: a request, and its reply within a bounded time."""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WALL_SECONDS = 3.0
"""For a machine so busy that the child does not get the CPU time that it may use."""
INTERRUPTED = "interrupted: it takes too long"


class SandboxFailed(Exception):
    """JavaScript that has no value, and why."""


class Sandbox:
    """Starts its process when it is needed, and again when it died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def evaluate(self, text: str, names: Mapping[str, Any], seconds: float) -> str | bool | None:
        """The value of `text` with these global names (JSON values) within `seconds` of the engine's clock. Raises SandboxFailed."""
        request = json.dumps({"text": text, "names": names, "seconds": seconds}, default=str).encode() + b"\n"
        with self._lock:
            line = self._ask(request)
        if not line:
            raise SandboxFailed(INTERRUPTED)
        reply = json.loads(line)
        if "error" in reply:
            raise SandboxFailed(str(reply["error"]))
        value: str | bool | None = reply["value"]
        return value

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end()

    def _ask(self, request: bytes) -> bytes:
        """The reply; nothing when the process ended over it, or could not start."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(request)
            process.stdin.flush()
        except OSError:
            self._end()
            return b""
        reply, deadline = bytearray(), time.monotonic() + WALL_SECONDS
        while not reply.endswith(b"\n"):
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([process.stdout], [], [], left)[0]
            piece = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
            if not piece:
                self._end()
                return b""
            reply += piece
        return bytes(reply)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(Path(__file__).with_name("worker.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in a terminal is the server's business
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    pass  # what it was sent is not read any more
