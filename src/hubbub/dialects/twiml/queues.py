"""RESOURCES: queues and who waits in them; they are kept while the server runs, as `calls/line.py` says."""

from __future__ import annotations

from typing import Any

from hubbub.dialects.tables import Converter, Operation, Out, Param, Resource, integer, matching
from hubbub.dialects.twiml.words import QUEUE, date

LARGEST = 5000
NAME = matching(r".{1,64}", "has 1 to 64 characters")
GIVEN = (
    Param("FriendlyName", "name", NAME, "bad-name"),
    Param("MaxSize", "capacity", integer(1, LARGEST)),
)
ONE = "/Queues/{line}"


def operations(absolute_url: Converter, method: Converter) -> tuple[Operation, ...]:
    """Queues, and their members."""
    taken = (Param("Url", "url", absolute_url, "bad-url"), Param("Method", "method", method, "bad-method"))
    return (
        Operation("POST", "/Queues", "create_line", "line", GIVEN, 201),
        Operation("GET", "/Queues", "list_lines", "line"),
        Operation("GET", ONE, "fetch_line", "line"),
        Operation("POST", ONE, "update_line", "line", GIVEN),
        Operation("DELETE", ONE, "delete_line", status=204),
        Operation("GET", ONE + "/Members", "list_waiting", "waiting"),
        Operation("GET", ONE + "/Members/{waiting}", "fetch_waiting", "waiting"),
        Operation("POST", ONE + "/Members/{waiting}", "take_waiting", "waiting", taken),
    )


def _uri(s: Any, line: Any, more: str = "") -> str:
    return f"{s.base}/Queues/{QUEUE.write(line.id)}{more}.json"


QUEUES = Resource(
    (
        Out("sid", lambda s: QUEUE.write(s.thing[0].id)),
        Out("account_sid", lambda s: s.sid),
        Out("friendly_name", lambda s: s.thing[0].name),
        Out("max_size", lambda s: s.thing[0].core.capacity),
        Out("current_size", lambda s: len(s.thing[0].core)),
        Out("average_wait_time", lambda s: round(s.thing[1])),
        Out("date_created", lambda s: date(s.thing[0].created)),
        Out("date_updated", lambda s: date(s.thing[0].updated)),
        Out("uri", lambda s: _uri(s, s.thing[0])),
        Out("subresource_uris", lambda s: {"members": _uri(s, s.thing[0], "/Members")}),
    ),
    "queues",
)
MEMBERS = Resource(
    (
        Out("call_sid", lambda s: s.words.call.write(s.thing[0].call.id)),
        Out("queue_sid", lambda s: QUEUE.write(s.thing[0].line.id)),
        Out("date_enqueued", lambda s: date(s.thing[0].since)),
        Out("position", lambda s: s.thing[1].position),
        Out("wait_time", lambda s: round(s.thing[1].seconds)),
        Out("uri", lambda s: _uri(s, s.thing[0].line, f"/Members/{s.words.call.write(s.thing[0].call.id)}")),
    ),
    "queue_members",
)
RESOURCES = {"line": QUEUES, "waiting": MEMBERS}
