"""Endpoints that are stopped when the test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.sip_peers import Start

from hubbub.sip.sippy_endpoint import SippyEndpoint


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    opened: list[SippyEndpoint] = []

    async def begin(**options: Any) -> SippyEndpoint:
        endpoint = SippyEndpoint(options.pop("listen", ("127.0.0.1", 0)), **options)
        await endpoint.start()
        opened.append(endpoint)
        return endpoint

    yield begin
    for endpoint in opened:
        await endpoint.stop()
