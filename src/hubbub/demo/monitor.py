"""Listens on all phones all the time, for the screen: who hears whom at this moment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from hubbub.demo.board import Board
from hubbub.demo.callers import Caller
from hubbub.demo.cast import HEARD_DB
from hubbub.demo.ears import SAME, Music, pilots

WINDOW: Final = 0.5
PAUSE: Final = 0.3


class Monitor:
    """Measures about three times a second, in windows of half a second."""

    def __init__(self, board: Board, callers: Mapping[str, Caller], music: Music) -> None:
        self._board = board
        self._callers = callers
        self._music = music

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for caller in self._callers.values():
                await self._measure(caller)
                await asyncio.sleep(PAUSE / len(self._callers))

    async def _measure(self, caller: Caller) -> None:
        person = self._board.people[caller.name]
        person.live = caller.on_the_phone
        if not person.live or caller.call is None:
            person.level, person.hears, person.music = -120.0, frozenset(), False
            return
        heard = await caller.call.since(caller.call.mark() - WINDOW)
        roles = [other.role for other in self._callers.values()]
        person.level = heard.level
        person.hears = frozenset(name for name, level in pilots(heard, roles).items() if level >= HEARD_DB)
        person.music = self._music.likeness(heard) >= SAME
