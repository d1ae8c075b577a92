"""DOCUMENT: connect: somebody is called, and bridged when it answers (3.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hubbub.calls.call import ProgressWish
from hubbub.dialects.swml.document import METHODS, ON_CALL, listed, result_steps, section, steps_within, wrong
from hubbub.dialects.swml.expressions import spelled
from hubbub.dialects.swml.flow import after_bridge
from hubbub.dialects.swml.lines import line_name
from hubbub.dialects.swml.sounds import PLAY, all_sounds
from hubbub.dialects.tables import Attr, Compiler, Element, Node, boolean, decimal, matching, text, url
from hubbub.events import Link, Party
from hubbub.verbs.model import Connect, Playlist, Position, Program, Stage, Step, TakeFromLine, Target

NUMBER = re.compile(r"\+?[0-9]{1,15}")
SIP = re.compile(r"sips?:[^\x00-\x20\x7f<>\"@;?]+@[^\x00-\x20\x7f<>\"@?]+")
DEVICE = frozenset({"to", "from", "timeout", "headers", "codecs", "encryption", "username", "password"})
"""What one of several devices may say; only `to`, `headers` and credentials have an effect of their own."""
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


def _target(device: Any, common: Mapping[str, str], path: str) -> Target:
    if isinstance(device, str):
        device = {"to": device}
    if not isinstance(device, dict) or not device.get("to"):
        raise wrong("method_parameter_missing", f"{path}: needs 'to'")
    unknown = [key for key in device if key not in DEVICE]
    if unknown:
        raise wrong("method_parameter_undefined", f"{path}: there is no parameter {unknown[0]!r}")
    headers = {**common, **_headers(device.get("headers") or [], f"{path}/headers")}
    user, password = spelled(device.get("username")), spelled(device.get("password"))
    return Target(callee=party(device["to"], f"{path}/to"), headers=headers, username=user, password=password)


def _groups(values: Mapping[str, Any], path: str) -> tuple[tuple[Target, ...], ...]:
    given = [name for name in ("to", "serial", "parallel", "serial_parallel") if values[name]]
    if len(given) != 1:
        code = "method_parameter_conflict" if given else "method_parameter_missing"
        raise wrong(code, f"{path}: needs one of 'to', 'serial', 'parallel' and 'serial_parallel'")
    name, found = given[0], values[given[0]]
    if name == "to":
        found = [{"to": found, "username": values["username"], "password": values["password"]}]
    if not isinstance(found, list):
        raise wrong("method_parameter_invalid_value", f"{path}/{name}: must be a list")
    made: list[Any] = found if name == "serial_parallel" else [found] if name == "parallel" else [[device] for device in found]
    if not all(isinstance(group, list) and group for group in made) or sum(map(len, made)) > MOST:
        raise wrong("method_parameter_invalid_value", f"{path}/{name}: must hold 1 to {MOST} devices")
    common = _headers(values["headers"] or [], f"{path}/headers")
    return tuple(tuple(_target(device, common, f"{path}/{name}") for device in group) for group in made)


def _connect(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    path = node.at.path
    after = values["after"]
    then = (*((after_bridge(compiler, node, after, "connect_result"),) if after else ()), *result_steps(compiler, values["result"], path))
    if isinstance(values["to"], str) and values["to"].startswith("queue:"):
        return (_from_line(values, node), *then)
    document, progress = _confirm(compiler, values, path), _progress(compiler, values, path)
    groups = tuple(tuple(replace(target, document=document, progress=progress) for target in group) for group in _groups(values, path))
    verb = Connect(
        groups=groups,
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
        inner = Compiler(compiler.table, compiler.base, Stage.CALLEE)
        return Program({"main": section(inner, given, where)}, compiler.base, tuple(inner.remarks))
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
    names = {row.name: row for row in PLAY}
    for key in play:
        if key not in names and key != "loop":
            raise wrong("method_parameter_undefined", f"{path}: there is no parameter {key!r}")
    values = {row.to: row.default for row in PLAY if row.to is not None}
    for key, value in play.items():
        row = names.get(key)
        if row is not None and row.to is not None:
            values[row.to] = value if row.read is listed else row.read(spelled(value))
    ringing = Node("play", {}, Position(path))
    return Playlist(sounds=all_sounds(compiler, values, ringing), loops=0, at=node.at)


STATES = {"created": "initiated", "ringing": "ringing", "answered": "answered", "ended": "completed"}
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
    Attr("confirm", "confirm", listed, None, why="who hangs up in it is not connected"),
    Attr("confirm_timeout", "confirm_timeout", decimal(1, 60), None),
    Attr("codecs", None, why="the codecs of SIP are configured"),
    Attr("encryption", None, why="media are not encrypted"),
    Attr("session_timeout", None, decimal(0), why="session timers are configured"),
    Attr("webrtc_media", None, boolean, why="calls are SIP calls"),
    Attr("call_state_url", "call_state_url", url, None),
    Attr("call_state_events", "call_state_events", listed, None),
    Attr("transfer_after_bridge", "after", listed, None, why="where somebody was connected"),
    Attr("result", "result", steps_within, None),
)
METHODS["connect"] = Element("connect", _connect, CONNECT, ON_CALL)
