"""What is printed when the show is over: every check, the recording, the verdict."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.text import Text

from hubbub.demo.board import Board
from hubbub.demo.recorded import Recorded
from hubbub.demo.screen import MARKS

_WIDEST: Final = 100
LONGEST_LINE: Final = 600
"""Characters of a log line that are shown."""


def print_checks(board: Board, console: Console) -> None:
    """All acts with all checks."""
    for act in board.acts:
        console.print(Text(f"{act.number:>2}. {act.title}", style="bold"))
        for check in act.checks.values():
            mark, style = MARKS[check.state]
            line = Text(f"    {mark} ", style=style)
            line.append(check.text, style="" if check.state == "ok" else style)
            if check.detail:
                line.append(f"  {check.detail}", style="dim")
            console.print(line, no_wrap=True, overflow="ellipsis", crop=False)


def print_recording(recorded: Recorded, board: Board, console: Console) -> None:
    """Path, duration, wave, and who is in it when."""
    width = max(20, min(_WIDEST, console.width) - 12)
    console.print(Text("\nThe recording", style="bold"), Text(f"{recorded.path}  {recorded.seconds:.1f} s"), soft_wrap=True)
    console.print(Text(f"{'wave':>10}  {recorded.waveform(width)}"), soft_wrap=True)
    for person in board.people.values():
        line = Text(f"{person.title:>10}  ", style=person.colour)
        line.append(recorded.presence(person.name, width) if recorded.share(person.name) else "(not in it: heard by one caller only)")
        console.print(line, soft_wrap=True)
    console.print(Text(f"{'':>10}  0 s{f'{recorded.seconds:.0f} s':>{width - 3}}", style="dim"), soft_wrap=True)
    console.print(Text("            A line says when that caller's pilot tone is in the recording.", style="dim"), soft_wrap=True)


def print_failures(board: Board, log: str, trouble: str, console: Console) -> None:
    """The end of the server's log, and what did not hold."""
    console.print(Text("\nThe end of the server's log", style="bold"))
    for line in log.splitlines():
        console.print(
            Text(line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE // 2] + " … " + line[-LONGEST_LINE // 2 :]), soft_wrap=True
        )
    console.print(Text("\nWhat did not hold", style="bold red"))
    for act in board.acts:
        for check in act.checks.values():
            if check.state in ("failed", "missed"):
                why = check.detail or ("not reached" if check.state == "missed" else "")
                console.print(Text(f"  act {act.number}: {check.text}: {why}", style="red"), soft_wrap=True)
    if trouble:
        console.print(Text(trouble, style="red"), soft_wrap=True)


def verdict(board: Board, seconds: float, set_up: float) -> str:
    """The last line."""
    checks = list(board.checks)
    failed = sum(1 for check in checks if check.state != "ok")
    took = f"{seconds:.0f} s (set-up {set_up:.0f} s)"
    if failed or not checks:
        return f"FAILED: {failed} of {len(checks)} checks did not hold, in {took}."
    return f"All {len(checks)} checks held, in {took}."
