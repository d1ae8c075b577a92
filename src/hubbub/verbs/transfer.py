"""Transfers, bound to rooms: what the core wants is done, and what happens in the room is told to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from hubbub.conference.policy import Wait
from hubbub.conference.room import Room
from hubbub.conference.state import MemberChange
from hubbub.conference.transfer import Effect, Keep, LetGo, Park, TransferCore, TransferRecord, Unpark
from hubbub.errors import Refused
from hubbub.events import RoomEvent, RoomEventKind
from hubbub.ids import Id

if TYPE_CHECKING:
    from hubbub.verbs.hub import Hub

log = structlog.get_logger()
MOST = 200
"""Transfers of an account that are remembered; the oldest that are over are forgotten first."""


class Transfer:
    """One transfer in a room."""

    def __init__(self, hub: Hub, room: Room, record: TransferRecord, hold: Wait | None) -> None:
        held = frozenset(call for call in record.parked if (member := room.member(call)) is not None and member.held)
        self.core = TransferCore(record, held)
        self._known = record
        """Its facts when they were looked at last."""
        self.account = room.record.account
        self._hub = hub
        self._room = room
        self._hold = hold
        giver = room.member(record.giver)
        self._ended_room = giver is not None and giver.end_on_exit
        """Whether the room would have ended with the giver."""

    @property
    def record(self) -> TransferRecord:
        """Its facts."""
        return self.core.record

    def begin(self) -> None:
        """Park whoever is to be handed over, and follow the room."""
        self._room.watchers.add(self._happened)
        self._known = self.core.record = replace(self.record, created=self._hub.services.clock.now())
        self._perform(self.core.begin())

    def complete(self) -> None:
        """Hand over. Raises Refused."""
        self._perform(self.core.complete())

    def cancel(self) -> None:
        """Take back. Raises Refused."""
        self._perform(self.core.cancel())

    def _happened(self, event: RoomEvent) -> None:
        if not self._room.live:  # whoever leaves now leaves because it is over
            self.core.ended()
            self._perform([])
        elif event.call is not None and event.kind is RoomEventKind.JOINED:
            self._perform(self.core.joined(event.call))
        elif event.call is not None and event.kind is RoomEventKind.LEFT:
            self._perform(self.core.left(event.call))

    def _perform(self, effects: list[Effect]) -> None:
        before, new = self._known, not self._known.updated
        if new or self.record != before:
            self._known = self.core.record = replace(self.record, updated=self._hub.services.clock.now())
        if self.record.state.final:
            self._room.watchers.discard(self._happened)
        for effect in effects:
            try:
                self._do(effect)
            except Refused as refusal:  # it has left meanwhile
                log.info("transfer_effect_in_vain", transfer=self.record.id, reason=str(refusal))
        if new or self.record.state is not before.state:
            self._tell()

    def _do(self, effect: Effect) -> None:
        room = self._room
        match effect:
            case Park(call):
                room.change(call, MemberChange(held=True, hold_audio=self._hold))
            case Unpark(call):
                room.change(call, MemberChange(held=False))
            case Keep(call, keeps):
                if self._ended_room and room.member(call) is not None:
                    room.change(call, MemberChange(end_on_exit=not keeps))
            case LetGo(call):
                if room.member(call) is not None:
                    self._hub.remove(room, call)

    def _tell(self) -> None:
        """Leave its trace in the events, beside the call that gives, or the one that is called."""
        for identity in (self.record.giver, self.record.target):
            call = self._hub.calls.get(self.account, identity)
            if call is not None:
                facts = {"transfer": self.record.id, "room": self.record.room, "target": self.record.target, "reason": self.record.reason}
                self._hub.tell(call, "transfer", self.record.state.value, self.record.updated, **facts)
                return


class Transfers:
    """All transfers that are remembered."""

    def __init__(self) -> None:
        self._all: dict[Id, Transfer] = {}

    def add(self, transfer: Transfer) -> None:
        """Remember one more."""
        self._all[transfer.record.id] = transfer
        over = [each for each in self._all.values() if each.account == transfer.account and each.record.state.final]
        for each in over[: max(0, len(over) - MOST)]:
            del self._all[each.record.id]

    def of_room(self, account: str, room: Id) -> list[Transfer]:
        """Those of a room, newest first."""
        return [each for each in reversed(self._all.values()) if each.account == account and each.record.room == room]

    def under_way(self, room: Id) -> Transfer | None:
        """The one that is under way in a room."""
        return next((each for each in self._all.values() if each.record.room == room and not each.record.state.final), None)
