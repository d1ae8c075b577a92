"""Readers: the only two parsers of documents, XML and JSON/YAML. What they give knows line and column."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import yaml

from hubbub.dialects.tables import DocumentTable, Node
from hubbub.errors import DocumentError
from hubbub.verbs.program import Position

MAX_DEPTH = 64
MAX_ELEMENTS = 20_000


class _TreeBuilder:
    """Builds nodes from expat's events; refuses what a voice document never needs."""

    def __init__(self, parser: expat.XMLParserType, malformed: str, line_offset: int) -> None:
        self._parser = parser
        self._malformed = malformed
        self._offset = line_offset
        self._stack: list[Node] = []
        self._texts: list[list[str]] = []
        self._markups: list[list[str]] = []
        self._counts: list[Counter[str]] = []
        """How many children of each name the open elements have."""
        self._count = 0
        self.root: Node | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._stack) >= MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise self.error("the document is nested too deeply or has too many elements")
        at = Position(self._path(name), self._parser.CurrentLineNumber + self._offset, self._parser.CurrentColumnNumber + 1)
        node = Node(name, attributes, at)
        if self._stack:
            self._stack[-1].children.append(node)
            opening = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
            self._markup(f"<{name}{opening}>")
        elif self.root is None:
            self.root = node
        self._stack.append(node)
        self._counts.append(Counter())
        self._texts.append([])
        self._markups.append([])

    def end(self, name: str) -> None:
        node = self._stack.pop()
        self._counts.pop()
        node.text = "".join(self._texts.pop()).strip()
        node.markup = "".join(self._markups.pop()).strip()
        if self._stack:
            self._markup(f"{node.markup}</{name}>")

    def data(self, text: str) -> None:
        if self._stack:
            self._texts[-1].append(text)
            self._markups[-1].append(escape(text))

    def refuse_doctype(self, *_: Any) -> None:
        raise self.error("a DOCTYPE is not allowed")

    def error(self, message: str) -> DocumentError:
        return DocumentError(
            self._malformed, message, line=self._parser.CurrentLineNumber + self._offset, column=self._parser.CurrentColumnNumber + 1
        )

    def _markup(self, text: str) -> None:
        if self._markups:
            self._markups[-1].append(text)

    def _path(self, name: str) -> str:
        if not self._stack:
            return f"/{name}"
        counts = self._counts[-1]
        counts[name] += 1
        return f"{self._stack[-1].at.path}/{name}[{counts[name] - 1}]"


def read_xml(body: bytes, table: DocumentTable) -> Node:
    """The root element of an XML document. DocumentError names line and column."""
    if len(body) > table.max_bytes:
        raise DocumentError(table.malformed, f"the document is larger than {table.max_bytes} bytes")
    blank = len(body) - len(body.lstrip())
    offset = body[:blank].count(b"\n")
    content = body[blank:]
    if not content:
        raise DocumentError(table.malformed, "the document is empty")
    parser = expat.ParserCreate()
    builder = _TreeBuilder(parser, table.malformed, offset)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.refuse_doctype
    try:
        parser.Parse(content, True)
    except (LookupError, ValueError) as error:  # an encoding that is unknown, or of many bytes
        raise DocumentError(table.malformed, f"not readable XML: {error}", line=1 + offset) from error
    except expat.ExpatError as error:
        message = expat.errors.messages.get(error.code, str(error))
        raise DocumentError(
            table.malformed, f"not well-formed XML: {message}", line=error.lineno + offset, column=error.offset + 1
        ) from error
    assert builder.root is not None
    if builder.root.name not in table.roots:
        expected = " or ".join(f"<{root}>" for root in table.roots)
        raise DocumentError(
            table.wrong_root, f"the root element is <{builder.root.name}>, not {expected}", line=builder.root.at.line, column=1
        )
    return builder.root


