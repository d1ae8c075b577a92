"""SWML's streams and taps, heard at their far side: a leg's, as messages and as packets, and a room's."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from tests.support.far_side import DECODE, FarSide, listening
from tests.support.stage import TONE, PhoneMaker, assert_matrix, level_at, tone_wav
from tests.support.swml import dial, script, stands, told

from hubbub.media.g711 import decode_table
from hubbub.testing import Application, HubbubServer, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
SOUND = 2951.0
ALAW = decode_table()[1]
AMONG = (SOUND, *TONE.values())


@pytest_asyncio.fixture(loop_scope="module")
async def far_side() -> AsyncIterator[FarSide]:
    async with listening() as side:
        yield side


def tones_in(samples: np.ndarray[Any, Any]) -> set[float]:
    return {tone for tone in AMONG if level_at(samples, tone) > -35}


async def test_a_stream_of_both_tracks(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, far_side: FarSide) -> None:
    """stream: codec, track, name, token, parameters, status_url; stop_stream without a name ends the last one begun."""
    stream = {
        "url": far_side.url,
        "name": "ears",
        "track": "both_tracks",
        "codec": "L16@16000h",
        "authorization_bearer_token": "secret",
        "custom_parameters": {"team": "blue"},
        "status_url": "/status",
    }
    then = ({"play": "/sound.wav"}, {"stop_stream": {}}, told(result="${stream_result}", control="${stream_control_id}"), {"sleep": 9000})
    application.on("/swml", script({"answer": {}}, {"stream": stream}, *then))
    application.on("/sound.wav", tone_wav(SOUND, 3.0))
    call = await dial(hubbub_server, phone)
    start = (await far_side.wait("start"))["start"]
    assert far_side.messages[0] == {"event": "connected", "protocol": "Call", "version": "0.2.0"}
    assert start["mediaFormat"] == {"encoding": "audio/x-l16", "sampleRate": 16000, "channels": 1}
    assert start["customParameters"] == {"team": "blue"}
    assert start["callSid"] == application.requests("/swml")[0].json["call"]["call_id"]
    assert far_side.headers["Authorization"] == "Bearer secret"
    assert (await application.wait_for("/told")).json == {"result": "success", "control": "ears"}
    await far_side.wait("stop")
    for track, tone in (("inbound", TONE["alice"]), ("outbound", SOUND)):
        frames = [m["media"]["payload"] for m in far_side.messages if m["event"] == "media" and m["media"]["track"] == track]
        pcm = np.concatenate([np.frombuffer(base64.b64decode(frame), "<i2") for frame in frames[25:75]])
        assert len(base64.b64decode(frames[0])) == 640  # 20 ms at 16 kHz
        assert tones_in(pcm[::2]) == {tone}
    await application.wait_for("/status", stands("finished"))
    states = [(r.json["event_type"], r.json["params"]["state"], r.json["params"]["control_id"]) for r in application.requests("/status")]
    assert states == [("calling.call.stream", "streaming", "ears"), ("calling.call.stream", "finished", "ears")]
    await call.hangup()


async def test_a_tap_sends_packets(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """tap to `rtp://`: PCMU of what the caller says, packets of 40 ms that follow one another; `tap_…`; stop_tap."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.setblocking(False)
        target = f"rtp://127.0.0.1:{ear.getsockname()[1]}"
        tap = {"uri": target, "control_id": "t1", "rtp_ptime": 40, "status_url": "/status"}
        variables = told(result="${tap_result}", control="${tap_control_id}", port="${tap_rtp_src_port}", codec="${tap_codec}")
        application.on("/swml", script({"answer": {}}, {"tap": tap}, variables, {"sleep": 2500}, {"stop_tap": {}}, {"sleep": 9000}))
        call = await dial(hubbub_server, phone)
        variables_told = (await application.wait_for("/told")).json
        await application.wait_for("/status", stands("finished"))
        packets = []
        sources = set()
        while True:
            try:
                packet, source = ear.recvfrom(2048)
            except BlockingIOError:
                break
            packets.append(packet)
            sources.add(source[1])
    assert variables_told["result"] == "success"
    assert (variables_told["control"], variables_told["codec"]) == ("t1", "PCMU")
    assert sources == {variables_told["port"]}
    sequence = [int.from_bytes(packet[2:4], "big") for packet in packets]
    times = [int.from_bytes(packet[4:8], "big") for packet in packets]
    assert len(packets) > 40
    assert {len(packet) for packet in packets} == {12 + 320}
    assert [(b - a) & 0xFFFF for a, b in itertools.pairwise(sequence)] == [1] * (len(packets) - 1)
    assert {b - a for a, b in itertools.pairwise(times)} == {320}
    assert [packet[1] for packet in packets[:2]] == [0x80, 0]
    pcm = np.concatenate([DECODE[np.frombuffer(packet[12:], np.uint8)] for packet in packets[20:40]])
    assert tones_in(pcm) == {TONE["alice"]}
    first = application.requests("/status")[0].json
    assert first["event_type"] == "calling.call.tap"
    assert first["params"]["tap"] == {"type": "audio", "params": {"direction": "speak"}}
    assert first["params"]["device"]["type"] == "rtp"
    await call.hangup()


