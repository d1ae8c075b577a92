"""Cookies, "stored and returned per call, like a browser": one bounded jar per key, a bounded number of jars."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from aiohttp import CookieJar
from yarl import URL

JARS = 4096
COOKIES = 64
"""Most cookies that one jar keeps: a receiver that sets more loses the others."""


class Jars:
    """Jars by key; the one not used for longest is dropped when there are too many."""

    def __init__(self, limit: int = JARS) -> None:
        self._limit = limit
        self._jars: OrderedDict[str, CookieJar] = OrderedDict()

    def __len__(self) -> int:
        return len(self._jars)

    def header(self, key: str, url: URL) -> str:
        """The Cookie header for a request, empty when there is nothing to send."""
        jar = self._jars.get(key)
        if jar is None:
            return ""
        self._jars.move_to_end(key)
        return "; ".join(f"{name}={morsel.coded_value}" for name, morsel in jar.filter_cookies(url).items())

    def store(self, key: str, url: URL, headers: Sequence[str]) -> None:
        """Keep what Set-Cookie headers say. Needs a running loop (aiohttp's jar asks for one)."""
        jar = self._jars.get(key)
        if jar is None:
            jar = self._jars[key] = CookieJar(unsafe=True)  # "unsafe": also for hosts that are addresses
            while len(self._jars) > self._limit:
                self._jars.popitem(last=False)
        self._jars.move_to_end(key)
        if len(jar) < COOKIES:
            jar.update_cookies_from_headers(headers[: COOKIES - len(jar)], url)

    def forget(self, key: str) -> None:
        """Drop a jar."""
        self._jars.pop(key, None)
