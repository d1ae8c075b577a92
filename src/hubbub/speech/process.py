"""The server's end of the speech process."""

from __future__ import annotations

import json
import sys
import threading

import numpy as np
from numpy.typing import NDArray

from hubbub.child import PipedChild

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class EngineFailed(Exception):
    """An engine gave no audio; the next one is used."""


class SpeechProcess:
    """Starts the speech process when it is needed, and again when it died. Called from a worker thread, one request at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child = PipedChild([sys.executable, "-m", "hubbub.speech.worker"], ONE_THREAD)

    def say(self, engine: str, text: str, language: str) -> tuple[NDArray[np.float32], int]:
        """Audio and its rate; EngineFailed when the engine failed, looped or crashed."""
        with self._lock:
            try:
                asked, answers = self._child.pipes()
                asked.write(json.dumps({"engine": engine, "language": language, "text": text}).encode() + b"\n")
                asked.flush()
                line = answers.readline()
                reply = json.loads(line) if line else {"error": "the speech process died"}
                if "error" not in reply:
                    raw = answers.read(4 * int(reply["samples"]))
            except (OSError, ValueError) as error:
                self._child.end()
                raise EngineFailed(f"{type(error).__name__}: {error}") from error
            if "error" in reply:
                if not line:
                    self._child.end()
                raise EngineFailed(str(reply["error"]))
        return np.frombuffer(raw, "<f4").astype(np.float32), int(reply["rate"])

    def close(self) -> None:
        """End the process, if there is one."""
        self._child.kill()  # without the lock: a request that hangs ends with it
        with self._lock:
            self._child.end()
