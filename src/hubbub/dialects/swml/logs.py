"""RESOURCES of the log APIs: conferences, and calls with what happened to them (2.7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from hubbub.dialects.swml.callbacks import IDS, address
from hubbub.dialects.tables import Between, Operation, Out, Param, Resource, boolean, described
from hubbub.dialects.twiml.operations import instant
from hubbub.events import CallRecord, CallStatus, RecordingRecord

TYPES: Mapping[str, str] = {"swml": "relay_conference"}
"""By the dialect of whoever created a room; all others are of the compatible kind."""
REGION = "us"
CALL_TYPES: Mapping[str, str] = {"number": "relay_pstn_call", "sip": "relay_sip_call", "phone": "relay_webrtc_call"}
CALL_STATUS: Mapping[CallStatus, str] = {
    CallStatus.QUEUED: "queued",
    CallStatus.INITIATED: "initiated",
    CallStatus.RINGING: "ringing",
    CallStatus.IN_PROGRESS: "answered",
    CallStatus.COMPLETED: "completed",
    CallStatus.CANCELED: "canceled",
    CallStatus.BUSY: "failed",
    CallStatus.NO_ANSWER: "failed",
    CallStatus.FAILED: "failed",
}


def iso(seconds: float | None) -> str | None:
    """ISO 8601, UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _of_recording(read: Callable[[Any, RecordingRecord], Any]) -> Callable[[Any], Any]:
    return lambda s: read(s, s.thing.recording) if s.thing.recording is not None else None


ROOM_LOG = Resource(
    (
        Out("id", lambda s: IDS.write(s.thing.room.id)),
        Out("created_at", lambda s: iso(s.thing.room.created)),
        Out("updated_at", lambda s: iso(s.thing.room.updated)),
        Out("project_id", lambda s: s.project),
        Out("region", lambda s: s.thing.room.region or REGION),
        Out("name", lambda s: s.thing.room.name),
        Out("status", lambda s: s.thing.room.status.value),
        Out("max_size", lambda s: s.thing.settings.policy.capacity if s.thing.settings is not None else None),
        Out("current_participants", lambda s: s.thing.room.size),
        Out("type", lambda s: TYPES.get(s.thing.room.dialect, "cxml_conference")),
        Out("recording_url", _of_recording(lambda s, recording: s.media(recording))),
        Out("recording_duration", _of_recording(lambda s, recording: round(recording.seconds))),
        Out("recording_file_size", _of_recording(lambda s, recording: recording.size)),
    ),
    "data",
)


def _seconds(call: CallRecord) -> float | None:
    return call.ended - call.answered if call.ended and call.answered else (0.0 if call.ended else None)


def _whole(call: CallRecord, unit: float) -> int | None:
    seconds = _seconds(call)
    return None if seconds is None else round(seconds * unit)


CALL = Resource(
    (
        Out("id", lambda s: IDS.write(s.thing.id)),
        Out("from", lambda s: address(s.thing.caller)),
        Out("to", lambda s: address(s.thing.callee)),
        Out("direction", lambda s: {"outbound-dial": "outbound"}.get(s.thing.direction, s.thing.direction)),
        Out("source", lambda s: "realtime_api"),
        Out("url", lambda s: s.thing.extra.get("url")),
        Out("charge", lambda s: 0.0),
        Out("charge_details", lambda s: []),
        Out("created_at", lambda s: iso(s.thing.created)),
        Out("status", lambda s: CALL_STATUS[s.thing.status]),
        Out("duration", lambda s: _whole(s.thing, 1)),
        Out("duration_ms", lambda s: _whole(s.thing, 1000)),
        Out("billing_ms", lambda s: _whole(s.thing, 1000)),
        Out("type", lambda s: CALL_TYPES[(s.thing.caller if s.thing.direction == "inbound" else s.thing.callee).kind]),
        Out("parent_id", lambda s: IDS.write(s.thing.parent) if s.thing.parent else None),
    ),
    "data",
)
"""CallLeg: what every command answers, and the log of a call."""
EVENT = Resource(
    (
        Out("event_at", lambda s: iso(s.thing["at"])),
        Out("level", lambda s: "info"),
        Out("name", lambda s: s.thing["type"]),
        Out("details", lambda s: s.thing["data"]),
        Out("project_id", lambda s: s.project),
        Out("log_id", lambda s: IDS.write(s.thing["call"])),
    ),
    "data",
)
LOG_RESOURCES: Mapping[str, Resource] = {"room-log": ROOM_LOG, "call": CALL, "call-event": EVENT}


def _created(name: str, op: str, bounds: Callable[[float, float], tuple[float, float]]) -> Param:
    def read(value: str) -> Between:
        return Between(op, *bounds(*instant(value)))

    return Param(name, f"created{op.replace('=', '')}", described(read, "A date, or an ISO 8601 date-time."))


CREATED = (
    _created("created_on", "=", lambda low, high: (low, high)),
    _created("created_before", "<", lambda low, high: (low, low)),
    _created("created_after", ">", lambda low, high: (high, high)),
)
FILTERS = (*CREATED, Param("include_deleted", None, boolean, why="nothing is deleted from the logs"))
ROOM_LOGS = (Operation("GET", "/conferences", "list_room_logs", "room-log", FILTERS),)
CALL_LOGS = (
    Operation("GET", "/logs", "list_calls", "call", FILTERS),
    Operation("GET", "/logs/{call}", "fetch_call", "call"),
    Operation("GET", "/logs/{call}/events", "list_call_events", "call-event"),
)
