"""The resolver of the HTTP client."""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from hubbub.lookup import Lookup


class Names(AbstractResolver):
    """Looks names up so that one whose servers do not answer stops no other."""

    def __init__(self) -> None:
        self._lookup = Lookup()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """All addresses of a name. Raises OSError."""
        try:
            found = await self._lookup.find(host, port, family=family, kind=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise OSError(None, f"{host!r} is no name") from error
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=one, proto=proto, flags=flags)
            for one, _, proto, _, address in found
            if one == socket.AF_INET or (one == socket.AF_INET6 and not address[3])  # a scope belongs to link-local addresses
        ]

    async def close(self) -> None:
        """Nothing is waited for."""
