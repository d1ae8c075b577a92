"""A recognition process: reads sound on standard input, writes what was understood on standard output.

A model of forty megabytes and seconds of computing do not belong into the server; foreign code may crash, and is then
replaced. A message is a letter, a length (little endian, 4 bytes) and so many bytes: `B` begins an utterance (JSON `{"hints",
"partial"}`), `A` is sound of it (16 kHz, 16 bits, mono), `E` ends it, `C` forgets it. Replies are lines of JSON: `{"partial"}` as
words come, one `{"text", "confidence"}` or `{"error"}` for each `E`. The process ends when its input ends.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO, Final

import numpy as np

from hubbub.speech.recogniser import RATE, Recogniser

HEAD: Final = struct.Struct("<cI")
LARGEST: Final = 1 << 24
MOST_SECONDS: Final = 120
"""Of an utterance; what is beyond is not listened to."""
MEMORY: Final = 1 << 30
SECONDS: Final = 90
"""For one message."""
PARTIAL_SAMPLES: Final = RATE // 2
"""So much new sound makes it worth asking for the words so far."""


class _Utterance:
    """One utterance that is being heard."""

    def __init__(self, recogniser: Recogniser, wish: dict[str, Any]) -> None:
        self._recogniser = recogniser
        self._hints = tuple(str(hint) for hint in wish.get("hints", ()))
        self._partial = bool(wish.get("partial"))
        self._sound = bytearray()
        self._asked = 0
        self._words = ""
        if self._partial:
            recogniser.begin()

    def hear(self, sound: bytes) -> str | None:
        """Take sound; the words so far where they have changed."""
        self._sound += sound[: max(0, 2 * RATE * MOST_SECONDS - len(self._sound))]
        if not self._partial or len(self._sound) - self._asked < 2 * PARTIAL_SAMPLES:
            return None
        new, self._asked = bytes(self._sound[self._asked :]), len(self._sound)
        words = self._recogniser.hear(np.frombuffer(new, "<i2").astype(np.int16))
        changed = words != self._words and words != ""
        self._words = words
        return words if changed else None

    def end(self) -> dict[str, Any]:
        """What was said."""
        self.forget()
        found = self._recogniser.understand(np.frombuffer(bytes(self._sound), "<i2").astype(np.int16), self._hints)
        return {"text": found.text, "confidence": round(found.confidence, 6)}

    def forget(self) -> None:
        """It is not wanted any more."""
        if self._partial:
            self._recogniser.stop()
            self._partial = False


def main() -> None:
    """Serve until standard input ends."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the engine prints must not reach the pipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)
    recogniser = Recogniser()
    utterance: _Utterance | None = None
    while message := _read(sys.stdin.buffer):
        kind, body = message
        signal.alarm(SECONDS)
        if kind == b"B":
            utterance = _Utterance(recogniser, json.loads(body))
        elif kind == b"A" and utterance is not None:
            words = utterance.hear(body)
            if words is not None:
                _write(replies, {"partial": words})
        elif kind == b"C" and utterance is not None:
            utterance.forget()
            utterance = None
        elif kind == b"E" and utterance is not None:
            _write(replies, _understood(utterance))
            utterance = None
        signal.alarm(0)


def _understood(utterance: _Utterance) -> dict[str, Any]:
    try:
        return utterance.end()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _read(pipe: BinaryIO) -> tuple[bytes, bytes] | None:
    head = pipe.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    kind, size = HEAD.unpack(head)
    if size > LARGEST:
        return None
    return kind, pipe.read(size)


def _write(pipe: BinaryIO, reply: dict[str, Any]) -> None:
    pipe.write(json.dumps(reply).encode() + b"\n")
    pipe.flush()


if __name__ == "__main__":
    main()