async def test_a_tap_to_a_forbidden_network_fails(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Nothing is sent where configuration does not allow it: `tap_result` failed, the script goes on."""
    application.on("/swml", script({"answer": {}}, {"tap": {"uri": "rtp://10.1.2.3:4000"}}, told(result="${tap_result}"), {"sleep": 900}))
    await dial(hubbub_server, phone)
    assert (await application.wait_for("/told")).json == {"result": "failed"}


async def test_the_stream_of_a_room(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, far_side: FarSide) -> None:
    """`stream` of join_conference: the far side hears all, all hear the far side; one stream for the room; it ends with it."""
    join = {"name": "streamed", "beep": "false", "stream": {"url": far_side.url, "name": "room", "status_url": "/status"}}
    application.on("/swml", script({"join_conference": join}))
    calls = {name: await dial(hubbub_server, phone, name) for name in ("alice", "bob")}
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await far_side.wait("start")
    await asyncio.sleep(1.0)
    assert tones_in(far_side.heard("inbound", last=30)) == {TONE["alice"], TONE["bob"]}
    await far_side.say(SOUND, 4.0)
    await asyncio.gather(
        assert_hears(calls["alice"], {SOUND, TONE["bob"]}, among=AMONG), assert_hears(calls["bob"], {SOUND, TONE["alice"]}, among=AMONG)
    )
    for call in calls.values():
        await call.hangup()
    await far_side.wait("stop")
    await application.wait_for("/status", stands("finished"))
    assert [r.json["params"]["state"] for r in application.requests("/status")] == ["streaming", "finished"]
    assert json.dumps(far_side.messages).count('"connected"') == 1


async def test_a_tap_over_a_socket(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, far_side: FarSide) -> None:
    """tap to `ws://`: what the caller hears, in A-law; told as a tap; stop_tap by its name."""
    tap = {"uri": far_side.url, "control_id": "ear", "direction": "listen", "codec": "PCMA", "status_url": "/status"}
    stop = {"stop_tap": {"control_id": "ear"}}
    application.on(
        "/swml", script({"answer": {}}, {"tap": tap}, {"play": "/sound.wav"}, stop, told(result="${tap_result}"), {"sleep": 9000})
    )
    application.on("/sound.wav", tone_wav(SOUND, 3.0))
    call = await dial(hubbub_server, phone)
    assert (await application.wait_for("/told")).json == {"result": "success"}
    assert (await far_side.wait("start"))["start"]["mediaFormat"]["encoding"] == "audio/x-alaw"
    await far_side.wait("stop")
    frames = [m["media"]["payload"] for m in far_side.messages if m["event"] == "media"][40:90]
    pcm = np.concatenate([ALAW[np.frombuffer(base64.b64decode(frame), np.uint8)] for frame in frames])
    assert tones_in(pcm) == {SOUND}
    done = (await application.wait_for("/status", stands("finished"))).json
    assert (done["event_type"], done["params"]["device"]["type"]) == ("calling.call.tap", "ws")
    assert done["params"]["tap"] == {"type": "audio", "params": {"direction": "listen"}}
    await call.hangup()
