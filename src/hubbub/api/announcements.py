"""The neutral operations behind announcements that are things of their own: begun at once, watched, stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hubbub.api.checks import preflight
from hubbub.api.lists import windowed
from hubbub.api.request import Asked
from hubbub.api.rooms import needed_room
from hubbub.dialects.tables import Page
from hubbub.errors import Refused
from hubbub.events import Link, RoomStatus
from hubbub.verbs.beside import Announcement
from hubbub.verbs.model import Stage

Heard = tuple[Announcement, float]
"""An announcement, and for how many seconds it has been played."""


async def create_announcement(asked: Asked) -> Heard:
    """Play a document to a room, or to one of its members."""
    values, speaks = asked.values, asked.speaks(needed_room(asked))
    if not values.get("url"):
        raise Refused("bad-room-parameter", "AnnounceUrl is needed")
    await preflight(asked, values["url"], values.get("method", "POST"), speaks, Stage.ANNOUNCEMENT, values.get("call"))
    room = needed_room(asked)  # it may have ended, and who was in it may have left, meanwhile
    if room.record.status is RoomStatus.INIT:
        raise Refused("not-bridged", "nobody hears an announcement before the conference has started")
    member = room.member(values["call"]) if "call" in values else None
    if "call" in values and member is None:
        raise Refused("absent")
    if member is not None and member.held:
        raise Refused("announce-held")
    link = Link(values["url"], values.get("method", "POST"))
    identity = room.announce(link, member.call if member else None, dialect=asked.speaks(room))
    return _heard(asked, next(a for a in _live(asked) if a.id == identity))


async def list_announcements(asked: Asked) -> Page:
    """What is being played in a room."""
    return windowed([_heard(asked, announcement) for announcement in _live(asked)], asked.window)


async def fetch_announcement(asked: Asked) -> Heard:
    """One that is being played."""
    return _heard(asked, _one(asked))


async def stop_announcement(asked: Asked) -> None:
    """End it now."""
    _one(asked).stop("stopped by request")


def _live(asked: Asked) -> list[Announcement]:
    return asked.hub.services.beside.announcements(needed_room(asked).id)


def _one(asked: Asked) -> Announcement:
    identity = asked.identity("announcement")
    found = next((announcement for announcement in _live(asked) if announcement.id == identity), None)
    if found is None:
        raise Refused("not-found")
    return found


def _heard(asked: Asked, announcement: Announcement) -> Heard:
    return announcement, asked.hub.services.clock.now() - announcement.started


OPERATIONS: Mapping[str, Callable[[Asked], Awaitable[Any]]] = {
    operation.__name__: operation for operation in (create_announcement, list_announcements, fetch_announcement, stop_announcement)
}
