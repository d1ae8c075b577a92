"""Codecs through SIP: what was agreed, and what each phone hears with a codec that is not the server's."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from tests.support.shared import shared
from tests.support.stage import EVENTS, TONE, PhoneMaker, assert_matrix, call_in, room, sid_of

from hubbub.media import libopus
from hubbub.testing import Application, HubbubServer

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
running, application, hubbub_server, phone, rest = shared()
needs_opus = pytest.mark.skipif(libopus.find() is None, reason=f"no libopus ({libopus.HOW_TO_GET_IT})")


async def test_phones_of_three_codecs_meet(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """RFC 3264 6.1: each answer takes the first codec of the offer; G.722, PCMA and PCMU hear each other, and hold keeps the codec."""
    application.on("/voice", room('jitterBufferSize="small"'))
    calls = {}
    for name, codecs in (("alice", ("G722", "PCMU")), ("bob", ("PCMA", "PCMU", "G722")), ("carol", ("PCMU",))):
        caller = await phone(name, codecs=codecs)
        calls[name] = await caller.call(hubbub_server.uri("+15550001000"))
        await calls[name].wait_answered()
        calls[name].tone(TONE[name])
    assert {name: call.codec for name, call in calls.items()} == {"alice": "G722", "bob": "PCMA", "carol": "PCMU"}
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
    await calls["alice"].hold()
    await calls["alice"].resume()
    assert calls["alice"].codec == "G722"
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})


@needs_opus
async def test_opus_meets_the_others(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """RFC 7587: Opus phones with packets of 20 and 60 ms, G.722 and PCMU in one room; keys go and come at the clock that was agreed."""
    application.on("/voice", room('jitterBufferSize="small"'))
    calls = {}
    for name, codecs, ptime in (("alice", ("OPUS", "PCMU"), 20), ("bob", ("G722",), 20), ("carol", ("PCMU",), 20), ("dave", ("OPUS",), 60)):
        caller = await phone(name, codecs=codecs, ptime=ptime)
        calls[name] = await caller.call(hubbub_server.uri("+15550001000"))
        await calls[name].wait_answered()
        calls[name].tone(TONE[name])
    assert {name: call.codec for name, call in calls.items()} == {"alice": "OPUS", "bob": "G722", "carol": "PCMU", "dave": "OPUS"}
    await assert_matrix(calls, {"alice": "bcd", "bob": "acd", "carol": "abd", "dave": "abc"})
    await calls["alice"].hold()
    await calls["alice"].resume()
    await assert_matrix(calls, {"alice": "bcd", "bob": "acd", "carol": "abd", "dave": "abc"})


@needs_opus
async def test_a_call_changes_its_codec(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """RFC 3264 8.3.2: a re-INVITE may name other codecs. The call is heard before and after, each way: PCMU, Opus, G.722, PCMU."""
    application.on("/voice", room('jitterBufferSize="small"'))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    for codec in ("PCMU", "OPUS", "G722", "PCMU"):
        await calls["alice"].change_codecs((codec,))
        assert calls["alice"].codec == codec
        await assert_matrix(calls, {"alice": "b", "bob": "a"})


async def test_quality_of_a_call_is_known_while_it_lives_and_after(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """Reports (RTCP) come and go on the RTP port; REST, the conference's summaries and the metrics show what they say."""
    application.on("/voice", room('jitterBufferSize="small"'))
    calls = await call_in(hubbub_server, phone, "alice")
    sid = sid_of(application, "alice")
    async with aiohttp.ClientSession() as session:

        async def fetch(path: str) -> Any:
            async with session.get(hubbub_server.http_url(path)) as reply:
                assert reply.status == 200
                return await reply.json()

        deadline = asyncio.get_running_loop().time() + 15
        while not (await fetch(f"/hubbub/calls/{sid}/quality"))["reports"]:
            assert asyncio.get_running_loop().time() < deadline, "no report came"
            await asyncio.sleep(0.2)
        live = await fetch("/hubbub/quality")
        (one,) = live["calls"]
        assert one["live"]
        assert one["packets_in"] > 50
        assert one["packets_out"] > 50
        assert one["loss_in"] < 5
        assert 0 <= one["round_trip"] < 500
        assert one["mos_in"] > 3
        async with session.get(hubbub_server.http_url("/metrics")) as reply:
            metrics = await reply.text()
        assert "hubbub_media_quality_legs_reporting 1.0" in metrics
        face = hubbub_server.faces["twilio"]
        credentials = {"Authorization": aiohttp.encode_basic_auth(face["sid"], face["token"])}
        event = await application.wait_for("/events", lambda request: "ConferenceSid" in request.params)
        address = hubbub_server.http_url(f"/v1/Conferences/{event.params['ConferenceSid']}/Participants")
        async with session.get(address, headers=credentials) as reply:
            (participant,) = (await reply.json())["participants"]
        assert participant["jitter_buffer_size"] == "small"
        assert participant["metrics"]["inbound"]["total_packets_received"] > 50
        assert participant["metrics"]["outbound"]["packet_loss_percentage"] < 5
        await calls["alice"].hangup()
        while (after := await fetch(f"/hubbub/calls/{sid}/quality"))["live"]:
            await asyncio.sleep(0.05)
        assert after["packets_in"] >= one["packets_in"]
        async with session.get(hubbub_server.http_url("/hubbub/calls/CA00000000000000000000000000000099/quality")) as reply:
            assert reply.status == 404


