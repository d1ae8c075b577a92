"""Codecs through SIP: what was agreed, and what each phone hears with a codec that is not the server's."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from tests.support.stage import TONE, PhoneMaker, assert_matrix, call_in, room, sid_of

from hubbub.media import libopus
from hubbub.testing import Application, HubbubServer

pytestmark = pytest.mark.scenario
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
