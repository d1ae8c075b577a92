"""Streams of rooms: each begins with a member that asks for it, and ends with its room or with its far side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hubbub.conference.room import Room
from hubbub.events import CallRecord, Problem
from hubbub.ids import Id
from hubbub.media.client import Leg, Mix, Tap
from hubbub.verbs.capture import OpenStream
from hubbub.verbs.dialect import Dialect
from hubbub.verbs.services import VerbServices
from hubbub.verbs.streams import OpenedStream, open_beside
from hubbub.verbs.wire import Track


@dataclass(frozen=True)
class StreamedRoom:
    """A room, as a stream sees it: what all say is heard, and what the far side says is heard by all."""

    services: VerbServices
    live: Room
    record: CallRecord
    """The member that asked for it."""
    dialect: Dialect

    @property
    def room(self) -> Id | None:
        """The room."""
        return self.live.id

    @property
    def target(self) -> Leg | Mix:
        """All members."""
        return self.live.mix

    def taps(self, tracks: Sequence[Track]) -> list[tuple[Track, Tap]]:
        """The sum of all; there is one track."""
        return [(tracks[0], Tap("mix", self.live.mix))]

    def report(self, code: str, message: str, *, level: str = "warning", line: int | None = None) -> None:
        """Keep a problem of the room."""
        problem = Problem(
            self.record.account, code, "error" if level == "error" else "warning", message, self.record.id, self.live.id, line=line
        )
        self.services.journal.report(problem, self.services.clock.now())

    def hear_keys(self, told: Callable[[str], None]) -> Callable[[], None]:
        """Keys of a room are told to nobody here."""
        return lambda: None


class RoomStreams:
    """The streams of all rooms."""

    def __init__(self, services: VerbServices) -> None:
        self._services = services
        self._streams: dict[Id, dict[Id, OpenedStream]] = {}

    def begin(self, room: Room, verb: OpenStream, record: CallRecord, dialect: Dialect) -> OpenedStream | None:
        """Stream a room, unless a stream of that name and URL goes on already: every member's document may ask for it.

        What goes on then, or None where it was rejected.
        """
        streams = self._streams.setdefault(room.id, {})
        for each in streams.values():
            if each.live and (each.record.name, each.record.url) == (verb.name, verb.url):
                return each
        return open_beside(StreamedRoom(self._services, room, record, dialect), verb, streams)

    def of(self, room: Id) -> list[OpenedStream]:
        """What goes on in a room."""
        return [each for each in self._streams.get(room, {}).values() if each.live]

    def close(self, room: Id) -> None:
        """The room is over."""
        for each in self._streams.pop(room, {}).values():
            each.stop()
