"""Work of accounts that takes long, in threads: one piece of an account at a time, and the accounts in turn.

So whoever asks for much waits for himself, and everybody else for one piece of work at most while there are no more such than threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = 2
Found = TypeVar("Found")


class Turns:
    """The threads, and who waits for them."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="turns")
        self._free = threads
        self._busy: set[str] = set()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, account: str, work: Callable[[], Found]) -> Found:
        """What `work` gives, or raises, once it was its account's turn; what has begun is not stopped when nobody waits any more."""
        loop = asyncio.get_running_loop()
        place: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(account, deque()).append(place)
        self._next()
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # it was called up at that moment
                self._leave(account)
            elif account in self._waiting:
                with contextlib.suppress(ValueError):
                    self._waiting[account].remove(place)
            raise
        running = loop.run_in_executor(self._threads, work)
        running.add_done_callback(lambda done: self._ended(account, done))
        return await asyncio.shield(running)

    def close(self) -> None:
        """End the threads as soon as they have nothing to do."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _next(self) -> None:
        """Call up accounts that wait, the one that was called up longest ago first."""
        for account in [account for account in self._waiting if account not in self._busy]:
            if not self._free:
                return
            line = self._waiting.pop(account)
            while line and line[0].done():  # cancelled
                line.popleft()
            if not line:
                continue
            self._free -= 1
            self._busy.add(account)
            line.popleft().set_result(None)
            if line:
                self._waiting[account] = line

    def _leave(self, account: str) -> None:
        self._free += 1
        self._busy.discard(account)
        self._next()

    def _ended(self, account: str, done: asyncio.Future[Found]) -> None:
        if not done.cancelled():
            done.exception()  # heard, should nobody wait for it any more
        self._leave(account)
