"""pytest fixtures: an application, a hubbub that calls it, and phones. Loaded by pytest as a plugin.

Importing this module is cheap: everything else is imported when a fixture is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hubbub.testing.application import Application
    from hubbub.testing.phone import Phone
    from hubbub.testing.server import HubbubServer

try:  # pytest-asyncio in strict mode takes async fixtures only from its own decorator; anyio and auto mode take plain ones
    from pytest_asyncio import fixture as _async_fixture
except ImportError:  # pragma: no cover
    _async_fixture = pytest.fixture  # type: ignore[assignment]


@pytest.fixture
def hubbub_config() -> dict[str, Any]:
    """What `hubbub_server` is configured with besides its defaults; override it in a module or a conftest."""
    return {}


@_async_fixture
async def application() -> AsyncIterator[Application]:
    """A web application on a free port that answers with the documents that the test gives it."""
    from hubbub.testing.application import Application

    async with Application() as running:
        yield running


@_async_fixture
async def hubbub_server(application: Application, hubbub_config: dict[str, Any], tmp_path: Path) -> AsyncIterator[HubbubServer]:
    """A running hubbub whose every number is answered by `application` at `/voice`."""
    from hubbub.testing.server import HubbubServer

    async with HubbubServer(application.url("/voice"), config=hubbub_config, folder=tmp_path / "hubbub") as running:
        yield running


@contextlib.asynccontextmanager
async def phones() -> AsyncIterator[Callable[..., Awaitable[Phone]]]:
    """A factory of started phones, which are stopped at the end."""
    from hubbub.testing.phone import Phone

    async with contextlib.AsyncExitStack() as started:

        async def start(name: str = "phone", **options: Any) -> Phone:
            return await started.enter_async_context(Phone(name, **options))

        yield start


@_async_fixture
async def phone() -> AsyncIterator[Callable[..., Awaitable[Phone]]]:
    """A factory: `alice = await phone("alice")` starts a phone, which is stopped when the test ends."""
    async with phones() as start:
        yield start
