"""DOCUMENT: sip_refer: the far end is asked by SIP to call somebody else in place of this call (3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubbub.dialects.swml.connecting import SIP
from hubbub.dialects.swml.document import METHODS, ON_CALL, wrong
from hubbub.dialects.swml.sounds import STATUS, follower
from hubbub.dialects.tables import Attr, Compiler, Element, Node, text
from hubbub.verbs.model import Refer
from hubbub.verbs.program import SetVariables, Step

CREDENTIALS = "the far end is asked inside its own dialog"


def _refer(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    target = values["to"].strip()
    if not SIP.fullmatch(target):
        raise wrong("method_parameter_invalid_value", f"{node.at.path}/to_uri: {target[:100]!r} is no SIP address")
    followed = follower(compiler, values, "referral", target)
    return SetVariables({"sip_refer_to": target}), Refer(uri=target, followed=followed, at=node.at)


SIP_REFER = (
    Attr("to_uri", "to", text, "", required=True),
    STATUS,
    Attr("username", None, why=CREDENTIALS),
    Attr("password", None, why=CREDENTIALS),
)
METHODS["sip_refer"] = Element("sip_refer", _refer, SIP_REFER, ON_CALL)
