"""The neutral operations behind grants: made for a live call, and used by whoever holds one to change that call and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from hubbub.api.request import Asked, Operation
from hubbub.conference.room import Room
from hubbub.conference.state import MemberChange
from hubbub.dialects.own.grants import MAY, Grant
from hubbub.errors import Refused
from hubbub.events import CallStatus, MemberRecord

USUAL_SECONDS = 3600
NEEDS: Mapping[str, str] = {"muted": "mute", "held": "hold", "leave": "leave"}
"""What must be granted for each change."""


async def create_grant(asked: Asked) -> Grant:
    """A token that is good for a few changes of one call."""
    session, values = asked.needed_session(), asked.values
    may = values.get("may", frozenset())
    if not may:
        raise Refused("bad-parameter", f"may: say what is allowed: {', '.join(MAY)}")
    made: Grant = asked.face.habits.grant(asked.account, session.call.id, may, values.get("seconds", USUAL_SECONDS))
    return made


async def see_own_call(asked: Asked) -> tuple[MemberRecord, CallStatus]:
    """How the call of a grant stands in its conference."""
    grant, room = _granted(asked)
    if "see" not in grant.may:
        raise Refused("forbidden", "the token does not allow to see")
    return _shown(asked, room, grant)


async def change_own_call(asked: Asked) -> tuple[MemberRecord, CallStatus]:
    """Change the call of a grant, as far as that allows it."""
    grant, room = _granted(asked)
    asked_for = [name for name in NEEDS if name in asked.values]
    denied = [name for name in asked_for if NEEDS[name] not in grant.may]
    if denied or not asked_for:
        raise Refused(
            "forbidden" if denied else "bad-parameter", f"the token allows {', '.join(sorted(grant.may))}; asked for: {asked_for}"
        )
    before = _shown(asked, room, grant)
    room.change(grant.call, MemberChange(muted=asked.values.get("muted"), held=asked.values.get("held")))
    if asked.values.get("leave"):
        before = _shown(asked, room, grant)
        asked.hub.remove(room, grant.call)
    await room.settled()
    return before if asked.values.get("leave") else _shown(asked, room, grant)


def _granted(asked: Asked) -> tuple[Grant, Room]:
    """The grant that was used, and the room that its call is in. Raises Refused (not-found)."""
    grant: Grant = asked.values["grant"]
    call = asked.hub.calls.get(asked.account.name, grant.call)
    session = asked.hub.sessions.get(call.id) if call is not None else None
    if session is None or session.room is None:
        raise Refused("not-found", "the call is in no conference now")
    return grant, session.room


def _shown(asked: Asked, room: Room, grant: Grant) -> tuple[MemberRecord, CallStatus]:
    member = room.member(grant.call)
    if member is None:
        raise Refused("not-found", "the call is in no conference now")
    call = asked.hub.calls.get(asked.account.name, grant.call)
    return member, call.status if call is not None else CallStatus.COMPLETED


OPERATIONS: Mapping[str, Operation] = {operation.__name__: operation for operation in (create_grant, see_own_call, change_own_call)}
