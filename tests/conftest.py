"""Shared fixtures, and the order of the files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hubbub.testing import HubbubServer
    from tests.support.rest import Rest

TESTS = Path(__file__).parent
LONGEST = (
    "scenarios/test_attack_server.py",
    "scenarios/test_transcripts.py",
    "scenarios/test_calling_rest.py",
    "scenarios/swml/test_swml_methods.py",
    "scenarios/test_connect.py",
    "unit/media/test_jitter.py",
    "scenarios/test_attack_calls.py",
    "scenarios/test_bxml_rooms.py",
    "scenarios/test_demo.py",
    "scenarios/test_durability.py",
    "scenarios/test_twiml_rules.py",
    "scenarios/test_trust_server.py",
    "scenarios/test_conference.py",
    "scenarios/test_server_kills.py",
    "scenarios/test_machines.py",
)
"""Files that take longest, begun first: whoever of the workers gets one last would keep the others waiting for its end."""
ORDER = ("scenarios", "interop", "fuzz", "unit")
"""Then the files that wait for sound, then those that only compute and are short: all workers end at nearly the same time."""


def rank(file: Path) -> tuple[int, int, str]:
    """Where a file stands among all: by LONGEST, by ORDER, by its name."""
    name = file.relative_to(TESTS).as_posix()
    return place(LONGEST, name), place(ORDER, name.partition("/")[0]), name


def place(names: tuple[str, ...], name: str) -> int:
    """Its index; behind all when it is not among them."""
    return names.index(name) if name in names else len(names)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files by rank; what is in a file keeps its order, and its server (`--dist loadfile` gives a worker whole files)."""
    items.sort(key=lambda item: rank(item.path))


@pytest.fixture
async def rest(hubbub_server: HubbubServer) -> AsyncIterator[Rest]:
    """REST of the running server."""
    from tests.support.rest import Rest

    async with Rest(hubbub_server) as client:
        yield client
