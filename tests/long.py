"""What takes long, as one command that prints one table: `python -m tests.long soak|fuzz [--seconds N] [--kills N] [--only WORD]`.

Every step is a process of its own with a time limit: one that fails or is stopped is a line of the table, and the others are still
tried. Exit status 1 when something was found.

soak    --seconds: of the long run in real time (600); --kills: of the whole server (200, in lives of fifty kills each with its own seed)
fuzz    --seconds: of every fuzzer (HUBBUB_FUZZ_SECONDS, else 120); --guided: of every target that is guided by coverage (as --seconds)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.figures import FILE, figures, spoken

ROOT = Path(__file__).parents[1]
PART = 50
"""Kills of one life of the storm's server: a part that is disturbed is tried again alone, by its seed."""


@dataclass(frozen=True)
class Step:
    """One process: pytest with `arguments`, or `module` with them; `limit` in seconds."""

    name: str
    arguments: tuple[str, ...]
    limit: float
    environment: Mapping[str, str] = field(default_factory=dict)
    module: str = "pytest"

    def command(self) -> list[str]:
        if self.module != "pytest":
            return [sys.executable, "-m", self.module, *self.arguments]
        return [sys.executable, "-m", "pytest", "-s", f"--timeout={self.limit:.0f}", *self.arguments]


def soak(seconds: int, kills: int, joins: int) -> Iterator[Step]:
    """Load and time."""
    core = ("tests/unit/conference/test_soak.py",)
    yield Step(f"{joins} joins and leaves, virtual time", core, 1800, {"HUBBUB_SOAK": str(joins)})
    storm = ("tests/scenarios/test_storm.py",)
    yield Step("300 kills of the store and its deliveries", storm, 1800, {"HUBBUB_KILLS": "300"})
    for seed, done in enumerate(range(0, kills, PART), 1):
        count = min(PART, kills - done)
        environment = {"HUBBUB_SERVER_KILLS": str(count), "HUBBUB_SEED": str(seed)}
        yield Step(f"{count} kills of the server, seed {seed}", ("tests/scenarios/test_server_kills.py",), 600 + 30 * count, environment)
    yield Step(f"{seconds} s of calls", ("tests/scenarios/test_long.py",), 600 + 3 * seconds, {"HUBBUB_LONG": str(seconds)})
    yield Step("1000 callers of one room", ("tests/scenarios/test_crowd.py",), 900, {"HUBBUB_CROWD": "1000"})


def fuzz(seconds: int, guided: int) -> Iterator[Step]:
    """Fuzzers."""
    from tests.fuzz.guided import TARGETS

    for file in sorted((ROOT / "tests" / "fuzz").glob("test_*.py")):
        test = str(file.relative_to(ROOT))
        yield Step(file.stem.removeprefix("test_"), (test,), 3600 + 20 * seconds, {"HUBBUB_FUZZ_SECONDS": str(seconds)})
    for target in TARGETS:
        yield Step(f"guided: {target}", (str(guided), target), 600 + 2 * guided, module="tests.fuzz.guided")


def run(step: Step, kept: Path) -> tuple[bool, float]:
    """Whether it held, and the seconds that it took; its output is shown as it comes."""
    print(f"--- {step.name}", flush=True)
    began = time.monotonic()
    environment = {**os.environ, **step.environment, FILE: str(kept)}
    try:
        done = subprocess.run(step.command(), cwd=ROOT, env=environment, timeout=step.limit + 60, check=False)
        held = done.returncode == 0
    except subprocess.TimeoutExpired:
        print(f"stopped after {step.limit + 60:.0f} s", flush=True)
        held = False
    return held, time.monotonic() - began


def table(rows: list[tuple[str, bool, float, list[str]]]) -> str:
    """All steps, as a table of Markdown."""
    lines = ["", "| Step | Held | Took | Figures |", "|---|---|---|---|"]
    for name, held, took, found in rows:
        lines.append(f"| {spoken(name)} | {'yes' if held else '**no**'} | {took:.0f} s | {spoken('; '.join(found)) or '-'} |")
    return "\n".join(lines)


def steps_of(arguments: list[str]) -> list[Step]:
    """What a command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.long")
    parser.add_argument("kind", choices=("soak", "fuzz"))
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--guided", type=int, default=0)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--joins", type=int, default=1_000_000)
    parser.add_argument("--only", default="", help="only steps with this word in their name")
    given = parser.parse_args(arguments)
    if given.kind == "soak":
        steps = soak(given.seconds or 600, given.kills, given.joins)
    else:
        seconds = given.seconds or int(os.environ.get("HUBBUB_FUZZ_SECONDS", "0")) or 120
        steps = fuzz(seconds, given.guided or seconds)
    return [step for step in steps if given.only in step.name]


def main() -> int:
    """Run the steps of one kind, one after the other."""
    rows = []
    for step in steps_of(sys.argv[1:]):
        with tempfile.TemporaryDirectory(prefix="hubbub-long-") as folder:
            kept = Path(folder) / "figures"
            held, took = run(step, kept)
            rows.append((step.name, held, took, [f"{what}: {text}" for what, text in figures(kept)]))
    print(table(rows), flush=True)
    return 0 if rows and all(held for _, held, _, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
