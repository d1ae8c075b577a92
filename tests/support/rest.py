"""A bare REST client: form parameters out, JSON back, nothing hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiohttp
from tests.support.client import Client, RestError

from hubbub.testing import HubbubServer

Pairs = Sequence[tuple[str, str]]


class Rest(Client):
    """REST of the development account's first face."""

    def __init__(self, server: HubbubServer) -> None:
        face = server.faces["twilio"]
        self.sid = face["sid"]
        base = server.http_url(f"/2010-04-01/Accounts/{self.sid}")
        super().__init__(base, aiohttp.encode_basic_auth(face["sid"], face["token"]))

    async def get(self, path: str, **params: str) -> Any:
        """GET below the account."""
        return await self.told("GET", path, params=params)

    async def post(self, path: str, fields: Pairs = (), **params: str) -> Any:
        """POST a form."""
        return await self.told("POST", path, data=[*params.items(), *fields])

    async def delete(self, path: str) -> Any:
        """DELETE."""
        return await self.told("DELETE", path)

    async def media(self, path: str) -> bytes:
        """Bytes below the account."""
        async with self.session.get(self.base + path) as reply:
            if reply.status >= 300:
                raise RestError(reply.status, await reply.text())
            return await reply.read()

    async def members(self, room: str) -> list[dict[str, Any]]:
        """Active members of a room, by its name."""
        found = await self.get(f"/Conferences/{room}/Participants.json")
        return list(found["participants"])
