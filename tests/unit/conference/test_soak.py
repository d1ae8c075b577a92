"""A long time in a short one: joins and leaves at 50 per second through the conference core, in virtual time.

HUBBUB_SOAK gives their number: 100,000 with the other tests (half an hour of the clock), a million and more in `make soak`.
"""

from __future__ import annotations

import gc
import os
import random
import resource
import tracemalloc
from dataclasses import dataclass, field

from tests.support.figures import figure

from hubbub.conference.effects import Close, Effect, Notify, Release
from hubbub.conference.policy import RoomSettings, Subscription, Wait
from hubbub.conference.state import MemberChange, RoomCore
from hubbub.errors import Refused
from hubbub.events import CallStatus, EndReason, LeaveReason, Link, MemberRecord, Presence, RoomEventKind, RoomRecord, RoomStatus
from hubbub.ids import Id

MOVES = int(os.environ.get("HUBBUB_SOAK", "100000"))
STEP = 0.02
ROOMS, LARGEST = 40, 6
FLAT = 500_000
WATCHED = Subscription(Link("http://127.0.0.1/events"), frozenset(RoomEventKind))


@dataclass
class Ledger:
    """What the core must not lose: who is in, what was told, in which order."""

    joined: int = 0
    left: int = 0
    started: int = 0
    ended: int = 0
    released: int = 0
    numbers: dict[Id, int] = field(default_factory=dict)

    def take(self, core: RoomCore, effects: list[Effect]) -> bool:
        """Read effects; whether the room is over."""
        over = False
        for effect in effects:
            if isinstance(effect, Notify):
                event = effect.event
                assert event.number == self.numbers.get(core.room.id, 0) + 1, "no number is left out, none comes twice"
                self.numbers[core.room.id] = event.number
                self.joined += event.kind is RoomEventKind.JOINED
                self.left += event.kind is RoomEventKind.LEFT
                self.started += event.kind is RoomEventKind.CREATED
                self.ended += event.kind is RoomEventKind.ENDED
            elif isinstance(effect, Release):
                self.released += 1
            elif isinstance(effect, Close):
                over = True
        return over


class Town:
    """Rooms that people come to and go from; one that is over makes place for another of its name."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.ledger = Ledger()
        self.made = 0
        self.refused = 0
        self.now = 0.0
        self.rooms: list[RoomCore] = [self.room(f"room{number}") for number in range(ROOMS)]

    def id(self) -> Id:
        return Id(f"{self.chance.getrandbits(128):032x}")

    def room(self, name: str) -> RoomCore:
        self.made += 1
        record = RoomRecord(self.id(), "dev", "twiml", name, RoomStatus.INIT, self.now, self.now)
        return RoomCore(record, RoomSettings("twiml", subscription=WATCHED))

    def move(self) -> None:
        """One step: somebody comes, goes, is muted or held, or a room is ended."""
        self.now += STEP
        where = self.chance.randrange(ROOMS)
        core, dice = self.rooms[where], self.chance.random()
        try:
            effects = self.choose(core, dice)
        except Refused:
            self.refused += 1
            return
        if self.ledger.take(core, effects):
            assert not core.members
            self.ledger.numbers.pop(core.room.id)
            self.rooms[where] = self.room(core.room.name)

    def choose(self, core: RoomCore, dice: float) -> list[Effect]:
        calls = list(core.members)
        if not calls or (dice < 0.5 and len(calls) < LARGEST):
            member = MemberRecord(
                self.id(), self.id(), core.room.id, "dev", Presence.WAITING, self.now, self.now,
                start_on_enter=dice > 0.05, end_on_exit=dice < 0.005,
                label="" if dice > 0.1 else f"l{int(dice * 100)}", held=0.2 < dice < 0.22,
            )  # fmt: skip
            return core.join(member, Wait(), self.now)
        call = self.chance.choice(calls)
        if dice < 0.9:
            return core.leave(call, LeaveReason.HUNG_UP, self.now, CallStatus.COMPLETED)
        if dice < 0.96:
            return core.change(call, MemberChange(muted=dice < 0.93, held=dice > 0.95), self.now)
        if dice < 0.97:
            return core.change(call, MemberChange(coaching=(self.chance.choice(calls),)), self.now)
        if dice < 0.999:
            return core.speech(call, dice < 0.98, self.now)
        return core.end(EndReason.REQUESTED, self.now)


def size() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_joins_and_leaves_at_fifty_a_second() -> None:
    """Rule: "a million joins and leaves at 50 per second through the conference core in simulation: flat memory, no stuck room"."""
    town = Town(7)
    tracemalloc.start(1)
    try:
        while town.ledger.joined + town.ledger.left < 5_000:
            town.move()
        before = size()
        tracemalloc.stop()
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        while town.ledger.joined + town.ledger.left < MOVES:
            town.move()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident
    finally:
        tracemalloc.stop()
    ledger = town.ledger
    figure(
        "virtual time",
        f"{ledger.joined + ledger.left} joins and leaves in {town.made} rooms, {town.now / 3600:.1f} h of the clock; {grown} kB grown",
    )
    assert before < FLAT
    assert grown < 8_000, "kilobytes that the process grew by"
    held = sum(len(each) for core in town.rooms for each in (core.members, core._waits, core._hold_audio, core._audio))
    assert held <= ROOMS * LARGEST * 4
    for core in town.rooms:
        if core.members:
            ledger.take(core, core.end(EndReason.REQUESTED, town.now))
            assert core.room.status is RoomStatus.COMPLETED
        assert not core.members
        assert not core._waits
        assert not core._audio
        assert not core._hold_audio
    assert ledger.joined == ledger.left == ledger.released
    assert ledger.started == ledger.ended


def test_one_room_that_never_ends() -> None:
    """A room whose host stays for ever keeps nothing of the guests that were there."""
    town = Town(8)
    core = town.room("lobby")
    host = MemberRecord(town.id(), town.id(), core.room.id, "dev", Presence.WAITING, 0.0, 0.0)
    town.ledger.take(core, core.join(host, Wait(), 0.0))
    for number in range(MOVES // 10):
        guest = MemberRecord(town.id(), town.id(), core.room.id, "dev", Presence.WAITING, town.now, town.now, label="guest")
        town.ledger.take(core, core.join(guest, Wait(), town.now))
        assert core.room.size == 2
        effects = core.leave(guest.call, LeaveReason.HUNG_UP, town.now + STEP, CallStatus.COMPLETED)
        if town.ledger.take(core, effects):
            raise AssertionError(f"the room ended with guest {number}")
        town.now += 2 * STEP
    assert list(core.members) == [host.call]
    assert len(core._waits) + len(core._audio) + len(core._hold_audio) <= 3
