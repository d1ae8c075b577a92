"""Operations of REST faces that show a thing together with what belongs to it, and that let a room do verbs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from hubbub.api.calls import link_of
from hubbub.api.lists import filters, page_of, stored
from hubbub.api.media import forget_renditions
from hubbub.api.members import the_member
from hubbub.api.recordings import fetch_recording, list_recordings
from hubbub.api.request import Asked, Operation
from hubbub.api.rooms import live_room, needed_room
from hubbub.conference.journal import within
from hubbub.conference.policy import RoomSettings
from hubbub.conference.room import Room
from hubbub.conference.rows import brought_back, from_row
from hubbub.conference.state import MemberChange
from hubbub.dialects.tables import Page
from hubbub.errors import Refused
from hubbub.events import CallRecord, EndReason, MemberRecord, Presence, RecordingRecord, RecordingStatus, RoomRecord
from hubbub.ids import Id
from hubbub.storage.changes import Delete, Row
from hubbub.storage.store import Condition, Query
from hubbub.verbs.dialect import DocumentRequest
from hubbub.verbs.model import Stage

LIVE = frozenset({RecordingStatus.IN_PROGRESS, RecordingStatus.PAUSED, RecordingStatus.STOPPED, RecordingStatus.PROCESSING})
"""Statuses of recordings whose file is still written."""
JOINED = frozenset({Presence.WAITING, Presence.MIXED})


@dataclass(frozen=True)
class RoomView:
    """A room, what its creator decided, and who is in it."""

    room: RoomRecord
    settings: RoomSettings | None
    members: tuple[MemberRecord, ...] | None = None
    """None: not asked for."""


@dataclass(frozen=True)
class RecordingView:
    """A recording and the call that it is of."""

    recording: RecordingRecord
    call: CallRecord | None = None


@dataclass(frozen=True)
class MediaFile:
    """The audio of a recording, below the folder of recordings."""

    path: Path
    kind: str = "wav"


@dataclass(frozen=True)
class Statistics:
    """How many calls wait to be sent, and how many could."""

    waiting: int
    most: int


# -- rooms -----------------------------------------------------------------------------------------------------


async def inspect_room(asked: Asked) -> RoomView:
    """One room with its members, live or over."""
    live = live_room(asked)
    if live is not None:
        return RoomView(live.record, live.settings, _present(live))
    identity = asked.identity("room")
    row = await asked.store.get("rooms", identity)
    if row is None or row["account"] != asked.account.name:
        raise Refused("not-found")
    return RoomView(from_row(RoomRecord, row), _settings(row), ())


async def list_inspected_rooms(asked: Asked) -> Page:
    """Rooms, live and over, with what their creators decided."""
    window = asked.window
    where = (Condition("account", "=", asked.account.name), *filters(asked, "name"))
    direction = "desc" if asked.face.habits.newest_first else "asc"
    order = (("created", direction), ("id", direction))
    rows = await asked.store.find(Query("rooms", where, order, window.size + 1, window.number * window.size))  # type: ignore[arg-type]
    items = tuple(RoomView(from_row(RoomRecord, row), _settings(row)) for row in rows[: window.size])
    return Page(items, window.number, window.size, len(rows) > window.size)


async def steer_room(asked: Asked) -> None:
    """End a live room, or ask its application what it shall do."""
    room = needed_room(asked)
    if asked.values.get("status") == "completed":
        room.end(EndReason.REQUESTED)
        await room.settled()
        return
    link = link_of(asked.values, asked.values["url"], asked.values.get("method", "POST"))
    request = DocumentRequest(link, "room-redirect", room=room.record)
    asked.hub.services.beside.room_request(room, request, asked.face.dialect.name)


async def play_in_room(asked: Asked) -> None:
    """Append a document to what a live room executes."""
    room = needed_room(asked)
    asked.hub.services.beside.room_program(room, asked.face.program(asked.values["document"], Stage.ROOM))


def _present(room: Room) -> tuple[MemberRecord, ...]:
    return tuple(sorted((m for m in room.core.members.values() if m.presence in JOINED), key=lambda member: member.joined))


def _settings(row: Row) -> RoomSettings | None:
    """What the creator decided; a row of an older server may hold something else."""
    try:
        found: RoomSettings = brought_back(RoomSettings, row["data"]["settings"])
    except (KeyError, ValidationError):
        return None
    return found


# -- members ---------------------------------------------------------------------------------------------------


async def inspect_member(asked: Asked) -> MemberRecord:
    """One member who is present."""
    member = the_member(asked, needed_room(asked))
    if member.presence not in JOINED:
        raise Refused("not-found")
    return member


async def inspect_members(asked: Asked) -> Page:
    """Everybody who is present; nobody in a room that is over."""
    live = live_room(asked)
    if live is None:
        await stored(asked, "rooms", RoomRecord, asked.identity("room"))
    found = _present(live) if live is not None else ()
    return Page(found, 0, max(1, len(found)), more=False)


async def set_member(asked: Asked) -> MemberRecord:
    """Change a member; the calls that it coaches need not be there yet."""
    room = needed_room(asked)
    member = await inspect_member(asked)
    values = asked.values
    coaching: tuple[Id, ...] | None = None
    if "coach_ids" in values:
        read = [asked.face.identity("call", spelled) for spelled in values["coach_ids"]]
        coaching = tuple(identity for identity in read if identity is not None)
    change = MemberChange(muted=values.get("muted"), held=values.get("held"), coaching=coaching, coached_must_be_present=False)
    room.change(member.call, change)
    await room.settled()
    return room.member(member.call) or member


# -- recordings ------------------------------------------------------------------------------------------------


async def inspect_recording(asked: Asked) -> RecordingView:
    """One recording with its call."""
    return (await _with_calls(asked, [await fetch_recording(asked)]))[0]


async def inspect_recordings(asked: Asked) -> Page:
    """Recordings of a call with that call; none of one that is not known."""
    if "call" in asked.path and asked.face.identity("call", asked.path["call"]) is None:
        return Page((), 0, 1, more=False)
    try:
        page = await list_recordings(asked)
    except Refused as refusal:
        if refusal.reason != "not-found" or "room" in asked.path:
            raise
        return Page((), 0, 1, more=False)
    return Page(tuple(await _with_calls(asked, page.items)), page.number, page.size, page.more)


async def inspect_all_recordings(asked: Asked) -> Page:
    """The account's recordings of calls, by the parties of their calls."""
    where: tuple[Condition, ...] = (Condition("room", "is null", True), *filters(asked))
    parties = {name: asked.values[name] for name in ("caller", "callee") if name in asked.values}
    if parties:
        conditions = tuple(Condition(column, "=", wanted) for given in parties.values() for column, wanted in given.items())
        rows = await asked.store.find(Query("calls", (Condition("account", "=", asked.account.name), *conditions)))
        where += (Condition("call", "in", [row["id"] for row in rows]),)
    where = tuple(condition for condition in where if condition.column not in _columns_of(parties))
    page = await page_of(asked, "recordings", RecordingRecord, where)
    return Page(tuple(await _with_calls(asked, page.items)), page.number, page.size, page.more)


