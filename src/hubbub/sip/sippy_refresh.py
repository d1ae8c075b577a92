"""Session timer of one call (RFC 4028): who refreshes, how often, and when to give up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hubbub.sip.fields import option_tags, session_expires
from hubbub.sip.sippy_messages import value, values


class Refresh:
    """We never ask for a session timer; we keep one that the other side or a proxy asks for."""

    MINIMUM = 90

    def __init__(self, send: Callable[[], None], missed: Callable[[], None]) -> None:
        self._send = send
        self._missed = missed
        self._seconds = 0
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def too_short(cls, request: Any) -> bool:
        """Whether the interval asked for must be refused with 422 (5)."""
        asked = session_expires(value(request, "session-expires", "x") or "")
        return asked is not None and asked[0] < cls.MINIMUM

    def accept(self, request: Any) -> list[tuple[str, str]]:
        """Headers for our 2xx to `request`, and the timer that goes with them."""
        asked = session_expires(value(request, "session-expires", "x") or "")
        if asked is None:
            return []
        seconds, refresher = asked
        supported = "timer" in option_tags(values(request, "supported", "require"))
        refresher = refresher or ("uac" if supported else "uas")
        self._start(seconds, ours=refresher == "uas")
        headers = [("Session-Expires", f"{seconds};refresher={refresher}")]
        return [*headers, ("Require", "timer")] if refresher == "uac" else headers

    def agreed(self, response: Any) -> None:
        """A 2xx to our INVITE or UPDATE: keep the timer it names."""
        named = session_expires(value(response, "session-expires", "x") or "")
        if named is not None and named[0] > 0:
            self._start(named[0], ours=named[1] != "uas")
        elif self._seconds:
            self._start(self._seconds, ours=True)

    def propose(self) -> tuple[tuple[str, str], ...]:
        """Headers for a refresh of ours: the interval that holds, and we go on refreshing."""
        return (("Session-Expires", f"{self._seconds};refresher=uac"),) if self._seconds else ()

    def stop(self) -> None:
        """The call is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, seconds: int, *, ours: bool) -> None:
        self.stop()
        self._seconds = seconds
        loop = asyncio.get_running_loop()
        if ours:
            self._timer = loop.call_later(seconds / 2, self._send)
        else:
            self._timer = loop.call_later(seconds - min(32, seconds / 3), self._missed)
