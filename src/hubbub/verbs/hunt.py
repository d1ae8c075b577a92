"""A hunt for somebody who answers: targets rung group by group. A pure core: inputs in, effects out, no clock.

A target is named by its place: the number of its group, and its number in the group. The first of a group to answer
is chosen and the others are called off; a group of which nobody was connected makes way for the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubbub.events import CallStatus

Place = tuple[int, int]
RANKS = (CallStatus.NO_ANSWER, CallStatus.BUSY, CallStatus.FAILED, CallStatus.CANCELED)
"""How a group ended whose targets ended differently: the first of these that occurs."""


@dataclass(frozen=True)
class Ring:
    """Call this target."""

    place: Place


@dataclass(frozen=True)
class CallOff:
    """This target is not needed any more."""

    place: Place


@dataclass(frozen=True)
class Prepare:
    """This target has answered first: let it hear what it shall hear before it is connected."""

    place: Place


@dataclass(frozen=True)
class Join:
    """Connect this target."""

    place: Place


@dataclass(frozen=True)
class GiveUp:
    """Nobody was connected; `status` says how the last group ended, `place` whose status that is."""

    status: CallStatus
    place: Place | None


Effect = Ring | CallOff | Prepare | Join | GiveUp


class Hunt:
    """One hunt; `sizes` are the numbers of targets in each group."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = tuple(sizes)
        self._group = -1
        self._ended: dict[int, CallStatus] = {}
        self._chosen: int | None = None
        self.joined: Place | None = None
        """Who was connected."""
        self.over = False

    def start(self) -> list[Effect]:
        """Ring the first group."""
        return self._next()

    def answered(self, place: Place) -> list[Effect]:
        """A target has answered."""
        group, number = place
        if self.over or group != self._group or self._chosen is not None:
            return [CallOff(place)]
        self._chosen = number
        others = [other for other in range(self._sizes[group]) if other != number and other not in self._ended]
        return [*(CallOff((group, other)) for other in others), Prepare(place)]

    def ready(self, place: Place) -> list[Effect]:
        """The one that answered has heard what it had to hear."""
        if self.over or place != (self._group, self._chosen):
            return [CallOff(place)]
        self.joined, self.over = place, True
        return [Join(place)]

    def ended(self, place: Place, status: CallStatus) -> list[Effect]:
        """A target's call is over, or could not be made. One that had answered and was not connected counts as no answer."""
        group, number = place
        if self.over or group != self._group or number in self._ended:
            return []
        self._ended[number] = CallStatus.NO_ANSWER if status is CallStatus.COMPLETED else status
        if number == self._chosen:  # the others were called off: they end without a say
            return self._next()
        if self._chosen is not None or len(self._ended) < self._sizes[group]:
            return []
        return self._next()

    def stop(self) -> None:
        """Whoever hunts has gone."""
        self.over = True

    def _next(self) -> list[Effect]:
        status, place = self._verdict()
        self._group += 1
        if self._group >= len(self._sizes):
            self.over = True
            return [GiveUp(status, place)]
        self._ended, self._chosen = {}, None
        if not self._sizes[self._group]:
            return self._next()
        return [Ring((self._group, number)) for number in range(self._sizes[self._group])]

    def _verdict(self) -> tuple[CallStatus, Place | None]:
        if self._chosen is not None and self._chosen in self._ended:
            return self._ended[self._chosen], (self._group, self._chosen)
        for rank in RANKS:
            for number, status in self._ended.items():
                if status is rank:
                    return rank, (self._group, number)
        return CallStatus.FAILED, None
