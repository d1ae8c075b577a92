"""What the bare clients of all REST faces have in common: a session with credentials, below one base."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import aiohttp


class RestError(AssertionError):
    """A request was answered with an error."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class Client:
    """Requests below `base` with an Authorization header (empty: none)."""

    def __init__(self, base: str, authorization: str) -> None:
        self.base = base
        self._headers = {"Authorization": authorization} if authorization else {}
        self._open: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._open = aiohttp.ClientSession(headers=self._headers)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """For whatever a client has no word for."""
        assert self._open is not None, "use it as a context manager"
        return self._open

    async def told(self, method: str, path: str, **more: Any) -> Any:
        """JSON, or text where it is none. Raises RestError."""
        async with self.session.request(method, self.base + path, **more) as reply:
            body = await reply.json() if reply.content_type == "application/json" else await reply.text()
            if reply.status >= 300:
                raise RestError(reply.status, body)
            return body
