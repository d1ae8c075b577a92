"""A bare client of REST v2: JSON or XML out, status and JSON back, nothing hidden."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

from hubbub.testing import HubbubServer


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is JSON where it is any, else bytes."""

    status: int
    headers: Any
    body: Any


class V2:
    """REST v2 of the development account, or of another that is configured."""

    def __init__(self, server: HubbubServer, authorization: str | None = None, *, account: str = "dev") -> None:
        self.face = next(each["bandwidth"] for each in server.config["accounts"] if each["name"] == account)
        self.root = server.http_url("")
        self.base = server.http_url(f"/api/v2/accounts/{self.face['account']}")
        basic = aiohttp.encode_basic_auth(self.face["username"], self.face["password"])
        self._headers = {"Authorization": basic if authorization is None else authorization}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers={name: value for name, value in self._headers.items() if value})
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._session is not None
        await self._session.close()

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
        assert self._session is not None
        url = path if path.startswith("http") else self.base + path
        async with self._session.request(method, url, **more) as reply:
            body = await reply.json(content_type=None) if reply.content_type == "application/json" else await reply.read()
            return Answer(reply.status, reply.headers, body)
