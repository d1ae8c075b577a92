"""The pages that promise something name the test that holds it, and that test exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = ("security", "reliability")


@pytest.mark.parametrize("page", PAGES)
def test_every_promise_is_held_by_a_test_that_exists(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| Promise")]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row)
        assert named, row
        for file, test in named:
            content = (ROOT / file).read_text()
            assert not test or re.search(rf"^(?:async )?def {test}\(", content, re.M), f"{file}::{test}"
    assert "## Not promised" in text


def test_the_unit_and_the_container_start_what_exists() -> None:
    from typer.main import get_command

    from hubbub.cli import app

    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    unit = (ROOT / "packaging" / "hubbub.service").read_text()
    used = re.findall(r"^Exec\w+=/opt/hubbub/bin/hubbub (\w+)", unit, re.M)
    assert used == ["warm", "serve"]
    container = (ROOT / "packaging" / "Containerfile").read_text()
    used += re.findall(r'^CMD \["(\w+)"', container, re.M)
    assert set(used) <= commands
    for source in re.findall(r"^COPY (?!--)(.*) \S+$", container, re.M):
        assert all((ROOT / name).exists() for name in source.split()), source
