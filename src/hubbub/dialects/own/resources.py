"""RESOURCES: what hubbub's own REST shows. Times are seconds since the epoch, ids 32 hex digits, levels dBFS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubbub.dialects.tables import Out, Resource
from hubbub.events import MemberRecord, Party


def _of_room(name: str) -> Out:
    return Out(name, lambda room: getattr(room, name))


def _word(value: Any) -> str | None:
    return None if value is None else str(value.value)


def _address(party: Party) -> str:
    return party.value if party.kind == "number" else party.uri


def _member(thing: Any) -> MemberRecord:
    found: MemberRecord = thing[0] if isinstance(thing, tuple) else thing
    return found


ROOM = Resource(
    (
        *(_of_room(name) for name in ("id", "account", "name", "namespace", "dialect")),
        Out("status", lambda room: _word(room.status)),
        *(_of_room(name) for name in ("created", "updated", "started", "ended", "size", "region", "tag")),
        Out("end_reason", lambda room: _word(room.end_reason)),
        _of_room("ended_by"),
    ),
    "rooms",
)


def _opened(read: Any) -> Any:
    return lambda thing: read(thing[0])


OPENED = Resource(
    (*(Out(row.name, _opened(row.read)) for row in ROOM.fields), Out("new", lambda thing: thing[1])),
    "",
)
"""A room, and whether it was made by this request."""

MEMBER = Resource(
    (
        Out("call", lambda thing: _member(thing).call),
        Out("room", lambda thing: _member(thing).room),
        Out("label", lambda thing: _member(thing).label),
        Out("status", lambda thing: _member(thing).presence.value),
        Out("call_status", lambda thing: thing[1].value),
        *(
            Out(name, lambda thing, name=name: getattr(_member(thing), name))  # type: ignore[misc]
            for name in ("muted", "held", "start_on_enter", "end_on_exit", "beep_on_exit", "joined", "left")
        ),
        Out("coaching", lambda thing: list(_member(thing).coaching)),
        Out("leave_reason", lambda thing: _word(_member(thing).leave_reason)),
    ),
    "members",
)

CALL = Resource(
    (
        Out("id", lambda call: call.id),
        Out("account", lambda call: call.account),
        Out("dialect", lambda call: call.dialect),
        Out("status", lambda call: call.status.value),
        Out("direction", lambda call: call.direction),
        Out("from", lambda call: _address(call.caller)),
        Out("to", lambda call: _address(call.callee)),
        *(Out(name, lambda call, name=name: getattr(call, name)) for name in ("created", "answered", "ended", "parent", "peer", "tag")),  # type: ignore[misc]
    ),
    "calls",
)

SPEAKER = Resource(tuple(Out(name, lambda s, name=name: s[name]) for name in ("call", "label", "level_db", "speaking")), "speakers")  # type: ignore[misc]

GRANT = Resource(
    (
        Out("token", lambda grant: grant.token),
        Out("call", lambda grant: grant.call),
        Out("may", lambda grant: sorted(grant.may)),
        Out("expires", lambda grant: grant.expires),
    ),
    "",
)

TRANSFER = Resource(
    (
        *(Out(name, lambda t, name=name: getattr(t, name)) for name in ("id", "room", "giver", "target", "consult", "reason")),  # type: ignore[misc]
        Out("parked", lambda t: list(t.parked)),
        Out("state", lambda t: t.state.value),
        Out("created", lambda t: t.created),
        Out("updated", lambda t: t.updated),
    ),
    "transfers",
)

FINDING = Resource(tuple(Out(name, lambda f, name=name: getattr(f, name)) for name in ("level", "code", "message", "line")), "findings")  # type: ignore[misc]

RESOURCES: Mapping[str, Resource] = {
    "room": ROOM,
    "opened-room": OPENED,
    "member": MEMBER,
    "call": CALL,
    "speaker": SPEAKER,
    "grant": GRANT,
    "finding": FINDING,
    "transfer": TRANSFER,
}
