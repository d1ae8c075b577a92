"""A bridge: two calls that hear each other, without a room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

import structlog

from hubbub.calls.call import Call
from hubbub.media.client import Media, Mix

log = structlog.get_logger()

BridgeEnd = Literal["first-left", "second-left", "star", "time-limit", "handed-over"]
"""Why a bridge ended: one of the two hung up or was given something else to do; `*` was pressed; it was long enough; it became a room."""
DIGIT_MS = 120


class Bridge:
    """Opened while the second call rings (`early`) or once it has answered; ends once, for one reason."""

    def __init__(self, media: Media, first: Call, second: Call) -> None:
        self.first = first
        self.second = second
        self.over: asyncio.Future[BridgeEnd] = asyncio.get_running_loop().create_future()
        self._mix: Mix = media.open_mix(near=first.leg)
        self._timer: asyncio.TimerHandle | None = None
        self._deaf: list[Callable[[], None]] = []
        """What ends the passing on of keys."""
        self.joined = False
        self._stays: dict[Call, asyncio.Future[None]] = {}
        """Of the two, in the room that the bridge has become."""

    @property
    def handed_over(self) -> bool:
        """Whether it has become a room."""
        return bool(self._stays)

    @property
    def mix(self) -> Mix:
        """What the two are heard in."""
        return self._mix

    def stay(self, call: Call) -> asyncio.Future[None] | None:
        """Ends when the call has left the room that the bridge has become; None while it has become none."""
        return self._stays.get(call)

    async def parted(self, call: Call) -> None:
        """Wait until this one is in it no more: the two have parted, or it has left the room that the bridge became."""
        await asyncio.shield(self.over)
        if call in self._stays:
            await asyncio.shield(self._stays[call])

    def hand_over(self) -> dict[Call, asyncio.Future[None]]:
        """It becomes a room, which has its mix from now on; each of the futures ends when that call has left the room."""
        loop = asyncio.get_running_loop()
        self._stays = {call: loop.create_future() for call in (self.first, self.second)}
        self._let_go("handed-over")
        return self._stays

    def early(self) -> None:
        """Let the first call hear the second, which has not answered."""
        self.second.leg.route(self._mix, speak=True, hear=False)
        self.first.leg.route(self._mix, speak=False, hear=True)

    def join(self, *, leave_on_star: bool = False, time_limit_seconds: float | None = None) -> None:
        """Let both hear each other, and pass keys on from each to the other."""
        self.joined = True
        self.first.bridge = self.second.bridge = self
        self.first.connected_with(self.second.id)
        self.second.connected_with(self.first.id)
        for call in (self.first, self.second):
            call.leg.route(self._mix, speak=True, hear=True)
        star = (lambda: self.end("star")) if leave_on_star else None
        self._deaf = [self.first.hear_keys(self._keys(self.second, star)), self.second.hear_keys(self._keys(self.first, None))]
        if time_limit_seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(time_limit_seconds, self.end, "time-limit")

    def hold(self, call: Call, *, held: bool) -> None:
        """Take one of the two out of hearing, both ways, or back in."""
        if self.joined and not self.over.done():
            call.leg.route(self._mix, speak=not held, hear=not held)

    def end(self, why: BridgeEnd) -> None:
        """Part them; a second call changes nothing."""
        if self.over.done():
            return
        self._let_go(why)
        for call in (self.first, self.second):
            call.leg.route(None, speak=False, hear=False)
        self._mix.close()

    def _let_go(self, why: BridgeEnd) -> None:
        self.over.set_result(why)
        if self._timer is not None:
            self._timer.cancel()
        for call in (self.first, self.second):
            if self.joined:
                call.bridge = None
        for release in self._deaf:
            release()

    def _keys(self, other: Call, star: Callable[[], None] | None) -> Callable[[str], None]:
        def pressed(digit: str) -> None:
            if digit == "*" and star is not None:
                star()
            elif not other.over:
                other.leg.send_digits(digit, tone_ms=DIGIT_MS)

        return pressed
