"""DOCUMENT: user_event: something of the script's own, told to whoever follows the call, and in the event stream (3.5)."""

from __future__ import annotations

from typing import Any

from hubbub.dialects.swml.document import METHODS, WITH_CALLEE, listed, wrong
from hubbub.dialects.tables import Attr, Compiler, Element, Node
from hubbub.verbs.model import Tell
from hubbub.verbs.program import Step


def _user_event(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    if not isinstance(values["event"], dict):
        raise wrong("method_parameter_invalid_value", f"{node.at.path}/event: must be an object")
    return Tell(event=values["event"], at=node.at)


EVENT = Attr("event", "event", listed, None, required=True, why="told to the call's status URL, and in hubbub's event stream")
METHODS["user_event"] = Element("user_event", _user_event, (EVENT,), WITH_CALLEE)
