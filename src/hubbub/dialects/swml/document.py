"""DOCUMENT: SWML methods. A parameter that holds `${…}` or `%{…}` is bound when its step is reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hubbub.dialects.swml.expressions import EvaluationFailed, filled, has_variables, is_slow, spelled
from hubbub.dialects.tables import (
    Attr,
    Compiler,
    Converter,
    DocumentTable,
    Element,
    Node,
    choice,
    decimal,
    integer,
)
from hubbub.errors import DocumentError
from hubbub.verbs.model import Answer, Hangup, Pause, Stage
from hubbub.verbs.program import (
    Note,
    Position,
    Program,
    Remark,
    Scope,
    Step,
    Template,
)

PREFIX = "relay_script_"
ANYTHING = "*"
"""The row of a method whose parameters have no fixed names."""


def steps_within(value: str) -> Any:
    """Steps of their own, bound one by one."""
    return value


def script_within(value: str) -> Any:
    """A section, a URL, or a script whose steps are bound one by one."""
    return value


def listed(value: str) -> Any:
    """A list of texts."""
    return value


TABLE = DocumentTable(
    roots=(),
    elements={},
    nested={},
    malformed=PREFIX + "parse_error",
    wrong_root=PREFIX + "sections_missing",
    unknown=PREFIX + "method_parameter_undefined",
    wrong_stage=PREFIX + "method_undefined",
    bad_value=PREFIX + "method_parameter_invalid_value",
    missing=PREFIX + "method_parameter_missing",
    strict=True,
    empty_is_unset=True,
)


def compile_script(script: Any, base: str, stage: Stage) -> Program:
    """A program from the value of a script. DocumentError names the path."""
    if not isinstance(script, dict) or not isinstance(script.get("sections"), dict):
        raise DocumentError(PREFIX + "sections_missing", "a script is an object with 'sections'")
    unknown = [str(key) for key in script if key not in ("version", "sections")]
    if unknown:
        raise DocumentError(PREFIX + "element_undefined", f"a script has no {unknown[0][:100]!r}")
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
        raise wrong("section_code_missing", f"{path} is not a list of methods")
    compiled: list[Step] = []
    for index, item in enumerate(steps):
        where = f"{path}[{index}]"
        if isinstance(item, str):
            item = {item: {}}
        if not isinstance(item, dict) or len(item) != 1:
            raise wrong("method_missing_name", f"{where} is not an object with one method")
        name, params = next(iter(item.items()))
        compiled += one_step(compiler, str(name), params, f"{where}/{name}")
    return tuple(compiled)


def one_step(compiler: Compiler, name: str, params: Any, path: str) -> Sequence[Step]:
    """The steps of one method; what holds variables is bound later."""
    method = METHODS.get(name)
    if method is None:
        raise wrong("method_undefined", f"{path}: there is no method {name!r}")
    node = Node(name, {}, Position(path))
    if method.build is None:
        return (failure(name, f"{path}: {method.why}", node.at),)
    if compiler.stage not in method.stages:
        compiler.wrong_stage(node, path)
    given = _given(method, params, path)
    readers = {row.name: row.read for row in method.attributes}
    bound_later = {key: value for key, value in given.items() if has_variables(value) and not _binds_itself(readers[key], value)}
    if not bound_later:
        return _built(compiler, method, node, given)
    result_steps(compiler, given.get("result"), path)  # what can be wrong now, is told now

    def bind(scope: Scope) -> tuple[Step, ...]:
        try:
            known = {key: filled(value, scope) for key, value in bound_later.items()}
        except EvaluationFailed as error:
            return (mistake("js_eval_error", f"{path}: {error}", node.at),)
        return _built(compiler, method, node, {**given, **known})

    return (Template(bind, node.at, slow=is_slow(bound_later)),)


def mistake(code: str, message: str, at: Position, *, ends: bool = False) -> Note:
    """What is told where a script goes wrong while it runs: the author, and the variable `script_error` (3.9)."""
    return Note(Remark(PREFIX + code, message, at, "error"), {"script_error": PREFIX + code}, ends)


def _binds_itself(reader: Converter, value: Any) -> bool:
    """Whether a value holds steps, which know their variables when they are reached."""
    return reader is steps_within or (reader is script_within and (not isinstance(value, str) or value.lstrip().startswith("{")))


def failure(name: str, message: str, at: Position) -> Note:
    """A method that fails when it is reached: its result says so, and the script goes on."""
    note = mistake("method_execute_failed", message, at)
    return replace(note, values={**note.values, f"{name}_result": "failed", "return_value": "failed"})


def _given(method: Element, params: Any, path: str) -> dict[str, Any]:
    """The parameters of a method; a bare value stands for the first of them, null for none."""
    if not method.attributes:
        if params not in (None, {}, ""):
            raise wrong("method_parameter_undefined", f"{path}: takes no parameters")
        return {}
    if method.attributes[0].name == ANYTHING:
        return {ANYTHING: params}
    if not isinstance(params, dict):
        params = {} if params is None else {method.attributes[0].name: params}
    names = {row.name for row in method.attributes}
    for key in params:
        if key not in names:
            raise wrong("method_parameter_undefined", f"{path}: there is no parameter {key!r}")
    return {str(key): value for key, value in params.items() if value is not None}


def _built(compiler: Compiler, method: Element, node: Node, given: Mapping[str, Any]) -> tuple[Step, ...]:
    assert method.build is not None
    values = read(compiler, method.attributes, node, given)
    made = method.build(compiler, replace(node, attributes=dict.fromkeys(given, "given")), values)
    return tuple(made) if isinstance(made, (list, tuple)) else (made,)  # type: ignore[return-value]


def read(compiler: Compiler, rows: tuple[Attr, ...], node: Node, given: Mapping[str, Any]) -> dict[str, Any]:
    """Neutral values of the parameters of a method, or of an object inside one."""
    whole = {row.name for row in rows if row.read in (steps_within, script_within, listed)}
    for key, value in given.items():
        if isinstance(value, dict) and key not in whole:
            raise wrong("method_parameter_invalid_value", f"{node.at.path}/{key}: is an object")
    named = replace(node, attributes={key: ("given" if value else "") if key in whole else spelled(value) for key, value in given.items()})
    values = compiler.values(rows, named)
    return values | {row.to: given[row.name] for row in rows if row.to is not None and row.name in whole & given.keys()}


def inner(compiler: Compiler, rows: tuple[Attr, ...], given: Any, path: str) -> dict[str, Any]:
    """Neutral values of an object inside a method; what it says beyond the rows is a mistake."""
    if not isinstance(given, dict):
        raise wrong("method_parameter_invalid_value", f"{path}: must be an object")
    names = {row.name for row in rows}
    for key in given:
        if key not in names:
            raise wrong("method_parameter_undefined", f"{path}: there is no parameter {str(key)[:100]!r}")
    node = Node(path.rpartition("/")[2], {}, Position(path))
    return read(compiler, rows, node, {str(key): value for key, value in given.items() if value is not None})


@dataclass(frozen=True)
class Stopping:
    """Builds what stops something that a script has begun: by its name, or the last one, whose name is in a variable."""

    variable: str
    stop: Callable[[str, Position], Step]

    def __call__(self, _compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
        """The step."""
        if values["control_id"]:
            return self.stop(values["control_id"], node.at)
        return Template(lambda scope: (self.stop(str(scope.get(self.variable) or NOTHING), node.at),), node.at)


NOTHING = "-"
"""A name that nothing has."""


def _answer(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    return () if compiler.stage is not Stage.CALL else (Answer(limit_seconds=values["limit"], at=node.at),)


def _hangup(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    return Hangup(reason=values["reason"], at=node.at)


def _sleep(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    return Pause(seconds=FOREVER if values["milliseconds"] < 0 else values["milliseconds"] / 1000, at=node.at)


def result_steps(compiler: Compiler, result: Any, path: str) -> tuple[Step, ...]:
    """What runs when the method returns: an object is a switch on `return_value`, a list is a list of conditions (3.7)."""
    if not result:
        return ()
    if isinstance(result, list):
        return tuple(one_step(compiler, "cond", result, f"{path}/result"))
    if not isinstance(result, dict):
        raise wrong("method_parameter_invalid_value", f"{path}/result: must be an object or a list")
    return tuple(one_step(compiler, "switch", {"variable": "return_value", "case": {}, "default": [], **result}, f"{path}/result"))


FOREVER = 86_400.0
SECONDS = decimal(0, FOREVER)
ON_CALL = frozenset({Stage.CALL})
WITH_CALLEE = frozenset({Stage.CALL, Stage.CALLEE})
"""Also what somebody who was called is given before it is connected."""
EVERYWHERE = frozenset({Stage.CALL, Stage.CALLEE, Stage.LINE, Stage.BESIDE, Stage.ANNOUNCEMENT})

ANSWER = (
    Attr("max_duration", "limit", integer(1), 14_400),
    *(Attr(name, None, why="the codecs and credentials of SIP are configured") for name in ("codecs", "username", "password")),
)
METHODS: dict[str, Element] = {
    method.name: method
    for method in (
        Element("answer", _answer, ANSWER, EVERYWHERE, why="in wait audio it changes nothing"),
        Element("hangup", _hangup, (Attr("reason", "reason", choice("hangup", "busy", "decline"), "hangup"),), WITH_CALLEE),
        Element("sleep", _sleep, (Attr("duration", "milliseconds", decimal(-1, FOREVER * 1000), 0, required=True),), EVERYWHERE),
    )
}
"""Filled up by the modules beside this one, which need what stands above."""


def wrong(code: str, message: str) -> DocumentError:
    return DocumentError(PREFIX + code, message)
