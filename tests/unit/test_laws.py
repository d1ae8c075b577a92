"""The laws of the house that a program can check."""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "hubbub"
TESTS = Path(__file__).parent
VENDOR = re.compile(r"\b(twiml|twilio|bxml|bandwidth|swml|cxml|signalwire)\b", re.IGNORECASE)
LONGEST = 520


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def test_no_vendor_word_outside_dialects() -> None:
    """Law 1: "No vendor word outside `dialects/`"."""
    found = [
        f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
        for path in modules()
        if SOURCE / "dialects" not in path.parents
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if VENDOR.search(line)
    ]
    assert found == []


def test_no_branch_on_a_dialect() -> None:
    """Law 1: "no `if dialect ==` anywhere"."""
    branch = re.compile(r"dialect(\.name)?\s*(==|!=|in)\s*[\"'(\[]")
    assert [str(path) for path in modules() if branch.search(path.read_text())] == []


def test_modules_fit_on_a_few_screens() -> None:
    """ "modules that fit on a few screens (about 500 lines at most)"."""
    assert [f"{path.relative_to(SOURCE)}" for path in modules() if len(path.read_text().splitlines()) > LONGEST] == []


def test_nothing_speaks_of_anything_but_hubbub() -> None:
    """No path of a development machine, no registry host."""
    machine = re.compile(r"/work/|/root/|pypi\.org|npmjs|deb\.debian")
    assert [str(path) for path in modules() if machine.search(path.read_text())] == []


def test_unit_tests_never_sleep() -> None:
    """Law 2: "Time is an argument … unit tests need no sleep". Turns of the loop (`sleep(0)`) and what is cancelled are no waiting."""
    sleeping = re.compile(r"await asyncio\.sleep\((?!0\))|time\.sleep\(|asyncio\.wait\([^\n]*timeout=")
    found = [
        f"{path.relative_to(TESTS)}:{number}: {line.strip()}"
        for path in sorted(TESTS.rglob("*.py"))
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if sleeping.search(line)
    ]
    assert found == []
