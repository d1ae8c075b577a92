"""The dialect of TwiML and its REST face over the facts of `facts`, and what happens in the room there."""

from __future__ import annotations

from typing import Any

from tests.support.facts import ACCOUNT, PUBLIC, ROOM, START

from hubbub.conference.policy import Policy, RoomSettings, Subscription
from hubbub.dialects.twiml import TwimlDialect
from hubbub.dialects.twiml.rest import TwimlRest
from hubbub.events import Link, MemberRecord, RoomEvent, RoomEventKind

TWIML = TwimlDialect(PUBLIC)
FACE = TwimlRest(TWIML, [ACCOUNT])
LINK = Link("http://app.test/events?a=b")
ALL = frozenset(RoomEventKind)


def settings(dialect: str) -> RoomSettings:
    """Of a room whose events are all told to `LINK`."""
    return RoomSettings(dialect, Policy(), Subscription(LINK, ALL))


def happened(kind: RoomEventKind, member: MemberRecord | None = None, **more: Any) -> RoomEvent:
    """An event of the room, nine seconds after it began."""
    return RoomEvent(kind, more.pop("room", ROOM), START + 9.25, member, 3, call=member.call if member else None, **more)
