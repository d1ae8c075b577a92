"""Variables and expressions: `${…}` and `%{…}`, plain paths and JavaScript in a sandbox with limits (3.3)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from hubbub.sandbox.process import Sandboxes, SandboxFailed, SandboxUnavailable
from hubbub.verbs.program import Scope

LONGEST = 1024
"""Characters of an expression."""
SECONDS = 0.075
"""By the engine's clock; whatever happens, an expression ends within twice this time of CPU ("<= 150 ms", `sandbox.worker`)."""
TOGETHER = 0.5
"""CPU seconds of all expressions between two verbs, and of all patterns before or after a request: then no further one begins."""
PATTERN_SECONDS = 0.004
"""Of a search, which looks at that clock more seldom."""
LONGEST_SEARCHED = 8192
MOST_STEPS = 64
"""Levels of a path."""
_PATH = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*|\.\d+|\[\d+\]|\[(?:'[^']*'|\"[^\"]*\")\])*")
_PART = re.compile(r"\.?([A-Za-z_$][\w$]*|\d+)|\[(\d+)\]|\[(?:'([^']*)'|\"([^\"]*)\")\]")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_sandbox = Sandboxes()
_WORDS = frozenset({"true", "false", "null", "undefined", "this", "NaN", "Infinity"})


class EvaluationFailed(Exception):
    """An expression that cannot be evaluated, and why."""


def parts_of(text: str) -> list[tuple[bool, str]]:
    """A text as literal pieces and expressions (True); braces inside expressions are balanced."""
    parts: list[tuple[bool, str]] = []
    begin = 0
    while True:
        opening = _opening(text, begin)
        closing = _closing(text, opening + 2) if opening >= 0 else -1
        if closing < 0:
            break
        if opening > begin:
            parts.append((False, text[begin:opening]))
        parts.append((True, text[opening + 2 : closing].strip()))
        begin = closing + 1
    if begin < len(text):
        parts.append((False, text[begin:]))
    return parts


def _opening(text: str, begin: int) -> int:
    places = [place for place in (text.find("${", begin), text.find("%{", begin)) if place >= 0]
    return min(places, default=-1)


def _closing(text: str, begin: int) -> int:
    depth, quote = 0, ""
    for place in range(begin, len(text)):
        character = text[place]
        if quote:
            quote = "" if character == quote and text[place - 1] != "\\" else quote
        elif character in "'\"`":
            quote = character
        elif character == "{":
            depth += 1
        elif character == "}":
            if depth == 0:
                return place
            depth -= 1
    return -1


def has_variables(value: Any) -> bool:
    """Whether anything in a value is to be filled in."""
    if isinstance(value, str):
        return any(expression for expression, _ in parts_of(value))
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(has_variables(child) for child in children)


def is_slow(value: Any) -> bool:
    """Whether anything in a value is more than a path to be looked up."""
    if isinstance(value, str):
        return any(expression and not _is_path(text) for expression, text in parts_of(value))
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(is_slow(child) for child in children)


def filled(value: Any, scope: Scope) -> Any:
    """A value with its expressions evaluated; a text that is nothing but one keeps the type of its result. Raises EvaluationFailed."""
    if isinstance(value, str):
        parts = parts_of(value)
        if len(parts) == 1 and parts[0][0]:
            found = evaluate(parts[0][1], scope)
            return "" if found is None else found
        return "".join(spelled(evaluate(text, scope)) if expression else text for expression, text in parts)
    if isinstance(value, dict):
        return {key: filled(child, scope) for key, child in value.items()}
    if isinstance(value, list):
        return [filled(child, scope) for child in value]
    return value


def spelled(value: Any) -> str:
    """A value as a text holds it: booleans and lists as the schema's strings, objects as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(spelled(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value)
    return "" if value is None else str(value)


def condition(text: str, scope: Scope) -> bool:
    """A `when`: bare JavaScript, though examples with `${}` exist. Raises EvaluationFailed."""
    parts = parts_of(text)
    bare = "".join(f"({piece})" if expression else piece for expression, piece in parts)
    return bool(run(f"!!({bare})", scope))


def matches(pattern: str, flags: str, text: str, spend: Callable[[float], None]) -> bool:
    """Whether a regular expression is found in a text; one that is wrong is not. Raises EvaluationFailed where it takes too long.

    `spend` is told the CPU seconds that it took.
    """
    inline = re.match(r"\(\?([is]+)\)", pattern)
    if inline is not None:  # as other engines write flags
        pattern, flags = pattern[inline.end() :], "".join(set(flags + inline[1]))
    names = {"pattern": pattern.replace("(?P<", "(?<"), "flags": flags, "text": text[:LONGEST_SEARCHED]}
    try:
        return bool(_sandbox.evaluate("new RegExp(pattern, flags).test(text)", names, PATTERN_SECONDS, spend))
    except SandboxUnavailable as error:
        raise EvaluationFailed(str(error)) from error
    except SandboxFailed as error:
        if "interrupted" in str(error):
            raise EvaluationFailed(f"the pattern {pattern[:100]!r} takes too long") from error
        return False


def evaluate(text: str, scope: Scope) -> Any:
    """A plain path is looked up (unset: None), anything else is JavaScript. Raises EvaluationFailed."""
    return look_up(text, scope) if _is_path(text) else run(text, scope)


def _is_path(text: str) -> bool:
    return len(text) <= LONGEST and text not in _WORDS and _PATH.fullmatch(text) is not None


def look_up(path: str, scope: Scope) -> Any:
    """What a path names: without prefix in the variables, the environment, then the call."""
    steps = [next(part for part in match.groups() if part is not None) for match in _PART.finditer(path)][:MOST_STEPS]
    roots = _roots(scope)
    if steps[0] in roots:
        return _walk(roots[steps[0]], steps[1:])
    for root in ("vars", "envs", "call"):
        if steps[0] in roots[root]:
            return _walk(roots[root], steps)
    return None


def _walk(found: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, list):
            found = found[int(step)] if step.isdigit() and int(step) < len(found) else None
        else:
            return None
    return found


def _roots(scope: Scope) -> dict[str, Mapping[str, Any]]:
    facts = scope.facts
    return {"vars": scope, "params": scope.params, "envs": facts.get("envs", {}), "call": facts.get("call", {})}


def run(text: str, scope: Scope) -> Any:
    """The value of a JavaScript expression. Raises EvaluationFailed."""
    if len(text) > LONGEST:
        raise EvaluationFailed(f"an expression has at most {LONGEST} characters")
    if scope.spent >= TOGETHER:
        raise EvaluationFailed("the expressions here take too long together")
    roots = _roots(scope)
    names = {**roots["call"], **roots["envs"], **roots["vars"], **roots}

    def spend(seconds: float) -> None:
        scope.spent += seconds

    known = {name: value for name, value in names.items() if _NAME.fullmatch(str(name))}
    try:
        result = _sandbox.evaluate(f"JSON.stringify(({text}\n))", known, SECONDS, spend)
    except SandboxFailed as error:
        raise EvaluationFailed(str(error)) from error
    return json.loads(result) if isinstance(result, str) else None
