"""Conference Insights (8.1): summaries under `/v1`, at once and for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from hubbub.dialects.habits import Habits
from hubbub.dialects.ids import Prefixed
from hubbub.dialects.tables import Between, Operation, Out, Page, Param, Resource, choice, described, mapping, text
from hubbub.dialects.twiml import words
from hubbub.dialects.twiml.credentials import Doors
from hubbub.dialects.twiml.operations import instant
from hubbub.dialects.twiml.rest import TwimlRest
from hubbub.dialects.twiml.words import address
from hubbub.errors import Refused
from hubbub.events import CallRecord, CallStatus, Presence, RoomStatus
from hubbub.ids import Id
from hubbub.settings import Account

STAY = Prefixed("CP")
STATUS = {"in_progress": RoomStatus.IN_PROGRESS.value, "not_started": RoomStatus.INIT.value, "completed": RoomStatus.COMPLETED.value}
END_REASONS = {reason: word.replace("-", "_") for reason, word in words.END_REASONS.items()}
CALL_STATUS = {
    CallStatus.IN_PROGRESS: "answered",
    CallStatus.COMPLETED: "completed",
    CallStatus.BUSY: "busy",
    CallStatus.FAILED: "fail",
    CallStatus.NO_ANSWER: "noanswer",
    CallStatus.CANCELED: "canceled",
}
BUFFERS = (("off", 0), ("small", 20), ("medium", 40))
CALL_TYPE = {"number": "carrier", "phone": "client", "sip": "sip"}
HAPPENED = {"muted": "mute", "unmuted": "unmute", "held": "hold", "unheld": "unhold", "modified": "modify"}


def iso(seconds: float | None) -> str | None:
    """ISO 8601, UTC, whole seconds."""
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(begin: float | None, end: float | None) -> int | None:
    return None if begin is None or end is None else round(end - begin)


def _url(s: Any, more: str = "") -> str:
    return f"{s.public_url}/v1/Conferences/{words.CONFERENCE.write(s.thing.room.id)}{more}"


def _region(s: Any) -> str:
    return s.thing.room.region or "us1"


def _tags(s: Any) -> list[str]:
    """What can be told from the facts: a room in which nobody was with anybody, and one that never started."""
    over = s.thing.room.status is RoomStatus.COMPLETED
    found = [("no_concurrent_participants", over and s.thing.most < 2), ("start_failure", over and s.thing.room.started is None)]
    return [tag for tag, holds in found if holds]


def _state(s: Any) -> str:
    return "complete" if s.thing.room.status is RoomStatus.COMPLETED else "in_progress"


CONFERENCE = Resource(
    (
        Out("conference_sid", lambda s: words.CONFERENCE.write(s.thing.room.id)),
        Out("account_sid", lambda s: s.sid),
        Out("friendly_name", lambda s: s.thing.room.name),
        Out("create_time", lambda s: iso(s.thing.room.created)),
        Out("start_time", lambda s: iso(s.thing.room.started)),
        Out("end_time", lambda s: iso(s.thing.room.ended)),
        Out("duration_seconds", lambda s: _seconds(s.thing.room.created, s.thing.room.ended)),
        Out("connect_duration_seconds", lambda s: _seconds(s.thing.room.started, s.thing.room.ended)),
        Out("status", lambda s: next(word for word, status in STATUS.items() if status == s.thing.room.status.value)),
        Out("max_participants", lambda s: s.thing.settings.policy.capacity if s.thing.settings else None),
        Out("max_concurrent_participants", lambda s: s.thing.most),
        Out("unique_participants", lambda s: len({member.call for member in s.thing.came})),
        Out("end_reason", lambda s: END_REASONS[s.thing.room.end_reason] if s.thing.room.end_reason else None),
        Out("ended_by", lambda s: words.CALL.write(s.thing.room.ended_by) if s.thing.room.ended_by else None),
        Out("mixer_region", _region),
        Out("mixer_region_requested", lambda s: s.thing.room.region or None),
        Out("recording_enabled", lambda s: bool(s.thing.settings and s.thing.settings.record)),
        Out("detected_issues", lambda s: {"call_quality": 0, "region_configuration": 0, "participant_behavior": len(_tags(s))}),
        Out("tags", _tags),
        Out("tag_info", lambda s: {tag: {"severity": "warning"} for tag in _tags(s)}),
        Out("processing_state", _state),
        Out("url", _url),
        Out("links", lambda s: {"conference_participants": _url(s, "/Participants")}),
    ),
    "conferences",
)


def _call(read: Any) -> Any:
    return lambda s: None if s.thing.call is None else read(s.thing.call)


def _type(call: CallRecord) -> str:
    return CALL_TYPE[(call.caller if call.direction == "inbound" else call.callee).kind]


def _came(s: Any) -> bool:
    return "joined" in s.thing.happened


def _queued(s: Any) -> int | None:
    return 0 if s.thing.member.queue_seconds is not None else None


def _buffer(wait: int | str) -> str | None:
    """The vendor's word for a time that packets wait; none for one that goes with the network."""
    return next((word for word, most in BUFFERS if wait <= most), "large") if isinstance(wait, int) else None


