"""The neutral operation behind the upgrade of two connected calls to a conference."""

from __future__ import annotations

from collections.abc import Mapping

from hubbub.api.request import Asked, Operation
from hubbub.errors import Refused
from hubbub.events import RoomRecord
from hubbub.verbs.upgrade import upgrade


async def upgrade_call(asked: Asked) -> RoomRecord:
    """Make a conference of a call and of the one that it is connected with, without a gap."""
    session, values = asked.needed_session(), asked.values
    name = values.get("name", "")
    if not name:
        raise Refused("bad-parameter", "a room needs a name")
    given = {**values, "dialect": session.dialect.name, "beep": "none"}
    other = {**given, "label": values.get("other_label", ""), "end_on_exit": values.get("other_end_on_exit", False)}
    room = upgrade(asked.hub.services, session, name, asked.face.join(given, name).joining, asked.face.join(other, name).joining)
    await room.settled()
    return room.record


OPERATIONS: Mapping[str, Operation] = {operation.__name__: operation for operation in (upgrade_call,)}
