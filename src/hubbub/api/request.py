"""A request to REST as the neutral operations see it: read, authenticated, with what it may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hubbub.api.face import RestFace
from hubbub.conference.room import Room
from hubbub.dialects.tables import Window
from hubbub.errors import Refused
from hubbub.ids import Id
from hubbub.settings import Account
from hubbub.storage.store import Store
from hubbub.verbs.hub import Hub
from hubbub.verbs.session import Session


@dataclass(frozen=True)
class Asked:
    """A request to REST, read and authenticated."""

    hub: Hub
    store: Store
    account: Account
    face: RestFace
    path: Mapping[str, str]
    values: Mapping[str, Any]
    window: Window
    host: str
    notes: list[tuple[str, str]]
    """What its account should know although it is no error: a neutral reason, and words."""

    def note(self, reason: str, text: str) -> None:
        """Keep what its account should know; a strict account is refused instead. Raises Refused."""
        if self.account.strict:
            raise Refused(reason, text)
        self.notes.append((reason, text))

    def speaks(self, room: Room) -> str:
        """What a document that is asked for here speaks."""
        return room.record.dialect if self.face.habits.speaks_as_rooms_do else self.face.dialect.name

    @property
    def room(self) -> Room | None:
        """The live room of the path: by id or by name."""
        spelled = self.path["room"]
        identity = self.face.identity("room", spelled)
        if identity is not None:
            return self.hub.rooms.by_id(self.account.name, identity)
        return self.hub.rooms.by_name(self.account.name, spelled)

    def identity(self, kind: str) -> Id:
        """The identity in the path. Raises Refused (not-found)."""
        found = self.face.identity(kind, self.path[kind])
        if found is None:
            raise Refused("not-found")
        return found

    @property
    def session(self) -> Session | None:
        """What runs on the live call of the path; None where none is live."""
        call = self.hub.calls.get(self.account.name, self.identity("call"))
        return self.hub.sessions.get(call.id) if call is not None else None

    def needed_session(self) -> Session:
        """The same. Raises Refused (not-found) where none is live."""
        found = self.session
        if found is None:
            raise Refused("not-found")
        return found


Operation = Callable[[Asked], Awaitable[Any]]
