"""What stands before every page and resource: headers that browsers obey, bounds of what is read, and how often an account may ask."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hubbub.errors import Refused
from hubbub.sip.limits import Bucket

HEADERS: Mapping[bytes, bytes] = MappingProxyType(
    {
        b"x-content-type-options": b"nosniff",
        b"x-frame-options": b"DENY",
        b"referrer-policy": b"no-referrer",
        b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
        b"cache-control": b"no-store",
    }
)
"""Set where a response does not say otherwise. There is none that lets pages of other origins read answers (CORS)."""
LONGEST_QUERY = 16 << 10
READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Shield:
    """Adds HEADERS to every response; a query that is longer than LONGEST_QUERY bytes gets 414, a change that a page of another origin asks
    for 403: browsers send credentials that they remember with it. `home` is the host, and port, of the public URL."""

    def __init__(self, app: ASGIApp, home: str = "") -> None:
        self._app = app
        self._home = home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given}
                message = {**message, "headers": [*given, *((name, value) for name, value in HEADERS.items() if name not in names)]}
            await send(message)

        refused = 414 if len(scope.get("query_string", b"")) > LONGEST_QUERY else 403 if self._foreign(scope) else 0
        if refused:
            await guarded({"type": "http.response.start", "status": refused, "headers": [(b"content-length", b"0")]})
            await guarded({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, guarded)

    def _foreign(self, scope: Scope) -> bool:
        """Whether a page of another origin asks for a change."""
        if scope["method"] in READS:
            return False
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None:
            return False
        try:
            named = urlsplit(origin).netloc.lower()
        except ValueError:
            return True  # no browser says so, and no page of this server's
        return named not in {headers.get("host", "").lower(), self._home.lower()} - {""}


class Pace:
    """Requests a second of each account, in bursts of two seconds' worth; 0 is no limit."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: dict[str, Bucket] = {}
        self.refused = 0

    def check(self, account: str, now: float) -> None:
        """Count a request. Raises Refused (too-many)."""
        if self._rate <= 0:
            return
        if not self._buckets.setdefault(account, Bucket(at=now)).take(now, self._rate, max(1.0, 2 * self._rate)):
            self.refused += 1
            raise Refused("too-many", f"more than {self._rate:g} requests a second")
