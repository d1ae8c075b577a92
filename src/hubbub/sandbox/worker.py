"""The child process of `sandbox.process`: JavaScript, one request and one reply a line of JSON, within CPU time and memory.

Run as a script in isolated mode, so it imports nothing of hubbub. The engine looks at its clock between instructions, never inside a
built-in function: what takes longer there is ended by the timer of this process, and with it the process.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from typing import Any

import _quickjs as quickjs  # type: ignore[import-not-found]  # the package around it starts threads

MEMORY = 16 << 20
STACK = 256 << 10
CPU_SECONDS = 0.15
"""Of one request, whatever it does; the engine's own limit is in the request."""
ADDRESS_SPACE = 512 << 20
LONGEST_VALUE = 1 << 20
"""Characters of a value that is handed back."""


def main() -> None:
    """Answer until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # its signal ends the process
        began = time.process_time()
        answer = _answer(json.loads(line))
        reply = json.dumps({**answer, "seconds": time.process_time() - began}).encode() + b"\n"
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        sys.stdout.buffer.write(reply)
        sys.stdout.buffer.flush()


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    context = quickjs.Context()
    context.set_memory_limit(MEMORY)
    context.set_max_stack_size(STACK)
    context.set_time_limit(asked["seconds"])
    try:
        for name, value in asked["names"].items():
            context.set(name, context.parse_json(json.dumps(value)))
        value = context.eval(asked["text"])
    except quickjs.JSException as error:
        return {"error": str(error).partition("\n")[0]}
    except MemoryError:
        return {"error": "out of memory"}
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        return {"error": f"a value has at most {LONGEST_VALUE} characters"}
    return {"value": value if isinstance(value, (str, bool)) else None}


if __name__ == "__main__":
    main()
