"""DOCUMENT: connect: somebody is called, and bridged when it answers (3.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hubbub.calls.call import ProgressWish
from hubbub.dialects.swml.document import METHODS, ON_CALL, inner, listed, result_steps, script_within, section, steps_within, wrong
from hubbub.dialects.swml.expressions import spelled
from hubbub.dialects.swml.flow import after_bridge
from hubbub.dialects.swml.lines import line_name
from hubbub.dialects.swml.sounds import PLAY, all_sounds
from hubbub.dialects.tables import Attr, Compiler, Element, Node, boolean, choice, decimal, integer, matching, text, url
from hubbub.events import Link, Party
from hubbub.settings import Srtp
from hubbub.verbs.model import Connect, Playlist, Stage, TakeFromLine, Target
from hubbub.verbs.program import Position, Program, Step

NUMBER = re.compile(r"\+?[0-9]{1,15}")
SIP = re.compile(r"sips?:[^\x00-\x20\x7f<>\"@;?]+@[^\x00-\x20\x7f<>\"@?]+")
MOST = 10


def party(value: Any, path: str) -> Party:
    """A number or a SIP address."""
    given = spelled(value).strip()
    if SIP.fullmatch(given) and len(given) <= 1024:
        return Party("sip", given.partition(":")[2].partition("@")[0], given)
    if NUMBER.fullmatch(given):
        return Party("number", given, "")
    raise wrong("method_parameter_invalid_value", f"{path}: {given[:100]!r} is no number and no SIP address")


def _headers(given: Any, path: str) -> Mapping[str, str]:
    """A list of names and values, or an object; all become `X-` headers."""
    if isinstance(given, dict):
        given = [{"name": name, "value": value} for name, value in given.items()]
    if not isinstance(given, list) or not all(isinstance(item, dict) and item.get("name") for item in given):
        raise wrong("method_parameter_invalid_value", f"{path}: must be a list of 'name' and 'value'")
    named = ((str(item["name"]), spelled(item.get("value"))) for item in given)
    return {name if name.lower().startswith("x-") else f"X-{name}": value for name, value in named if value.isprintable()}


def _target(compiler: Compiler, device: Any, common: Mapping[str, Any], path: str) -> Target:
    """One device: what it says itself, else what is said for all."""
    if isinstance(device, str):
        device = {"to": device}
    if not isinstance(device, dict) or not device.get("to"):
        raise wrong("method_parameter_missing", f"{path}: needs 'to'")
    own = {name: value for name, value in inner(compiler, DEVICE, device, path).items() if value is not None}
    values = {**common, **own}
    return Target(
        callee=party(values["to"], f"{path}/to"),
        caller=party(own["from"], f"{path}/from") if "from" in own else None,
        ring_seconds=own.get("timeout"),
        headers={**_headers(common["headers"] or [], f"{path}/headers"), **_headers(own.get("headers") or [], f"{path}/headers")},
        username=own.get("username", ""),
        password=own.get("password", ""),
        srtp=SRTP.get(values["encryption"] or ""),
        document=_confirm(compiler, values, path),
        progress=_progress(compiler, values, path),
    )


def _groups(compiler: Compiler, values: Mapping[str, Any], path: str) -> tuple[tuple[Target, ...], ...]:
    given = [name for name in ("to", "serial", "parallel", "serial_parallel") if values[name]]
    if len(given) != 1:
        code = "method_parameter_conflict" if given else "method_parameter_missing"
        raise wrong(code, f"{path}: needs one of 'to', 'serial', 'parallel' and 'serial_parallel'")
    name, found = given[0], values[given[0]]
    if name == "to":
        found = [{"to": found, "username": values["username"], "password": values["password"], "headers": values["headers"]}]
    if not isinstance(found, list):
        raise wrong("method_parameter_invalid_value", f"{path}/{name}: must be a list")
    made: list[Any] = found if name == "serial_parallel" else [found] if name == "parallel" else [[device] for device in found]
    if not all(isinstance(group, list) and group for group in made) or sum(map(len, made)) > MOST:
        raise wrong("method_parameter_invalid_value", f"{path}/{name}: must hold 1 to {MOST} devices")
    return tuple(tuple(_target(compiler, device, values, f"{path}/{name}") for device in group) for group in made)


def _connect(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    path = node.at.path
    after = values["after"]
    then = (*((after_bridge(compiler, node, after, "connect_result"),) if after else ()), *result_steps(compiler, values["result"], path))
    if isinstance(values["to"], str) and values["to"].startswith("queue:"):
        return (_from_line(values, node), *then)
    verb = Connect(
        groups=_groups(compiler, values, path),
        ringing=_ringback(compiler, values["ringback"], node),
        caller=party(values["from"], f"{node.at.path}/from") if values["from"] else None,
        ring_seconds=values["timeout"],
        time_limit_seconds=values["max_duration"],
        answer_on_bridge=values["answer_on_bridge"],
        at=node.at,
    )
    return (verb, *then)


def _from_line(values: Mapping[str, Any], node: Node) -> TakeFromLine:
    """The call that has waited longest in a queue."""
    name = line_name(values["to"].partition(":")[2], f"{node.at.path}/to")
    return TakeFromLine(line=name, ring_seconds=values["timeout"], time_limit_seconds=values["max_duration"], at=node.at)


def _confirm(compiler: Compiler, values: Mapping[str, Any], path: str) -> Link | Program | None:
    """What whoever answers is given before being connected: a script behind a URL, or steps."""
    given, where = values["confirm"], f"{path}/confirm"
    if not given:
        return None
    if isinstance(given, list):
        own = Compiler(compiler.table, compiler.base, Stage.CALLEE)
        return Program({"main": section(own, given, where)}, compiler.base, tuple(own.remarks))
    try:
        return Link(compiler.absolute(url(str(given))), "POST", timeout=values["confirm_timeout"])
    except ValueError as error:
        raise wrong("method_parameter_invalid_value", f"{where}: {error}") from error


def _progress(compiler: Compiler, values: Mapping[str, Any], path: str) -> tuple[ProgressWish, ...]:
    """Who is told of the states of those who are called."""
    if not values["call_state_url"]:
        return ()
    given = values["call_state_events"] if values["call_state_events"] is not None else ["ended"]
    names = given if isinstance(given, list) else str(given).replace(",", " ").split()
    unknown = [name for name in names if name not in STATES]
    if unknown:
        raise wrong("method_parameter_invalid_value", f"{path}/call_state_events: {str(unknown[0])[:100]!r} is none of {', '.join(STATES)}")
    link = Link(compiler.absolute(values["call_state_url"]), "POST")
    return (ProgressWish(link, frozenset(STATES[name] for name in names)),)


def _ringback(compiler: Compiler, given: Any, node: Node) -> Playlist | None:
    """A list of URLs, or what `play` takes; again and again while it rings."""
    if not given:
        return None
    play = given if isinstance(given, dict) else {"urls": given if isinstance(given, list) else [given]}
    path = f"{node.at.path}/ringback"
    values = inner(compiler, RINGBACK, play, path)
    return Playlist(sounds=all_sounds(compiler, values, Node("play", {}, Position(path))), loops=0, at=node.at)


STATES = {"created": "initiated", "ringing": "ringing", "answered": "answered", "ended": "completed"}
RINGBACK = (*PLAY, Attr("loop", None, integer(), why="it is heard until somebody answers"))
FOR_ALL = "said for all of them"
SRTP: Mapping[str, Srtp] = {"mandatory": "require", "optional": "offer", "forbidden": "off"}
ENCRYPTION = choice(*SRTP)
DEVICE = (
    Attr("to", "to", text, ""),
    Attr("from", "from", text, None),
    Attr("timeout", "timeout", decimal(1, 600), None),
    Attr("headers", "headers", listed, None),
    Attr("username", "username", matching(r".{0,255}", "has at most 255 characters"), None),
    Attr("password", "password", matching(r".{0,255}", "has at most 255 characters"), None),
    Attr("confirm", "confirm", script_within, None),
    Attr("confirm_timeout", "confirm_timeout", decimal(1, 60), None),
    Attr("call_state_url", "call_state_url", url, None),
    Attr("call_state_events", "call_state_events", listed, None),
    Attr("codecs", None, why="the codecs of SIP are configured"),
    Attr("encryption", "encryption", ENCRYPTION, None),
    Attr("session_timeout", None, decimal(0), why="session timers are configured"),
    Attr("webrtc_media", None, boolean, why="calls are SIP calls"),
    *(Attr(name, None, listed, why=FOR_ALL) for name in ("ringback", "result", "transfer_after_bridge")),
    *(Attr(name, None, why=FOR_ALL) for name in ("max_duration", "answer_on_bridge")),
)
"""What one of several devices may say."""
CONNECT = (
    Attr("to", "to", text, ""),
    Attr("serial", "serial", listed, None),
    Attr("parallel", "parallel", listed, None),
    Attr("serial_parallel", "serial_parallel", listed, None),
    Attr("from", "from", text, ""),
    Attr("timeout", "timeout", decimal(1, 600), 60.0),
    Attr("max_duration", "max_duration", decimal(1), 14400.0),
    Attr("answer_on_bridge", "answer_on_bridge", boolean, False),
    Attr("username", "username", matching(r".{0,255}", "has at most 255 characters"), ""),
    Attr("password", "password", matching(r".{0,255}", "has at most 255 characters"), ""),
    Attr("headers", "headers", listed, None),
    Attr("ringback", "ringback", listed, None, why="heard again and again by a caller that is answered"),
    Attr("confirm", "confirm", script_within, None, why="who hangs up in it is not connected"),
    Attr("confirm_timeout", "confirm_timeout", decimal(1, 60), None),
    Attr("codecs", None, why="the codecs of SIP are configured"),
    Attr("encryption", "encryption", ENCRYPTION, None, why="not said: `dial.srtp`; SIP itself is not encrypted"),
    Attr("session_timeout", None, decimal(0), why="session timers are configured"),
    Attr("webrtc_media", None, boolean, why="calls are SIP calls"),
    Attr("call_state_url", "call_state_url", url, None),
    Attr("call_state_events", "call_state_events", listed, None),
    Attr("transfer_after_bridge", "after", script_within, None, why="where somebody was connected"),
    Attr("result", "result", steps_within, None),
)
METHODS["connect"] = Element("connect", _connect, CONNECT, ON_CALL)
