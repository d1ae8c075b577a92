"""Names with a slash in a path: `%2F` is no separator, although the server has decoded it when routes are looked for."""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

MARK = "\uf02f"
"""Stands for an encoded slash while routes are looked for; a character that Unicode gives no meaning."""
_ENCODED = re.compile("%2f", re.IGNORECASE)


class Slashes:
    """Middleware: lets an encoded slash be part of a name."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; one with an encoded slash in its path with the mark in place of it."""
        raw = scope.get("raw_path", b"")
        if scope["type"] == "http" and b"%2f" in raw.lower():
            scope = {**scope, "path": unquote(_ENCODED.sub(MARK, raw.decode("ascii", "replace")))}
        await self._app(scope, receive, send)


def unmarked(name: str) -> str:
    """A part of a path with its slashes."""
    return name.replace(MARK, "/")


def encoded(path: str) -> str:
    """A path as it is written in an answer."""
    return path.replace(MARK, "%2F")
