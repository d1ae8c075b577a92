"""The connections of the HTTP client: bounded in all and to one host, those that are kept for the next request counted too."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from hubbub.webhooks.guard import NetworkGuard
from hubbub.webhooks.names import Names


class Connections(aiohttp.TCPConnector):
    """At most `limit` open connections, `limit_per_host` of them to one host and port; each takes a local port and a file.

    aiohttp counts those in use only: before one is opened, kept ones make room for it. Who finds none free waits in turn.
    """

    async def _create_connection(self, *given: Any) -> ResponseHandler:
        while self._conns and self.open > self.limit:  # what is about to be opened is counted in use by now
            self._close_oldest()
            await asyncio.sleep(0)  # its socket is closed in the loop's next turn
        return await super()._create_connection(*given)

    def _close_oldest(self) -> None:
        key = min(self._conns, key=lambda key: self._conns[key][0][1])
        protocol, _ = self._conns[key].popleft()
        if not self._conns[key]:
            del self._conns[key]
        protocol.close()

    @property
    def open(self) -> int:
        """Connections in use, being opened, and kept."""
        return len(self._acquired) + sum(len(kept) for kept in self._conns.values())

    @property
    def waiting(self) -> int:
        """Requests that find no connection free."""
        return sum(len(waiters) for waiters in self._waiters.values())


def connections(guard: NetworkGuard, limit: int, per_host: int, tls: Any) -> Connections:
    """A pool under the rules of the guard."""
    return Connections(limit=limit, limit_per_host=per_host, resolver=Names(), socket_factory=guard, ssl=tls, ttl_dns_cache=10)
