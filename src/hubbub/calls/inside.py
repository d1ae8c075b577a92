"""Calls that stay inside: two ends of one call, joined here without a packet of SIP. Their sound goes over RTP as any other's.

One end is outgoing, the other incoming; both are a `SipCall` to whoever has them, with the states of RFC 3261 13 and 15.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Literal

from hubbub.errors import SipError
from hubbub.ids import new_id
from hubbub.sip.endpoint import NO_HEADERS, Address, Callbacks, SipEnd

NOWHERE: Address = ("", 0)


class InsideCall(Callbacks):
    """One end. What is done at it is told to the other in the next turn of the loop."""

    def __init__(self, direction: Literal["in", "out"], number: str, from_uri: str, to_uri: str, offer: str) -> None:
        self.id = number
        self.direction: Literal["in", "out"] = direction
        self.from_uri, self.to_uri, self.request_uri = from_uri, to_uri, to_uri
        self.from_user = self.to_user = self.from_display = ""
        self.user: str | None = None
        self.source = NOWHERE
        self.headers: Mapping[str, str] = {}
        self.signalled: Mapping[str, str] = {}
        self.remote_sdp: str | None = offer if direction == "in" else None
        self.dialog: Mapping[str, Any] | None = None
        self._other: InsideCall = self
        self._state: Literal["ringing", "answered", "ended"] = "ringing"

    # -- the incoming end --------------------------------------------------------------------------------------

    def ring(self, sdp: str | None = None) -> None:
        """It rings, or is heard already."""
        if self.direction == "in" and self._state == "ringing":
            self._other.later(lambda end: end.on_progress and end.on_progress(183 if sdp else 180, sdp))

    def answer(self, sdp: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """It is answered."""
        if self.direction != "in" or self._state != "ringing":
            return
        self._state = self._other._state = "answered"
        self._other.remote_sdp = sdp
        self._other.headers = dict(headers)
        self._other.later(lambda end: end.on_answer and end.on_answer(sdp))

    def reject(self, code: int, reason: str = "", headers: Mapping[str, str] = NO_HEADERS) -> None:
        """It is refused."""
        if self.direction == "in" and self._state == "ringing":
            self._end(code, reason)

    def redirect(self, uri: str) -> None:
        """Nobody follows: it is refused."""
        self.reject(302, "Moved Temporarily")

    # -- both --------------------------------------------------------------------------------------------------

    def hangup(self, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """It ends: called off, refused, or hung up. Harmless on an ended call."""
        if self._state == "answered":
            self._end(200, "OK")
        elif self._state == "ringing" and self.direction == "in":
            self._end(603, "Decline")
        elif self._state == "ringing":
            self._end(487, "Request Terminated")

    async def reinvite(self, sdp: str) -> str:
        """Offer it to the other end. SipError when that refuses."""
        await asyncio.sleep(0)
        answer = self._other.on_offer(sdp) if self._state == "answered" and self._other.on_offer is not None else None
        if answer is None:
            raise SipError(488, "Not Acceptable Here")
        return answer

    async def info(self, content_type: str, body: str) -> int:
        """There is no phone that could understand it."""
        return 415

    async def refer(self, uri: str) -> int:
        """Ask the other end to call somebody else."""
        await asyncio.sleep(0)
        wanted = self._other.on_refer
        return 202 if self._state == "answered" and wanted is not None and wanted(uri) else 603

    def refer_result(self, code: int, reason: str = "") -> None:
        """Tell the other end how that went."""
        self._other.later(lambda end: end.on_referral and end.on_referral(code, True))

    # -- inside ------------------------------------------------------------------------------------------------

    def join(self, other: InsideCall) -> None:
        """These two are one call."""
        self._other, other._other = other, self

    def later(self, told: Callable[[InsideCall], object]) -> None:
        """Tell whoever has this end, never from inside a method of the other."""
        asyncio.get_running_loop().call_soon(told, self)

    def _end(self, code: int, reason: str) -> None:
        answered = self._state == "answered"
        for end, by in ((self, "local"), (self._other, "remote")):
            end._state = "ended"
            end.later(_over(SipEnd(code, reason, "local" if by == "local" else "remote", answered)))


def _over(why: SipEnd) -> Callable[[InsideCall], None]:
    def told(end: InsideCall) -> None:
        hearing = end.on_end
        end.clear_callbacks()
        if hearing is not None:
            hearing(why)

    return told


def pair(from_uri: str, to_uri: str, offer: str) -> tuple[InsideCall, InsideCall]:
    """The outgoing and the incoming end of a new call."""
    number = f"{new_id()}@inside"
    outgoing, incoming = InsideCall("out", number, from_uri, to_uri, offer), InsideCall("in", number, from_uri, to_uri, offer)
    outgoing.join(incoming)
    return outgoing, incoming
