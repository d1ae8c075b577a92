"""Paths of hubbub's own REST, and their parameters. Bodies are JSON objects or forms."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hubbub.conference.roles import ROLES
from hubbub.dialects.builders import EVENT_GROUPS
from hubbub.dialects.own.grants import LONGEST, MAY
from hubbub.dialects.tables import (
    Operation,
    Param,
    choice,
    decimal,
    described,
    integer,
    mapping,
    matching,
    text,
    url,
    words,
)
from hubbub.events import RoomStatus
from hubbub.verbs.model import Stage

DIALECTS = ("twiml", "cxml", "bxml", "swml")
METHOD = choice("GET", "POST")
TRUTH = mapping({"true": True, "false": False})
PLAIN = matching(r"[^/\x00-\x1f]{1,128}", "has 1 to 128 characters and no slash")
SPELLED = re.compile(r"(?:[A-Za-z]{1,2}-?(?:[0-9a-f]{8}-)?)?([0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12})")
"""An id, as any dialect spells it."""
EVENTS = words({**EVENT_GROUPS, "all": frozenset().union(*EVENT_GROUPS.values())})
PROGRESS = words({name: frozenset({name}) for name in ("initiated", "ringing", "answered", "completed")})
_ROOM, _MEMBER, _CALL = "/rooms/{room}", "/rooms/{room}/members/{member}", "/calls/{call}"


def absolute(value: str) -> str:
    """An absolute http or https URL."""
    found = url(value)
    if not found.startswith(("http://", "https://")):
        raise ValueError("must be an absolute http or https URL")
    return found


def _new_name(value: str) -> str:
    if SPELLED.fullmatch(value):
        raise ValueError("must not look like an id")
    return str(PLAIN(value))


NEW_NAME = described(_new_name, "text that has 1 to 128 characters and no slash, and does not look like an id")


def _several(value: str) -> frozenset[str]:
    """Ids or labels, separated by blanks."""
    return frozenset(value.split())


def cleared(value: str) -> str:
    """An absolute http or https URL, or nothing."""
    return absolute(value) if value else value


STATUS = (
    Param("status_url", "status_url", cleared, clears=True, why="empty: nobody is told any more"),
    Param("status_method", "status_method", METHOD),
    Param("status_events", "status_events", EVENTS, many=True),
)
ROOM_SETTINGS = (
    Param("dialect", "dialect", choice(*DIALECTS), why="what notices of the room speak; else that of the account's first face"),
    Param("namespace", "namespace", matching(r"[^/\x00-\x1f]{0,128}", "has at most 128 characters and no slash")),
    Param("alone", "alone", TRUTH, why="a room of its own, also where one of that name lives; it is found by its id only"),
    Param("capacity", "max_members", integer(2, 65_536)),
    Param("end_when_alone", "end_when_alone", TRUTH),
    Param("record", "record", TRUTH),
    Param("recording_url", "recording_url", absolute),
    Param("recording_method", "recording_method", METHOD),
    *STATUS,
    Param("region", "region", text),
    Param("tag", "tag", text),
)
MEMBER_CHANGE = (
    Param("muted", "muted", TRUTH),
    Param("held", "held", TRUTH),
    Param("hold_url", "hold_url", absolute),
    Param("hold_method", "hold_method", METHOD),
    Param("wait_url", "wait_url", absolute),
    Param("wait_method", "wait_method", METHOD),
    Param("announce_url", "announce_url", absolute),
    Param("announce_method", "announce_method", METHOD),
    Param("beep_on_exit", "beep_on_exit", TRUTH),
    Param("end_on_exit", "end_on_exit", TRUTH),
    Param("coaching", "coaching", TRUTH),
    Param("coach", "coach", text, why="the call that is coached"),
)
OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "/rooms",
        "list_rooms",
        "room",
        (Param("name", "name", text), Param("status", "status", choice(*(status.value for status in RoomStatus)))),
    ),
    Operation(
        "POST",
        "/rooms",
        "create_room",
        "opened-room",
        (
            Param("name", "name", NEW_NAME, required=True),
            *ROOM_SETTINGS,
            Param("keep_seconds", "keep_seconds", decimal(1, 86_400), why="how long it waits for the first who comes"),
        ),
    ),
    Operation("GET", _ROOM, "fetch_room", "room"),
    Operation(
        "POST",
        _ROOM,
        "update_room",
        "room",
        (
            Param("status", "status", choice("completed")),
            *STATUS,
            Param("announce_url", "announce_url", absolute),
            Param("announce_method", "announce_method", METHOD),
        ),
    ),
    Operation("GET", _ROOM + "/members", "list_members", "member", (Param("everybody", "everybody", TRUTH),)),
    Operation("GET", _MEMBER, "fetch_member", "member"),
    Operation("POST", _MEMBER, "update_member", "member", MEMBER_CHANGE),
    Operation("DELETE", _MEMBER, "remove_member", status=204),
    Operation(
        "POST",
        _ROOM + "/transfers",
        "create_transfer",
        "transfer",
        (
            Param("giver", "giver", text, required=True, why="who gives the others away: a call's id or a label"),
            Param("to", "to", text, required=True, why="who gets them: a number, `client:NAME`, or a SIP URI"),
            Param("from", "from", text, why="who it sees calling; else whom the giver's call belongs to here"),
            Param("parked", "parked", _several, many=True, why="who is handed over, by ids or labels; else all others who can be heard"),
            Param("consult", "consult", TRUTH, why="whether giver and target talk alone first, until `complete`; `true` unless said"),
            Param("hold_url", "hold_url", absolute),
            Param("hold_method", "hold_method", METHOD),
            Param("label", "label", text),
            Param("role", "role", choice(*ROLES), why="how the target is in the conference: `agent` unless said"),
            Param("end_on_exit", "end_on_exit", TRUTH),
            Param("ring_seconds", "ring_seconds", integer(5, 600)),
        ),
        201,
    ),
    Operation("GET", _ROOM + "/transfers", "list_transfers", "transfer"),
    Operation("GET", _ROOM + "/transfers/{transfer}", "fetch_transfer", "transfer"),
    Operation(
        "POST", _ROOM + "/transfers/{transfer}", "update_transfer", "transfer", (Param("action", "action", choice("complete", "cancel")),)
    ),
    Operation("GET", _ROOM + "/speakers", "list_speakers", "speaker"),
    Operation("GET", _CALL, "fetch_call", "call"),
    Operation(
        "POST",
        _CALL,
        "update_call",
        "call",
        (
            Param("progress_url", "progress_url", absolute),
            Param("progress_method", "progress_method", METHOD),
            Param("progress_events", "progress_events", PROGRESS, many=True),
            Param("total_seconds", "total_seconds", integer(1)),
        ),
    ),
    Operation(
        "POST",
        _CALL + "/room",
        "upgrade_call",
        "room",
        (
            Param("name", "name", NEW_NAME, required=True),
            *(param for param in ROOM_SETTINGS if param.name not in ("dialect", "alone")),
            Param("label", "label", text),
            Param("other_label", "other_label", text),
            Param("end_on_exit", "end_on_exit", TRUTH),
            Param("other_end_on_exit", "other_end_on_exit", TRUTH),
        ),
    ),
    Operation(
        "POST",
        _CALL + "/grants",
        "create_grant",
        "grant",
        (
            Param("may", "may", words({word: frozenset({word}) for word in MAY}), many=True, required=True),
            Param("seconds", "seconds", integer(1, LONGEST)),
        ),
        201,
    ),
    Operation(
        "POST",
        "/check",
        "check_document",
        "finding",
        (
            Param("document", "document", text),
            Param(
                "url", "url", absolute, why="asked now, from where documents are asked and as they are: signed, for a call that comes in"
            ),
            Param("method", "method", METHOD),
            Param("dialect", "dialect", choice(*DIALECTS), why="guessed where it is not said"),
            Param("stage", "stage", mapping({"call": Stage.CALL, "wait": Stage.BESIDE, "announcement": Stage.ANNOUNCEMENT})),
        ),
        reads=True,
    ),
    Operation("GET", "/control", "see_own_call", "member"),
    Operation(
        "POST",
        "/control",
        "change_own_call",
        "member",
        (Param("muted", "muted", TRUTH), Param("held", "held", TRUTH), Param("leave", "leave", mapping({"true": True}))),
    ),
)
STATUSES: Mapping[str, int] = {
    "unauthenticated": 401,
    "forbidden": 403,
    "not-found": 404,
    "absent": 404,
    "room-not-live": 404,
    "method": 405,
    "call-over": 409,
    "not-bridged": 409,
    "room-exists": 409,
    "label-taken": 409,
    "full": 409,
    "ended": 409,
    "no-transfer": 409,
    "announce-held": 409,
    "rate": 429,
    "internal": 500,
    "busy": 503,
    "storage": 503,
}
"""HTTP statuses of refusals; 400 for the rest."""
