"""RESOURCES beyond the vendor: announcements as things of their own (P23)."""

from __future__ import annotations

from typing import Any

from hubbub.dialects.ids import Prefixed
from hubbub.dialects.tables import Converter, Operation, Out, Param, Resource
from hubbub.dialects.twiml.words import date

ANNOUNCEMENT = Prefixed("AN")
PATH = "/Conferences/{room}/Announcements"


def operations(absolute_url: Converter, method: Converter, call_sid: Converter) -> tuple[Operation, ...]:
    """Begin, list, watch and stop."""
    return (
        Operation(
            "POST",
            PATH,
            "create_announcement",
            "announcement",
            (
                Param("AnnounceUrl", "url", absolute_url, "bad-room-parameter"),
                Param("AnnounceMethod", "method", method, "bad-room-parameter"),
                Param("CallSid", "call", call_sid, "bad-room-parameter"),
            ),
            201,
        ),
        Operation("GET", PATH, "list_announcements", "announcement"),
        Operation("GET", PATH + "/{announcement}", "fetch_announcement", "announcement"),
        Operation("DELETE", PATH + "/{announcement}", "stop_announcement", status=204),
    )


def _conference(s: Any) -> str:
    return str(s.words.conference.write(s.thing[0].room))


RESOURCE = Resource(
    (
        Out("sid", lambda s: ANNOUNCEMENT.write(s.thing[0].id)),
        Out("account_sid", lambda s: s.sid),
        Out("conference_sid", _conference),
        Out("call_sid", lambda s: s.words.call.write(s.thing[0].call) if s.thing[0].call else None),
        Out("announce_url", lambda s: s.thing[0].url),
        Out("seconds", lambda s: round(s.thing[1], 1)),
        Out("date_created", lambda s: date(s.thing[0].started)),
        Out("uri", lambda s: f"{s.base}/Conferences/{_conference(s)}/Announcements/{ANNOUNCEMENT.write(s.thing[0].id)}.json"),
    ),
    "announcements",
)