_CORE = (
    (re.compile(r"true|True|TRUE"), lambda text: True),
    (re.compile(r"false|False|FALSE"), lambda text: False),
    (re.compile(r"~|null|Null|NULL|"), lambda text: None),
    (re.compile(r"-?[0-9]{1,300}"), lambda text: int(text)),
    (re.compile(r"0o[0-7]{1,100}"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]{1,100}"), lambda text: int(text[2:], 16)),
    (re.compile(r"-?(?:\.[0-9]+|[0-9]{1,300}(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,2})?"), lambda text: float(text)),
)
"""The core schema of YAML 1.2, where a number with a leading plus stays text: it is a telephone number."""
_TAG = "tag:yaml.org,2002:"
_CORE_TAGS = frozenset({_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq")})
_MISSING = object()

MAX_NODES = 50_000


def read_script(body: bytes, *, malformed: str, max_bytes: int) -> Any:
    """The value of a JSON or YAML document, whatever its type says. DocumentError names line and column."""
    if len(body) > max_bytes:
        raise DocumentError(malformed, f"the document is larger than {max_bytes} bytes")
    content = body.decode("utf-8-sig", "replace").rstrip()
    if not content:
        raise DocumentError(malformed, "the document is empty")
    value = _MISSING
    if content.lstrip()[0] in "{[":
        value = _read_json(content, malformed)
    if value is _MISSING:
        value = _read_yaml(content, malformed)
    _check(value, malformed)
    return value


def read_json(body: bytes | str) -> Any:
    """The value of JSON that can be kept and sent on. ValueError or RecursionError where it is none: NaN, half of a surrogate pair."""
    value = json.loads(body)
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def _read_json(content: str, malformed: str) -> Any:
    """The value of JSON; missing where it is none but may be YAML in brackets."""

    def number(text: str) -> float:
        found = float(text)
        if len(text) > 300 or found in (float("inf"), float("-inf")):
            raise DocumentError(malformed, f"{text[:20]}… is too large a number")
        return found if any(character in text for character in ".eE") else int(text)

    def constant(text: str) -> Any:
        raise DocumentError(malformed, f"{text} is no JSON")

    try:
        return json.loads(content, parse_int=number, parse_float=number, parse_constant=constant)
    except json.JSONDecodeError as error:
        if re.match(r'\s*\{\s*"', content):
            raise DocumentError(malformed, f"not JSON: {error.msg}", line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        raise DocumentError(malformed, "nested too deeply") from error
    return _MISSING


def _read_yaml(content: str, malformed: str) -> Any:
    composer = _Composer(malformed)
    try:
        for event in yaml.parse(content, Loader=yaml.CSafeLoader):
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise DocumentError(
            malformed, f"not YAML: {error.problem}", line=mark.line + 1 if mark else None, column=mark.column + 1 if mark else None
        ) from error
    except yaml.YAMLError as error:
        raise DocumentError(malformed, f"not YAML: {str(error).splitlines()[0]}") from error
    return None if composer.value is _MISSING else composer.value


@dataclass
class _Open:
    """A list or mapping that is being read."""

    value: list[Any] | dict[str, Any]
    anchor: str | None
    key: str | None = None


class _Composer:
    """Makes values of a parser's events one by one: libyaml's own composer recurses on the C stack and dies of deep nesting."""

    def __init__(self, malformed: str) -> None:
        self._malformed = malformed
        self._open: list[_Open] = []
        self._anchors: dict[str, Any] = {}
        self.value: Any = _MISSING

    def take(self, event: yaml.Event) -> None:
        """The next event."""
        match event:
            case yaml.AliasEvent():
                if event.anchor not in self._anchors:
                    raise self._wrong(event, f"there is no anchor {event.anchor!r} before this")
                self._put(self._anchors[event.anchor], event)
            case yaml.ScalarEvent():
                value = self._scalar(event)
                self._remember(event.anchor, value)
                self._put(value, event)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                if event.tag is not None and event.tag not in _CORE_TAGS:
                    raise self._wrong(event, f"the tag {event.tag!r} is not known")
                if len(self._open) >= MAX_DEPTH:
                    raise self._wrong(event, "nested too deeply")
                self._open.append(_Open([] if isinstance(event, yaml.SequenceStartEvent) else {}, event.anchor))
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                ended = self._open.pop()
                self._remember(ended.anchor, ended.value)
                self._put(ended.value, event)

    def _put(self, value: Any, event: yaml.Event) -> None:
        if not self._open:
            if self.value is not _MISSING:
                raise self._wrong(event, "there is more than one document")
            self.value = value
            return
        holder = self._open[-1]
        if isinstance(holder.value, list):
            holder.value.append(value)
        elif holder.key is not None:
            holder.value[holder.key] = value
            holder.key = None
        elif isinstance(event, yaml.ScalarEvent):
            holder.key = event.value  # a key is text as it is written
        else:
            raise self._wrong(event, "a key must be text")

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        if event.tag is not None and event.tag not in _CORE_TAGS and event.tag != "!":
            raise self._wrong(event, f"the tag {event.tag!r} is not known")
        named = event.tag is not None and event.tag not in ("!", _TAG + "str")
        if not named and not event.implicit[0]:
            return event.value
        for pattern, read in _CORE:
            if pattern.fullmatch(event.value):
                return read(event.value)
        if named:
            raise self._wrong(event, f"{event.value!r} is not what its tag says")
        return event.value

    def _remember(self, anchor: str | None, value: Any) -> None:
        if anchor is not None:
            self._anchors[anchor] = value

    def _wrong(self, event: yaml.Event, message: str) -> DocumentError:
        mark = event.start_mark
        return DocumentError(self._malformed, message, line=mark.line + 1 if mark else None, column=mark.column + 1 if mark else None)


def _check(value: Any, malformed: str) -> None:
    """Refuse alias bombs (shared nodes count each time they are reached), and text that cannot be sent on."""
    pending: list[tuple[Any, int]] = [(value, 0)]
    seen = 0
    while pending:
        item, depth = pending.pop()
        seen += 1
        if seen > MAX_NODES or depth > MAX_DEPTH:
            raise DocumentError(malformed, "the document is nested too deeply or expands to too much")
        if isinstance(item, dict):
            pending += [(child, depth + 1) for pair in item.items() for child in pair]
        elif isinstance(item, list):
            pending += [(child, depth + 1) for child in item]
        elif isinstance(item, str) and any("\ud800" <= character <= "\udfff" for character in item):
            raise DocumentError(malformed, f"{item[:20]!a} is not Unicode text")
