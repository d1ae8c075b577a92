"""Who may use hubbub's own pages: who has the admin token, or, where none is set, programs of this machine."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

from hubbub.api.guesses import Guesses, host_of
from hubbub.errors import Refused, TooManyGuesses


class Door:
    """Says yes or no. `home` is the host of the public URL, `now` gives monotonic seconds.

    Without a token the server listens on loopback only; still a page in somebody's browser may ask, by a name of its own that leads here
    (DNS rebinding), therefore names that are not this machine's are refused.
    """

    def __init__(self, token: str, home: str, guesses: Guesses, now: Callable[[], float]) -> None:
        self._token = token
        self._home = home.lower()
        self._guesses = guesses
        self._now = now

    def open(self, request: Request) -> bool:
        """Whether a request may read what is the server's. Raises HTTPException (429) after too many wrong tokens."""
        if not self._token:
            return self._here(request.headers.get("host", ""))
        given = request.headers.get("authorization", "")
        try:
            with self._guesses.judging(host_of(request), given, self._now()):
                if not self.holds(request):
                    raise Refused("unauthenticated")
        except TooManyGuesses as refusal:
            raise HTTPException(429, str(refusal), {"Retry-After": str(refusal.seconds)}) from None
        except Refused:
            return False
        return True

    def admits(self, request: Request) -> bool:
        """Whether it may change something: without a token set, only from this machine."""
        return self.open(request) and (bool(self._token) or _loopback(host_of(request)))

    def holds(self, request: Request) -> bool:
        """Whether it shows the token; in constant time."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return bool(self._token) and hmac.compare_digest(given.encode(), self._token.encode())

    def _here(self, named: str) -> bool:
        """Whether a Host header is an address, which no foreign name can be, or localhost, or the host of the public URL."""
        try:
            host = (urlsplit(f"//{named}").hostname or "").lower()
            if host not in ("", "localhost", self._home):
                ipaddress.ip_address(host)
        except ValueError:
            return False
        return True


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
