"""DOCUMENT: control flow of SWML: execute, return, transfer, goto, label, cond, switch, set, unset, request (3.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from hubbub.dialects.readers import read_script
from hubbub.dialects.swml.document import (
    ANYTHING,
    EVERYWHERE,
    METHODS,
    ON_CALL,
    PREFIX,
    compile_script,
    listed,
    mistake,
    result_steps,
    script_within,
    section,
    steps_within,
    wrong,
)
from hubbub.dialects.swml.expressions import EvaluationFailed, condition, evaluate, spelled
from hubbub.dialects.tables import Attr, Compiler, Element, Node, boolean, choice, decimal, integer, loose_url, text, url
from hubbub.events import Link
from hubbub.verbs.model import SendRequest
from hubbub.verbs.program import (
    Execute,
    Goto,
    Label,
    Program,
    Return,
    Scope,
    SetVariables,
    Step,
    Switch,
    Template,
    Transfer,
    UnsetVariables,
)

LARGEST_INLINE = 65_536
LONGEST_REQUEST = 60.0
SIMPLE = re.compile(r"(?:vars\.)?([A-Za-z_]\w*)")


def _destination(compiler: Compiler, node: Node, values: dict[str, Any], name: str = "dest") -> str | Link | Program:
    """A section, a URL, or a document as text or object."""
    dest = values["dest"]
    where = f"{node.at.path}/{name}"
    if isinstance(dest, dict):
        return compile_script(dest, compiler.base, compiler.stage)
    if not isinstance(dest, str) or not dest.strip():
        raise wrong("method_parameter_missing", f"{node.at.path}: needs {name!r}")
    dest = dest.strip()
    if dest.startswith("{"):
        script = read_script(dest.encode(), malformed=PREFIX + "parse_error", max_bytes=LARGEST_INLINE)
        return compile_script(script, compiler.base, compiler.stage)
    if "/" in dest or urlsplit(dest).scheme in ("http", "https"):
        try:
            return Link(compiler.absolute(loose_url(dest)), "POST")
        except ValueError as error:
            raise wrong("method_parameter_invalid_value", f"{where}: {error}") from error
    return dest


def _params(node: Node, values: dict[str, Any]) -> dict[str, Any]:
    params = values["params"] or {}
    if not isinstance(params, dict):
        raise wrong("method_parameter_invalid_value", f"{node.at.path}/params: must be an object")
    return params


def _missing(node: Node, dest: Any) -> Any:
    return mistake("section_code_missing", f"{node.at.path}: there is no section {spelled(dest)[:100]!r}", node.at, ends=True)


def _execute(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    after = section(compiler, values["on_return"] or [], f"{node.at.path}/on_return")
    too_deep = mistake("nested_too_deep", f"{node.at.path}: sections execute one another too deeply", node.at, ends=True)
    then = (*after, *result_steps(compiler, values["result"], node.at.path))
    to = _destination(compiler, node, values)
    return (Execute(to, _params(node, values), _missing(node, values["dest"]), too_deep, then),)


def _transfer(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    too_many = mistake("too_many_transfers", f"{node.at.path}: more than 32 transfers in one call", node.at, ends=True)
    return (Transfer(_destination(compiler, node, values), _params(node, values), _missing(node, values["dest"]), too_many),)


def after_bridge(compiler: Compiler, node: Node, dest: Any, variable: str) -> Step:
    """Where a script goes on for good once somebody was connected."""
    too_many = mistake("too_many_transfers", f"{node.at.path}: more than 32 transfers in one call", node.at, ends=True)
    to = _destination(compiler, node, {"dest": dest}, "transfer_after_bridge")
    return Switch(variable, {"connected": (Transfer(to, {}, _missing(node, dest), too_many),)})


def _return(_compiler: Compiler, _node: Node, values: dict[str, Any]) -> Sequence[Step]:
    return (SetVariables({"return_value": values["value"]}), Return())


def _label(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    if not values["name"]:
        raise wrong("method_parameter_missing", f"{node.at.path}: needs a name")
    return Label(values["name"])


def _goto(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    missing = mistake("method_parameter_invalid_value", f"{node.at.path}: there is no label {values['label']!r} here", node.at, ends=True)
    jump = Goto(values["label"], values["max"], missing, node.at)
    when = values["when"]
    return jump if when is None else Template(lambda scope: _if(when, scope, node, (jump,), ()), node.at, slow=True)


def _if(when: Any, scope: Scope, node: Node, then: tuple[Step, ...], otherwise: tuple[Step, ...]) -> tuple[Step, ...]:
    try:
        return then if condition(spelled(when), scope) else otherwise
    except EvaluationFailed as error:
        return (mistake("js_eval_error", f"{node.at.path}: {error}", node.at),)


Branch = tuple[Any, tuple[Step, ...], tuple[Step, ...]]


def _cond(compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    """The first condition that is true; a last item may hold `else` alone."""
    conditions = values["conditions"]
    path = node.at.path
    if not isinstance(conditions, list):
        raise wrong("method_parameter_invalid_value", f"{path}: must be a list of conditions")
    branches: list[Branch] = []
    for index, item in enumerate(conditions):
        where = f"{path}[{index}]"
        if not isinstance(item, dict) or not item or set(item) - {"when", "then", "else"}:
            raise wrong("method_parameter_invalid_value", f"{where}: must hold 'when' and 'then', or 'else'")
        if ("when" in item) != ("then" in item):
            raise wrong("method_parameter_missing", f"{where}: 'when' and 'then' belong together")
        then = section(compiler, item.get("then", []), f"{where}/then")
        otherwise = section(compiler, item["else"], f"{where}/else") if "else" in item else ()
        branches.append((item.get("when"), then, otherwise))
    return Template(lambda scope: _chosen(branches, scope, node), node.at, slow=True)


def _chosen(branches: list[Branch], scope: Scope, node: Node) -> tuple[Step, ...]:
    for when, then, otherwise in branches:
        if when is None:
            return otherwise
        try:
            if condition(spelled(when), scope):
                return then
        except EvaluationFailed as error:
            return (mistake("js_eval_error", f"{node.at.path}: {error}", node.at),)
        if otherwise:
            return otherwise
    return ()


def _switch(compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    """By the spelling of a variable's value; no match and no default is told."""
    path, variable = node.at.path, values["variable"]
    if not isinstance(values["case"], dict) or not variable:
        raise wrong("method_parameter_missing", f"{path}: needs 'variable' and 'case'")
    cases = {str(value): section(compiler, steps, f"{path}/case/{value}") for value, steps in values["case"].items()}
    unmatched = mistake("method_no_matching_condition", f"{path}: no case for the value of {variable!r}, and no default", node.at)
    default = (unmatched,) if values["default"] is None else section(compiler, values["default"], f"{path}/default")
    simple = SIMPLE.fullmatch(variable)
    if simple is not None:
        return Switch(simple[1], cases, default)
    return Template(lambda scope: cases.get(_named(variable, scope), default), node.at, slow=True)


