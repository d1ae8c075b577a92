"""A client of hubbub's own REST: JSON in, JSON out."""

from __future__ import annotations

from typing import Any

import aiohttp
from tests.support.client import Client

from hubbub.testing import HubbubServer


class Own(Client):
    """hubbub's own REST, with the credentials of the development account's first face, or with a token."""

    def __init__(self, server: HubbubServer, token: str = "", account: str = "dev") -> None:
        face = server.faces["twilio"]
        basic = aiohttp.encode_basic_auth(face["sid"], face["token"])
        super().__init__(server.http_url(f"/hubbub/accounts/{account}"), f"Bearer {token}" if token else basic)

    async def get(self, path: str, **params: str) -> Any:
        """GET below the account."""
        return await self.told("GET", path, params=params)

    async def post(self, path: str, **members: Any) -> Any:
        """POST a JSON object."""
        return await self.told("POST", path, json=members)

    async def delete(self, path: str) -> Any:
        """DELETE."""
        return await self.told("DELETE", path)
