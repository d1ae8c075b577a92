"""The show as plain lines: for pipes, log files and CI."""

from __future__ import annotations

from typing import TextIO

from hubbub.demo.board import Act, Board, Check, Message, Thing


class Lines:
    """Prints a line for everything that happens."""

    def __init__(self, board: Board, out: TextIO) -> None:
        self._board = board
        self._out = out

    async def __aenter__(self) -> Lines:
        self._board.watchers.append(self._tell)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._board.watchers.clear()

    def _tell(self, thing: Thing) -> None:
        if isinstance(thing, Act):
            self._print(f"--- {thing.number}. {thing.title}")
        elif isinstance(thing, Check):
            self._print(f"{'ok  ' if thing.state == 'ok' else 'FAIL'} {thing.text}" + (f" ({thing.detail})" if thing.detail else ""))
        elif isinstance(thing, Message):
            arrow = "<-" if thing.way == "in" else "->"
            self._print(f"     {arrow} {thing.request}  {thing.about}  => {thing.answer}")
        elif isinstance(thing, str):
            self._print(f"     {thing}")
        else:
            self._print(f'     {thing.title}: "{thing.saying}"')

    def _print(self, text: str) -> None:
        try:
            print(f"{self._board.seconds:5.1f} s  {text}", file=self._out, flush=True)
        except BrokenPipeError:
            self._board.watchers.clear()  # nobody reads any more: the checks go on
