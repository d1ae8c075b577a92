"""The server as a test has it: started, killed, started again, never left behind."""

import os
import signal
from pathlib import Path

import pytest
from tests.support.watch import gauge

from hubbub.configuration import load_settings
from hubbub.media.music import hold_music
from hubbub.server import Server
from hubbub.testing import Application, HubbubServer, Phone, assert_hears

pytestmark = pytest.mark.scenario
ROOM = '<Response><Dial><Conference beep="false" startConferenceOnEnter="true">r</Conference></Dial></Response>'


async def test_life_and_death(application: Application, tmp_path: Path) -> None:
    application.on("/voice", ROOM)
    async with HubbubServer(application.url("/voice"), folder=tmp_path) as server:
        addresses = (server.http, server.sip)
        assert len(server.media_pids()) == 2, "a worker and its standby"
        assert await server.stop() == 0
        assert server.orphans == []
        await server.start()
        assert (server.http, server.sip) == addresses
        await server.kill()
        assert server.orphans == [], "media processes die with the server"
        await server.start()
        async with Phone("alice") as alice, Phone("bob") as bob:
            one = await (await alice.call(server.uri("1"))).wait_answered()
            two = await (await bob.call(server.uri("1"))).wait_answered()
            one.tone(574)
            await assert_hears(two, {574})


async def test_the_gap_of_a_takeover_is_measured(application: Application, tmp_path: Path) -> None:
    application.on("/voice", ROOM)
    async with HubbubServer(application.url("/voice"), folder=tmp_path) as server, Phone("alice") as alice, Phone("bob") as bob:
        one = await (await alice.call(server.uri("1"))).wait_answered()
        two = await (await bob.call(server.uri("1"))).wait_answered()
        one.tone(574)
        await assert_hears(two, {574})
        await gauge(server, "hubbub_media_standby", 1.0, timeout=30.0)  # it is loaded after the server is ready
        mark = two.mark()
        os.kill(server.media_pids()[0], signal.SIGKILL)
        await two.heard(0.5)
        assert (await two.since(mark)).longest_gap < 500
        await assert_hears(two, {574})


async def test_a_wrong_configuration_is_told(tmp_path: Path) -> None:
    server = HubbubServer(folder=tmp_path, config={"sip": {"colour": "blue"}})
    with pytest.raises(AssertionError, match=r"hubbub ended with status [1-9](.|\n)*sip\.colour"):
        await server.start()


async def test_hold_music_is_made_before_somebody_waits_for_it(tmp_path: Path) -> None:
    """Making it takes a second of the processor, in which no call could be answered."""
    hold_music.cache_clear()
    file = tmp_path / "hubbub.toml"
    here = 'listen = "127.0.0.1:0"'
    storage = f'database = "sqlite:///{tmp_path}/hubbub.db"\nrecordings = "{tmp_path}/recordings"'
    file.write_text(f"[http]\n{here}\n[sip]\n{here}\n[storage]\n{storage}\n")
    server = Server(load_settings(file))
    await server.start()
    try:
        assert hold_music.cache_info().currsize == 1
    finally:
        await server.stop()
