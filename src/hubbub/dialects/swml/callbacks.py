"""CALLBACKS: the JSON of every notice in relay style (3.2, 3.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hubbub.dialects.ids import Uuid
from hubbub.dialects.tables import Out
from hubbub.dialects.twiml.words import ROOM_EVENTS
from hubbub.events import CallRecord, EndReason, Party, RoomEvent, RoomEventKind
from hubbub.ids import Id
from hubbub.settings import Account

Fact = TypeVar("Fact")
IDS = Uuid()
NODE = "hubbub"
STATUS = ROOM_EVENTS
"""Those of the compatible dialect; the vendor names none of the last three (8)."""
REASONS = {
    EndReason.LAST_LEFT: "last-participant-left",
    EndReason.LAST_REMOVED: "last-participant-kicked",
    EndReason.MODERATOR_LEFT: "participant-with-end-conference-on-exit-left",
    EndReason.MODERATOR_REMOVED: "participant-with-end-conference-on-exit-kicked",
}
ENDED_OTHERWISE = "conference-ended-via-api"
CALL_STATES = {"queued": "created", "initiated": "created", "ringing": "ringing", "in-progress": "answered"}
CALL_RECORDING_STATES = {"in-progress": "recording", "completed": "finished", "absent": "no_input", "failed": "no_input"}
RECORDING_STATUS = {
    "in-progress": "record-start",
    "paused": "record-pause",
    "resumed": "record-resume",
    "completed": "record-stop",
    "absent": "record-stop",
}


@dataclass(frozen=True)
class Told(Generic[Fact]):
    """A fact, the account that it belongs to, and when it was."""

    fact: Fact
    account: Account
    at: float = 0.0
    channel: Id | None = None
    event_type: str = "calling.conference"

    @property
    def project(self) -> str:
        """The account's project; it is its space too."""
        return self.account.faces.get("signalwire", {}).get("project", "")


def address(party: Party) -> str:
    """E.164, or the SIP URI."""
    return party.value if party.kind == "number" else party.uri


def _number(told: Told[CallRecord], party: Party) -> str | None:
    return party.value if told.fact.caller.kind == "number" else None


ENVELOPE: tuple[Out, ...] = (
    Out("event_type", lambda told: told.event_type),
    Out("event_channel", lambda told: f"swml:{IDS.write(told.channel)}"),
    Out("timestamp", lambda told: told.at),
    Out("project_id", lambda told: told.project),
    Out("space_id", lambda told: told.project),
)
"""What stands around the `params` of every notice."""

CALL: tuple[Out, ...] = (
    Out("call_id", lambda told: IDS.write(told.fact.id)),
    Out("node_id", lambda told: NODE),
    Out("segment_id", lambda told: IDS.write(told.fact.id)),
    Out("call_state", lambda told: CALL_STATES.get(told.fact.status.value, "ended")),
    Out("direction", lambda told: "inbound" if told.fact.direction == "inbound" else "outbound"),
    Out("type", lambda told: "phone" if told.fact.caller.kind == "number" else "sip"),
    Out("from", lambda told: address(told.fact.caller)),
    Out("to", lambda told: address(told.fact.callee)),
    Out("headers", lambda told: [{"name": name, "value": value} for name, value in told.fact.sip_headers.items()]),
    Out("project_id", lambda told: told.project),
    Out("space_id", lambda told: told.project),
    Out("from_number", lambda told: _number(told, told.fact.caller)),
    Out("to_number", lambda told: _number(told, told.fact.callee)),
    Out("tag", lambda told: told.fact.tag or None),
    Out("parent", lambda told: _call_parent(told)),
    Out("peer", lambda told: _peer(told)),
    Out("dial_winner", lambda told: _dial_winner(told)),
    Out("sip_data", lambda told: _sip_data(told)),
)
"""`call` of a document request, `params` of a change of a call's state."""

END_REASONS = {"": "hangup", "hangup": "hangup", "cancel": "cancel", "busy": "busy", "timeout": "no_answer", "rejected": "declined"}


def _end_reason(told: Told[CallRecord]) -> str | None:
    """Why it ended; whatever else went wrong is `error`."""
    return END_REASONS.get(told.fact.cause, "error") if told.fact.status.final else None


def _device(told: Told[CallRecord]) -> dict[str, Any]:
    caller, callee = told.fact.caller, told.fact.callee
    far = caller if told.fact.direction == "inbound" else callee
    if far.kind == "number":
        return {"type": "phone", "params": {"from_number": address(caller), "to_number": address(callee)}}
    return {"type": "sip", "params": {"from": address(caller), "to": address(callee)}}


def _parent(told: Told[CallRecord]) -> dict[str, Any] | None:
    return {"call_id": IDS.write(told.fact.parent), "node_id": NODE} if told.fact.parent else None


def _peer(told: Told[CallRecord]) -> dict[str, Any] | None:
    return {"call_id": IDS.write(told.fact.peer), "node_id": NODE} if told.fact.peer else None


def _call_parent(told: Told[CallRecord]) -> dict[str, Any] | None:
    found = _parent(told)
    return None if found is None else {"device_type": _device(told)["type"], **found}


