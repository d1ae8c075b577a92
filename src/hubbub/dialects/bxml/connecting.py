"""DOCUMENT: calls that are connected with others: Transfer, Bridge, Forward (3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubbub.calls.call import ProgressWish
from hubbub.calls.calls import HIDDEN
from hubbub.dialects.bxml.callbacks import WITHHELD
from hubbub.dialects.bxml.rows import CREDENTIALS, FALLBACK_CREDENTIALS, MAIN_CALL, TAG, invalid, link, tagged, uui, webhook
from hubbub.dialects.tables import Attr, Compiler, Element, Node, choice, decimal, described, lenient_boolean, matching, method, text, url
from hubbub.events import Link, Party
from hubbub.verbs.model import BridgeTo, Connect, Hangup, Refer, Target
from hubbub.verbs.program import Step, Verb

MOST_TARGETS = 8
NUMBER = matching(r"\+[1-9][0-9]{1,14}", "must be a number in E.164")
SIP_URI = matching(r"sips?:[^\x00-\x20\x7f<>\"?]+", "must be a SIP URI")
WAYS = choice("none", "propagate", "stack")
REASON = choice(
    *("unknown", "user-busy", "no-answer", "unavailable", "unconditional", "time-of-day", "do-not-disturb", "deflection"),
    *("follow-me", "out-of-service", "away"),
)


def _caller(value: str) -> Party | None:
    stripped = value.strip()
    if not stripped:
        return None
    if stripped.lower() in WITHHELD:
        return Party("sip", stripped.lower(), HIDDEN.uri, stripped.capitalize())
    return Party("number", NUMBER(stripped), "")


CALLER = described(_caller, "a number in E.164, `Restricted`, `Anonymous`, `Private` or `Unavailable`; blank passes the caller's through")
DIVERSION = (
    Attr("diversionTreatment", "diversion", WAYS, "none"),
    Attr("diversionReason", "diversion_reason", REASON, "unknown"),
)
DISPLAY = matching(r".{0,256}", "has at most 256 characters")

TRANSFER = (
    Attr("transferCallerId", "caller", CALLER, None),
    Attr("transferCallerDisplayName", "display", DISPLAY, ""),
    Attr("privacy", "privacy", lenient_boolean, False),
    Attr("callTimeout", "ring_seconds", decimal(1, 300), 30.0),
    *webhook("transferComplete"),
    *DIVERSION,
)
UUI = Attr("uui", "uui", uui(256), "")
TARGET = (
    Attr("transferAnswerUrl", "url", url, None),
    Attr("transferAnswerMethod", "method", method, "POST"),
    Attr("transferAnswerFallbackUrl", "fallback_url", url, None),
    Attr("transferAnswerFallbackMethod", "fallback_method", method, "POST"),
    Attr("transferDisconnectUrl", "ended_url", url, None),
    Attr("transferDisconnectMethod", "ended_method", method, "POST"),
    *CREDENTIALS,
    *FALLBACK_CREDENTIALS,
    TAG,
    UUI,
)
NOUNS: Mapping[str, Element] = {
    "Transfer/PhoneNumber": Element("PhoneNumber", None, TARGET),
    "Transfer/SipUri": Element("SipUri", None, TARGET),
}
BRIDGE = (
    *webhook("bridgeComplete"),
    Attr("bridgeTargetCompleteUrl", "target_url", url, None),
    Attr("bridgeTargetCompleteMethod", "target_method", method, "POST"),
    Attr("bridgeTargetCompleteFallbackUrl", "target_fallback_url", url, None),
    Attr("bridgeTargetCompleteFallbackMethod", "target_fallback_method", method, "POST"),
)
FORWARD = (
    Attr("to", "to", text, "", required=True),
    Attr("from", "caller", CALLER, None),
    Attr("privacy", "privacy", lenient_boolean, False),
    Attr("callerDisplayName", "display", DISPLAY, ""),
    Attr("callTimeout", "ring_seconds", decimal(1, 300), 30.0),
    *DIVERSION,
    UUI,
)
REFER = (
    Attr("referCompleteUrl", "url", url, None),
    Attr("referCompleteMethod", "method", method, "POST"),
    TAG,
)
NO_EVENTS = "its vendor publishes no event of it"
CONNECT = (Attr("eventCallbackUrl", None, url, why=NO_EVENTS), Attr("eventFallbackUrl", None, url, why=NO_EVENTS))


def transfer(compiler: Compiler, node: Node, values: dict[str, Any]) -> tuple[Step, ...]:
    """`<Transfer>`: all targets ring at the same time; an unanswered caller goes on ringing until one answers."""
    if not 1 <= len(node.children) <= MOST_TARGETS:
        raise invalid(node, f"has 1 to {MOST_TARGETS} of <PhoneNumber> and <SipUri>")
    verb = Connect(
        groups=(tuple(_target(compiler, node, child) for child in node.children),),
        on_done=link(compiler, values),
        answer_on_bridge=True,
        **_shown(values),
        at=node.at,
    )
    return tagged(node, values, verb)


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """What those who are called see, and for how long they ring."""
    return {
        "caller": values["caller"],
        "display": values["display"],
        "private": values["privacy"],
        "diversion": values["diversion"],
        "diversion_reason": values["diversion_reason"],
        "ring_seconds": values["ring_seconds"],
    }


def _target(compiler: Compiler, parent: Node, node: Node) -> Target:
    values = compiler.values(compiler.table.nested[f"{parent.name}/{node.name}"].attributes, node)
    progress: tuple[ProgressWish, ...] = ()
    if values["ended_url"]:
        ended = Link(compiler.absolute(values["ended_url"]), values["ended_method"], values["username"], values["password"])
        progress = (ProgressWish(ended),)
    return Target(
        callee=_callee(node, node.text),
        headers=_headers(values.get("uui", "")),
        document=link(compiler, values),
        progress=progress,
        tag=values["tag"] or "",
    )


def _callee(node: Node, spelled: str) -> Party:
    """A number or a SIP URI, whichever element says it."""
    try:
        if spelled.lower().startswith(("sip:", "sips:")):
            uri = SIP_URI(spelled)
            return Party("sip", uri.partition(":")[2].partition("@")[0] if "@" in uri else "", uri)
        return Party("number", NUMBER(spelled), "")
    except ValueError as error:
        raise invalid(node, f": {spelled!r} {error}") from error


def _headers(uui: str) -> dict[str, str]:
    return {"User-to-User": uui} if uui else {}


def bridge(compiler: Compiler, node: Node, values: dict[str, Any]) -> tuple[Step, ...]:
    """`<Bridge>`: with another call, whatever that one is doing."""
    if not node.text:
        raise invalid(node, "has no call id")
    after = {name: values[f"target_{name}"] for name in ("url", "method", "fallback_url", "fallback_method")}
    credentials = {name: values[name] for name in ("username", "password", "fallback_username", "fallback_password")}
    verb = BridgeTo(target=node.text, on_done=link(compiler, values), on_target_done=link(compiler, after | credentials), at=node.at)
    return tagged(node, values, verb)


def forward(_compiler: Compiler, node: Node, values: dict[str, Any]) -> tuple[Step, ...]:
    """`<Forward>`: the application loses control: what follows is the end of the call."""
    target = Target(callee=_callee(node, values["to"]), headers=_headers(values["uui"]))
    verb = Connect(
        groups=((target,),),
        answer_on_bridge=True,
        only_unanswered=True,
        **_shown(values),
        at=node.at,
    )
    return verb, Hangup(reason="busy", at=node.at)


def refer(compiler: Compiler, node: Node, values: dict[str, Any]) -> tuple[Step, ...]:
    """`<Refer>`: the far end is asked to call a SIP URI; `referComplete` is asked for only where that fails."""
    if len(node.children) != 1:
        raise invalid(node, "has exactly one <SipUri>")
    try:
        target = SIP_URI(node.children[0].text)
    except ValueError as error:
        raise invalid(node, f": {node.children[0].text!r} {error}") from error
    done = Link(compiler.absolute(values["url"]), values["method"]) if values["url"] else None
    return tagged(node, values, Refer(uri=target, on_done=done, hang_up=True, only_inbound=True, at=node.at))


def connect(_compiler: Compiler, node: Node, _values: dict[str, Any]) -> Verb:
    """`<Connect>` with an `<Endpoint>`: the registered phone of that name takes the place of a browser."""
    if len(node.children) != 1 or not node.children[0].text:
        raise invalid(node, "has exactly one <Endpoint> with its id")
    endpoint = node.children[0].text
    return Connect(groups=((Target(callee=Party("phone", endpoint, f"sip:{endpoint}")),),), at=node.at)


ELEMENTS = (
    Element("Transfer", transfer, TRANSFER, MAIN_CALL, children=("PhoneNumber", "SipUri")),
    Element("Bridge", bridge, BRIDGE, MAIN_CALL),
    Element("Forward", forward, FORWARD, MAIN_CALL),
    Element("Refer", refer, REFER, MAIN_CALL, children=("SipUri",)),
    Element("Connect", connect, CONNECT, MAIN_CALL, children=("Endpoint",), why="an endpoint is a registered phone"),
)
