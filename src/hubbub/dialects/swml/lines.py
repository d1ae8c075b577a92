"""DOCUMENT: enter_queue; whoever connects to `queue:NAME` takes the call that has waited longest (3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubbub.conference.policy import Wait
from hubbub.dialects.swml.document import METHODS, ON_CALL, script_within, wrong
from hubbub.dialects.swml.flow import after_bridge
from hubbub.dialects.swml.sounds import STATUS, follower
from hubbub.dialects.tables import Attr, Compiler, Element, Node, decimal, text, url
from hubbub.events import Link
from hubbub.verbs.model import WaitInLine
from hubbub.verbs.program import Step

LONGEST_NAME = 64


def line_name(name: str, path: str) -> str:
    """The name of a queue."""
    if not 1 <= len(name.strip()) <= LONGEST_NAME:
        raise wrong("method_parameter_invalid_value", f"{path}: the name of a queue has 1 to {LONGEST_NAME} characters")
    return name.strip()


def _enter(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    path = node.at.path
    line = line_name(values["line"], f"{path}/queue_name")
    heard = values["wait_url"]
    verb = WaitInLine(
        line=line,
        wait=Wait() if heard is None else Wait(Link(compiler.absolute(heard), "GET")),
        most_seconds=values["wait_time"],
        followed=follower(compiler, values, "line", line),
        at=node.at,
    )
    return verb, after_bridge(compiler, node, values["after"], "enter_queue_result")


ENTER_QUEUE = (
    Attr("queue_name", "line", text, "", required=True),
    Attr("transfer_after_bridge", "after", script_within, None, required=True),
    Attr("wait_url", "wait_url", url, None, why="asked by GET: audio, or a script"),
    Attr("wait_time", "wait_time", decimal(1), 3600.0),
    STATUS,
)
METHODS["enter_queue"] = Element("enter_queue", _enter, ENTER_QUEUE, ON_CALL)
