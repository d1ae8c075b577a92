"""Who speaks, as a feed and when asked; automatic level and thresholds of a call. Everything is measured on RTP."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import numpy as np
import pytest
from tests.support.stage import PhoneMaker, call_in, room, sid_of

from hubbub.testing import TONES, Application, HubbubServer

pytestmark = pytest.mark.scenario


async def test_who_speaks_is_told_and_levels_can_be_evened_out(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """Speakers by loudness, a feed that tells when one ends, a soft talker brought to -20 dBFS, thresholds that a hum does not pass."""
    application.on("/voice", room('beep="false"'))
    calls = await call_in(hubbub_server, phone, "alice", "bob", "carol")
    calls["alice"].tone(TONES[0], -14)
    calls["bob"].tone(TONES[1], -30)
    calls["carol"].silence()
    ids = {name: sid_of(application, name) for name in calls}
    url = hubbub_server.http_url("/hubbub/speakers")
    async with aiohttp.ClientSession() as http:

        async def speakers() -> list[dict[str, object]]:
            rooms = (await (await http.get(url)).json())["rooms"]
            assert len(rooms) == 1
            assert rooms[0]["name"] == "standup"
            return list(rooms[0]["speakers"])

        async def until(speaking: set[str]) -> list[dict[str, object]]:
            for _ in range(200):
                found = await speakers()
                if {str(each["call"])[-32:] for each in found if each["speaking"]} == {ids[name][-32:] for name in speaking}:
                    return found
                await asyncio.sleep(0.05)
            raise AssertionError(found)

        found = await until({"alice", "bob"})
        order = [ids[name][-32:] for name in ("alice", "bob", "carol")]
        for _ in range(200):  # at first they spoke as loud as each other
            if [str(each["call"])[-32:] for each in found] == order and float(str(found[0]["level_db"])) < -10:
                break
            await asyncio.sleep(0.05)
            found = await speakers()
        assert [str(each["call"])[-32:] for each in found] == order
        assert -20 < float(str(found[0]["level_db"])) < -10
        async with http.get(url, headers={"Accept": "text/event-stream"}) as feed:
            first = await _event(feed)
            assert {speaker["call"][-32:] for speaker in first["speakers"]} == {ids["alice"][-32:], ids["bob"][-32:]}
            calls["alice"].silence()
            while ids["alice"][-32:] in {speaker["call"][-32:] for speaker in (await _event(feed))["speakers"]}:
                pass
        answer = await http.put(hubbub_server.http_url(f"/hubbub/calls/{ids['bob']}/audio"), json={"automatic_level": True})
        assert answer.status == 204
        for _ in range(100):
            heard = await calls["carol"].heard(0.4)
            if abs(heard.level_at(TONES[1]) + 17) < 1.5:
                break
        assert abs(heard.level_at(TONES[1]) + 17) < 1.5, "from -30 dB"
        assert max(np.abs(heard.pcm)) < 8000
        answer = await http.put(
            hubbub_server.http_url(f"/hubbub/calls/{ids['bob']}/audio"),
            json={"speech": {"start_db": -10, "stop_db": -12, "hangover_ms": 100}},
        )
        assert answer.status == 204
        await until(set())
        for wrong in ({"volume": 3}, {"speech": {"start_db": "loud"}}, {"automatic_level": 5}, {"speech": {"onset_ms": 10**9}}, [1]):
            answer = await http.put(hubbub_server.http_url(f"/hubbub/calls/{ids['bob']}/audio"), json=wrong)
            assert answer.status == 400, wrong
        assert (await http.put(hubbub_server.http_url("/hubbub/calls/CA00/audio"), json={})).status == 404


async def _event(feed: aiohttp.ClientResponse) -> dict[str, list[dict[str, str]]]:
    """The data of the next event."""
    async for line in feed.content:
        if line.startswith(b"data: "):
            found: dict[str, list[dict[str, str]]] = json.loads(line[6:])
            return found
    raise AssertionError("the feed ended")
