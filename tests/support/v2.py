"""A bare client of REST v2: JSON or XML out, status and JSON back, nothing hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp
from tests.support.client import Client

from hubbub.testing import HubbubServer


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is JSON where it is any, else bytes."""

    status: int
    headers: Any
    body: Any


class V2(Client):
    """REST v2 of the development account, or of another that is configured."""

    def __init__(self, server: HubbubServer, authorization: str | None = None, *, account: str = "dev") -> None:
        self.face = next(each["bandwidth"] for each in server.config["accounts"] if each["name"] == account)
        self.root = server.http_url("")
        basic = aiohttp.encode_basic_auth(self.face["username"], self.face["password"])
        base = server.http_url(f"/api/v2/accounts/{self.face['account']}")
        super().__init__(base, basic if authorization is None else authorization)

    async def get(self, path: str, **query: str) -> Answer:
        """GET below the account."""
        return await self.send("GET", path, params=query)

    async def room(self) -> dict[str, Any]:
        """The one conference that lives."""
        (found,) = [each for each in (await self.get("/conferences")).body if not each["completedTime"]]
        return dict(found)

    async def post(self, path: str, **body: Any) -> Answer:
        """POST a JSON object."""
        return await self.send("POST", path, json=body)

    async def put(self, path: str, **body: Any) -> Answer:
        """PUT a JSON object."""
        return await self.send("PUT", path, json=body)

    async def bxml(self, path: str, document: str, kind: str = "application/xml") -> Answer:
        """PUT a document."""
        return await self.send("PUT", path + "/bxml", data=document.encode(), headers={"Content-Type": kind})

    async def delete(self, path: str) -> Answer:
        """DELETE."""
        return await self.send("DELETE", path)

    async def send(self, method: str, path: str, **more: Any) -> Answer:
        """Anything, below the account or at an absolute URL."""
        url = path if path.startswith("http") else self.base + path
        async with self.session.request(method, url, **more) as reply:
            body = await reply.json(content_type=None) if reply.content_type == "application/json" else await reply.read()
            return Answer(reply.status, reply.headers, body)
