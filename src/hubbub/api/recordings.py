"""The neutral operations behind REST for recordings of calls and rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from hubbub.api.calls import fetch_call, known_call
from hubbub.api.lists import filters, page_of, stored, windowed
from hubbub.api.media import forget_renditions
from hubbub.api.orders import leg_order, room_order
from hubbub.api.request import Asked, Operation
from hubbub.api.rooms import fetch_room, live_room, needed_room
from hubbub.conference.journal import within
from hubbub.conference.policy import RecordingOrder
from hubbub.conference.recording import Recorder
from hubbub.conference.rows import from_row, recording_row
from hubbub.dialects.tables import Page
from hubbub.errors import Refused
from hubbub.events import RecordingRecord, RecordingStatus, RoomStatus
from hubbub.ids import Id
from hubbub.storage.store import Condition, Delete, Put, Query

KEPT_SECONDS = 40 * 86400.0
"""How long the facts about a deleted recording are kept."""
WHOLE = frozenset({RecordingStatus.COMPLETED, RecordingStatus.ABSENT, RecordingStatus.FAILED})


def recorder_of(asked: Asked) -> Recorder | None:
    """What records the live room or call of a path."""
    if "room" in asked.path:
        room = live_room(asked)
        return room.recorder if room is not None else None
    call = asked.hub.calls.get(asked.account.name, asked.identity("call")) if "call" in asked.path else None
    return call.recorder if call is not None else None


def current_recording(asked: Asked) -> Id:
    """The only recording under way. Raises Refused (not-found, no-recording, several-recordings)."""
    recorder = recorder_of(asked)
    if recorder is None:
        raise Refused("not-found")
    return recorder.chosen(None)


async def list_recordings(asked: Asked) -> Page:
    """Recordings of a room, of a call, or of the account."""
    where = filters(asked, "call", "room")
    if asked.values.get("deleted_too"):
        await _forget_old(asked)
    else:
        where += (Condition("status", "!=", RecordingStatus.DELETED.value),)
    if "room" in asked.path:
        where += (Condition("room", "=", (await fetch_room(asked)).id),)
    elif "call" in asked.path:
        where += (Condition("call", "=", (await known_call(asked)).id), Condition("room", "is null"))
    return await page_of(asked, "recordings", RecordingRecord, where)


async def fetch_recording(asked: Asked) -> RecordingRecord:
    """One recording; the only one under way, where the path says so. Raises Refused."""
    current = asked.face.habits.current_recording
    wanted = current_recording(asked) if current and asked.path["recording"] == current else asked.identity("recording")
    if asked.values.get("deleted_too"):
        await _forget_old(asked)
    recording = await stored(asked, "recordings", RecordingRecord, wanted)
    if recording.status is RecordingStatus.DELETED and not asked.values.get("deleted_too"):
        raise Refused("not-found")
    if "room" in asked.path and recording.room != (await fetch_room(asked)).id:
        raise Refused("not-found")
    if "call" in asked.path and (recording.call != asked.identity("call") or recording.room is not None):
        raise Refused("not-found")
    return recording


async def create_recording(asked: Asked) -> RecordingRecord:
    """Record a live call."""
    call = asked.hub.calls.get(asked.account.name, asked.identity("call"))
    if call is None:
        await fetch_call(asked)  # unknown is 404
    if call is None or call.over or not call.answered:
        raise Refused("call-not-live")
    return await _begin(call.recorder, leg_order(asked.values, asked.face.dialect.name, "request"))


async def create_room_recording(asked: Asked) -> RecordingRecord:
    """Record a room that has started, beside whatever records it already."""
    room = needed_room(asked)
    if room.record.status is not RoomStatus.IN_PROGRESS:
        raise Refused("not-bridged", "nobody is heard before the conference has started")
    return await _begin(room.recorder, room_order(asked.values, asked.face.dialect.name))


async def list_tracks(asked: Asked) -> Page:
    """Who is in which channel of a recording that has a channel per speaker."""
    recording = await fetch_recording(asked)
    tracks = [(number, speaker, recording) for number, speaker in enumerate(recording.speakers, 1)]
    return windowed(tracks, asked.window)


async def _begin(recorder: Recorder, order: RecordingOrder) -> RecordingRecord:
    record = recorder.start(order)
    await within(recorder.written)
    if record.status is RecordingStatus.FAILED:
        raise Refused("busy", "the recording cannot be made now")
    return record


async def update_recording(asked: Asked) -> RecordingRecord:
    """Pause, resume or stop a recording under way."""
    wanted = asked.values.get("status")
    if wanted is None:
        raise Refused("bad-parameter", "Status is required")
    recording = await fetch_recording(asked)  # unknown is 404
    recorder = recorder_of(asked)
    if recorder is None or recording.id not in {record.id for record in recorder.active}:
        raise Refused("recording-over", f"it is {recording.status.value}")
    if wanted == "stopped" and "room" in asked.path and not asked.face.habits.stops_room_recordings:
        asked.notes.append(("compatibility", "the vendor stops no recording of a conference: it is stopped here"))
    if wanted == "paused":
        changed = recorder.pause(recording.id, keep_silence=asked.values.get("keep_silence", True))
    elif wanted == "stopped":
        changed = recorder.stop(recording.id)
    else:
        changed = recorder.resume(recording.id)
    await within(recorder.written)
    return changed


async def delete_recording(asked: Asked) -> None:
    """Remove the audio of a recording that is whole; the facts about it are kept for a while."""
    recording = await fetch_recording(asked)
    if recording.status not in WHOLE:
        raise Refused("recording-live")
    services = asked.hub.services
    now = services.clock.now()
    await asyncio.to_thread(forget_renditions, services.recordings / recording.file)
    gone = replace(recording, status=RecordingStatus.DELETED, updated=now, size=0)
    await asked.store.commit(Put("recordings", recording.id, recording_row(gone)))
    await _forget_old(asked)


async def _forget_old(asked: Asked) -> None:
    """Forget what was deleted long ago: whenever one more is, and before they are shown."""
    where = (
        Condition("account", "=", asked.account.name),
        Condition("status", "=", RecordingStatus.DELETED.value),
        Condition("updated", "<", asked.hub.services.clock.now() - KEPT_SECONDS),
    )
    old = [from_row(RecordingRecord, row) for row in await asked.store.find(Query("recordings", where))]
    if old:
        await asked.store.commit(*(Delete("recordings", recording.id) for recording in old))


OPERATIONS: Mapping[str, Operation] = {
    operation.__name__: operation
    for operation in (
        list_recordings,
        fetch_recording,
        create_recording,
        create_room_recording,
        update_recording,
        delete_recording,
        list_tracks,
    )
}
