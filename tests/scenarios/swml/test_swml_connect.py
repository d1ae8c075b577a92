"""SWML connect and enter_queue with all their parameters, heard."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.support.stage import TONE, PhoneMaker, assert_matrix, tone_wav
from tests.support.swml import by_name, dial, script, stands, told

from hubbub.testing import Application, HubbubServer, PhoneCall, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
SOUND = 2951.0
AMONG = (SOUND, *TONE.values())


async def bridged(alice: PhoneCall, bob: PhoneCall) -> None:
    bob.tone(TONE["bob"])
    await assert_matrix({"alice": alice, "bob": bob}, {"alice": "b", "bob": "a"})


async def test_ringback_confirm_and_states(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """`ringback` is heard instead of ringing; `confirm` is heard by whoever answers, before being connected; `call_state_url`."""
    bob = await phone("bob", auto_answer=False)
    connect = {
        "to": bob.uri,
        "timeout": 20,
        "ringback": ["/sound.wav"],
        "confirm": [{"prompt": {"play": "/confirm.wav", "max_digits": 1, "initial_timeout": 20}}],
        "call_state_url": "/status",
        "call_state_events": ["created", "ringing", "answered", "ended"],
        "transfer_after_bridge": "/after",
    }
    application.on("/swml", script({"answer": {}}, {"connect": connect}, {"hangup": {}}))
    application.on("/after", script(told(after="${connect_result}")))
    application.on("/sound.wav", tone_wav(SOUND, 1.0))
    application.on("/confirm.wav", tone_wav(TONE["carol"], 1.5))
    ringing = asyncio.create_task(bob.wait_call(20))
    alice = await dial(hubbub_server, phone)
    called = await ringing
    called.ring()
    await assert_hears(alice, {SOUND}, among=AMONG)
    called.answer()
    await assert_hears(called, {TONE["carol"]}, among=AMONG)  # and not the caller
    await called.press("1")
    await bridged(alice, called)
    await called.hangup()
    assert (await application.wait_for("/told")).json == {"after": "connected"}
    await application.wait_for("/status", stands("ended", "call_state"))
    states = [request.json["params"]["call_state"] for request in application.requests("/status")]
    assert states == ["created", "ringing", "answered", "ended"]
    assert {request.json["event_type"] for request in application.requests("/status")} == {"calling.call.state"}


@pytest.mark.parametrize("as_url", [False, True], ids=["inline", "url"])
async def test_whoever_hangs_up_in_confirm_is_not_connected(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, *, as_url: bool
) -> None:
    """A confirmation that ends the call: connect has failed, and the caller never heard them."""
    bob = await phone("bob")
    steps = [{"play": "silence:0.5"}, {"hangup": {}}]
    application.on("/confirm", script(*steps))
    confirm: Any = "/confirm" if as_url else steps
    application.on("/swml", script({"connect": {"to": bob.uri, "confirm": confirm, "confirm_timeout": 5}}, told(was="${connect_result}")))
    await dial(hubbub_server, phone)
    assert (await application.wait_for("/told")).json == {"was": "failed"}
    assert len(application.requests("/confirm")) == int(as_url)


async def test_each_device_has_patience_and_caller(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """serial: the first does not answer within its own `timeout`, the second sees its own `from`."""
    bob, carol = await phone("bob", auto_answer=False), await phone("carol")
    devices = [{"to": bob.uri, "timeout": 2}, {"to": carol.uri, "from": "+15550009999"}]
    application.on("/swml", script({"connect": {"serial": devices, "timeout": 60}}))
    ringing = asyncio.create_task(carol.wait_call(20))
    alice = await dial(hubbub_server, phone)
    called = await ringing
    assert called.caller == "+15550009999"
    called.tone(TONE["carol"])
    await assert_matrix({"alice": alice, "carol": called}, {"alice": "c", "carol": "a"})
    await called.hangup()


async def test_a_queue_is_entered_left_and_taken_from(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """enter_queue: wait_url is heard, status_url is told, `connect` to `queue:NAME` takes the first; transfer_after_bridge follows."""
    inline = json.dumps({"sections": {"main": [told(was="${enter_queue_result}")]}})
    enter = {"queue_name": "support", "transfer_after_bridge": inline, "wait_url": "/wait.wav", "status_url": "/status"}
    take = {"connect": {"to": "queue:support", "timeout": 20}}
    application.on("/swml", by_name(alice=script({"answer": {}}, {"enter_queue": enter}), bob=script({"answer": {}}, take, {"hangup": {}})))
    application.on("/wait.wav", tone_wav(SOUND, 30.0))
    alice = await dial(hubbub_server, phone, "alice")
    await assert_hears(alice, {SOUND}, among=AMONG)
    assert application.requests("/wait.wav")[0].method == "GET"
    bob = await dial(hubbub_server, phone, "bob")
    await bridged(alice, bob)
    await bob.hangup()
    assert (await application.wait_for("/told")).json == {"was": "connected"}
    await application.wait_for("/status", stands("leave", "status"))
    queued = [request.json for request in application.requests("/status")]
    assert [event["params"]["status"] for event in queued] == ["enqueue", "dequeue", "leave"]
    assert {event["event_type"] for event in queued} == {"calling.call.queue"}
    assert (queued[0]["params"]["name"], queued[0]["params"]["position"], queued[0]["params"]["size"]) == ("support", 1, 1)
    assert queued[1]["params"]["dequeue_ts"] >= queued[0]["params"]["enqueue_ts"]


async def test_a_queue_is_waited_in_no_longer_than_wait_time(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """`wait_time`: nobody came; the script goes on with the next step, not with the transfer."""
    enter = {"queue_name": "nobody", "transfer_after_bridge": "/never", "wait_time": 1, "status_url": "/status"}
    application.on("/swml", script({"enter_queue": enter}, told(was="${enter_queue_result}"), {"sleep": 3000}))
    await dial(hubbub_server, phone)
    assert (await application.wait_for("/told")).json == {"was": "timeout"}
    assert (await application.wait_for("/status", stands("leave", "status"))).json["params"]["result"] == "timeout"
    assert application.requests("/never") == []
