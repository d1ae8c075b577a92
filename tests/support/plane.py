"""A media plane for tests of the engine, and waiting for what comes to pass in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest_asyncio

from hubbub.media.client import Media
from hubbub.settings import MediaSettings


@asynccontextmanager
async def plane(rtp_ports: str, *, legs: int = 16, workers: int = 1) -> AsyncIterator[Media]:
    """A media plane that runs, and ends with the block."""
    media = Media(MediaSettings(rtp_ports=rtp_ports, legs=legs, workers=workers))
    await media.start()
    try:
        yield media
    finally:
        await media.stop()


def shared_plane(rtp_ports: str, *, legs: int = 16, workers: int = 1) -> Any:
    """The fixture `media` of a module whose tests share one: `pytest.mark.asyncio(loop_scope="module")`."""

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def media() -> AsyncIterator[Media]:
        async with plane(rtp_ports, legs=legs, workers=workers) as running:
            yield running

    return media


async def until(fact: Callable[[], object], seconds: float = 10.0) -> bool:
    """Whether it comes to pass in time."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end and not fact():
        await asyncio.sleep(0.02)
    return bool(fact())
