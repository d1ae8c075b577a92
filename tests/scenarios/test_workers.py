"""A server with two media processes: calls land on both, and meet in one room."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.stage import PhoneMaker, assert_matrix, call_in, room

from hubbub.testing import Application, HubbubServer

pytestmark = pytest.mark.scenario


@pytest.fixture
def hubbub_config() -> dict[str, Any]:
    return {"media": {"workers": 2}}


async def test_callers_of_two_media_processes_meet(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Four callers, born at either worker, one room: each hears exactly the others."""
    application.on("/voice", room('beep="false"'))
    calls = await call_in(hubbub_server, phone, "alice", "bob", "carol", "dave")
    await assert_matrix(calls, {"alice": "bcd", "bob": "acd", "carol": "abd", "dave": "abc"})
    for _ in range(100):
        if len(hubbub_server.media_pids()) == 3:
            break
        await asyncio.sleep(0.1)
    assert len(hubbub_server.media_pids()) == 3, "two that work, one that stands by"
