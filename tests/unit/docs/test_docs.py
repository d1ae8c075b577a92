"""The generated documentation: it is what the tables say, and what was written by hand survives."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.vectors import DIALECTS

from hubbub.dialects.coverage import coverages
from hubbub.dialects.registry import FACES
from hubbub.docs.markdown import table
from hubbub.docs.pages import pages, stale, write, written
from hubbub.docs.tables import state
from hubbub.settings import Settings

DOCS = Path(__file__).parents[3] / "docs"


def test_the_committed_pages_are_what_is_generated() -> None:
    """Law 1: "never silently lost". Renew them with `python -m hubbub.docs`."""
    assert stale(DOCS) == []


def test_every_dialect_has_a_page() -> None:
    assert {coverage.name for coverage in coverages()} == set(DIALECTS)
    of_dialects = {f"{folder}{name}.md" for name in DIALECTS for folder in ("", "coverage/")}
    assert set(pages()) == {"beyond.md", "configuration.md", *of_dialects}
    index = (DOCS / "coverage.md").read_text()
    assert all(f"(coverage/{name}.md)" in index for name in DIALECTS)


def test_every_row_of_every_table_stands_in_its_page() -> None:
    for coverage in coverages():
        page = (DOCS / f"{coverage.name}.md").read_text()
        inner = [element for elements in coverage.nested.values() for element in elements]
        names = {row.name for element in (*coverage.elements.values(), *inner) for row in element.attributes}
        names |= {param.name for operation in coverage.operations for param in operation.params}
        names |= {out.name for rows in coverage.webhooks.values() for out in rows} | {row.code for row in coverage.errors.values()}
        assert {name for name in names if f"`{name}`" not in page} == set()
        assert all(coverage.spelling.format(name=name) in page for name in coverage.elements)


def test_the_overview_counts_every_row_and_gives_every_reason() -> None:
    """Rule: "coverage.md, generated from the tables, … each row as works / accepted without effect (why)"."""
    for coverage in coverages():
        page = (DOCS / "coverage" / f"{coverage.name}.md").read_text()
        inner = [element for name in coverage.elements for element in coverage.nested.get(name, ())]
        rows = [row for element in (*coverage.elements.values(), *inner) for row in element.attributes]
        (line,) = [line for line in page.splitlines() if line.startswith("| attributes |")]
        assert sum(int(cell) for cell in line.split("|")[2:6]) == len(rows)
        assert all(row.why for row in rows if row.to is None), "what has no effect says why"
        assert {row.name for row in rows if row.to is None and f"`{row.name} of " not in page} == set()


def test_every_key_of_the_configuration_is_explained() -> None:
    page = (DOCS / "configuration.md").read_text()
    for section, declared in Settings.model_fields.items():
        for key, field in getattr(declared.annotation, "model_fields", {}).items():
            assert field.description, f"{section}.{key}"
            assert f"HUBBUB_{section}__{key}".upper() in page
    assert all(f"`{key}`" in page for keys in FACES.values() for key in keys)
    for line in page.splitlines():
        if line.startswith("| `"):
            assert line.split("|")[-2].strip() or "Face" in page, line


def test_hand_written_text_survives(tmp_path: Path) -> None:
    first = written("", "Title", {"a": "one", "b": "two"})
    assert first.startswith("# Title\n")
    by_hand = first.replace("# Title\n", "# Title\n\nWords of a person.\n") + "\nMore words.\n"
    again = written(by_hand, "Title", {"a": "ONE \\1", "b": "two"})
    assert "Words of a person." in again
    assert "More words." in again
    assert "ONE \\1" in again
    assert "\none\n" not in again
    assert written(again, "Title", {"a": "ONE \\1", "b": "two"}) == again
    assert "two" not in written(again, "Title", {"a": "ONE"})


def test_writing_is_idempotent(tmp_path: Path) -> None:
    assert sorted(write(tmp_path)) == sorted(pages())
    assert write(tmp_path) == []
    (tmp_path / "swml.md").write_text((tmp_path / "swml.md").read_text().replace("works", "dreams"))
    assert stale(tmp_path) == ["swml.md"]


def test_links_between_pages_lead_somewhere() -> None:
    link = re.compile(r"\]\((?![a-z]+:)([^)#\s]+)(#[^)]*)?\)")
    for page in (DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))):
        lost = {found[1] for found in link.finditer(page.read_text()) if not (page.parent / found[1]).exists()}
        assert lost == set(), page


@pytest.mark.timeout(600)
def test_the_command(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "hubbub.docs", str(tmp_path)]
    assert subprocess.run([*run, "--check"], capture_output=True, check=False).returncode == 1
    assert subprocess.run(run, capture_output=True, check=False).returncode == 0
    done = subprocess.run([*run, "--check"], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("to", "why", "words"),
    [
        ("x", "", "works"),
        ("x", "rounded", "works: rounded"),
        (None, "of no use", "accepted without effect: of no use"),
        (None, "not built yet: soon", "not built yet: soon"),
        ("x", "refused: not here", "refused: not here"),
    ],
)
def test_states(to: str | None, why: str, words: str) -> None:
    assert state(to, why) == words


def test_cells_cannot_break_a_table() -> None:
    assert table(("a",), [("x|y\nz",)]) == "| a |\n| --- |\n| x\\|y z |"
