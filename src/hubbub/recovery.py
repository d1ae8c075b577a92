"""Recovery: what a crash left open is closed, told, and never mistaken for live (law 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hubbub.clock import Clock
from hubbub.conference.journal import Journal
from hubbub.conference.rows import call_row, from_row, member_row, recording_row, room_row
from hubbub.dialects.registry import Renderings
from hubbub.events import (
    CallRecord,
    CallStatus,
    EndReason,
    LeaveReason,
    MemberRecord,
    Presence,
    RecordingRecord,
    RecordingStatus,
    RoomRecord,
    RoomStatus,
)
from hubbub.settings import Account
from hubbub.storage.store import Change, Condition, Put, Query, Store

LIVE_CALLS = [status.value for status in CallStatus if not status.final]
OPEN_RECORDINGS = [status.value for status in (RecordingStatus.IN_PROGRESS, RecordingStatus.PAUSED, RecordingStatus.PROCESSING)]


async def recover(store: Store, journal: Journal, renderings: Renderings, accounts: Mapping[str, Account], clock: Clock) -> int:
    """Close the rooms, members, calls and recordings of a server that is gone; return how many rooms and calls."""
    now = clock.now()
    changes: list[Change] = []
    rooms = await store.find(Query("rooms", (Condition("status", "!=", RoomStatus.COMPLETED.value),)))
    for row in rooms:
        room = replace(
            from_row(RoomRecord, row), status=RoomStatus.COMPLETED, ended=now, updated=now, end_reason=EndReason.SERVER_RESTARTED
        )
        changes.append(Put("rooms", room.id, {**room_row(room), "owner": row["owner"], "epoch": row["epoch"]}))
    for row in await store.find(Query("members", (Condition("active", "=", 1),))):
        member = replace(
            from_row(MemberRecord, row), presence=Presence.LEFT, left=now, updated=now, leave_reason=LeaveReason.SERVER_RESTARTED
        )
        changes.append(Put("members", member.id, member_row(member)))
    calls = await store.find(Query("calls", (Condition("status", "in", LIVE_CALLS),)))
    for row in calls:
        call = from_row(CallRecord, row)
        status = CallStatus.COMPLETED if call.answered else CallStatus.FAILED
        changes.append(Put("calls", call.id, call_row(replace(call, status=status, ended=now, updated=now, cause="error"))))
    for row in await store.find(Query("recordings", (Condition("status", "in", OPEN_RECORDINGS),))):
        recording = replace(from_row(RecordingRecord, row), status=RecordingStatus.COMPLETED, ended=now, updated=now)
        changes.append(Put("recordings", recording.id, recording_row(recording)))
    if changes:
        await journal.write(changes)
    return len(rooms) + len(calls)
