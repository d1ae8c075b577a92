"""One server for all tests of a module of SWML scenarios."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.support.stage import PhoneMaker
from tests.support.swml import numbers

from hubbub.testing import Application, HubbubServer
from hubbub.testing.fixtures import phones


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[tuple[Application, HubbubServer]]:
    """One server for all tests of a module: each has its own phones and scripts."""
    async with Application() as app:
        config = {"numbers": numbers(app), "dial": {"allow_sip": ["127.0.0.1"]}}
        async with HubbubServer(app.url("/voice"), config=config) as server:
            yield app, server


@pytest_asyncio.fixture(loop_scope="module")
async def application(running: tuple[Application, HubbubServer]) -> Application:
    """The application, with nothing remembered."""
    running[0].forget()
    for path in ("/status", "/told", "/state"):
        running[0].on(path, None)
    return running[0]


@pytest.fixture
def hubbub_server(running: tuple[Application, HubbubServer]) -> HubbubServer:
    return running[1]


@pytest_asyncio.fixture(loop_scope="module")
async def phone() -> AsyncIterator[PhoneMaker]:
    async with phones() as start:
        yield start
