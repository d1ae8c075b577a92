"""What dialect tables are made of: rows, and the shared code that reads them.

An attribute row has one of three fates: it is mapped to a neutral name, it is accepted without effect (and says why),
or it is not in the table (and the author is told). None is lost in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from hubbub.dialects.rooms import NO_ROOMS, RoomDefaults
from hubbub.errors import DocumentError
from hubbub.ids import Id
from hubbub.verbs.model import Stage
from hubbub.verbs.program import Position, Remark, Step

Converter = Callable[[str], Any]
"""Reads a value; raises ValueError with a few words on what is allowed."""


# -- converters ------------------------------------------------------------------------------------------------


def text(value: str) -> str:
    """Any text."""
    return value


def boolean(value: str) -> bool:
    """Exactly `true` or `false`."""
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"


def lenient_boolean(value: str) -> bool:
    """`true` or `false` without regard to case."""
    return boolean(value.strip().lower())


def described(read: Converter, words: str) -> Converter:
    """A converter that says what it allows: its docstring, which the documentation shows."""
    read.__doc__ = words
    return read


def allowed(read: Converter) -> str:
    """What a converter allows, in a few words."""
    return (read.__doc__ or "").strip().partition("\n")[0].rstrip(".")


def choice(*names: str, **meanings: Any) -> Converter:
    """One of these words; `meanings` translates."""
    return mapping({**{name: name for name in names}, **meanings})


def mapping(meanings: Mapping[str, Any]) -> Converter:
    """One of these words, translated."""

    def read(value: str) -> Any:
        if value not in meanings:
            raise ValueError("must be one of " + ", ".join(meanings))
        return meanings[value]

    return described(read, ", ".join(f"`{name}`" for name in meanings))


LARGEST = 2**31 - 1
"""Whole numbers end here where a table names no bound."""


def integer(low: int | None = None, high: int | None = None) -> Converter:
    """A whole number within bounds, inclusive."""

    def read(value: str) -> int:
        if not re.fullmatch(r"\s*[+-]?[0-9]{1,400}\s*", value):
            raise ValueError("must be a whole number")
        number = int(value)
        _within(number, -LARGEST if low is None else low, LARGEST if high is None else high)
        return number

    return described(read, "a whole number" + _bounds(low, high))


def decimal(low: float | None = None, high: float | None = None) -> Converter:
    """A number within bounds, inclusive."""

    def read(value: str) -> float:
        if not re.fullmatch(r"\s*[+-]?([0-9]{1,300}\.?[0-9]*|\.[0-9]+)\s*", value):
            raise ValueError("must be a number")
        number = float(value)
        _within(number, -LARGEST if low is None else low, LARGEST if high is None else high)
        return number

    return described(read, "a number" + _bounds(low, high))


def _within(number: float, low: float, high: float) -> None:
    if number < low:
        raise ValueError(f"must be at least {low}")
    if number > high:
        raise ValueError(f"must be at most {high}")


def _bounds(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f", {low} to {high}"
    return "" if low is None else f" from {low}"


def method(value: str) -> str:
    """GET or POST."""
    if value.upper() not in ("GET", "POST"):
        raise ValueError("must be GET or POST")
    return value.upper()


def url(value: str) -> str:
    """A URL, absolute or relative; only http and https are requested."""
    stripped = value.strip()
    loose_url(stripped)
    if any(character.isspace() for character in stripped):
        raise ValueError("must not contain blanks")
    return stripped


def loose_url(value: str) -> str:
    """A URL whose blanks are escaped when it is requested."""
    scheme = urlsplit(value).scheme
    if scheme and scheme not in ("http", "https"):
        raise ValueError("must be an http or https URL")
    return value


def words(meanings: Mapping[str, frozenset[Any]]) -> Converter:
    """A list of these words, separated by blanks or commas; also a Python list that an SDK printed literally."""

    def read(value: str) -> frozenset[Any]:
        found: frozenset[Any] = frozenset()
        for word in re.split(r"[\s,]+", value.strip().strip("[]").replace("'", "").replace('"', "")):
            if not word:
                continue
            if word not in meanings:
                raise ValueError(f"{word!r} is none of " + ", ".join(meanings))
            found |= meanings[word]
        return found

    return described(read, "any of " + ", ".join(f"`{name}`" for name in meanings))


def matching(pattern: str, explanation: str) -> Converter:
    """Text of a form."""
    compiled = re.compile(pattern, re.DOTALL)

    def read(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(explanation)
        return value

    return described(read, f"text that {explanation}" if explanation.startswith(("has ", "may ")) else explanation)


NOT_BUILT = "not built yet"
"""How a `why` begins that tells of something to come."""

# -- documents -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attr:
    """One attribute of an element (or one parameter of a method)."""

    name: str
    to: str | None
    """Neutral name; None: accepted without effect."""
    read: Converter = text
    default: Any = None
    code: str = ""
    """Error code of a bad value; empty: the table's own."""
    level: Literal["warning", "error"] = "warning"
    why: str = ""
    """Why it has no effect, or what is special."""
    required: bool = False
    aliases: tuple[str, ...] = ()
    """Other spellings that are understood, and remarked on: those of the same thing elsewhere in its dialect."""


