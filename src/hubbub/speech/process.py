"""The server's end of the speech process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import numpy as np
from numpy.typing import NDArray


class EngineFailed(Exception):
    """An engine gave no audio; the next one is used."""


class SpeechProcess:
    """Starts the speech process when it is needed, and again when it died. Called from a worker thread, one request at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def say(self, engine: str, text: str, language: str) -> tuple[NDArray[np.float32], int]:
        """Audio and its rate; EngineFailed when the engine failed, looped or crashed."""
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps({"engine": engine, "language": language, "text": text}).encode() + b"\n")
                process.stdin.flush()
                line = process.stdout.readline()
                reply = json.loads(line) if line else {"error": "the speech process died"}
                if "error" in reply:
                    raise EngineFailed(str(reply["error"]))
                raw = process.stdout.read(4 * int(reply["samples"]))
            except (OSError, ValueError) as error:
                self._end()
                raise EngineFailed(f"{type(error).__name__}: {error}") from error
            except EngineFailed:
                if not line:
                    self._end()
                raise
        return np.frombuffer(raw, "<f4").astype(np.float32), int(reply["rate"])

    def close(self) -> None:
        """End the process, if there is one."""
        process = self._process
        if process is not None:
            process.kill()  # without the lock: a request that hangs ends with it
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hubbub.speech.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
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
                    pass  # what was still in the buffer had no reader any more
