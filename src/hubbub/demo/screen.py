"""The show on a terminal: the story, who hears whom, and the messages, drawn anew a few times a second."""

from __future__ import annotations

import asyncio
from typing import Final

from rich import box
from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hubbub.demo.board import Act, Board, Check, Message, Person

SMALLEST: Final = (80, 24)
"""Columns and rows below which plain lines are easier to read."""
PERIOD: Final = 0.2
MARKS: Final = {"open": ("·", "dim"), "ok": ("✓", "green"), "failed": ("✗", "bold red"), "missed": ("–", "red")}
_BAR: Final = "▏▎▍▌▋▊▉█"
_BAR_CELLS: Final = 10
_QUIETEST: Final = -60.0
_SIDE: Final = 41


class Screen:
    """A live screen for a board."""

    def __init__(self, board: Board, console: Console, title: str) -> None:
        self._board = board
        self._console = console
        self._title = title
        self._live = Live(console=console, screen=True, auto_refresh=False, transient=True)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Screen:
        self._live.__enter__()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._live.__exit__(None, None, None)

    async def _run(self) -> None:
        while True:
            self._live.update(self.draw(), refresh=True)
            await asyncio.sleep(PERIOD)

    def draw(self) -> RenderableType:
        """The whole screen as it is now."""
        width, height = self._console.size
        bottom = max(7, height // 3)
        side = _SIDE if width < 130 else _SIDE + 12
        layout = Layout()
        layout.split_column(Layout(self._header(), size=1), Layout(name="middle"), Layout(self._messages(bottom - 2), size=bottom))
        layout["middle"].split_row(Layout(self._story(height - bottom - 3)), Layout(self._people(), size=side))
        return layout

    def _header(self) -> RenderableType:
        passed = sum(act.passed for act in self._board.acts)
        total = sum(len(act.checks) for act in self._board.acts)
        line = Text(f" {self._title}", style="bold", overflow="ellipsis", no_wrap=True)
        grid = Table.grid(expand=True)
        grid.add_column(ratio=1, no_wrap=True)
        grid.add_column(justify="right", no_wrap=True)
        grid.add_row(line, Text(f"{passed}/{total} checks  {self._board.seconds:3.0f} s ", style="bold"))
        return grid

    # -- the story -----------------------------------------------------------------------------------------------------

    def _story(self, rows: int) -> RenderableType:
        """The running act with its checks; others as one line each, as far as there is room."""
        lines: list[Text] = []
        focus = 0
        expanded = self._expanded(rows)
        for act in self._board.acts:
            lines.append(_act_line(act))
            if act.number in expanded:
                lines += [_check_line(check) for check in act.checks.values()]
            else:
                lines += [_check_line(check) for check in act.checks.values() if check.state == "failed"]
            if act.state == "running":
                focus = len(lines)
        if all(act.state == "open" for act in self._board.acts):
            lines = [*(Text(note) for note in self._board.notes), Text(), *lines]
        first = max(0, min(len(lines) - rows, focus - rows))
        return Panel(Group(*lines[first : first + rows]), title="the story", box=box.ROUNDED, border_style="dim", padding=(0, 1))

    def _expanded(self, rows: int) -> set[int]:
        """The acts that are shown with their checks: the running one, then the latest ones that there is room for."""
        left = rows - len(self._board.acts)
        chosen: set[int] = set()
        for act in sorted((act for act in self._board.acts if act.state != "open"), key=lambda act: -act.number):
            left -= len(act.checks)
            if left < 0 and act.state != "running":
                break
            chosen.add(act.number)
        return chosen

    # -- people --------------------------------------------------------------------------------------------------------

    def _people(self) -> RenderableType:
        people = list(self._board.people.values())
        legend = Text("● that caller's quiet tone is in the audio that this phone has received", style="dim")
        level = Text("level of what each phone receives", style="dim")
        spoken = [_speech(person) for person in people if person.saying]
        content = Group(self._matrix(people), legend, Text(), _meters(people), level, Text(), *spoken)
        return Panel(content, title="who hears whom, measured", box=box.ROUNDED, border_style="dim", padding=(0, 1))

    def _matrix(self, people: list[Person]) -> RenderableType:
        table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
        table.add_column("hears:", style="dim", no_wrap=True)
        for person in people:
            table.add_column(Text(person.title, style=person.colour), justify="center", no_wrap=True)
        table.add_column(Text("music"), justify="center", no_wrap=True)
        for listener in people:
            cells = [_cell(listener, speaker) for speaker in people]
            music = Text("♪", style="bold green") if listener.music else Text("·" if listener.live else " ", style="dim")
            table.add_row(Text(listener.title, style=listener.colour), *cells, music)
        return Align.left(table)

    # -- messages ------------------------------------------------------------------------------------------------------

    def _messages(self, rows: int) -> RenderableType:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(justify="right", no_wrap=True, style="dim")
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, max_width=46)
        table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
        table.add_column(no_wrap=True, justify="right")
        for message in self._board.messages[-rows:]:
            table.add_row(*_message_cells(message))
        title = "server → application: documents and webhooks      application → server: REST"
        return Panel(table, title=title, box=box.ROUNDED, border_style="dim", padding=(0, 1))


def _act_line(act: Act) -> Text:
    mark, style = MARKS["open"]
    if act.state == "running":
        mark, style = "▶", "bold yellow"
    if act.state == "done":
        mark, style = MARKS["failed" if act.broken else "ok"]
    line = Text(f"{mark} {act.number:>2}. {act.title}", style=style if act.state != "done" or act.broken else "", no_wrap=True)
    line.overflow = "ellipsis"
    if act.state == "done" and not act.broken:
        line.stylize("green", 0, 1)
    if act.state != "open":
        line.append(f"  {act.passed}/{len(act.checks)}", style="dim")
    return line


def _check_line(check: Check) -> Text:
    mark, style = MARKS[check.state]
    line = Text(f"     {mark} ", style=style, no_wrap=True, overflow="ellipsis")
    line.append(check.text, style="" if check.state == "ok" else style)
    if check.detail:
        line.append(f"  {check.detail}", style="dim" if check.state == "ok" else "red")
    return line


def _cell(listener: Person, speaker: Person) -> Text:
    if not listener.live:
        return Text(" ")
    if speaker.name in listener.hears:
        return Text("●", style="bold green")
    return Text("-" if speaker is listener else "·", style="dim")


def _meters(people: list[Person]) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, width=_BAR_CELLS)
    table.add_column(no_wrap=True)
    for person in people:
        style = "dim" if not person.live else ""
        table.add_row(Text(person.title, style=person.colour), Text(bar(person.level), style="green"), Text(person.place, style=style))
    return table


def bar(level: float) -> str:
    """A level in dBFS as a bar of block characters; empty from -60 down."""
    eighths = round(max(0.0, min(1.0, 1 - level / _QUIETEST)) * _BAR_CELLS * 8)
    return "█" * (eighths // 8) + (_BAR[eighths % 8 - 1] if eighths % 8 else "")


def _speech(person: Person) -> Text:
    return Text(f"{person.title}: “{person.saying}”", style=f"italic {person.colour}")


def _message_cells(message: Message) -> tuple[Text, ...]:
    colour = "cyan" if message.way == "in" else "yellow"
    return (
        Text(f"{message.at:.1f}"),
        Text("→" if message.way == "in" else "←", style=colour),
        Text(message.request, style=colour),
        Text(message.about),
        Text(f"⇒ {message.answer}", style="green" if message.good else "bold red"),
    )
