"""DOCUMENT: SWML methods. A parameter that holds `${…}` or `%{…}` is bound when its step is reached."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hubbub.conference.policy import Policy
from hubbub.dialects.builders import EVENT_GROUPS, RoomDefaults, join_room
from hubbub.dialects.tables import Attr, Compiler, DocumentTable, Node, boolean, choice, integer, mapping, method, text, url, words
from hubbub.errors import DocumentError
from hubbub.events import Link
from hubbub.verbs.model import (
    Answer,
    Hangup,
    Pause,
    PlayAudio,
    PlayTone,
    Position,
    Program,
    SetVariables,
    Speak,
    Stage,
    Step,
    Switch,
    Template,
)

ROOM = RoomDefaults("swml", Policy(minimum_to_start=1, capacity=250), style="relay")
PREFIX = "relay_script_"

RECORDING_EVENTS = words({name: frozenset({name}) for name in ("in-progress", "completed", "absent")})

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
    Attr("status_callback_event_type", "status_style", choice("cxml", "laml", "relay"), "relay"),
    Attr("status_callback_method", "status_method", method, "POST"),
    Attr("recording_status_callback", "recording_url", url, None),
    Attr("recording_status_callback_method", "recording_method", method, "POST"),
    Attr("recording_status_callback_event", "recording_events", RECORDING_EVENTS, None),
    Attr("recording_status_callback_event_type", None, choice("cxml", "laml", "relay"), why="recording notices are sent in relay style"),
    Attr("stream", None, why="audio streams of a room are not built yet"),
)

TABLE = DocumentTable(
    roots=(),
    elements={},
    nested={},
    malformed=PREFIX + "parse_error",
    wrong_root=PREFIX + "sections_missing",
    unknown=PREFIX + "method_parameter_undefined",
    wrong_stage=PREFIX + "method_undefined",
    bad_value=PREFIX + "method_parameter_invalid_value",
    strict=True,
)


def compile_script(script: Any, base: str, stage: Stage) -> Program:
    """A program from the value of a script. DocumentError names the path."""
    if not isinstance(script, dict) or not isinstance(script.get("sections"), dict):
        raise DocumentError(PREFIX + "sections_missing", "a script is an object with 'sections'")
    if str(script.get("version", "1.0.0")) != "1.0.0":
        raise DocumentError(PREFIX + "version_invalid", "version must be 1.0.0")
    sections = script["sections"]
    if "main" not in sections:
        raise DocumentError(PREFIX + "main_section_missing", "sections has no 'main'")
    compiler = Compiler(TABLE, base, stage)
    compiled = {str(name): section(compiler, steps, f"/sections/{name}") for name, steps in sections.items()}
    return Program(compiled, base, tuple(compiler.remarks))


def section(compiler: Compiler, steps: Any, path: str) -> tuple[Step, ...]:
    """The steps of a section."""
    if not isinstance(steps, list):
        raise _wrong("section_code_missing", f"{path} is not a list of methods")
    compiled: list[Step] = []
    for index, item in enumerate(steps):
        where = f"{path}[{index}]"
        if isinstance(item, str):
            item = {item: {}}
        if not isinstance(item, dict) or len(item) != 1:
            raise _wrong("method_missing_name", f"{where} is not an object with one method")
        name, params = next(iter(item.items()))
        compiled += one_step(compiler, str(name), params, f"{where}/{name}")
    return tuple(compiled)


def one_step(compiler: Compiler, name: str, params: Any, path: str) -> Sequence[Step]:
    """The steps of one method; what holds variables is bound later."""
    build = METHODS.get(name)
    if build is None:
        raise _wrong("method_undefined", f"{path}: there is no method {name!r}, or it is not built yet")
    own = {key: value for key, value in params.items() if key != "result"} if isinstance(params, dict) else params
    if name in LITERAL or not _has_variables(own):
        return build(compiler, params, path)
    return (Template(lambda variables: tuple(build(compiler, substitute(params, variables), path)), Position(path)),)


def _answer(_compiler: Compiler, _params: Any, path: str) -> Sequence[Step]:
    return (Answer(at=Position(path)),)


def _hangup(_compiler: Compiler, params: Any, path: str) -> Sequence[Step]:
    reason = params.get("reason", "hangup") if isinstance(params, dict) else "hangup"
    return (Hangup(reason=str(reason), at=Position(path)),)


def _sleep(_compiler: Compiler, params: Any, path: str) -> Sequence[Step]:
    duration = params.get("duration", 0) if isinstance(params, dict) else params
    try:
        milliseconds = float(duration)
    except (TypeError, ValueError):
        raise _wrong("method_parameter_invalid_value", f"{path}: {duration!r} is not a number of milliseconds") from None
    return (Pause(seconds=86_400.0 if milliseconds < 0 else milliseconds / 1000, at=Position(path)),)


def _play(compiler: Compiler, params: Any, path: str) -> Sequence[Step]:
    given = params if isinstance(params, dict) else {"url": params}
    urls = given.get("urls") or [given.get("url")]
    if not urls or not all(isinstance(item, str) and item for item in urls):
        raise _wrong("method_parameter_missing", f"{path}: needs 'url' or 'urls'")
    return tuple(_one_sound(compiler, item, given, path) for item in urls)


def _one_sound(compiler: Compiler, item: str, given: Mapping[str, Any], path: str) -> Step:
    at = Position(path)
    kind, _, rest = item.partition(":")
    if kind == "say":
        return Speak(
            text=rest.strip(),
            voice=str(given.get("say_voice", "")),
            language=str(given.get("say_language", "")),
            gender=str(given.get("say_gender", "")),
            at=at,
        )
    if kind == "silence":
        return Pause(seconds=float(rest or 1), at=at)
    if kind == "ring":
        seconds, _, country = rest.rpartition(":")
        return PlayTone(kind="ring", seconds=float(seconds or 5), country=country or "us", at=at)
    return PlayAudio(link=Link(compiler.absolute(item), "GET"), at=at)


def _join(compiler: Compiler, params: Any, path: str) -> Sequence[Step]:
    given = {"name": params} if isinstance(params, str) else params
    if not isinstance(given, dict):
        raise _wrong("method_parameter_missing", f"{path}: needs 'name'")
    if not str(given.get("name") or "").strip():
        raise _wrong("method_parameter_missing", f"{path}: needs 'name'")
    node = Node("join_conference", {k: spelled(v) for k, v in given.items() if k != "result"}, Position(path))
    values = compiler.values(JOIN, node)
    values["coach"] = (values["coach"],) if values["coach"] else ()
    verb = join_room(compiler, ROOM, values, Position(path))
    return (verb, *result_steps(compiler, given.get("result"), path))


def result_steps(compiler: Compiler, result: Any, path: str) -> tuple[Step, ...]:
    """What runs when the method returns: an object is a switch on `return_value` (3.7)."""
    if not result:
        return ()
    if not isinstance(result, dict):
        raise _wrong("method_parameter_invalid_value", f"{path}/result: a list of conditions is not built yet")
    return tuple(_switch(compiler, {"variable": "return_value", "case": {}, **result}, f"{path}/result"))


def _switch(compiler: Compiler, params: Any, path: str) -> Sequence[Step]:
    if not isinstance(params, dict) or not isinstance(params.get("case"), dict) or not params.get("variable"):
        raise _wrong("method_parameter_missing", f"{path}: needs 'variable' and 'case'")
    cases = {str(value): section(compiler, steps, f"{path}/case/{value}") for value, steps in params["case"].items()}
    default = section(compiler, params.get("default", []), f"{path}/default")
    return (Switch(str(params["variable"]), cases, default),)


def _set(_compiler: Compiler, params: Any, path: str) -> Sequence[Step]:
    if not isinstance(params, dict):
        raise _wrong("method_parameter_invalid_value", f"{path}: needs an object of variables")
    return (SetVariables(dict(params)),)


METHODS = {
    "answer": _answer,
    "hangup": _hangup,
    "sleep": _sleep,
    "play": _play,
    "join_conference": _join,
    "switch": _switch,
    "set": _set,
}
LITERAL = frozenset({"switch"})
"""Methods whose parts are sections: the steps in them are bound one by one."""


def spelled(value: Any) -> str:
    """A value as an attribute spells it: booleans and lists as the schema's strings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(spelled(item) for item in value)
    return "" if value is None else str(value)


_VARIABLE = re.compile(r"[$%]\{([^{}]*)\}")


def _has_variables(value: Any) -> bool:
    if isinstance(value, str):
        return _VARIABLE.search(value) is not None
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_has_variables(child) for child in children)


def substitute(value: Any, variables: Mapping[str, Any]) -> Any:
    """A value with its plain variables filled in; one that is not set is the empty text."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: spelled(_look_up(match[1].strip(), variables)), value)
    if isinstance(value, dict):
        return {key: substitute(child, variables) for key, child in value.items()}
    if isinstance(value, list):
        return [substitute(child, variables) for child in value]
    return value


def _look_up(path: str, variables: Mapping[str, Any]) -> Any:
    found: Any = variables
    for part in path.removeprefix("vars.").split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _wrong(code: str, message: str) -> DocumentError:
    return DocumentError(PREFIX + code, message)
