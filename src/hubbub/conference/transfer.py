"""A warm transfer: others are parked, somebody is added, and whoever gives them away leaves. A pure core: no clock, no sound.

calling → consulting → completed; or failed (nobody came, or nobody is left to be handed over), or canceled. Whoever gives may leave, or
say "complete", before the target has answered: then the target gets the others as soon as it does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from hubbub.errors import Refused
from hubbub.ids import Id


class TransferState(StrEnum):
    """How far it has come."""

    CALLING = "calling"
    CONSULTING = "consulting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        """Whether it is over."""
        return self not in (TransferState.CALLING, TransferState.CONSULTING)


@dataclass(frozen=True)
class TransferRecord:
    """The facts about a transfer."""

    id: Id
    room: Id
    giver: Id
    target: Id
    parked: tuple[Id, ...]
    consult: bool
    """Whether giver and target talk alone before the others are given away."""
    state: TransferState = TransferState.CALLING
    reason: str = ""
    created: float = 0.0
    updated: float = 0.0


@dataclass(frozen=True)
class Park:
    """Let a member hear hold audio, apart from the others."""

    call: Id


@dataclass(frozen=True)
class Unpark:
    """Bring it back."""

    call: Id


@dataclass(frozen=True)
class Keep:
    """The room does not end when this member leaves; or it does again, as before."""

    call: Id
    keeps: bool


@dataclass(frozen=True)
class LetGo:
    """Take a member out of the room."""

    call: Id


Effect = Park | Unpark | Keep | LetGo


class TransferCore:
    """One transfer."""

    def __init__(self, record: TransferRecord, held: frozenset[Id] = frozenset()) -> None:
        self.record = record
        self._held = held
        """Who was on hold before: hold goes on for them, until they are handed over."""

    def begin(self) -> list[Effect]:
        """The target is being called: park the others, and see to it that the giver does not end the room by leaving."""
        return [Keep(self.record.giver, keeps=True), *(Park(call) for call in self.record.parked if call not in self._held)]

    def joined(self, call: Id) -> list[Effect]:
        """Somebody came into the room."""
        if call != self.record.target or self.record.state is not TransferState.CALLING:
            return []
        if self.record.consult:
            self._become(TransferState.CONSULTING)
            return []
        return self._hand_over()

    def left(self, call: Id) -> list[Effect]:
        """Somebody left the room."""
        record = self.record
        if record.state.final:
            return []
        if call == record.target:
            return self._back(TransferState.FAILED, "the target did not stay" if self._consulting else "the target did not come")
        if call == record.giver:
            if self._consulting:
                return self._hand_over(giver_left=True)
            self.record = replace(record, consult=False)
            return []
        if call in record.parked:
            self.record = replace(record, parked=tuple(other for other in record.parked if other != call))
            if not self.record.parked:
                return [LetGo(record.target), *self._back(TransferState.FAILED, "nobody is left to be handed over")]
        return []

    def complete(self) -> list[Effect]:
        """The giver has done its part. Raises Refused (no-transfer)."""
        self._must_go_on()
        if self._consulting:
            return self._hand_over()
        self.record = replace(self.record, consult=False)
        return []

    def cancel(self) -> list[Effect]:
        """The giver takes the others back. Raises Refused (no-transfer)."""
        self._must_go_on()
        return [LetGo(self.record.target), *self._back(TransferState.CANCELED, "")]

    def ended(self) -> None:
        """The room is over."""
        if not self.record.state.final:
            self._become(TransferState.FAILED, "the conference ended")

    @property
    def _consulting(self) -> bool:
        return self.record.state is TransferState.CONSULTING

    def _must_go_on(self) -> None:
        if self.record.state.final:
            raise Refused("no-transfer", f"the transfer is {self.record.state}")

    def _hand_over(self, *, giver_left: bool = False) -> list[Effect]:
        self._become(TransferState.COMPLETED)
        return [*self._unparked(self.record.parked), *([] if giver_left else [LetGo(self.record.giver)])]

    def _back(self, state: TransferState, reason: str) -> list[Effect]:
        self._become(state, reason)
        taken_back = (call for call in self.record.parked if call not in self._held)
        return [*self._unparked(taken_back), Keep(self.record.giver, keeps=False)]

    def _unparked(self, calls: Iterable[Id]) -> Iterable[Effect]:
        return (Unpark(call) for call in calls)

    def _become(self, state: TransferState, reason: str = "") -> None:
        self.record = replace(self.record, state=state, reason=reason)
