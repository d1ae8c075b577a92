"""A bridge that becomes a room: wholly, or not at all."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.facts import ACCOUNT, CALL, identity
from tests.support.rooms import JOINING, Host, come, media, rooms

from hubbub.calls.bridge import Bridge
from hubbub.clock import ManualClock
from hubbub.conference.policy import Policy, RoomSettings
from hubbub.errors import Refused
from hubbub.events import LeaveReason
from hubbub.verbs.upgrade import upgrade

ALICE, BOB = identity(21), identity(22)


class PartyCall:
    """Its call."""

    over = False

    def __init__(self, call: Any, leg: Any) -> None:
        self.id, self.leg = call, leg
        self.bridge: Any = None

    def connected_with(self, other: Any) -> None:
        """Nothing is kept."""

    def hear_keys(self, heard: Any) -> Any:
        """No key is pressed."""
        return lambda: None


class Party(Host):
    """A session with its call."""

    def __init__(self, call: Any) -> None:
        super().__init__()
        self.record = replace(CALL, id=call)
        self.dialect = SimpleNamespace(settled=lambda _account, _call, joining: joining)
        self.more_to_do = True
        self.room: Any = None
        self.released_by: Any = None
        self.call = PartyCall(call, self.leg)


def bridged(most: int = 0) -> tuple[Any, Party, Party, Bridge]:
    """Two who are connected, and the services."""
    one, two = Party(ALICE), Party(BOB)
    here = rooms(most)
    hub = SimpleNamespace(sessions={ALICE: one, BOB: two})
    services = SimpleNamespace(accounts={"dev": ACCOUNT}, rooms=here, hub=hub, clock=ManualClock())
    first: Any = one.call
    second: Any = two.call
    bridge = Bridge(media(), first, second)
    bridge.join()
    return services, one, two, bridge


async def test_the_two_are_in_the_room() -> None:
    services, one, two, bridge = bridged()
    asking: Any = one
    room = upgrade(services, asking, "standup", replace(JOINING, label="a"), replace(JOINING, label="b"))
    assert {member.label for member in room.core.members.values()} == {"a", "b"}
    assert bridge.handed_over
    assert room.mix is bridge.mix
    assert (one.room, two.room) == (room, room)


@pytest.mark.parametrize(
    ("own", "others", "most", "reason"),
    [
        (replace(JOINING, label="a"), replace(JOINING, label="a"), 0, "label-taken"),
        (replace(JOINING, settings=RoomSettings("twiml", Policy(capacity=1))), JOINING, 0, "full"),
        (JOINING, JOINING, 1, "too-many-rooms"),
    ],
)
async def test_who_cannot_both_come_in_stay_connected(own: Any, others: Any, most: int, reason: str) -> None:
    """P10: "without a gap", also when it is refused: the bridge goes on as it was, and nothing is left of the room."""
    services, one, two, bridge = bridged(most)
    if most:
        come(services.rooms.open("dev", "another", JOINING), identity(30))
    before = services.rooms.count("dev")
    asking: Any = one
    with pytest.raises(Refused) as refused:
        upgrade(services, asking, "standup", own, others)
    assert refused.value.reason == reason
    mix: Any = bridge.mix
    assert (bridge.over.done(), bridge.handed_over, mix.closed) == (False, False, False)
    assert [each.call.bridge for each in (one, two)] == [bridge, bridge]
    assert [(each.room, each.released_by, each.leg.routed) for each in (one, two)] == [(None, None, (mix, True, True))] * 2
    assert services.rooms.count("dev") == before


async def test_who_leaves_the_room_goes_on() -> None:
    services, one, two, bridge = bridged()
    asking: Any = one
    room = upgrade(services, asking, "standup", JOINING, JOINING)
    stay = bridge.stay(asking.call)
    room.leave(ALICE, LeaveReason.REMOVED, one.call_status)
    one.released_by.set_result(one.reasons[0])
    assert stay is not None
    await stay
    assert not two.released_by.done()
