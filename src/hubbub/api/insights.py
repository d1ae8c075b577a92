"""The neutral operations behind summaries: what became of rooms and of those who were in them, from what was written down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hubbub.api.lists import filters, windowed
from hubbub.api.quality import KEPT, quality_of
from hubbub.api.request import Asked
from hubbub.conference.policy import RoomSettings
from hubbub.conference.rows import brought_back, from_row
from hubbub.dialects.tables import Page
from hubbub.errors import Refused
from hubbub.events import CallRecord, LeaveReason, MemberRecord, Presence, RoomRecord
from hubbub.ids import Id
from hubbub.storage.store import Condition, Query, Row


@dataclass(frozen=True)
class MemberSummary:
    """One stay in a room, the call that it was of, and when what happened to it."""

    room: RoomRecord
    member: MemberRecord
    call: CallRecord | None
    happened: Mapping[str, tuple[float, ...]]
    """Times by the type of event."""
    quality: Mapping[str, Any] | None = None
    """How the call's audio got through (`media.reports.Quality`), from its beginning on."""


@dataclass(frozen=True)
class RoomSummary:
    """A room and all who ever were in it."""

    room: RoomRecord
    settings: RoomSettings | None
    members: tuple[MemberRecord, ...]

    @property
    def most(self) -> int:
        """How many were in it at a time, at most."""
        changes = sorted((at, step) for m in self.came for at, step in ((m.joined, 1), (m.left or float("inf"), -1)))
        size = most = 0
        for _, step in changes:
            size += step
            most = max(most, size)
        return most

    @property
    def came(self) -> tuple[MemberRecord, ...]:
        """Those who really came in."""
        invited = (Presence.INVITED, Presence.EARLY)
        return tuple(m for m in self.members if m.leave_reason is not LeaveReason.ADD_FAILED and m.presence not in invited)


async def list_room_summaries(asked: Asked) -> Page:
    """Summaries of rooms, newest first."""
    where = (Condition("account", "=", asked.account.name), *filters(asked, "id", "name", "status"))
    where += tuple(Condition("data.record.end_reason", "in", asked.values[name]) for name in ("reasons",) if name in asked.values)
    window = asked.window
    query = Query("rooms", where, (("created", "desc"), ("id", "desc")), window.size + 1, window.number * window.size)
    rows = await asked.store.find(query)
    found = [await _summary(asked, row) for row in rows[: window.size]]
    return Page(tuple(found), window.number, window.size, len(rows) > window.size)


async def fetch_room_summary(asked: Asked) -> RoomSummary:
    """The summary of one room."""
    return await _summary(asked, await _room(asked))


async def list_member_summaries(asked: Asked) -> Page:
    """Summaries of all stays in a room, in order."""
    room = from_row(RoomRecord, await _room(asked))
    members = [m for m in await _members(asked, room.id) if _wanted(asked, m)]
    page = windowed(members, asked.window)
    summaries = [await _stay(asked, room, member) for member in page.items]
    return Page(tuple(summaries), page.number, page.size, page.more)


async def fetch_member_summary(asked: Asked) -> MemberSummary:
    """The summary of one stay."""
    room = from_row(RoomRecord, await _room(asked))
    identity = asked.identity("stay")
    for member in await _members(asked, room.id):
        if member.id == identity:
            return await _stay(asked, room, member)
    raise Refused("not-found")


def _wanted(asked: Asked, member: MemberRecord) -> bool:
    stay, label = asked.values.get("stay"), asked.values.get("label")
    return (stay is None or member.id == stay) and (label is None or member.label == label)


async def _room(asked: Asked) -> Row:
    row = await asked.store.get("rooms", asked.identity("room"))
    if row is None or row["account"] != asked.account.name:
        raise Refused("not-found")
    return row


async def _members(asked: Asked, room: Id) -> list[MemberRecord]:
    rows = await asked.store.find(Query("members", (Condition("room", "=", room),), (("created", "asc"), ("id", "asc"))))
    return [from_row(MemberRecord, row) for row in rows]


async def _summary(asked: Asked, row: Row) -> RoomSummary:
    room = from_row(RoomRecord, row)
    settings = brought_back(RoomSettings, row["data"]["settings"]) if "settings" in row["data"] else None
    return RoomSummary(room, settings, tuple(await _members(asked, room.id)))


async def _stay(asked: Asked, room: RoomRecord, member: MemberRecord) -> MemberSummary:
    live = asked.hub.calls.get(asked.account.name, member.call)
    row = None if live is not None else await asked.store.get("calls", member.call)
    call = live.record if live is not None else from_row(CallRecord, row) if row is not None else None
    where = (Condition("room", "=", room.id), Condition("call", "=", member.call))
    events = await asked.store.find(Query("events", where, (("seq", "asc"),)))
    kept = call.extra.get(KEPT) if call is not None else None
    return MemberSummary(room, member, call, _times(events), quality_of(live) if live is not None else kept)


def _times(events: Iterable[Row]) -> Mapping[str, tuple[float, ...]]:
    found: dict[str, tuple[float, ...]] = {}
    for event in events:
        kind = event["type"].removeprefix("room.")
        found[kind] = (*found.get(kind, ()), event["at"])
    return found


OPERATIONS: Mapping[str, Callable[[Asked], Awaitable[Any]]] = {
    operation.__name__: operation for operation in (list_room_summaries, fetch_room_summary, list_member_summaries, fetch_member_summary)
}