def _direction(q: Mapping[str, Any], way: str, packets: int, lost: int) -> dict[str, Any]:
    """One direction as the far end or this end received it; the delay is half the round trip of RTCP."""
    delay, worst = q["round_trip"] / 2, q["round_trip_most"] / 2
    return {
        "total_packets_lost": lost,
        "total_packets_received": packets,
        "packet_loss_percentage": round(q[f"loss_{way}"], 2),
        "jitter": {"avg": round(q[f"jitter_{way}"], 2), "max": round(q[f"jitter_{way}_most"], 2)},
        "latency": {"avg": round(delay, 2), "max": round(worst, 2)} if q["reports"] else None,
        "mos": round(q[f"mos_{way}"], 2),
    }


def _metrics(q: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Outbound is null while the far end sends no reports: then nobody knows what it hears."""
    if q is None or not q["packets_in"]:
        return None
    received = max(0, q["packets_out"] - q["lost_out"])
    outbound = _direction(q, "out", received, q["lost_out"]) if q["reports"] else None
    return {"inbound": _direction(q, "in", q["packets_in"], q["lost_in"]), "outbound": outbound}


PARTICIPANT = Resource(
    (
        Out("participant_sid", lambda s: STAY.write(s.thing.member.id)),
        Out("label", lambda s: s.thing.member.label or None),
        Out("conference_sid", lambda s: words.CONFERENCE.write(s.thing.room.id)),
        Out("call_sid", lambda s: words.CALL.write(s.thing.member.call)),
        Out("account_sid", lambda s: s.sid),
        Out("call_direction", _call(lambda call: "inbound" if call.direction == "inbound" else "outbound")),
        Out("from", _call(lambda call: address(call.caller))),
        Out("to", _call(lambda call: address(call.callee))),
        Out("call_status", _call(lambda call: CALL_STATUS.get(call.status, "ringing"))),
        Out("country_code", lambda s: None),
        Out("is_moderator", lambda s: s.thing.member.start_on_enter or s.thing.member.end_on_exit),
        Out("join_time", lambda s: iso(s.thing.member.joined) if _came(s) else None),
        Out("leave_time", lambda s: iso(s.thing.member.left)),
        Out("duration_seconds", lambda s: _seconds(s.thing.member.joined, s.thing.member.left) if _came(s) else None),
        Out("outbound_queue_length", _queued),
        Out("outbound_time_in_queue", _queued),
        Out("jitter_buffer_size", lambda s: _buffer(s.thing.member.jitter_ms)),
        Out("is_coach", lambda s: s.thing.member.is_coach),
        Out("coached_participants", lambda s: [words.CALL.write(call) for call in s.thing.member.coaching] or None),
        Out("participant_region", _region),
        Out("conference_region", _region),
        Out("call_type", _call(_type)),
        Out("processing_state", lambda s: "complete" if s.thing.member.presence is Presence.LEFT else "in_progress"),
        Out(
            "properties",
            lambda s: {
                "start_conference_on_enter": s.thing.member.start_on_enter,
                "end_conference_on_exit": s.thing.member.end_on_exit,
                "play_early_media": s.thing.member.queue_seconds is not None,
                "enter_muted": s.thing.member.muted and "muted" not in s.thing.happened,
                "beep_on_enter": s.thing.member.beep_on_enter,
                "beep_on_exit": s.thing.member.beep_on_exit,
            },
        ),
        Out(
            "events",
            lambda s: {HAPPENED[kind]: [round(at * 1000) for at in times] for kind, times in s.thing.happened.items() if kind in HAPPENED},
        ),
        Out("metrics", lambda s: _metrics(s.thing.quality)),
        Out("url", lambda s: _url(s, f"/Participants/{STAY.write(s.thing.member.id)}")),
    ),
    "participants",
)

REASONS = {word: tuple(reason.value for reason, name in END_REASONS.items() if name == word) for word in set(END_REASONS.values())}
SINCE = "A date or an ISO 8601 date-time."


def _created(op: str) -> Any:
    return described(lambda value: Between(op, *instant(value)), SINCE)


def _sid(codec: Prefixed) -> Any:
    def read(value: str) -> Id:
        found = codec.read(value)
        if found is None:
            raise ValueError(f"must be a SID that begins with {codec.prefix}")
        return found

    return described(read, f"a SID, `{codec.prefix}…`")


OPERATIONS = (
    Operation(
        "GET",
        "/Conferences",
        "list_room_summaries",
        "summary",
        (
            Param("ConferenceSid", "id", _sid(words.CONFERENCE)),
            Param("FriendlyName", "name", text),
            Param("Status", "status", mapping({**STATUS, "summary_timeout": "never"})),
            Param("CreatedAfter", "created>", _created(">")),
            Param("CreatedBefore", "created<", _created("<")),
            Param("EndReason", "reasons", mapping(REASONS)),
            Param("MixerRegion", None, why="mixing is local"),
            Param("Tags", None, why="summaries are made when they are asked for"),
            Param("DetectedIssues", None, why="summaries are made when they are asked for"),
            Param("Subaccount", None, why="ask with the subaccount's own credentials"),
        ),
    ),
    Operation("GET", "/Conferences/{room}", "fetch_room_summary", "summary"),
    Operation(
        "GET",
        "/Conferences/{room}/Participants",
        "list_member_summaries",
        "stay",
        (
            Param("ParticipantSid", "stay", _sid(STAY)),
            Param("Label", "label", text),
            Param("Events", None, why="they are always shown"),
        ),
    ),
    Operation(
        "GET",
        "/Conferences/{room}/Participants/{stay}",
        "fetch_member_summary",
        "stay",
        (Param("Events", None, choice("true", "false"), why="they are always shown"), Param("Metrics", None, why="they are always shown")),
    ),
)


class SummaryHabits(Habits):
    """There are no recordings here."""

    common_media = False


class InsightsRest(TwimlRest):
    """Summaries of conferences: the account is the one whose credentials are sent."""

    base = "/v1"
    suffixes = ("",)
    operations = OPERATIONS
    resources: Mapping[str, Resource] = {"summary": CONFERENCE, "stay": PARTICIPANT}

    def _habits(self, doors: Doors) -> Habits:
        """What this face does otherwise than most."""
        return SummaryHabits()

    def authenticate(self, authorization: str, account: str) -> Account:
        """The account of the credentials. Raises Refused (unauthenticated)."""
        return self.account_of(authorization)

    def identity(self, kind: str, spelled: str) -> Id | None:
        """The identity that a path names."""
        if kind == "stay":
            return STAY.read(spelled)
        found = super().identity(kind, spelled)
        if found is None:
            raise Refused("not-found")
        return found

    def show_page(self, resource: str, page: Page, account: Account, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """A page with its `meta` (5.3)."""
        filters = {name: value for name, value in query.items() if name not in ("Page", "PageToken", "PageSize")}
        key = self.resources[resource].list_key

        def url(number: int) -> str:
            return f"{self.dialect.public_url}{path}?{urlencode({**filters, 'PageSize': page.size, 'Page': number})}"

        meta = {
            "page": page.number,
            "page_size": page.size,
            "first_page_url": url(0),
            "previous_page_url": url(page.number - 1) if page.number else None,
            "url": url(page.number),
            "next_page_url": url(page.number + 1) if page.more else None,
            "key": key,
        }
        return {key: [self.show(resource, thing, account) for thing in page.items], "meta": meta}


__all__ = ["CONFERENCE", "OPERATIONS", "PARTICIPANT", "InsightsRest"]
