"""Readers: the only two parsers of documents, XML and JSON/YAML. What they give knows line and column."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import yaml

from hubbub.dialects.tables import DocumentTable, Node
from hubbub.errors import DocumentError
from hubbub.verbs.model import Position

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
        self._texts.append([])
        self._markups.append([])

    def end(self, name: str) -> None:
        node = self._stack.pop()
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
        parts = [f"/{node.name}" for node in self._stack[:1]]
        for parent, child in zip(self._stack, self._stack[1:], strict=False):
            parts.append(f"/{child.name}[{sum(1 for c in parent.children if c.name == child.name) - 1}]")
        index = sum(1 for c in self._stack[-1].children if c.name == name) if self._stack else None
        return "".join(parts) + (f"/{name}" if index is None else f"/{name}[{index}]")


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


class _CoreLoader(yaml.CSafeLoader):
    """YAML 1.2 core schema, and a number with a leading plus stays text (it is a telephone number)."""


_CoreLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"-?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-0123456789"),
    ("float", r"-?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|-?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-.0123456789"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
):
    for _character in _first:
        _CoreLoader.yaml_implicit_resolvers.setdefault("" if _character == "\0" else _character, []).append(
            (f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"))
        )

MAX_NODES = 50_000


def read_script(body: bytes, *, malformed: str, max_bytes: int) -> Any:
    """The value of a JSON or YAML document, whatever its type says. DocumentError names line and column."""
    if len(body) > max_bytes:
        raise DocumentError(malformed, f"the document is larger than {max_bytes} bytes")
    content = body.decode("utf-8", "replace").strip()
    if not content:
        raise DocumentError(malformed, "the document is empty")
    if content[0] in "{[":
        try:
            return json.loads(content)
        except json.JSONDecodeError as error:
            if content[0] == "{" and content[1:].lstrip().startswith('"'):
                raise DocumentError(malformed, f"not JSON: {error.msg}", line=error.lineno, column=error.colno) from error
        except RecursionError as error:
            raise DocumentError(malformed, "nested too deeply") from error
    try:
        value = yaml.load(content, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise DocumentError(
            malformed, f"not YAML: {error.problem}", line=mark.line + 1 if mark else None, column=mark.column + 1 if mark else None
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise DocumentError(malformed, f"not YAML: {error}") from error
    _count(value, malformed)
    return value


def _count(value: Any, malformed: str) -> None:
    """Refuse alias bombs: shared nodes count each time they are reached."""
    pending, seen = [(value, 0)], 0
    while pending:
        item, depth = pending.pop()
        seen += 1
        if seen > MAX_NODES or depth > MAX_DEPTH:
            raise DocumentError(malformed, "the document is nested too deeply or expands to too much")
        if isinstance(item, dict):
            pending += [(child, depth + 1) for child in item.values()]
        elif isinstance(item, list):
            pending += [(child, depth + 1) for child in item]
