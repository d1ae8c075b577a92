"""The compatibility REST: the TwiML face on the vendor's paths, with its bodies, errors and fields (2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hubbub.dialects.cxml.document import TABLE
from hubbub.dialects.cxml.talk import RelayTalk, codec, wire
from hubbub.dialects.cxml.words import BASE, CXML, Loose
from hubbub.dialects.habits import Habits
from hubbub.dialects.rooms import Codec
from hubbub.dialects.tables import (
    Converter,
    ErrorRow,
    Operation,
    Out,
    Page,
    Param,
    Resource,
    Window,
    choice,
    described,
    integer,
    mapping,
    text,
    words,
)
from hubbub.dialects.twiml import machine
from hubbub.dialects.twiml.credentials import Doors
from hubbub.dialects.twiml.errors import ERRORS
from hubbub.dialects.twiml.operations import OPERATIONS, truth
from hubbub.dialects.twiml.resources import ABSENT_CODES, RESOURCES, MemberView, Shown
from hubbub.dialects.twiml.rest import TwimlHabits, TwimlRest
from hubbub.dialects.twiml.words import API_VERSION, address, date
from hubbub.errors import Refused
from hubbub.events import CallRecord, Presence, RecordingRecord
from hubbub.ids import Id
from hubbub.settings import Account


def _shown_with(name: str, *fields: Out, without: tuple[str, ...] = ()) -> Resource:
    """A resource of the TwiML face with fields replaced, added, or left out."""
    found = {field.name: field for field in RESOURCES[name].fields if field.name not in without}
    return replace(RESOURCES[name], fields=tuple((found | {field.name: field for field in fields}).values()))


def _seconds(call: CallRecord) -> int | None:
    return round(call.ended - call.answered) if call.ended and call.answered else (0 if call.ended else None)


def _track(number: int) -> Out:
    return Out(("channel", "channels")[number], lambda s: str(s.thing.channels))


def _member_status(shown: Shown[MemberView]) -> str:
    return "completed" if shown.thing.member.presence is Presence.LEFT else "in-progress"


def _transcriptions(shown: Shown[RecordingRecord]) -> str:
    return f"{shown.base}/Recordings/{shown.words.recording.write(shown.thing.id)}/Transcriptions.json"


def _recording_status(shown: Shown[RecordingRecord]) -> str:
    return {"failed": "absent", "processing": "stopped"}.get(shown.thing.status.value, shown.thing.status.value)


def _answered_by(neutral: str) -> str | None:
    """`human`, `machine`, or null."""
    return "machine" if neutral.startswith("machine") else neutral if neutral == "human" else None


QUALITY = {
    "audio_in_mos": "mos_in",
    "audio_rtt_avg": "round_trip",
    "audio_rtt_min": "round_trip_least",
    "audio_rtt_max": "round_trip_most",
    "audio_out_lost": "lost_out",
    "audio_out_jitter_min": "jitter_out_least",
    "audio_out_jitter_max": "jitter_out_most",
    "audio_out_jitter_avg": "jitter_out",
}
"""Fields of a call that has ended, and what the reports said; those of the far end are null where it sent none."""


def _quality(field: str, key: str) -> Out:
    def show(shown: Shown[CallRecord]) -> float | None:
        found = shown.thing.extra.get("quality")
        return None if found is None or not (found["reports"] or field == "audio_in_mos") else round(found[key], 2)

    return Out(field, show)


CALL = _shown_with(
    "call",
    Out("formatted_to", lambda s: address(s.thing.callee)),
    Out("formatted_from", lambda s: address(s.thing.caller)),
    Out("direction", lambda s: "inbound" if s.thing.direction == "inbound" else "outbound"),
    Out("duration", lambda s: _seconds(s.thing)),
    Out("answered_by", lambda s: _answered_by(s.thing.answered_by)),
    Out("annotation", lambda s: None),
    Out("sip_result_code", lambda s: str(s.thing.sip_code) if s.thing.sip_code else None),
    *(_quality(field, key) for field, key in QUALITY.items()),
    without=("queue_time", "trunk_sid"),
)
MEMBER = _shown_with("member", Out("status", _member_status), without=("queue_time",))
_RECORDING = (
    Out("call_sid", lambda s: s.words.call.write(s.thing.call) if s.thing.call and not s.thing.room else None),
    Out("error_code", lambda s: str(code) if (code := ABSENT_CODES.get(s.thing.absent_reason)) else None),
    Out("subresource_uris", lambda s: {"transcriptions": _transcriptions(s)}),
    _track(0),
    _track(1),
    Out("end_time", lambda s: date(s.thing.ended)),
    Out("duration", lambda s: round(s.thing.seconds) if s.thing.ended else None),
    Out("trim", lambda s: "trim-silence" if s.thing.trim else "do-not-trim"),
    Out("status", _recording_status),
)
RECORDINGS = {name: _shown_with(name, *_RECORDING, without=("media_url",)) for name in ("room-recording", "call-recording", "recording")}
MACHINE = (
    *machine.params(mapping({"none": None, **machine.KINDS})),
    Param("MachineWordsThreshold", None, integer(1), "bad-machine-detection", why="greetings are measured, not understood"),
    Param("AsyncAmdPartialResults", None, why="there is one result"),
)
PROGRESS_WORDS = ("initiated", "ringing", "answered", "completed", "ringing_forwarded", "ringing_queued")
PROGRESS = words({name: frozenset({name}) for name in PROGRESS_WORDS})


def progress_events(value: str) -> frozenset[str]:
    """Any of the words; calls are neither forwarded nor queued while they ring, so two of them are never told."""
    try:
        return frozenset(PROGRESS(value)) or frozenset({"completed"})
    except ValueError:
        return frozenset()


LAML = (
    Param("StatusCallbackEvent", "progress_events", progress_events, many=True),
    Param("Laml", "document"),
    Param("MaxPricePerMinute", None, why="calls cost nothing here"),
)
CHANGED: Mapping[tuple[str, str], tuple[Param, ...]] = {
    ("POST", "/Calls"): (*LAML, *MACHINE),
    ("POST", "/Calls/{call}"): LAML,
    ("POST", "/Conferences/{room}"): (Param("Status", "status", choice("completed"), "bad-status"),),
    ("POST", "/Conferences/{room}/Participants"): (Param("MaxParticipants", "max_members", integer(2, 100_000), "bad-room-parameter"),),
}


def _sid(kind: Codec, what: str) -> Converter:
    """An id as it is spelled here."""

    def read(value: str) -> Id:
        found = kind.read(value)
        if found is None:
            raise ValueError(f"must be the id of a {what}")
        return found

    return described(read, f"The id of a {what}")


STREAMS = Loose("MZ")
SIDS: Mapping[str, Converter] = {
    **dict.fromkeys(("CallSid", "ParentCallSid"), _sid(CXML.call, "call")),
    "ConferenceSid": _sid(CXML.conference, "conference"),
}


def _target(value: str) -> tuple[str, type[RelayTalk]]:
    """A `ws` or `wss` URL."""
    if not re.fullmatch(r"wss?://[^\s/]+\S*", value):
        raise ValueError("must be a ws or wss URL")
    return value, RelayTalk


def _wire(value: str) -> tuple[str, int]:
    """PCMU, PCMA, or L16 at 8000, 16000 or 24000 Hz, such as `L16@16000h`."""
    spelled = codec(value)
    return spelled, wire(spelled).rate


STREAM_PARAMS = (
    Param("Url", "target", _target, "bad-stream-url"),
    Param("StreamCodec", "wire", _wire),
    Param("StreamRealTime", None, truth, why="sound is sent as it comes"),
    Param("AuthorizationBearerToken", "bearer", text),
)


def _streams() -> tuple[Operation, ...]:
    """REST of streams, of calls and of rooms (2.2)."""
    create, update = (row for row in OPERATIONS if row.does in ("create_stream", "update_stream"))
    rows = {param.name: param for param in (*create.params, *STREAM_PARAMS)}
    there = "/Conferences/{room}/Streams"
    of_rooms = tuple(row for row in rows.values() if row.name != "Track")
    one_track = Param("Track", None, choice("inbound_track", "outbound_track", "both_tracks"), why="there is one track: what all say")
    return (
        replace(create, params=tuple(rows.values())),
        Operation("POST", there, "create_room_stream", "room-stream", (*of_rooms, one_track)),
        Operation("POST", there + "/{stream}", "update_room_stream", "room-stream", update.params),
    )


ROOM_STREAM = Resource(
    (
        Out("sid", lambda s: STREAMS.write(s.thing.id)),
        Out("account_sid", lambda s: s.sid),
        Out("conference_sid", lambda s: s.words.conference.write(s.thing.record.room)),
        Out("name", lambda s: s.thing.record.name or None),
        Out("status", lambda s: "in-progress" if s.thing.live else "stopped"),
        Out("date_updated", lambda s: date(s.thing.record.begun)),
        Out(
            "uri",
            lambda s: f"{s.base}/Conferences/{s.words.conference.write(s.thing.record.room)}/Streams/{STREAMS.write(s.thing.id)}.json",
        ),
    ),
    "streams",
)
STREAM = _shown_with(
    "stream",
    Out("sid", lambda s: STREAMS.write(s.thing.id)),
    Out("uri", lambda s: f"{s.base}/Calls/{s.words.call.write(s.thing.record.call)}/Streams/{STREAMS.write(s.thing.id)}.json"),
)


def _operation(row: Operation) -> Operation:
    """A row of the compatible dialect: ids are spelled otherwise, and a creation is answered with 200 (2.1)."""
    rows = {param.name: param for param in row.params}
    rows |= {param.name: param for param in CHANGED.get((row.method, row.path), ())}
    params = tuple(replace(param, read=SIDS[param.name]) if param.name in SIDS and param.to else param for param in rows.values())
    return replace(row, params=params, status=200 if row.status == 201 else row.status)


STREAMED = {"stream": STREAM, "room-stream": ROOM_STREAM}


class CxmlHabits(TwimlHabits):
    """Answers are JSON whatever the path ends in, and there are no access tokens."""

    token_path = ""
    stops_room_recordings = True
    callbacks_change_alone = True

    def spelled(self, path: str, resource: Resource | None, body: Any) -> tuple[bytes, str] | None:
        """JSON."""
        return None


class CxmlRest(TwimlRest):
    """REST of this dialect, on the vendor's own path."""

    base = f"{BASE}/{{account}}"
    suffixes = (".json", "")
    operations = tuple(_operation(row) for row in (*(row for row in OPERATIONS if row.does != "create_stream"), *_streams()))
    resources: Mapping[str, Resource] = {**RESOURCES, "call": CALL, "member": MEMBER, **RECORDINGS, **STREAMED}
    errors: Mapping[str, ErrorRow] = {
        **ERRORS,
        "forbidden": ErrorRow(401, "20003", "Permission denied"),
        "page-size": ErrorRow(400, "54454", "PageSize must be between 1 and 1000"),
        "bad-stream-url": ErrorRow(400, "31922", "{detail}"),
        "page-token-missing": ErrorRow(400, "54453", "PageToken is needed where Page is not 0"),
        "call-live": ErrorRow(400, "20009", "A live call cannot be deleted"),
        "bad-status": ErrorRow(400, "21475", "{detail}"),
        "bad-url": ErrorRow(400, "21402", "{detail}"),
        "bad-callback": ErrorRow(400, "21456", "{detail}"),
        "bad-method": ErrorRow(400, "13221", "{detail}"),
        "bad-document": ErrorRow(422, "20422", "{detail}"),
        "coach-absent": ErrorRow(400, "16002", "{detail}"),
        "full": ErrorRow(400, "16002", "{detail}"),
        "label-taken": ErrorRow(400, "16002", "{detail}"),
        "internal": ErrorRow(500, "20504", "An internal error occurred"),
        "method": ErrorRow(404, "20404", "The requested resource {path} was not found"),
    }
    json_bodies = True
    public_media = True
    table = TABLE

    def _habits(self, doors: Doors) -> Habits:
        """What this face does otherwise than most."""
        return CxmlHabits(doors)

    def identity(self, kind: str, spelled: str) -> Id | None:
        """The identity that a path names; streams are spelled as everything else here."""
        return STREAMS.read(spelled) if kind == "stream" else super().identity(kind, spelled)

    def window(self, query: Mapping[str, str]) -> Window:
        """The page that a query asks for: "token mandatory when Page>0". Raises Refused (page-size, page-token, page-token-missing)."""
        token = query.get("PageToken", "")
        found = super().window({**query, "PageToken": token.replace("-", "")})
        if found.number and not token:
            raise Refused("page-token-missing")
        return found

    def show_page(self, resource: str, page: Page, account: Account, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """A page whose links begin with the vendor's own path, wherever it was asked for."""
        return super().show_page(resource, page, account, f"/api/laml/{path.removeprefix('/api/laml').lstrip('/')}", query)


class CompatibleRest(CxmlRest):
    """The same where SDKs of the compatible dialect look for it: they replace the host only (2.1). A project is a UUID."""

    base = f"/{API_VERSION}/Accounts/{{account:uuid}}"
