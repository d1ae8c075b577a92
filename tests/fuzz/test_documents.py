"""Documents of all dialects, made from the tables themselves and broken: only DocumentError comes out, and soon."""

from __future__ import annotations

import json
import time
from typing import Any
from xml.sax.saxutils import quoteattr

from hypothesis import strategies as st
from tests.fuzz.budget import fuzz, mutated
from tests.support.vectors import DIALECTS, FOLDER, tomllib

from hubbub.dialects.coverage import coverages
from hubbub.errors import DocumentError
from hubbub.verbs.model import Stage
from hubbub.verbs.program import Scope, Template

LONGEST = 5.0
"""Seconds of the processor; a document that takes longer would hold up everybody."""
NASTY = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "0",
            "-1",
            "1e9",
            "99999999999999999999",
            "true",
            "TRUE",
            "None",
            "http://",
            "http://[::1",
            "//x",
            "javascript:x",
            "sip:",
            "+1",
            "\u202e",
            "\x00",
            "%s{}",
            "${x}",
            "%{x}",
            "%{" * 50,
            "a" * 5000,
            "..\\..\\",
            "é" * 200,
            "\ud800",
            "1,2,,3",
            "[[",
            "&#0;",
        ]
    ),
    st.text(max_size=12),
    st.integers().map(str),
)
COVERED = {coverage.name: coverage for coverage in coverages()}


def seeds(dialect: str) -> list[bytes]:
    """The documents of the dialect's vectors."""
    found = []
    for file in sorted((FOLDER / dialect).glob("*.toml")):
        for vector in tomllib.loads(file.read_text(encoding="utf-8")).get("vector", []):
            found.append(vector["document"].encode("utf-8", "surrogatepass"))
    return found or [b"<Response/>"]


def survives(dialect: str, body: bytes, kind: str, stage: Stage) -> None:
    began = time.process_time()
    try:
        program = DIALECTS[dialect].compile(body, kind, "http://app.test/a", stage)
        for steps in program.sections.values():
            for step in steps:
                if isinstance(step, Template):
                    step.bind(Scope({"a": {"b": 1}}))
    except DocumentError as error:
        str(error).encode("utf-8", "surrogatepass")
    else:
        repr(program).encode("utf-8", "surrogatepass")
    assert time.process_time() - began < LONGEST, body[:2000]


def elements(dialect: str) -> st.SearchStrategy[str]:
    """XML of the dialect's own elements with their own attributes and anybody's values."""
    coverage = COVERED[dialect]
    rows = {element.name: [row.name for row in element.attributes] for element in coverage.elements.values()}
    for inner in coverage.nested.values():
        rows |= {element.name: [row.name for row in element.attributes] for element in inner}
    names = sorted(rows)

    def write(name: str, given: dict[int, str], content: list[str]) -> str:
        known = rows[name] or ["x"]
        attributes = "".join(f" {known[at % len(known)]}{'' if at < 200 else at}={quoteattr(value)}" for at, value in given.items())
        return f"<{name}{attributes}>{''.join(content)}</{name}>"

    tree = st.recursive(
        st.text(max_size=10),
        lambda inner: st.builds(
            write, st.sampled_from(names), st.dictionaries(st.integers(0, 205), NASTY, max_size=4), st.lists(inner, max_size=3)
        ),
        max_leaves=12,
    )
    root = "Bxml" if dialect == "bxml" else "Response"
    return st.lists(tree, max_size=4).map(lambda parts: f"<{root}>{''.join(parts)}</{root}>")


def scripts() -> st.SearchStrategy[Any]:
    """SWML of its own methods with their own parameters and anybody's values."""
    rows = {element.name: [row.name for row in element.attributes] or ["x"] for element in COVERED["swml"].elements.values()}
    value: st.SearchStrategy[Any] = st.recursive(
        st.one_of(NASTY, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
        max_leaves=6,
    )
    step = st.sampled_from(sorted(rows)).flatmap(
        lambda name: st.dictionaries(st.sampled_from(rows[name]), value, max_size=4).map(lambda given: {name: given})
    )
    section = st.lists(st.one_of(step, value), max_size=5)
    return st.dictionaries(st.sampled_from(["main", "other", ""]), section, max_size=3).map(
        lambda found: {"version": "1.0.0", "sections": found}
    )


XML = st.sampled_from(["twiml", "cxml", "bxml"])
STAGES = st.sampled_from(list(Stage))
PIECES = [
    b"<!DOCTYPE x [",
    b"<!ENTITY a 'b'>",
    b"&a;",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"<?xml encoding='utf-16'?>",
    b"\xff\xfe",
    b"<Response>",
    b"</Response>",
    b'="',
    b"'",
    b"{",
    b"}",
    b"[",
    b"\\ud800",
    b"&#xFFFF;",
    b"\x00",
    b"%{",
    b"*a",
    b"&a ",
    b"- ",
    b": ",
]


@fuzz(st.tuples(XML.flatmap(lambda name: st.tuples(st.just(name), elements(name))), STAGES))
def test_elements_of_the_tables(case: tuple[tuple[str, str], Stage]) -> None:
    (dialect, text), stage = case
    survives(dialect, text.encode("utf-8", "surrogatepass"), "text/xml", stage)


@fuzz(st.tuples(scripts(), STAGES))
def test_methods_of_the_tables(case: tuple[Any, Stage]) -> None:
    survives("swml", json.dumps(case[0]).encode("utf-8", "surrogatepass"), "application/json", case[1])


@fuzz(st.sampled_from(sorted(DIALECTS)).flatmap(lambda name: st.tuples(st.just(name), mutated(seeds(name), PIECES), STAGES)))
def test_good_documents_that_were_broken(case: tuple[str, bytes, Stage]) -> None:
    dialect, body, stage = case
    survives(dialect, body, "application/json" if dialect == "swml" else "text/xml", stage)