def _dial_winner(told: Told[CallRecord]) -> str | None:
    """Of a call that was dialled and has answered; one of several that rang has won when it is connected."""
    call = told.fact
    won = call.direction != "inbound" and call.answered is not None and (call.parent is None or call.peer is not None)
    return "true" if won else None


def _sip_data(told: Told[CallRecord]) -> dict[str, str] | None:
    """The addresses of a call's SIP requests: whom they are for, from and to."""
    sides = {"req": told.fact.callee, "from": told.fact.caller, "to": told.fact.callee}
    found: dict[str, str] = {}
    for name, party in sides.items():
        plain = party.uri.partition(":")[2].partition(";")[0]
        if plain:
            user, _, host = plain.rpartition("@")
            found |= {f"sip_{name}_user": user, f"sip_{name}_host": host.partition(":")[0], f"sip_{name}_uri": plain}
    return found or None


STATE: tuple[Out, ...] = (
    Out("call_id", lambda told: IDS.write(told.fact.id)),
    Out("node_id", lambda told: NODE),
    Out("segment_id", lambda told: IDS.write(told.fact.id)),
    Out("call_state", lambda told: CALL_STATES.get(told.fact.status.value, "ended")),
    Out("direction", lambda told: "inbound" if told.fact.direction == "inbound" else "outbound"),
    Out("device", _device),
    Out("tag", lambda told: told.fact.tag or None),
    Out("parent", _parent),
    Out("end_reason", _end_reason),
)
"""`params` of a change of a call's state (4)."""


def _flag(told: Told[RoomEvent], name: str) -> bool | None:
    return None if told.fact.member is None else bool(getattr(told.fact.member, name))


def _call(told: Told[RoomEvent]) -> Id | None:
    return told.fact.call or _ending(told) or told.fact.witness


def _ending(told: Told[RoomEvent]) -> Id | None:
    return told.fact.room.ended_by if told.fact.kind is RoomEventKind.ENDED else None


def _written(identity: Id | None) -> str | None:
    return None if identity is None else IDS.write(identity)


def _reason(told: Told[RoomEvent]) -> str | None:
    reason = told.fact.room.end_reason
    return REASONS.get(reason, ENDED_OTHERWISE) if told.fact.kind is RoomEventKind.ENDED and reason is not None else None


ROOM: tuple[Out, ...] = (
    Out("name", lambda told: told.fact.room.name),
    Out("conference_id", lambda told: IDS.write(told.fact.room.id)),
    Out("status", lambda told: STATUS[told.fact.kind]),
    Out("size", lambda told: told.fact.room.size),
    Out("node_id", lambda told: NODE),
    Out("call_id", lambda told: _written(_call(told))),
    Out("segment_id", lambda told: _written(_call(told))),
    Out("region", lambda told: told.fact.room.region or None),
    Out("tag", lambda told: told.fact.member.tag or None if told.fact.member is not None else None),
    Out("muted", lambda told: _flag(told, "muted")),
    Out("hold", lambda told: _flag(told, "held")),
    Out("coaching", lambda told: _flag(told, "is_coach")),
    Out("start_on_join", lambda told: _flag(told, "start_on_enter")),
    Out("end_on_leave", lambda told: _flag(told, "end_on_exit")),
    Out("reason_ended", _reason),
    Out("call_id_ending_conf", lambda told: _written(_ending(told))),
    Out("recording_duration", lambda told: round(told.fact.recording.seconds, 2) if told.fact.recording else None),
    Out("recording_file_size", lambda told: told.fact.recording.size or None if told.fact.recording else None),
    Out("announce_url", lambda told: told.fact.url or None),
    Out("reason", lambda told: told.fact.detail if told.fact.kind is RoomEventKind.ANNOUNCEMENT_FAILED else None),
    Out("digits", lambda told: told.fact.detail if told.fact.kind is RoomEventKind.DIGIT else None),
)
"""`params` of a conference event."""

CALL_RECORDING: tuple[Out, ...] = (
    Out("call_id", lambda told: _written(told.fact.recording.call)),
    Out("node_id", lambda told: NODE),
    Out("control_id", lambda told: told.fact.recording.name or IDS.write(told.fact.recording.id)),
    Out("state", lambda told: CALL_RECORDING_STATES.get(told.fact.kind, told.fact.kind)),
    Out("duration", lambda told: told.fact.recording.seconds),
    Out("size", lambda told: told.fact.recording.size),
)
"""`params` of a notice about the recording of a call."""

RECORDING: tuple[Out, ...] = (
    Out("call_id", lambda told: _written(told.fact.recording.call)),
    Out("size", lambda told: told.fact.size),
    Out("node_id", lambda told: NODE),
    Out("name", lambda told: told.fact.recording.room_name),
    Out("conference_id", lambda told: _written(told.fact.recording.room)),
    Out("status", lambda told: RECORDING_STATUS.get(told.fact.kind, told.fact.kind)),
    Out("recording_duration", lambda told: told.fact.recording.seconds),
    Out("recording_file_size", lambda told: told.fact.recording.size),
)
"""`params` of a recording notice."""
