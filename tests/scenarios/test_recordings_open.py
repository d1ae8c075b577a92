"""Media without credentials, where the configuration says so."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from tests.support.recorded import channels, status, tones_in
from tests.support.stage import TONE, PhoneMaker, call_in

from hubbub.testing import Application, HubbubServer

pytestmark = pytest.mark.scenario


@pytest.fixture
def hubbub_config() -> dict[str, Any]:
    return {"http": {"open_media": True}}


async def test_open_media_is_heard_without_credentials_and_nothing_else_is(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """5.7: "Media may be open or need Basic auth (account option): default auth required, option to open"."""
    application.on("/voice", '<Response><Record playBeep="false" action="/done" recordingStatusCallback="/recording"/></Response>')
    application.on("/done", "<Response/>")
    application.on("/recording", None)
    calls = await call_in(hubbub_server, phone, "alice")
    await asyncio.sleep(1.5)
    await calls["alice"].hangup()
    url = (await application.wait_for("/recording", status("completed"))).params["RecordingUrl"]
    async with aiohttp.ClientSession() as session:
        for form in ("", ".wav", ".mp3"):
            async with session.get(url + form) as reply:
                assert (reply.status, reply.content_type) == (200, "audio/mpeg" if form == ".mp3" else "audio/x-wav")
                (samples,) = channels(await reply.read())
                assert tones_in(samples) == {TONE["alice"]}
        async with session.get(url + ".json") as reply:
            assert reply.status == 401
