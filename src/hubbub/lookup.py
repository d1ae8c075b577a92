"""Names to addresses, by the system's resolver, in threads of their own.

The loop's own lookups share a few threads with all else that is asked of the operating system: four names whose servers do not answer
would stop every other name, and a process that ends waits for them. Here each lookup is a thread that nobody waits for, LOOKUPS at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from typing import Any

LOOKUPS = 64
"""Lookups at a time; one more waits within its caller's time."""

Found = list[tuple[int, int, int, str, tuple[Any, ...]]]


class Lookup:
    """Looks names up for one event loop."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(LOOKUPS)

    async def find(self, host: str, port: int, *, family: int, kind: int) -> Found:
        """What `socket.getaddrinfo` finds. Raises OSError; whoever waits no longer frees nothing: its thread is still busy."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()

        def settle(found: Found | BaseException) -> None:
            self._free.release()
            if answer.cancelled():
                return
            if isinstance(found, BaseException):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def look() -> None:
            found: Any
            try:
                found = socket.getaddrinfo(host, port, family=family, type=kind, flags=socket.AI_ADDRCONFIG)
            except Exception as error:  # UnicodeError too: the name comes from strangers
                found = error
            with contextlib.suppress(RuntimeError):  # the loop is over
                loop.call_soon_threadsafe(settle, found)

        try:
            threading.Thread(target=look, name="lookup", daemon=True).start()
        except RuntimeError as error:  # the system has no room for one more
            self._free.release()
            raise OSError(errno.EAGAIN, "no thread for a lookup") from error
        return await answer