@dataclass
class Node:
    """An element of a document, wherever it came from (XML or a method of a JSON script)."""

    name: str
    attributes: dict[str, str]
    at: Position
    text: str = ""  # its own, trimmed
    markup: str = ""
    """Everything inside, as written: for spoken text."""
    children: list[Node] = field(default_factory=list)


Build = Callable[["Compiler", Node, dict[str, Any]], "Step | Sequence[Step] | None"]


@dataclass(frozen=True)
class Element:
    """One verb of a dialect."""

    name: str
    build: Build | None
    """None: known, but not built (`why` says more)."""
    attributes: tuple[Attr, ...] = ()
    stages: frozenset[Stage] = frozenset({Stage.CALL})
    children: tuple[str, ...] = ()
    """Names of nested elements; empty: none are allowed."""
    why: str = ""
    """Why it is not built, or what is special."""


@dataclass(frozen=True)
class DocumentTable:
    """The DOCUMENT table of a dialect."""

    roots: tuple[str, ...]
    elements: Mapping[str, Element]
    nested: Mapping[str, Element]
    """Elements that stand inside others only, as `Parent/Child`."""
    malformed: str
    wrong_root: str
    unknown: str
    wrong_stage: str
    bad_value: str
    unsupported: str = ""
    """Code of an element that is known but not built; empty: `unknown`."""
    wrong_callee: str = ""
    """Code of a verb that a callee may not be given before it is connected, which rejects the document; empty: `wrong_stage`."""
    missing: str = ""
    """Code of a required attribute that is not there; empty: `bad_value`."""
    strict: bool = False
    """Any mistake rejects the document as a whole; else the default is used and the author told."""
    empty_is_unset: bool = False
    """An empty attribute equals an absent one."""
    max_bytes: int = 65536
    rooms: RoomDefaults = NO_ROOMS


WHERE = {
    Stage.CALL: "on a call",
    Stage.CALLEE: "for a callee before it is connected",
    Stage.LINE: "in a queue",
    Stage.ROOM: "in a room",
}


class Compiler:
    """Compiles one document by a table: carries its base URL, stage and remarks."""

    def __init__(self, table: DocumentTable, base: str, stage: Stage) -> None:
        self.table = table
        self.base = base
        self.stage = stage
        self.remarks: list[Remark] = []

    def steps(self, nodes: Sequence[Node]) -> tuple[Step, ...]:
        """The steps of top-level elements."""
        steps: list[Step] = []
        for node in nodes:
            element = self.table.elements.get(node.name)
            if element is None:
                self.object(self.table.unknown, f"<{node.name}> is not known here", node.at)
                continue
            if self.stage not in element.stages:
                self.wrong_stage(node, element.why)
                break
            steps += self.build(element, node)
        return tuple(steps)

    def build(self, element: Element, node: Node) -> tuple[Step, ...]:
        """The steps of one element."""
        if element.build is None:
            self.object(self.table.unsupported or self.table.unknown, f"<{node.name}> is not supported: {element.why}", node.at)
            return ()
        for child in node.children:
            if child.name not in element.children and "*" not in element.children:
                known = self.table.nested.get(f"{node.name}/{child.name}")
                if known is None:
                    self.object(self.table.unknown, f"<{child.name}> is not allowed in <{node.name}>", child.at)
                else:
                    self.object(self.table.unsupported or self.table.unknown, f"<{child.name}> is not supported: {known.why}", child.at)
        made = element.build(self, node, self.values(element.attributes, node))
        if made is None:
            return ()
        return tuple(made) if isinstance(made, (list, tuple)) else (made,)  # type: ignore[return-value]

    def nested(self, parent: Node, child: Node) -> tuple[Step, ...]:
        """The steps of an element inside another."""
        element = self.table.nested.get(f"{parent.name}/{child.name}")
        return () if element is None else self.build(element, child)

    def values(self, attributes: tuple[Attr, ...], node: Node) -> dict[str, Any]:
        """Neutral values of a node's attributes: given, else default."""
        rows = {row.name: row for row in attributes}
        others = {alias: row for row in attributes for alias in row.aliases if row.name not in node.attributes}
        found: dict[str, Any] = {row.to: row.default for row in reversed(attributes) if row.to is not None}
        for name, value in node.attributes.items():
            row = rows.get(name)
            if row is None and name in others:
                row = others[name]
                self.object(self.table.unknown, f"attribute {name!r} of <{node.name}> is spelled {row.name!r} here", node.at)
            if row is None:
                self.object(self.table.unknown, f"attribute {name!r} of <{node.name}> is not known", node.at)
            elif not (value == "" and self.table.empty_is_unset):
                self._value(row, value, node, found)
        for row in attributes:
            if row.required and not node.attributes.get(row.name):
                self.object(self.table.missing or self.table.bad_value, f"<{node.name}> needs {row.name!r}", node.at, "error")
        return found

    def _value(self, row: Attr, value: str, node: Node, found: dict[str, Any]) -> None:
        try:
            read = row.read(value)
        except ValueError as error:
            message = f"<{node.name} {row.name}={_short(value)}>: {error}"
            self.object(row.code or self.table.bad_value, message, node.at, row.level)
        else:
            if row.to is not None:
                found[row.to] = read

    def object(self, code: str, message: str, at: Position, level: str = "warning") -> None:
        """Tell the author; in a strict dialect the document is rejected."""
        if self.table.strict:
            where = f"{at.path}: " if at.line is None and at.path else ""
            raise DocumentError(code, where + message, line=at.line, column=at.column)
        self.remarks.append(Remark(code, message, at, level))

    def wrong_stage(self, node: Node, why: str = "") -> None:
        """A verb that is not allowed where this document runs: the document stops there."""
        where = WHERE.get(self.stage, "in wait, hold or announcement audio")
        message = f"<{node.name}> is not allowed {where}" + (f": {why}" if why else "")
        if self.stage is Stage.CALLEE and self.table.wrong_callee:
            raise DocumentError(self.table.wrong_callee, message, line=node.at.line, column=node.at.column)
        if self.table.strict:
            raise DocumentError(self.table.wrong_stage, message, line=node.at.line, column=node.at.column)
        self.remarks.append(Remark(self.table.wrong_stage, message, node.at, "error"))

    def linked(self, node: Node, code: str) -> str | None:
        """The URL that is an element's text, made absolute; None, and its author told, where it is no URL."""
        try:
            return self.absolute(loose_url(node.text))
        except ValueError as error:
            self.object(code, f"<{node.name}>: {node.text!r} {error}", node.at, "error")
            return None

    def absolute(self, link: str) -> str:
        """A URL of the document, made absolute; the empty one is the document itself."""
        return urljoin(self.base, link) if link or not self.base else self.base.partition("#")[0]


