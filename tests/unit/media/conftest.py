"""These tests call compiled functions from Python."""

from __future__ import annotations

import pytest

from hubbub.media.compiled import let_python_call

let_python_call()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test after a change of the engine waits for the compiler."""
    for item in items:
        if "unit/media" in str(item.path):
            item.add_marker(pytest.mark.timeout(900))
