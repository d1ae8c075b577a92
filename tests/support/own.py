"""A client of hubbub's own REST: JSON in, JSON out."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import aiohttp
from tests.support.rest import RestError

from hubbub.testing import HubbubServer


class Own:
    """hubbub's own REST, with the credentials of the development account's first face, or with a token."""

    def __init__(self, server: HubbubServer, token: str = "", account: str = "dev") -> None:
        face = server.faces["twilio"]
        basic = aiohttp.encode_basic_auth(face["sid"], face["token"])
        self._base = server.http_url(f"/hubbub/accounts/{account}")
        self._headers = {"Authorization": f"Bearer {token}" if token else basic}
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

    async def post(self, path: str, **members: Any) -> Any:
        """POST a JSON object."""
        return await self._send("POST", path, json=members)

    async def delete(self, path: str) -> Any:
        """DELETE."""
        return await self._send("DELETE", path)

    async def _send(self, method: str, path: str, **more: Any) -> Any:
        assert self._session is not None
        async with self._session.request(method, self._base + path, **more) as reply:
            body = await reply.json() if reply.content_type == "application/json" else await reply.text()
            if reply.status >= 300:
                raise RestError(reply.status, body)
            return body
