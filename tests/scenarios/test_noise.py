"""Noise suppression heard on phones: asked for by a document, by a script, and by REST of any call; switched off, it is over."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import numpy as np
import pytest
from tests.support.noises import RATE, at_level, white
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker

from hubbub.testing import Application, HubbubServer, PhoneCall

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
DOCUMENT, PLAIN, SCRIPT = "+15550001001", "+15550001002", "+15550001003"
NOISE_DB = -34.0
ROOM = '<Dial><Conference beep="false">hall</Conference></Dial>'
NUMBERS = ((DOCUMENT, "cxml", "/cxml"), (PLAIN, "twiml", "/twiml"), (SCRIPT, "swml", "/swml"))


def config(application: Application) -> dict[str, Any]:
    """Three dialects, one room."""
    return {
        "numbers": [
            {"number": number, "account": "dev", "dialect": dialect, "url": application.url(path)} for number, dialect, path in NUMBERS
        ]
    }


ANSWERS = {"/cxml": f"<Response><Denoise>on</Denoise>{ROOM}</Response>", "/twiml": f"<Response>{ROOM}</Response>", "/told": None}
running, application, hubbub_server, phone, rest = shared(config, answers=ANSWERS)


async def dial(server: HubbubServer, phone: PhoneMaker, name: str, number: str) -> PhoneCall:
    call = await (await phone(name)).call(server.uri(number))
    await call.wait_answered()
    return call


def noisy(seconds: float = 60.0, beeps: bool = False) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Noise, of which a phone of 8 kHz takes half the band, and where it is wished a beep of 0.2 s every 0.7 s that is 20 dB louder."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = at_level(white(len(time), np.random.default_rng(1)), NOISE_DB)
    if beeps:
        wave += np.where(time % 0.7 < 0.2, 32768 * 10 ** (-14 / 20) * np.sin(2 * np.pi * TONE["alice"] * time), 0)
    return np.clip(np.rint(wave), -32768, 32767).astype(np.int16)


async def level_becomes(call: PhoneCall, low: float, high: float) -> None:
    """What the phone hears is within these bounds (dBFS), soon."""
    level = 0.0
    for _ in range(40):
        level = (await call.heard(0.4)).level
        if low < level < high:
            return
    raise AssertionError(f"{level:.1f} dB")


async def test_a_document_switches_it_on(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """`<Denoise>on</Denoise>` before a conference: others hear the beeps as loud as they are, and 10 dB less of the noise between."""
    bob = await dial(hubbub_server, phone, "bob", PLAIN)
    alice = await dial(hubbub_server, phone, "alice", DOCUMENT)
    alice.say(noisy(beeps=True))
    softest, loudest = 0.0, -96.0
    for _ in range(20):
        heard = await bob.heard(1.0)
        frames = heard.pcm[: len(heard.pcm) // 800 * 800].reshape(-1, 800).astype(np.float64)
        levels = 10 * np.log10(2 * np.mean(frames**2, axis=1) / 32768**2 + 1e-12)
        softest, loudest = float(np.percentile(levels, 20)), float(levels.max())
        if softest < NOISE_DB - 10:
            break
    assert softest < NOISE_DB - 10
    assert abs(loudest + 14) < 3
    await alice.hangup()
    await bob.hangup()


async def test_rest_switches_it_for_a_call_of_any_dialect(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """`PUT /hubbub/calls/{call}/audio` with `noise_suppression`: on, off, and what it may not be."""
    alice = await dial(hubbub_server, phone, "alice", PLAIN)
    identity = application.requests("/twiml")[0].params["CallSid"]
    bob = await dial(hubbub_server, phone, "bob", PLAIN)
    alice.say(noisy())
    await level_becomes(bob, NOISE_DB - 3, NOISE_DB + 3)
    async with aiohttp.ClientSession() as http:

        async def put(wish: object) -> int:
            async with http.put(hubbub_server.http_url(f"/hubbub/calls/{identity}/audio"), json=wish) as answer:
                return answer.status

        assert await put({"noise_suppression": True}) == 204
        await level_becomes(bob, -120, NOISE_DB - 12)
        for wrong in ("on", 1, [True]):
            assert await put({"noise_suppression": wrong}) == 400
        assert await put({"noise_suppression": False}) == 204
        await level_becomes(bob, NOISE_DB - 3, NOISE_DB + 3)
    await alice.hangup()
    await bob.hangup()


async def test_a_script_switches_it_and_knows(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """3.5 denoise, stop_denoise: `denoise_result` is on, then off; then the noise is down."""
    told = {"request": {"url": application.url("/told"), "method": "POST", "body": {"denoise": "${denoise_result}"}}}
    joined = {"join_conference": {"name": "hall", "beep": "false"}}
    steps = [{"answer": {}}, {"denoise": {}}, told, {"stop_denoise": {}}, told, "denoise", joined]
    application.on("/swml", json.dumps({"version": "1.0.0", "sections": {"main": steps}}))
    bob = await dial(hubbub_server, phone, "bob", PLAIN)
    alice = await dial(hubbub_server, phone, "alice", SCRIPT)
    alice.say(noisy())
    await application.wait_for("/told", count=2)
    assert [request.json["denoise"] for request in application.requests("/told")] == ["on", "off"]
    await level_becomes(bob, -120, NOISE_DB - 12)
    await alice.hangup()
    await bob.hangup()