def _columns_of(parties: Mapping[str, Mapping[str, str]]) -> set[str]:
    return {column for given in parties.values() for column in given}


async def steer_recording(asked: Asked) -> None:
    """Pause what is recorded of a live call, or go on with it."""
    identity = asked.identity("call")
    call = asked.hub.calls.get(asked.account.name, identity)
    if call is None:
        await stored(asked, "calls", CallRecord, identity)  # unknown is not found, over is over
        raise Refused("call-over")
    for recording in call.recorder.named(""):
        if asked.values["recording_state"] == "paused":
            call.recorder.pause(recording, keep_silence=False)
        else:
            call.recorder.resume(recording)
    await within(call.recorder.written)


async def forget_recording(asked: Asked) -> None:
    """Remove a recording that is over, with its sound."""
    recording = await _over(asked)
    await asked.store.commit(Delete("recordings", recording.id))
    await asyncio.to_thread(forget_renditions, asked.hub.services.recordings / recording.file)


async def _over(asked: Asked) -> RecordingRecord:
    recording = await fetch_recording(asked)
    if recording.status in LIVE:
        raise Refused("recording-live", "the recording is not over")
    return recording


async def fetch_media(asked: Asked) -> MediaFile:
    """The audio of a recording."""
    recording = await fetch_recording(asked)
    if recording.status is not RecordingStatus.COMPLETED:
        raise Refused("media-gone")
    return MediaFile(Path(recording.file), recording.format)


async def _with_calls(asked: Asked, recordings: Sequence[RecordingRecord]) -> list[RecordingView]:
    wanted = sorted({recording.call for recording in recordings if recording.call is not None})
    rows = await asked.store.find(Query("calls", (Condition("id", "in", wanted),))) if wanted else []
    calls = {row["id"]: from_row(CallRecord, row) for row in rows}
    return [RecordingView(recording, calls.get(recording.call) if recording.call else None) for recording in recordings]


# -- numbers ---------------------------------------------------------------------------------------------------


async def fetch_statistics(asked: Asked) -> Statistics:
    """Outgoing calls that have not been sent yet, and how many calls there may be."""
    return Statistics(*asked.hub.waiting(asked.account, asked.face.dialect))


OPERATIONS: Mapping[str, Operation] = {
    operation.__name__: operation
    for operation in (
        inspect_room,
        list_inspected_rooms,
        steer_room,
        play_in_room,
        inspect_member,
        inspect_members,
        set_member,
        inspect_recording,
        inspect_recordings,
        inspect_all_recordings,
        steer_recording,
        forget_recording,
        fetch_media,
        fetch_statistics,
    )
}