async def test_the_buffer_is_the_room_s_in_the_room_and_adapts_elsewhere(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """A call's buffer adapts before it joins and after it has left; in between it is as deep as the document says."""
    after = '<Response><Pause length="60"/></Response>'
    conference = f'<Dial action="/after" hangupOnStar="true"><Conference jitterBufferSize="large" {EVENTS}>standup</Conference></Dial>'
    application.on("/voice", '<Response><Gather numDigits="1" action="/room" timeout="60"/></Response>')
    application.on("/room", f"<Response>{conference}</Response>")
    application.on("/after", after)
    calls = await call_in(hubbub_server, phone, "alice")
    sid = sid_of(application, "alice")
    async with aiohttp.ClientSession() as session:

        async def becomes(adaptive: bool) -> int:
            deadline = asyncio.get_running_loop().time() + 10
            while True:
                async with session.get(hubbub_server.http_url(f"/hubbub/calls/{sid}/quality")) as reply:
                    buffer = (await reply.json())["buffer"]
                if buffer["adaptive"] is adaptive:
                    return int(buffer["depth_ms"])
                assert asyncio.get_running_loop().time() < deadline, buffer
                await asyncio.sleep(0.05)

        await becomes(True)
        await calls["alice"].press("1")
        assert await becomes(False) == 60
        await calls["alice"].press("*")
        await application.wait_for("/after")
        await becomes(True)
    await calls["alice"].hangup()


@needs_opus
@pytest.mark.parametrize("codecs", [("OPUS",), ("OPUS", "PCMU")])
async def test_keys_on_a_call_of_opus(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, codecs: tuple[str, ...]
) -> None:
    """RFC 4733 2.1: events have the clock of a format that was agreed, 48 kHz beside Opus; each key counts once, both ways."""
    application.on("/voice", '<Response><Gather numDigits="6" action="/got" timeout="20"/></Response>')
    application.on("/got", '<Response><Play digits="9w0*D"/><Pause length="30"/></Response>')
    call = await (await phone("alice", codecs=codecs)).call(hubbub_server.uri("+15550001000"))
    await call.wait_answered()
    assert call.codec == "OPUS"
    call.tone(TONE["alice"])
    await call.press("1147", tone_ms=60, gap_ms=60)
    await call.press("0A", tone_ms=400)
    assert (await application.wait_for("/got", timeout=15)).params["Digits"] == "11470A"
    await call.wait_digits("90*D", timeout=10)
    await call.hangup()
