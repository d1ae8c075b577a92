"""Shared fixtures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hubbub.testing import HubbubServer
    from tests.support.rest import Rest


@pytest.fixture
async def rest(hubbub_server: HubbubServer) -> AsyncIterator[Rest]:
    """REST of the running server."""
    from tests.support.rest import Rest

    async with Rest(hubbub_server) as client:
        yield client
