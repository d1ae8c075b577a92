"""A bare REST client: form parameters out, JSON back, nothing hidden."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp

from hubbub.testing import HubbubServer

Pairs = Sequence[tuple[str, str]]


class RestError(AssertionError):
    """A request was answered with an error."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class Rest:
    """REST of the development account's first face."""

    def __init__(self, server: HubbubServer) -> None:
        face = server.faces["twilio"]
        self.sid = face["sid"]
        self._base = server.http_url(f"/2010-04-01/Accounts/{self.sid}")
        self._headers = {"Authorization": aiohttp.encode_basic_auth(face["sid"], face["token"])}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=self._headers)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._session is not None
        await self._session.close()

    async def get(self, path: str, **params: str) -> Any:
        """GET below the account."""
        return await self._send("GET", path, params=params)

    async def post(self, path: str, fields: Pairs = (), **params: str) -> Any:
        """POST a form."""
        return await self._send("POST", path, data=[*params.items(), *fields])

    async def delete(self, path: str) -> Any:
        """DELETE."""
        return await self._send("DELETE", path)

    async def media(self, path: str) -> bytes:
        """Bytes below the account."""
        assert self._session is not None
        async with self._session.get(self._base + path) as reply:
            if reply.status >= 300:
                raise RestError(reply.status, await reply.text())
            return await reply.read()

    async def members(self, room: str) -> list[dict[str, Any]]:
        """Active members of a room, by its name."""
        found = await self.get(f"/Conferences/{room}/Participants.json")
        return list(found["participants"])

    async def _send(self, method: str, path: str, **more: Any) -> Any:
        assert self._session is not None
        async with self._session.request(method, self._base + path, **more) as reply:
            body = await reply.json() if reply.content_type == "application/json" else await reply.text()
            if reply.status >= 300:
                raise RestError(reply.status, body)
            return body
