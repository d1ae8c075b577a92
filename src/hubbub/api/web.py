"""The web server, in the server's own loop: it answers from the moment it listens, 503 until there is an application."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from hubbub.settings import HttpSettings

LEAVING_SECONDS = 5.0
"""How long answers under way may take when the server stops."""
IDLE_SECONDS = 75
"""Longer than clients keep idle connections, so that none is closed under a request."""


class Web:
    """Serves `app` on a socket that listens already. `protocol`: what a connection is."""

    def __init__(self, listening: socket.socket, http: HttpSettings, protocol: type[asyncio.Protocol]) -> None:
        self.app: ASGIApp | None = None
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            http=protocol,
            log_config=None,
            access_log=False,
            timeout_keep_alive=IDLE_SECONDS,
            lifespan="off",
            ssl_certfile=http.tls_certificate,
            ssl_keyfile=http.tls_key,
        )
        self._server = uvicorn.Server(config)
        # Signals are the process's business, not the web library's.
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._server.capture_signals = contextlib.nullcontext  # type: ignore[assignment,method-assign]
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]), name="web")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app or JSONResponse({"status": "starting"}, 503, {"Retry-After": "1"})
        await app(scope, receive, send)

    async def stop(self) -> None:
        """Take no more requests, and wait a little for the answers under way."""
        self._server.should_exit = True
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._task, LEAVING_SECONDS)
