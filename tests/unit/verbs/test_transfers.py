"""A transfer, bound to its room: what is told of it and when, and what becomes of those who were on hold."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.facts import CALL, identity
from tests.support.rooms import JOINING, come, rooms

from hubbub.clock import ManualClock
from hubbub.conference.room import Room
from hubbub.conference.transfer import TransferRecord, TransferState
from hubbub.events import CallStatus, EndReason, LeaveReason
from hubbub.ids import Id
from hubbub.verbs.transfer import Transfer

AGENT, CUSTOMER, FRIEND, TARGET = (identity(number) for number in range(41, 45))


class Hub:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.services = SimpleNamespace(clock=self.clock)
        self.calls = SimpleNamespace(get=lambda _account, call: replace(CALL, id=call))
        self.told: list[str] = []

    def tell(self, call: Any, action: str, state: str, now: float, **facts: Any) -> None:
        """Remember it."""
        self.told.append(state)

    def remove(self, room: Room, call: Id) -> None:
        """Take it out."""
        room.leave(call, LeaveReason.REMOVED, CallStatus.IN_PROGRESS)


def begun(*, held: bool = False) -> tuple[Hub, Room, Transfer]:
    """An agent who gives two away; the friend is on hold already, if `held`."""
    hub: Any = Hub()
    room = rooms().open("dev", "standup", JOINING)
    for call in (AGENT, CUSTOMER):
        come(room, call)
    come(room, FRIEND, held=held)
    transfer = Transfer(hub, room, TransferRecord(identity(50), room.id, AGENT, TARGET, (CUSTOMER, FRIEND), consult=True), None)
    hub.clock.advance(10)
    transfer.begin()
    return hub, room, transfer


def on_hold(room: Room) -> list[Id]:
    return [call for call, member in room.core.members.items() if member.held]


async def test_each_state_is_told_and_dated_once() -> None:
    """P8: calling, consulting, completed; `updated` is when the transfer changed, not when anybody came or went."""
    hub, room, transfer = begun()
    began = transfer.record.updated
    assert (hub.told, transfer.record.created) == (["calling"], began)
    hub.clock.advance(10)
    come(room, identity(60))
    room.leave(identity(60), LeaveReason.HUNG_UP, CallStatus.COMPLETED)
    assert transfer.record.updated == began
    come(room, TARGET)
    assert hub.told == ["calling", "consulting"]
    assert transfer.record.updated == began + 10
    transfer.complete()
    assert hub.told == ["calling", "consulting", "completed"]
    assert on_hold(room) == []
    assert AGENT not in room.core.members


async def test_a_conference_that_ends_hands_nobody_over() -> None:
    """The giver leaves as everybody does: that is no word to hand over."""
    hub, room, transfer = begun()
    come(room, TARGET)
    room.end(EndReason.REQUESTED)
    assert (transfer.record.state, transfer.record.reason) == (TransferState.FAILED, "the conference ended")
    assert hub.told == ["calling", "consulting", "failed"]


@pytest.mark.parametrize("how", ["cancel", "complete"])
async def test_who_was_on_hold_before_is_so_until_handed_over(how: str) -> None:
    _hub, room, transfer = begun(held=True)
    assert on_hold(room) == [CUSTOMER, FRIEND]
    come(room, TARGET)
    if how == "cancel":
        transfer.cancel()
        assert on_hold(room) == [FRIEND]
    else:
        transfer.complete()
        assert on_hold(room) == []
