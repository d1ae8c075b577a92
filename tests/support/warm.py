"""Compiles the engine as the tests call it, before they begin: `python -m tests.support.warm`.

Twice: once plain, once with bounds checks. Each takes half a minute on two idle cores, and minutes on a busy machine; no test's time
limit should pay for that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = "import tests.unit.media.conftest, tests.unit.media.test_commands as commands; commands.fuzz(1, 1)"


def compiling(checked: bool) -> subprocess.Popen[bytes]:
    """A process that compiles and ends; the machine code stays in the engine's cache."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    if checked:
        environment["NUMBA_BOUNDSCHECK"] = "1"
    return subprocess.Popen([sys.executable, "-c", CODE], env=environment, cwd=ROOT)


def main() -> int:
    began = time.monotonic()
    print("hubbub: compiling the engine for its tests, with and without bounds checks (a minute, once) …", flush=True)
    ends = [process.wait() for process in (compiling(False), compiling(True))]
    print(f"hubbub: compiled in {time.monotonic() - began:.0f} s", flush=True)
    return max(map(abs, ends))


if __name__ == "__main__":
    sys.exit(main())
