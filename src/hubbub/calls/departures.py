"""Departures: calls of one account that wait to be sent, at a rate. A pure core: time is an argument.

Priority goes before age. At most `SECONDS` times the rate may wait; one more is refused.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Generic, TypeVar

from hubbub.errors import Refused

Item = TypeVar("Item")
SECONDS = 300
"""Of calls at the account's rate that may wait."""


class Departures(Generic[Item]):
    """What waits of one account; `rate` is calls a second."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.most = max(1, round(rate * SECONDS))
        self._waiting: list[tuple[int, int, Item]] = []
        self._number = 0
        self._next = float("-inf")
        """When the next one may be sent."""

    def __len__(self) -> int:
        return len(self._waiting)

    def check(self) -> None:
        """Whether one more may wait. Raises Refused (queue-full)."""
        if len(self._waiting) >= self.most:
            raise Refused("queue-full", f"{self.most} calls wait to be sent already")

    def add(self, item: Item, priority: int) -> None:
        """Let a call wait; 1 is the first priority."""
        self._number += 1
        heapq.heappush(self._waiting, (priority, self._number, item))

    def due(self, now: float, over: Callable[[Item], bool]) -> list[Item]:
        """Who is sent now; those that are over meanwhile go without taking anybody's turn."""
        self._waiting = [entry for entry in self._waiting if not over(entry[2])]
        heapq.heapify(self._waiting)
        sent = []
        while self._waiting and self._next <= now:
            sent.append(heapq.heappop(self._waiting)[2])
            self._next = max(self._next, now) + 1 / self.rate
        return sent

    def wait(self, now: float) -> float | None:
        """Seconds until somebody is due; None: nobody waits."""
        return max(0.0, self._next - now) if self._waiting else None
