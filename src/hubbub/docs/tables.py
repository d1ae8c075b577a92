"""What a dialect covers, from its tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from hubbub.dialects.coverage import Coverage
from hubbub.dialects.tables import NOT_BUILT, Attr, Element, Operation, Param, allowed, text
from hubbub.docs.markdown import code, table
from hubbub.verbs.model import Stage

WORKS, SILENT, REFUSED = "works", "accepted without effect", "refused"
STAGES = {stage: stage.value for stage in Stage} | {Stage.BESIDE: "wait and hold audio"}


def coverage_blocks(coverage: Coverage) -> Mapping[str, str]:
    """The generated blocks of a dialect's page."""
    blocks = {"elements": _elements(coverage), "attributes": _attributes(coverage), "webhooks": _webhooks(coverage)}
    if coverage.operations:
        blocks |= {"rest": _operations(coverage), "resources": _resources(coverage)}
    return blocks | {"codes": _codes(coverage)}


def rest_blocks(coverage: Coverage) -> Mapping[str, str]:
    """The generated blocks of a REST that belongs to no dialect."""
    return {"rest": _operations(coverage), "resources": _resources(coverage)}


def state(to: str | None, why: str) -> str:
    """How far a row is: in the words of the page's legend."""
    if why.startswith((NOT_BUILT, f"{REFUSED}: ")):
        return why
    word = WORKS if to is not None else SILENT
    return f"{word}: {why}" if why else word


def _elements(coverage: Coverage) -> str:
    rows = [
        (code(coverage.spelling.format(name=name)), ", ".join(_places(element)) if element.build else "", _built(element))
        for name, element in coverage.elements.items()
    ]
    return table(("Name", "Where", "State"), rows)


def _built(element: Element) -> str:
    if element.build is None and not element.why.startswith(NOT_BUILT):
        return f"{REFUSED}: {element.why}"
    return state(None if element.build is None else element.name, element.why)


def _places(element: Element) -> Iterable[str]:
    return (STAGES[stage] for stage in Stage if stage in element.stages)


def _attributes(coverage: Coverage) -> str:
    parts = []
    for name, element in coverage.elements.items():
        if element.build is not None and element.attributes:
            parts += [f"### {code(coverage.spelling.format(name=name))}", _rows(element, coverage)]
        for inner in coverage.nested.get(name, ()):
            parts += [f"### {code(coverage.spelling.format(name=inner.name))} in {code(name)}", _rows(inner, coverage)]
    return "\n\n".join(parts)


def _rows(element: Element, coverage: Coverage) -> str:
    head = ("Name", "Values", "Default", "State", "Code of a bad value")
    return table(head, (_row(row, coverage) for row in element.attributes))


def _row(row: Attr, coverage: Coverage) -> tuple[str, ...]:
    default = "required" if row.required else code(_spelled(row)) if row.to is not None else ""
    bad = row.code or ("" if row.read is text else coverage.table.bad_value)
    name = code(row.name) + "".join(f", also {code(alias)}" for alias in row.aliases)
    return name, allowed(row.read), default, state(row.to, row.why), code(bad)


def _spelled(row: Attr) -> str:
    """The default as the dialect would write it."""
    for word in re.findall(r"`([^`]+)`", allowed(row.read)):
        if _means(row, word) == row.default:
            return str(word)
    if isinstance(row.default, bool):
        return str(row.default).lower()
    if isinstance(row.default, frozenset):
        return " ".join(sorted(row.default))
    return f"{row.default:g}" if isinstance(row.default, (int, float)) else str(row.default or "")


def _means(row: Attr, word: str) -> Any:
    try:
        return row.read(word)
    except ValueError:
        return ValueError


def _webhooks(coverage: Coverage) -> str:
    return table(("Request", "Fields"), ((title, ", ".join(code(out.name) for out in rows)) for title, rows in coverage.webhooks.items()))


def _operations(coverage: Coverage) -> str:
    head = f"Below {code(coverage.base)}" + (f"; paths end in {code(coverage.suffix)}." if coverage.suffix else ".")
    return "\n\n".join([head, *(_operation(operation) for operation in coverage.operations)])


def _operation(operation: Operation) -> str:
    title = f"### {code(f'{operation.method} {operation.path}')}" + (f" {code(operation.command)}" if operation.command else "")
    words = operation.does.replace("_", " ")
    sentence = f"{words[0].upper()}{words[1:]}; answers {operation.status}" + (f" with a {operation.shows}." if operation.shows else ".")
    if not operation.params:
        return f"{title}\n\n{sentence}"
    rows = ((_named(param), _values(param), state(param.to, param.why)) for param in operation.params)
    return "\n\n".join([title, sentence, table(("Parameter", "Values", "State"), rows)])


def _named(param: Param) -> str:
    return code(param.name) + "".join(f", also {code(alias)}" for alias in param.aliases)


def _values(param: Param) -> str:
    return allowed(param.read) + ("; may be repeated" if param.many else "") + ("; required" if param.required else "")


def _resources(coverage: Coverage) -> str:
    rows = ((name, ", ".join(code(out.name) for out in resource.fields)) for name, resource in coverage.resources.items())
    return table(("Shown", "Fields"), rows)


def _codes(coverage: Coverage) -> str:
    own = coverage.table
    documents = {
        "not well-formed": own.malformed,
        "wrong root": own.wrong_root,
        "unknown element or attribute": own.unknown,
        "known, but not supported": own.unsupported or own.unknown,
        "not allowed where it runs": own.wrong_stage,
        "something required is missing": own.missing or own.bad_value,
        "bad value, where the row names no code": own.bad_value,
    }
    parts = ["### Documents", table(("When", "Code"), ((when, code(word)) for when, word in documents.items()))]
    if coverage.refusals:
        refusals = ((reason, code(word)) for reason, word in coverage.refusals.items())
        parts += ["### While a document runs", table(("Reason", "Code"), refusals)]
    if coverage.errors:
        rows = ((reason, str(row.status), code(row.code), row.message) for reason, row in coverage.errors.items())
        parts += ["### REST", table(("Reason", "Status", "Code", "Message"), rows)]
    if coverage.never:
        parts += ["### Never told", table(("Code", "Why"), ((code(word), why) for word, why in coverage.never.items()))]
    return "\n\n".join(parts)
