"""DOCUMENT: join_conference (3.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubbub.conference.policy import Policy
from hubbub.dialects.builders import EVENT_GROUPS, RoomDefaults, join_room
from hubbub.dialects.swml.document import METHODS, ON_CALL, PREFIX, listed, result_steps, steps_within, wrong
from hubbub.dialects.swml.streams import room_stream
from hubbub.dialects.tables import Attr, Compiler, Element, Node, boolean, choice, integer, mapping, method, text, url, words
from hubbub.verbs.program import Remark, Step

ROOM = RoomDefaults("swml", Policy(minimum_to_start=1, capacity=250), style="relay")
REGIONS = frozenset({"global", "us", "eu", "ch", "us-east", "us-west"})
"""A hint where a conference is hosted; another is told to its author."""
RECORDING_EVENTS = words(
    {
        "in-progress": frozenset({"in-progress", "paused", "resumed"}),
        "completed": frozenset({"completed"}),
        "absent": frozenset({"absent"}),
    }
)
"""`in-progress` is told of what becomes of it too: record-start, record-pause, record-resume."""


STYLE = choice("cxml", "relay", laml="cxml")

JOIN = (
    Attr("name", "room", text, "", required=True),
    Attr("muted", "muted", boolean, False),
    Attr("beep", "beep", mapping({"true": "both", "false": "none", "onEnter": "enter", "onExit": "exit"}), "both"),
    Attr("start_on_enter", "start_on_enter", boolean, True),
    Attr("end_on_exit", "end_on_exit", boolean, False),
    Attr("wait_url", "wait_url", url, None),
    Attr("max_participants", "max_members", integer(2, 100_000), None),
    Attr("record", "record", mapping({"do-not-record": False, "record-from-start": True}), False),
    Attr("region", "region", text, "", why="reported back; mixing is local"),
    Attr("trim", "trim", mapping({"trim-silence": True, "do-not-trim": False}), True),
    Attr("coach", "coach", text, None),
    Attr("status_callback", "status_url", url, None),
    Attr("status_callback_event", "status_events", words(EVENT_GROUPS), None),
    Attr("status_callback_event_type", "status_style", STYLE, "relay"),
    Attr("status_callback_method", "status_method", method, "POST"),
    Attr("recording_status_callback", "recording_url", url, None),
    Attr("recording_status_callback_method", "recording_method", method, "POST"),
    Attr("recording_status_callback_event", "recording_events", RECORDING_EVENTS, None),
    Attr("recording_status_callback_event_type", "recording_style", STYLE, "relay"),
    Attr("stream", "stream", listed, None, why="both ways; it lasts as long as the room"),
    Attr("result", "result", steps_within, None),
)


def _join(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    if not values["room"].strip():
        raise wrong("method_parameter_missing", f"{node.at.path}: needs 'name'")
    values["coach"] = (values["coach"],) if values["coach"] else ()
    values["stream"] = room_stream(compiler, values["stream"], node)
    if values["region"] and values["region"] not in REGIONS:
        told = f"{node.at.path}/region: {values['region'][:100]!r} is none of {', '.join(sorted(REGIONS))}; it is reported back"
        compiler.remarks.append(Remark(PREFIX + "method_parameter_invalid_value", told, node.at))
    return (join_room(compiler, ROOM, values, node.at), *result_steps(compiler, values["result"], node.at.path))


METHODS["join_conference"] = Element("join_conference", _join, JOIN, ON_CALL)
