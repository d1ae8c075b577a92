"""Rooms: found by name or id, opened within what an account may have, forgotten when they are over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hubbub.conference.policy import Joining
from hubbub.conference.room import Room, RoomServices
from hubbub.conference.state import RoomCore
from hubbub.errors import Refused
from hubbub.events import RoomRecord, RoomStatus
from hubbub.ids import Id, new_id
from hubbub.media.client import Mix


class Rooms:
    """All rooms of this server."""

    def __init__(self, services: RoomServices, most: Callable[[str], int] = lambda _account: 0) -> None:
        self._services = services
        self._most = most
        """How many live rooms an account may have; 0: no limit."""
        self._live: dict[tuple[str, str, str], Room] = {}
        """By account, namespace and name."""
        self._by_id: dict[Id, Room] = {}

    def __iter__(self) -> Any:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def count(self, account: str) -> int:
        """How many live rooms an account has."""
        return sum(1 for room in self._by_id.values() if room.record.account == account)

    def by_name(self, account: str, name: str) -> Room | None:
        """The live room of that name; one of another namespace, or one of its own, where it is the only one."""
        found = self._live.get((account, "", name))
        if found is not None:
            return found
        others = [room for room in self._by_id.values() if room.record.account == account and room.record.name == name]
        return others[0] if len(others) == 1 else None

    def open_in(self, account: str, name: str, namespace: str) -> Room | None:
        """The live room of that name in exactly this namespace."""
        return self._live.get((account, namespace, name))

    def by_id(self, account: str, room: Id) -> Room | None:
        """The live room with that id."""
        found = self._by_id.get(room)
        return found if found is not None and found.record.account == account else None

    def of_call(self, call: Id) -> Room | None:
        """The live room that a call is in or is being invited to."""
        return next((room for room in self._by_id.values() if room.member(call) is not None), None)

    def open(self, account: str, name: str, joining: Joining, mix: Mix | None = None) -> Room:
        """The live room of that name (and namespace), or a new one frozen to what its creator wishes.

        `mix` is what a new one is heard in, if that is there already. Raises Refused (too-many-rooms), ResourceExhausted.
        """
        key = (account, joining.namespace, name)
        found = self._live.get(key)
        if found is not None and not joining.alone:
            return found
        most = self._most(account)
        if most and self.count(account) >= most:
            raise Refused("too-many-rooms", f"the account has {most} conferences already")
        now = self._services.clock.now()
        settings = joining.settings
        record = RoomRecord(
            id=new_id(),
            account=account,
            dialect=settings.dialect,
            name=name,
            status=RoomStatus.INIT,
            created=now,
            updated=now,
            region=settings.region,
            tag=settings.tag,
            namespace=joining.namespace,
        )
        room = Room(RoomCore(record, settings), self._services, self._forget, mix)
        if not joining.alone:
            self._live[key] = room
        self._by_id[record.id] = room
        return room

    def discard_if_empty(self, room: Room) -> None:
        """Forget a room that was opened for a join that was then refused."""
        if not room.core.members and room.live and not room.core.kept:
            self._forget(room)
            room.discard()

    def _forget(self, room: Room) -> None:
        key = (room.record.account, room.record.namespace, room.record.name)
        if self._live.get(key) is room:
            del self._live[key]
        self._by_id.pop(room.id, None)
