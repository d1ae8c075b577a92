"""Vectors: documents, and what they compile to, as plain data in `tests/vectors/<dialect>/*.toml`.

    [[vector]]                       a document -> its program and remarks, or its error
    name, rule, document             `rule` quotes the specification
    stage = "call"                   call, beside or room
    type = "text/xml"
    program = [{do = "Pause", seconds = 2.0}]      fields that have their default are left out
    remarks = [["12200", 3]]         code and line, or code and path
    error = ["12100", 2]             the document is rejected as a whole

    [element.NAME]                   attributes of one element, each in the same document
    document = "<Response><Pause %s/></Response>"
    [element.NAME.attributes]
    length = [{ value = "2", gives = { seconds = 2.0 } }, { value = "x", gives = { seconds = 1.0 }, code = "13910" }]

In a script (JSON) `value` is JSON, and `%s` stands behind a parameter. `gives` names fields of the first verb by a dotted
path; `unset` stands for None. What follows a blank in NAME tells two documents of one element apart.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from hubbub.dialects.registry import all_dialects
from hubbub.errors import DocumentError
from hubbub.events import Link
from hubbub.verbs.model import Stage
from hubbub.verbs.program import Position, Program, Template

NAMED = ("hubbub.verbs.model", "hubbub.verbs.program", "hubbub.verbs.capture", "hubbub.verbs.hearing")
FOLDER = Path(__file__).parents[1] / "vectors"
BASE = "http://app.test/docs/first?x=1"
DIALECTS = all_dialects("http://hubbub.test", lambda call: None)


@dataclass(frozen=True)
class Vector:
    """One document and what is expected of it."""

    dialect: str
    name: str
    document: str
    rule: str = ""
    stage: str = "call"
    type: str = "text/xml"
    program: list[Any] | None = None
    sections: dict[str, Any] | None = None
    remarks: list[list[Any]] = field(default_factory=list)
    error: list[Any] | None = None
    gives: Mapping[str, Any] | None = None
    element: str = ""
    attribute: str = ""
    value: str = ""

    def compile(self) -> Program:
        """The program. Raises DocumentError."""
        return DIALECTS[self.dialect].compile(self.document.encode(), self.type, BASE, Stage(self.stage))


def load() -> list[Vector]:
    """Every vector of every dialect."""
    return [vector for path in sorted(FOLDER.glob("*/*.toml")) for vector in _read(path)]


def baselines() -> dict[tuple[str, str], Vector]:
    """The same documents without the attribute, by dialect and element."""
    found = {}
    for path in sorted(FOLDER.glob("*/*.toml")):
        for element, table in tomllib.loads(path.read_text()).get("element", {}).items():
            found[path.parent.name, element] = Vector(
                path.parent.name, element, table["document"].replace("%s", ""), stage=table.get("stage", "call")
            )
    return found


def _read(path: Path) -> Iterator[Vector]:
    content = tomllib.loads(path.read_text())
    dialect = path.parent.name
    for item in content.get("vector", ()):
        yield Vector(dialect, **item)
    for element, table in content.get("element", {}).items():
        line = table["document"][: table["document"].index("%s")].count("\n") + 1
        for attribute, cases in table["attributes"].items():
            for case in cases:
                value = case["value"]
                remarks = [[case["code"], line]] if "code" in case else []
                yield Vector(
                    dialect,
                    f"{element} {attribute}={value[:40]!r}",
                    filled(table["document"], attribute, value),
                    stage=table.get("stage", "call"),
                    gives=case.get("gives"),
                    remarks=remarks,
                    error=_error(table["document"], case["error"], line) if "error" in case else None,
                    element=element,
                    attribute=attribute,
                    value=value,
                )


def filled(document: str, attribute: str, value: str) -> str:
    """The document with that attribute."""
    return document.replace("%s", f', "{attribute}": {value}' if _is_script(document) else f"{attribute}={quoteattr(value)}")


def _is_script(document: str) -> bool:
    return document.startswith("{")


def _error(document: str, code: str, line: int) -> list[Any]:
    return [code] if _is_script(document) else [code, line]


def outcome(vector: Vector) -> tuple[Program | None, list[Any] | None]:
    """The program, or the error as [code, line]."""
    try:
        return vector.compile(), None
    except DocumentError as error:
        return None, [error.code] if error.line is None else [error.code, error.line]


def plain(value: Any, *, whole: bool = False) -> Any:
    """Plain data; fields that have their default are left out unless `whole`."""
    if isinstance(value, Link):
        extra = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)[2:] if getattr(value, f.name) != f.default}
        spelled = f"{value.method} {value.url}"
        return {"link": spelled, **{name: plain(item) for name, item in extra.items()}} if extra else spelled
    if isinstance(value, Template):
        return {"do": "Template"}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {"do": type(value).__name__} if type(value).__module__ in NAMED else {}
        return named | {
            f.name: plain(getattr(value, f.name), whole=whole)
            for f in dataclasses.fields(value)
            if not isinstance(getattr(value, f.name), Position) and (whole or getattr(value, f.name) != _default(f))
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [plain(item, whole=whole) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item, whole=whole) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "unset" if value is None else value


def _default(item: dataclasses.Field[Any]) -> Any:
    return item.default_factory() if item.default_factory is not dataclasses.MISSING else item.default


def look_up(data: Any, path: str) -> Any:
    """A field of plain data by its dotted path."""
    for part in path.split("."):
        if data == "unset":
            return "unset"
        data = data[int(part)] if isinstance(data, list) else data[part]
    return data