def _short(value: str) -> str:
    return repr(value) if len(value) <= 80 else f"{value[:80]!r}…"


# -- what goes out ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Out:
    """One field of a webhook or of a REST answer: its name and how it is read from the facts."""

    name: str
    read: Callable[[Any], Any]


def render(rows: Sequence[Out], facts: Any, *, keep_none: bool = False) -> dict[str, Any]:
    """The fields of rows for some facts; a field that is None is left out, unless `keep_none`."""
    values = ((row.name, row.read(facts)) for row in rows)
    return {name: value for name, value in values if keep_none or value is not None}


# -- errors ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ErrorRow:
    """How a dialect's REST answers a neutral refusal."""

    status: int
    code: str
    message: str
    """`{detail}` is the refusal's own text, `{path}` the path asked for."""


# -- REST ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Param:
    """One parameter of a REST operation."""

    name: str
    to: str | None
    """Neutral name; None: accepted without effect."""
    read: Converter = text
    error: str = "bad-parameter"
    """The neutral refusal of a bad value."""
    many: bool = False
    """Given by repeated keys or by one value of several words: the values are joined by blanks before they are read."""
    why: str = ""
    clears: bool = False
    """Whether an empty value is read too: it clears what was set. Elsewhere it equals an absent one."""
    required: bool = False
    whole: bool = False
    """Of JSON: lists and objects are read as they are, not as text."""
    aliases: tuple[str, ...] = ()
    """Other spellings that are understood: those of the same thing elsewhere in its dialect."""


@dataclass(frozen=True)
class Operation:
    """One method on one path."""

    method: str
    path: str
    """Below the face's base, with `{name}` for its ids."""
    does: str
    """The neutral operation."""
    shows: str = ""
    """The resource that its answer renders."""
    params: tuple[Param, ...] = ()
    status: int = 200
    body: str = ""
    """What its body is, where a face reads several kinds."""
    command: str = ""
    """What stands in the body to ask for it, where a path has several."""
    reads: bool = False
    """Whether it changes nothing although its method is not GET."""

    @property
    def changes(self) -> bool:
        """Whether something is kept, and told to the audit log."""
        return self.method != "GET" and not self.reads


@dataclass(frozen=True)
class Resource:
    """How one kind of thing is shown by REST."""

    fields: tuple[Out, ...]
    list_key: str


@dataclass(frozen=True)
class Page:
    """A page of a list: `items` and whether there are more."""

    items: tuple[Any, ...]
    number: int
    size: int
    more: bool


@dataclass(frozen=True)
class Window:
    """The part of a list that is asked for."""

    number: int = 0
    size: int = 50
    after: Id | None = None
    before: Id | None = None
    """The last thing of the page before or the first of the page after, where known: what has come meanwhile moves nothing."""


@dataclass(frozen=True)
class Between:
    """A filter on a time: `op` is one of = < > <= >=, `low` and `high` bound the day that `=` means."""

    op: str
    low: float
    high: float
    strict: bool = False
    """Whether `<` means before that day, not on it or before."""
