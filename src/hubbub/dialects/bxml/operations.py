"""RESOURCES: the paths of REST v2 and their parameters (6.1 to 6.8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from hubbub.dialects.bxml import machine
from hubbub.dialects.bxml.rows import uui
from hubbub.dialects.tables import (
    Between,
    Converter,
    Operation,
    Param,
    choice,
    described,
    lenient_boolean,
    mapping,
    matching,
    text,
)

JSON, XML = "json", "xml"


def ranged(low: float, high: float) -> Converter:
    """A number whose refusal has the vendor's words (6.9)."""

    def read(value: str) -> float:
        if not re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", value):
            raise ValueError("must be a number")
        number = float(value)
        if not low <= number <= high:
            raise ValueError(f"must be within the range [{low:g}, {high:g}], but was {value}")
        return number

    return described(read, f"a number, {low:g} to {high:g}")


def whole(low: int, high: int) -> Converter:
    """A whole number whose refusal has the vendor's words (6.9)."""
    bounded = ranged(low, high)

    def read(value: str) -> int:
        number = bounded(value)
        if number != int(number):
            raise ValueError("must be a whole number")
        return int(number)

    return described(read, f"a whole number, {low} to {high}")


def web_url(value: str) -> str:
    """An absolute http or https URL of at most 2048 characters."""
    split = urlsplit(value.strip())
    if split.scheme not in ("http", "https") or not split.hostname or len(value) > 2048 or " " in value.strip():
        raise ValueError("only http and https are allowed")
    return value.strip()


def verb(value: str) -> str:
    """GET or POST."""
    if value not in ("GET", "POST"):
        raise ValueError("Supported methods: [POST, GET]")
    return value


