"""Records as rows of the store, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter

from hubbub.events import CallRecord, MemberRecord, Presence, RecordingRecord, RoomRecord

Record = TypeVar("Record", CallRecord, RoomRecord, MemberRecord, RecordingRecord)


_adapters: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Made when it is first needed: making one takes milliseconds."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def from_row(kind: type[Record], row: Mapping[str, Any]) -> Record:
    """The record kept in a row's `data`."""
    record: Record = _adapter(kind).validate_python(row["data"]["record"])
    return record


def kept(kind: Any, value: Any) -> Any:
    """A value as JSON, to be kept beside a record."""
    return _adapter(kind).dump_python(value, mode="json")


def brought_back(kind: Any, data: Any) -> Any:
    """The value that `kept` wrote."""
    return _adapter(kind).validate_python(data)


def _dump(record: CallRecord | RoomRecord | MemberRecord | RecordingRecord, more: Mapping[str, Any]) -> dict[str, Any]:
    return {"record": _adapter(type(record)).dump_python(record, mode="json"), **more}


def call_row(call: CallRecord, **more: Any) -> dict[str, Any]:
    """Columns of table `calls`; `more` is kept beside the record in `data`."""
    return {
        "account": call.account,
        "parent": call.parent,
        "status": call.status.value,
        "direction": call.direction,
        "caller": call.caller.value,
        "callee": call.callee.value,
        "created": call.created,
        "updated": call.updated,
        "started": call.answered,
        "ended": call.ended,
        "data": _dump(call, more),
    }


def room_row(room: RoomRecord, **more: Any) -> dict[str, Any]:
    """Columns of table `rooms`, without those of ownership."""
    return {
        "account": room.account,
        "name": room.name,
        "status": room.status.value,
        "created": room.created,
        "updated": room.updated,
        "data": _dump(room, more),
    }


def member_row(member: MemberRecord, **more: Any) -> dict[str, Any]:
    """Columns of table `members`."""
    return {
        "account": member.account,
        "room": member.room,
        "call": member.call,
        "label": member.label,
        "active": int(member.presence is not Presence.LEFT),
        "created": member.joined,
        "updated": member.updated,
        "data": _dump(member, more),
    }


def recording_row(recording: RecordingRecord, **more: Any) -> dict[str, Any]:
    """Columns of table `recordings`."""
    return {
        "account": recording.account,
        "room": recording.room,
        "call": recording.call,
        "status": recording.status.value,
        "created": recording.created,
        "updated": recording.updated,
        "data": _dump(recording, more),
    }
