"""The neutral operations behind logs: rooms with their recordings, and what happened to a call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hubbub.api.calls import fetch_call
from hubbub.api.request import Asked, Operation
from hubbub.api.views import list_inspected_rooms
from hubbub.conference.policy import RoomSettings
from hubbub.conference.rows import from_row
from hubbub.dialects.tables import Page
from hubbub.events import RecordingRecord, RecordingStatus, RoomRecord
from hubbub.storage.store import Condition, Query


@dataclass(frozen=True)
class RoomLog:
    """A room, what its creator decided, and its newest whole recording."""

    room: RoomRecord
    settings: RoomSettings | None
    recording: RecordingRecord | None


async def list_room_logs(asked: Asked) -> Page:
    """Rooms, newest first."""
    page = await list_inspected_rooms(asked)
    wanted = [view.room.id for view in page.items]
    rows = []
    if wanted:
        where = (Condition("room", "in", wanted), Condition("status", "=", RecordingStatus.COMPLETED.value))
        rows = await asked.store.find(Query("recordings", where, (("created", "asc"), ("id", "asc"))))
    newest = {row["room"]: from_row(RecordingRecord, row) for row in rows}
    items = tuple(RoomLog(view.room, view.settings, newest.get(view.room.id)) for view in page.items)
    return Page(items, page.number, page.size, page.more)


async def list_call_events(asked: Asked) -> Page:
    """What happened to a call, in order."""
    call = await fetch_call(asked)
    window = asked.window
    query = Query("events", (Condition("call", "=", call.id),), (("seq", "asc"),), window.size + 1, window.number * window.size)
    rows = await asked.store.find(query)
    return Page(tuple(rows[: window.size]), window.number, window.size, len(rows) > window.size)


OPERATIONS: Mapping[str, Operation] = {operation.__name__: operation for operation in (list_room_logs, list_call_events)}