def instant(value: str) -> float:
    """An ISO 8601 date-time; UTC where it names no zone."""
    try:
        moment = datetime.fromisoformat(value.strip().replace(" ", "T", 1).replace("Z", "+00:00"))
    except ValueError:
        raise ValueError("must be an ISO 8601 date-time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def since(value: str) -> Between:
    """An ISO 8601 date-time, inclusive."""
    return Between(">", instant(value), 0.0)


def until(value: str) -> Between:
    """An ISO 8601 date-time, inclusive to its millisecond."""
    return Between("<", 0.0, instant(value) + 0.001)


def before(value: str) -> Between:
    """An ISO 8601 date-time, exclusive."""
    return Between("<", 0.0, instant(value))


def party(column: str) -> Callable[[str], dict[str, str]]:
    """A number or SIP URI; the blank that an unescaped `+` became is one again."""

    def read(value: str) -> dict[str, str]:
        if value.startswith(("sip:", "sips:")):
            return {f"data.record.{column}.uri": value}
        return {column: "+" + value.strip().lstrip("+")}

    return described(read, "a number or SIP URI")


CAUSES = {
    "hangup": {"data.record.cause": "hangup"},
    "busy": {"data.record.cause": "busy"},
    "timeout": {"data.record.cause": "timeout"},
    "cancel": {"data.record.cause": "cancel"},
    "rejected": {"data.record.cause": "rejected"},
    "callback-error": {"data.record.cause": "request-failed"},
    "invalid-bxml": {"data.record.cause": "invalid-document"},
    "application-error": {"data.record.cause": "unsupported"},
    "error": {"data.record.cause": "error"},
}


def cause(value: str) -> dict[str, str]:
    """Why calls ended; a word that is never given finds nothing."""
    return CAUSES.get(value, {"data.record.cause": value})


def coached(value: str) -> tuple[str, ...]:
    """Call ids; none ends coaching."""
    return tuple(value.split())


def call_timeout(value: str) -> dict[str, float]:
    """Seconds for the webhooks of a call."""
    return {"timeout": ranged(1, 25)(value)}


def user_to_user(value: str) -> dict[str, str]:
    """A list of `TEXT;encoding=` `base64`, `jwt` or `hex`, at most 350 characters."""
    return {"User-to-User": uui(350)(value)}


SECRET = matching(r".{0,1024}", "has at most 1024 characters")
LONG_TAG = matching(r".{0,4096}", "must contain at most 4096 characters")

PARTIES = (
    Param("username", "username", SECRET),
    Param("password", "password", SECRET),
    Param("fallbackUsername", "fallback_username", SECRET),
    Param("fallbackPassword", "fallback_password", SECRET),
)
REDIRECT = (
    Param("redirectUrl", "url", web_url),
    Param("redirectMethod", "method", verb, "bad-method"),
    Param("redirectFallbackUrl", "fallback_url", web_url),
    Param("redirectFallbackMethod", "fallback_method", verb, "bad-method"),
    *PARTIES,
)
STATE = mapping({"active": None, "completed": "completed"})
TAG = Param("tag", "tag", LONG_TAG, "bad-range", clears=True)
FIRST_TAG = Param("tag", "tag", LONG_TAG, "tag-too-long", clears=True)
CREATE_CALL = (
    Param("to", "to", text),
    Param("from", "from", text),
    Param("applicationId", "application_id", text),
    Param("answerUrl", "url", web_url),
    Param("answerMethod", "method", verb, "bad-method"),
    Param("answerFallbackUrl", "fallback_url", web_url),
    Param("answerFallbackMethod", "fallback_method", verb, "bad-method"),
    *PARTIES,
    Param("disconnectUrl", "progress_url", web_url),
    Param("disconnectMethod", "progress_method", verb, "bad-method"),
    Param("displayName", "display", matching(r".{0,256}", "has at most 256 characters")),
    Param("callTimeout", "ring_seconds", ranged(1, 300), "bad-range"),
    Param("callbackTimeout", "extra", call_timeout, "bad-range"),
    FIRST_TAG,
    Param("privacy", "private", lenient_boolean),
    Param("uui", "headers", user_to_user),
    Param("priority", "priority", whole(1, 5), "bad-range"),
    *machine.params(ranged(0.1, 120), web_url, verb, SECRET),
)
UPDATE_CALL = (Param("state", "status", STATE), *REDIRECT, TAG)
UPDATE_CONFERENCE = (
    Param("state", "status", STATE, why="how a guide once spelled `status`"),
    Param("status", "status", STATE),
    *REDIRECT,
)
UPDATE_MEMBER = (
    Param("mute", "muted", lenient_boolean),
    Param("hold", "held", lenient_boolean),
    Param("callIdsToCoach", "coach_ids", coached, many=True),
)
TRANSCRIBE = (
    Param("callbackUrl", "transcript_url", web_url),
    Param("callbackMethod", "transcript_method", verb, "bad-method"),
    Param("username", "username", SECRET),
    Param("password", "password", SECRET),
    Param("callbackTimeout", "transcript_timeout", ranged(1, 25), "bad-range"),
    Param("tag", None, LONG_TAG, why="the event carries the call's tag"),
    Param("detectLanguage", None, lenient_boolean, why="the recogniser knows English"),
)
UPDATE_RECORDING = (Param("state", "recording_state", choice("paused", "recording")),)
DOCUMENT = (Param("bxml", "document", text),)


def paging(largest: int) -> tuple[Param, ...]:
    """`pageSize` within its range, and the opaque token."""
    return (
        Param("pageSize", "page_size", ranged(1, largest), "bad-range"),
        Param("pageToken", None, why="read with the page"),
    )


CALL_FILTERS = (
    Param("to", "callee", party("callee")),
    Param("from", "caller", party("caller")),
    Param("minStartTime", "created>", since),
    Param("maxStartTime", "created<", until),
    Param("disconnectCause", "cause", cause),
    *paging(10_000),
)
ROOM_FILTERS = (
    Param("name", "name", text),
    Param("minCreatedTime", "created>", since),
    Param("maxCreatedTime", "created<", until),
    *paging(1000),
)
RECORDING_FILTERS = (
    Param("to", "callee", party("callee")),
    Param("from", "caller", party("caller")),
    Param("minStartTime", "created>", since),
    Param("maxStartTime", "created<", before),
    *paging(1000),
)
NOTIFICATION_FILTERS = (
    Param("level", "level", choice("error", "warning")),
    Param("code", "code", text),
    *paging(1000),
)
_CALL, _ROOM = "/calls/{call}", "/conferences/{room}"
_MEMBER, _CALL_RECORDING, _ROOM_RECORDING = (
    f"{_ROOM}/members/{{member}}",
    f"{_CALL}/recordings/{{recording}}",
    f"{_ROOM}/recordings/{{recording}}",
)

OPERATIONS: tuple[Operation, ...] = (
    Operation("POST", "/calls", "create_call", "created-call", CREATE_CALL, 201),
    Operation("GET", "/calls", "list_calls", "call", CALL_FILTERS),
    Operation("GET", _CALL, "fetch_call", "call"),
    Operation("POST", _CALL, "update_call", "", UPDATE_CALL),
    Operation("PUT", f"{_CALL}/bxml", "update_call", "", DOCUMENT, 204, XML),
    Operation("GET", "/conferences", "list_inspected_rooms", "listed-room", ROOM_FILTERS),
    Operation("GET", _ROOM, "inspect_room", "room"),
    Operation("POST", _ROOM, "steer_room", "", UPDATE_CONFERENCE, 204),
    Operation("PUT", f"{_ROOM}/bxml", "play_in_room", "", DOCUMENT, 204, XML),
    Operation("GET", f"{_ROOM}/members", "inspect_members", "member"),
    Operation("GET", _MEMBER, "inspect_member", "member"),
    Operation("PUT", _MEMBER, "set_member", "", UPDATE_MEMBER, 204),
    Operation("DELETE", _MEMBER, "remove_member", "", (), 204),
    Operation("GET", f"{_ROOM}/recordings", "list_recordings", "room-recording"),
    Operation("GET", _ROOM_RECORDING, "fetch_recording", "room-recording"),
    Operation("DELETE", _ROOM_RECORDING, "forget_recording", "", (), 204),
    Operation("GET", f"{_ROOM_RECORDING}/media", "fetch_media"),
    Operation("DELETE", f"{_ROOM_RECORDING}/media", "delete_recording", "", (), 204),
    Operation("GET", "/recordings", "inspect_all_recordings", "call-recording", RECORDING_FILTERS),
    Operation("PUT", f"{_CALL}/recording", "steer_recording", "", UPDATE_RECORDING),
    Operation("GET", f"{_CALL}/recordings", "inspect_recordings", "call-recording"),
    Operation("GET", _CALL_RECORDING, "inspect_recording", "call-recording"),
    Operation("DELETE", _CALL_RECORDING, "forget_recording", "", (), 204),
    Operation("GET", f"{_CALL_RECORDING}/transcription", "fetch_transcript", "transcript"),
    Operation("POST", f"{_CALL_RECORDING}/transcription", "create_transcript", "", TRANSCRIBE, 204),
    Operation("DELETE", f"{_CALL_RECORDING}/transcription", "delete_transcript", "", (), 204),
    Operation("GET", f"{_CALL_RECORDING}/media", "fetch_media"),
    Operation("DELETE", f"{_CALL_RECORDING}/media", "delete_recording", "", (), 204),
    Operation("GET", "/notifications", "list_notifications", "notification", NOTIFICATION_FILTERS),
    Operation("GET", f"{_CALL}/notifications", "list_notifications", "notification", NOTIFICATION_FILTERS),
    Operation("GET", f"{_CALL}/transcriptions", "list_call_transcripts", "listed-call-transcript"),
    Operation("GET", f"{_CALL}/transcriptions/{{live}}", "fetch_call_transcript", "call-transcript"),
    Operation("GET", "/statistics", "fetch_statistics", "statistics"),
)
