"""The body of a request, as far as it may be long."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from hubbub.errors import Refused

LARGEST_BODY: Final = 1 << 20


async def body_of(request: Request, most: int = LARGEST_BODY) -> bytes:
    """The body, of `most` bytes. Raises Refused (bad-parameter) where it is larger."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Refused("bad-parameter", f"the body is larger than {most} bytes")
    return body
