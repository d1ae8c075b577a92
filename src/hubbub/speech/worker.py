"""The speech process: reads requests on standard input, writes audio on standard output.

Engines are foreign code: one of them was seen to loop for ever on a long word. In a process of their own they can be
stopped, cannot take the server with them, and their models and computing stay out of the server's way.

A request is a line of JSON `{"engine", "language", "text"}`; a reply is a line of JSON, `{"rate", "samples"}` and then
the samples as float32, or `{"error"}`. The process ends when its input ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import BinaryIO

import numpy as np

from hubbub.speech.engines import ENGINES, Engine, portions

SECONDS_PER_PORTION = 15


def main() -> None:
    """Serve until standard input ends."""
    # Engines may print: only replies may reach the pipe.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # An engine that loops holds the interpreter: the default action of SIGALRM ends the process without its help.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.nice(5)
    loaded: dict[str, Engine] = {}
    for line in sys.stdin.buffer:
        _serve(json.loads(line), loaded, replies)


def _serve(request: dict[str, str], loaded: dict[str, Engine], replies: BinaryIO) -> None:
    name = request["engine"]
    try:
        signal.alarm(2 * SECONDS_PER_PORTION)
        if name not in loaded:
            loaded[name] = ENGINES[name]()
        parts = [np.zeros(0, np.float32)]
        rate = 16_000
        for portion in portions(request["text"]):
            signal.alarm(SECONDS_PER_PORTION)
            part, rate = loaded[name].say(portion, request["language"])
            parts.append(part)
        samples = np.concatenate(parts).astype("<f4")
        reply = json.dumps({"rate": rate, "samples": len(samples)}).encode() + b"\n" + samples.tobytes()
    except Exception as error:
        reply = json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n"
    signal.alarm(0)
    replies.write(reply)
    replies.flush()


if __name__ == "__main__":
    main()
