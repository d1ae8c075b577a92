"""Moves: a slot goes from one worker to another; what is wanted of it meanwhile waits until it has arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

CHECK_SECONDS = 0.25


@dataclass
class _Move:
    arrive: Callable[[], None]
    waiting: list[Callable[[], None]] = field(default_factory=list)
    leaving: bool = True


class Moves:
    """Slots under way. `is_free` says whether the loop has let go of a slot."""

    def __init__(self, is_free: Callable[[int], bool]) -> None:
        self._is_free = is_free
        self._moves: dict[int, _Move] = {}

    def at_rest(self, call: Callable[[], None], *slots: int) -> None:
        """Call as soon as none of the slots is under way; what is wanted of a slot is done in order."""
        for slot in slots:
            move = self._moves.get(slot)
            if move is not None:
                move.waiting.append(lambda: self.at_rest(call, *slots))
                return
        call()

    def begin(self, slot: int, arrive: Callable[[], None]) -> None:
        """The slot was taken from its worker: `arrive` gives it to the next one, and then says `arrived`."""
        move = self._moves[slot] = _Move(arrive)
        asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check, move, slot)

    def _check(self, move: _Move, slot: int) -> None:
        """An event that was lost with a process must not hold a slot for ever; the state says the same."""
        if move.leaving and self._moves.get(slot) is move:
            if self._is_free(slot):
                self.left(slot)
            else:
                asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check, move, slot)

    def left(self, slot: int) -> bool:
        """The old worker has let go of the slot; whether that was for a move."""
        move = self._moves.get(slot)
        if move is None:
            return False
        if move.leaving:
            move.leaving = False
            move.arrive()
        return True

    def cancel(self, slot: int) -> None:
        """The slot has ended on its way; what was wanted of it is void."""
        self._moves.pop(slot, None)

    def arrived(self, slot: int) -> None:
        """It is at rest again: what was wanted meanwhile is done."""
        move = self._moves.pop(slot, None)
        for call in move.waiting if move else ():
            call()