def _named(variable: str, scope: Scope) -> str:
    try:
        return spelled(evaluate(variable, scope))
    except EvaluationFailed:
        return ""


def _set(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    if not isinstance(values["values"], dict):
        raise wrong("method_parameter_invalid_value", f"{node.at.path}: needs an object of variables")
    return SetVariables({str(name).removeprefix("vars."): value for name, value in values["values"].items()})


def _unset(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    names = values["names"] if isinstance(values["names"], list) else [values["names"]]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise wrong("method_parameter_invalid_value", f"{node.at.path}: needs the name of a variable, or a list of names")
    return UnsetVariables(tuple(name.removeprefix("vars.") for name in names))


def _request(compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    headers = values["headers"] or {}
    if not isinstance(headers, dict):
        raise wrong("method_parameter_invalid_value", f"{node.at.path}/headers: must be an object")
    return SendRequest(
        link=Link(compiler.absolute(values["url"]), values["method"]),
        headers={str(name): spelled(value) for name, value in headers.items()},
        content=values["body"],
        connect_seconds=values["connect_timeout"] or LONGEST_REQUEST,
        total_seconds=values["timeout"] or LONGEST_REQUEST,
        read_reply=values["save_variables"],
        at=node.at,
    )


HTTP = choice("GET", "POST", "PUT", "DELETE", get="GET", post="POST", put="PUT", delete="DELETE")
DEST = Attr("dest", "dest", script_within, None, required=True)
PARAMS = Attr("params", "params", listed, None)
META = Attr("meta", None, listed, why="is for the vendor's own records")
FLOW = (
    Element(
        "execute",
        _execute,
        (DEST, PARAMS, META, Attr("on_return", "on_return", steps_within, None), Attr("result", "result", steps_within, None)),
        EVERYWHERE,
    ),
    Element("transfer", _transfer, (DEST, PARAMS, META), EVERYWHERE),
    Element("return", _return, (Attr(ANYTHING, "value", listed, None, why="any value is what the section returns"),), EVERYWHERE),
    Element("label", _label, (Attr("name", "name", text, "", required=True),), EVERYWHERE),
    Element(
        "goto",
        _goto,
        (
            Attr("label", "label", text, "", required=True),
            Attr("when", "when", steps_within, None, why="an expression"),
            Attr("max", "max", integer(1, 100), 100),
        ),
        EVERYWHERE,
    ),
    Element("cond", _cond, (Attr(ANYTHING, "conditions", steps_within, None, why="a list of `when`, `then` and `else`"),), EVERYWHERE),
    Element(
        "switch",
        _switch,
        (
            Attr("variable", "variable", text, ""),
            Attr("case", "case", steps_within, None),
            Attr("default", "default", steps_within, None),
        ),
        EVERYWHERE,
    ),
    Element("set", _set, (Attr(ANYTHING, "values", listed, None, why="each parameter is a variable"),), EVERYWHERE),
    Element("unset", _unset, (Attr(ANYTHING, "names", listed, None, why="a variable, or a list of them"),), EVERYWHERE),
    Element(
        "request",
        _request,
        (
            Attr("url", "url", url, "", required=True),
            Attr("method", "method", HTTP, "POST", required=True),
            Attr("headers", "headers", listed, None),
            Attr("body", "body", listed, None),
            Attr("timeout", "timeout", decimal(0, LONGEST_REQUEST), 0.0, why="0 is the longest"),
            Attr("connect_timeout", "connect_timeout", decimal(0, LONGEST_REQUEST), 0.0, why="0 is the longest"),
            Attr("save_variables", "save_variables", boolean, False),
        ),
        ON_CALL,
    ),
)
METHODS.update({method.name: method for method in FLOW})
