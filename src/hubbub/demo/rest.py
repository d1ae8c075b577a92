"""The application's other half: it steers the conference by REST."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import aiohttp

from hubbub.demo.board import Board, Message
from hubbub.demo.vocabulary import RestCall, Vocabulary


@dataclass(frozen=True)
class RestReply:
    """Status and JSON (None where there is none) or bytes."""

    status: int
    json: Any
    body: bytes


class Rest:
    """A REST client for one account of one server."""

    def __init__(self, vocabulary: Vocabulary, base: str, user: str, password: str, board: Board) -> None:
        self.base = base
        self.user, self.password = user, password
        self._vocabulary = vocabulary
        self._board = board
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the session."""
        # A connection of its own for each request: a kept one may be closed by the server at the moment it is used again.
        self._session = aiohttp.ClientSession(
            self.base,
            auth=aiohttp.BasicAuth(self.user, self.password),
            timeout=aiohttp.ClientTimeout(total=10),
            connector=aiohttp.TCPConnector(force_close=True),
        )

    async def stop(self) -> None:
        """Close it."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, name: str, about: str = "", **names: str) -> RestReply:
        """Send a request of the vocabulary's table. AssertionError when the server does not answer."""
        assert self._session is not None
        call = self._vocabulary.request(name, self.user, **names)
        try:
            async with self._session.request(call.method, call.path, data=dict(call.form) or None) as reply:
                body = await reply.read()
                result = RestReply(reply.status, await reply.json() if reply.content_type.endswith("json") else None, body)
        except (aiohttp.ClientError, TimeoutError) as error:
            self._show(call, about, "no answer", good=False)
            raise AssertionError(f"{call.method} {call.path} was not answered: {error or type(error).__name__}") from error
        self._show(call, about, str(result.status), good=result.status < 400)
        return result

    def command(self, name: str, **names: str) -> str:
        """The same request as a line for a shell."""
        call = self._vocabulary.request(name, self.user, **names)
        form = "".join(f" -d {key}={value}" for key, value in call.form.items())
        method = "" if call.method == ("POST" if form else "GET") else f" -X {call.method}"
        return f"curl -s -u {self.user}:{self.password}{method}{form} '{self.base}{call.path}'"

    def _show(self, call: RestCall, about: str, answer: str, *, good: bool) -> None:
        short = call.path.removeprefix(self._vocabulary.rest["base"].format(user=self.user))
        form = " ".join(f"{key}={value}" for key, value in call.form.items())
        self._board.message(Message(self._board.seconds, "out", f"{call.method} {_shortened(short)}", form or about, answer, good))


def _shortened(path: str) -> str:
    """Long ids cut: they say nothing to a reader."""
    return re.sub(r"\b([A-Z]{2})[0-9a-f]{32}", r"\1…", path)
