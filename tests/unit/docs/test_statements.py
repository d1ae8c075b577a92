"""The pages of statements: every row names tests or vectors that exist, or says that it is open and why; no section is missing."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TESTS, PAGES = ROOT / "tests", ROOT / "docs" / "statements"
SECTIONS = {
    "twiml": [
        *("0.3", *(f"1.{number}" for number in range(1, 7)), "1.6.1", "1.7", "1.8", "1.9", "1.10", "2", "2.1"),
        *(f"3.{number}" for number in range(1, 7)),
        *(f"4.{number}" for number in range(1, 6)),
        *(f"5.{number}" for number in range(1, 11)),
        *("6", "7", "8.1", "8.2", "8.3", "9", "10"),
    ],
    "cxml-swml": [
        *(f"1.{number}" for number in range(1, 12)),
        *(f"2.{number}" for number in range(1, 8)),
        *(f"3.{number}" for number in (*range(1, 10), 11, 12)),
        *("4", "7", "8"),
    ],
    "media": [f"{number}" for number in range(1, 7)],
}
HELD = re.compile(r"`([\w/]+\.(?:py|toml))(?:::(\w+)|: ([^`]+))?`")
Row = tuple[str, str]


def rows(page: str) -> dict[str, list[Row]]:
    """Statements and what holds them, by the number of their section."""
    found: dict[str, list[Row]] = {}
    section = ""
    for line in (PAGES / f"{page}.md").read_text().splitlines():
        if line.startswith("## "):
            section = line.split()[1]
            assert section not in found, line
            found[section] = []
        elif line.startswith("| ") and line != "| Statement | Held by |":
            cells = re.split(r"(?<!\\) \| ", line.removeprefix("| ").removesuffix(" |"))
            assert len(cells) == 2, line
            found[section].append((cells[0], cells[1]))
    return found


@cache
def functions_of(file: str) -> frozenset[str]:
    """The functions of a file, and those of its classes."""
    found = ast.walk(ast.parse((TESTS / file).read_text()))
    return frozenset(node.name for node in found if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


@cache
def vectors_of(file: str) -> frozenset[str]:
    """Names of documents, and `element.attribute` of those with values."""
    content = tomllib.loads((TESTS / file).read_text())
    attributes = {f"{name}.{attribute}" for name, table in content.get("element", {}).items() for attribute in table["attributes"]}
    return frozenset(attributes | {vector["name"] for vector in content.get("vector", ())})


@pytest.mark.parametrize("page", sorted(SECTIONS))
def test_every_section_has_statements_and_every_statement_is_held_or_open(page: str) -> None:
    found = rows(page)
    assert list(found) == SECTIONS[page]
    for section, statements in found.items():
        assert statements, section
        assert len({statement for statement, _ in statements}) == len(statements), section
        for statement, held in statements:
            if held.startswith("open: "):
                assert len(held) > len("open: ") + 5, f"{section} {statement}: nobody knows why"
                continue
            assert re.fullmatch(rf"{HELD.pattern}(, {HELD.pattern})*", held), f"{section} {statement}: {held}"
            for file, test, vector in HELD.findall(held):
                assert (TESTS / file).exists(), file
                assert not test or (test.startswith("test_") and test in functions_of(file)), f"{file}::{test}"
                assert not vector or vector in vectors_of(file), f"{file}: {vector}"
                assert test or vector or "test_" in file, f"{file}: which one?"


@pytest.mark.parametrize("page", sorted(SECTIONS))
def test_open_statements_are_counted(page: str) -> None:
    """Whoever closes one, or finds one, says so."""
    every = [held for statements in rows(page).values() for _, held in statements]
    told = re.search(r"^(\d+) statements, (\d+) of them open\.$", (PAGES / f"{page}.md").read_text(), re.M)
    assert told, "the page says how many"
    assert (int(told[1]), int(told[2])) == (len(every), sum(held.startswith("open: ") for held in every))


def test_every_page_is_known() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == set(SECTIONS)
