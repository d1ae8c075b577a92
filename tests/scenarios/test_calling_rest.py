"""Calling REST heard on phones, one server for all: calls made, changed, played to, recorded, parted and ended; notices; the logs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import numpy as np
import pytest
from tests.support.far_side import listening
from tests.support.noises import RATE, at_level, white
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, assert_matrix, level_at, tone_wav

from hubbub.testing import Application, HubbubServer, PhoneCall, Request, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
PROJECT, TOKEN = "00000000-0000-4000-8000-000000000001", "PT0123456789"
HIGH, AMONG = 2951.0, (2951.0, *TONE.values())
NUMBER = "+15550001000"


def config(application: Application) -> dict[str, Any]:
    return {"numbers": [{"number": "*", "account": "dev", "dialect": "swml", "url": application.url("/swml")}]}


running, application, server, phone, rest = shared(config, answers={"/high.wav": tone_wav(HIGH, 20.0)})


def script(*steps: Any) -> dict[str, Any]:
    return {"version": "1.0.0", "sections": {"main": list(steps)}}


HOLD_ON = script({"answer": {}}, {"sleep": 60000})


async def send(server: HubbubServer, method: str, path: str, *, auth: bool = True, **more: Any) -> tuple[int, Any]:
    headers = {"Authorization": aiohttp.encode_basic_auth(PROJECT, TOKEN)} if auth else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, server.http_url(path), **more) as reply,
    ):
        assert reply.headers["x-request-id"]
        return reply.status, await reply.json() if reply.status != 204 else None


async def command(server: HubbubServer, name: str, call: str | None = None, **params: Any) -> dict[str, Any]:
    """A command that is obeyed; what it answers."""
    body = {"command": name, "params": params, **({"id": call} if call else {})}
    status, answer = await send(server, "POST", "/api/calling/calls", json=body)
    assert status == 200, answer
    return dict(answer)


async def refused(server: HubbubServer, name: str, call: str | None = None, **params: Any) -> tuple[int, Any]:
    """A command that is not obeyed: status, and code and attribute of what is wrong."""
    body = {"command": name, "params": params, **({"id": call} if call else {})}
    status, answer = await send(server, "POST", "/api/calling/calls", json=body)
    assert status >= 400, answer
    if status != 422:
        return status, answer["error"]
    (wrong,) = answer["errors"]
    assert (wrong["type"], bool(wrong["message"]), wrong["url"][:8]) == ("validation_error", True, "https://")
    return status, (wrong["code"], wrong["attribute"])


async def dialled(server: HubbubServer, phone: PhoneMaker, name: str, swml: Any = HOLD_ON, **more: Any) -> tuple[str, PhoneCall]:
    """A phone that is called by `dial` and answers: the call's id, and the phone's side of it, which sounds."""
    callee = await phone(name)
    answer = await command(server, "dial", **{"from": NUMBER, "to": callee.uri, "swml": swml, **more})
    call = await callee.wait_call()
    await call.wait_answered()
    call.tone(TONE[name])
    return str(answer["id"]), call


def state(kind: str, wanted: str) -> Any:
    """A notice of `calling.call.KIND` whose state is this."""

    def matches(request: Request) -> bool:
        told = request.json
        return bool(
            told["event_type"] == f"calling.call.{kind}" and told["params"].get("state", told["params"].get("call_state")) == wanted
        )

    return matches


def collected(control: str) -> Any:
    """The notice of what a collection came to."""

    def matches(request: Request) -> bool:
        told = request.json
        return bool(told["event_type"] == "calling.call.collect" and told["params"]["control_id"] == control)

    return matches


async def test_dial_runs_a_script_with_its_variables_and_tells_states(
    application: Application, server: HubbubServer, phone: PhoneMaker
) -> None:
    """4 dial: `url`, `custom_variables` become `envs`, `status_url` gets each of `status_events`; the answer is a CallLeg."""
    application.on("/doc", script({"play": {"url": "/high.wav"}}))
    bob = await phone("bob")
    states = ["created", "ringing", "answered", "ended"]
    asked = {"from": NUMBER, "to": bob.uri, "url": application.url("/doc"), "caller_id": "The Office", "timeout": 20}
    told = {"status_url": application.url("/state"), "status_events": states, "custom_variables": {"team": "blue", "n": "7"}}
    answer = await command(server, "dial", **asked, **told)
    assert {name: answer[name] for name in ("from", "to", "direction", "source", "status", "type", "url")} == {
        "from": NUMBER, "to": bob.uri, "direction": "outbound-api", "source": "realtime_api",
        "status": "queued", "type": "relay_sip_call", "url": application.url("/doc"),
    }  # fmt: skip
    assert {"charge", "charge_details", "created_at", "duration", "duration_ms", "billing_ms", "parent_id"} <= set(answer)
    call = await bob.wait_call()
    assert call.caller == NUMBER
    await assert_hears(call, {HIGH}, among=AMONG)
    fetched = application.requests("/doc")[0].json
    assert (fetched["envs"], fetched["call"]["call_id"]) == ({"team": "blue", "n": "7"}, answer["id"])
    await call.hangup()
    last = (await application.wait_for("/state", state("state", "ended"))).json
    assert [request.json["params"]["call_state"] for request in application.requests("/state")] == states
    assert (last["params"]["end_reason"], last["params"]["device"]["type"], last["project_id"]) == ("hangup", "sip", PROJECT)


async def test_dial_that_is_busy_tells_why(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """4: default of `status_events` is `ended`; `end_reason` busy."""
    bob = await phone("bob", auto_answer=False)
    asked = {"from": NUMBER, "to": bob.uri, "swml": json.dumps(HOLD_ON), "status_url": application.url("/state")}
    answer = await command(server, "dial", **asked)
    (await bob.wait_call()).reject(486)
    told = (await application.wait_for("/state")).json
    assert (told["event_type"], told["params"]["call_state"]) == ("calling.call.state", "ended")
    assert (told["params"]["end_reason"], told["params"]["call_id"]) == ("busy", answer["id"])


async def test_update_gives_another_script_and_ends(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """4 update: `params.id`, `swml` or `url`, `status_url`, `status` completed; over is an error, unknown is 404."""
    identity, call = await dialled(server, phone, "bob")
    await command(server, "update", id=identity, swml=script({"play": {"url": application.url("/high.wav")}}))
    await assert_hears(call, {HIGH}, among=AMONG)
    await command(server, "update", id=identity, status_url=application.url("/state"))
    answer = await command(server, "update", id=identity, status="completed")
    assert answer["id"] == identity
    await call.wait_ended()
    await application.wait_for("/state", state("state", "ended"))
    assert await refused(server, "update", id=identity, status="completed") == (422, ("call_over", None))
    assert await refused(server, "update", id="00000000-0000-4000-8000-00000000ffff") == (404, "Not Found")
    assert await refused(server, "update", status="completed") == (422, ("missing_required_parameter", "id"))


async def test_play_is_paused_resumed_louder_and_stopped(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """4 calling.play and its four: by control_id; every state is told to `status_url`, in order."""
    identity, call = await dialled(server, phone, "bob")
    item = {"type": "audio", "params": {"url": application.url("/high.wav")}}
    told = application.url("/state")
    answer = await command(server, "calling.play", identity, control_id="song", play=[item], volume=-20, status_url=told)
    assert answer["control_id"] == "song"
    await assert_hears(call, {HIGH}, among=AMONG)
    soft = (await call.heard(0.5)).tones()[HIGH]
    await command(server, "calling.play.pause", identity, control_id="song")
    await assert_hears(call, set(), among=AMONG)
    await command(server, "calling.play.volume", identity, control_id="song", volume=0)
    await command(server, "calling.play.resume", identity, control_id="song")
    await assert_hears(call, {HIGH}, among=AMONG)
    assert (await call.heard(0.5)).tones()[HIGH] > soft + 10
    assert await refused(server, "calling.play.stop", identity, control_id="other") == (404, "Not Found")
    assert await refused(server, "calling.play", identity, control_id="song", play=[item]) == (422, ("invalid_parameter", "control_id"))
    await command(server, "calling.play.stop", identity, control_id="song")
    await assert_hears(call, set(), among=AMONG)
    await application.wait_for("/state", state("play", "finished"))
    told_states = [(request.json["params"]["control_id"], request.json["params"]["state"]) for request in application.requests("/state")]
    assert told_states == [("song", word) for word in ("playing", "paused", "playing", "finished")]


async def test_play_of_several_kinds_comes_to_its_end(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """4 calling.play: types audio, tts, silence, ringtone, one after the other; audio that cannot be had is `error`."""
    identity, call = await dialled(server, phone, "bob")
    application.on("/short.wav", tone_wav(HIGH, 0.4))
    items = [
        {"type": "silence", "params": {"duration": 0.2}},
        {"type": "tts", "params": {"text": "hello"}},
        {"type": "ringtone", "params": {"name": "us", "duration": 0.3}},
        {"type": "audio", "params": {"url": application.url("/short.wav")}},
    ]
    mark = call.mark()
    told = application.url("/state")
    await command(server, "calling.play", identity, play=items, status_url=told)
    await application.wait_for("/state", state("play", "finished"), timeout=15)
    heard = await call.since(mark)
    assert not heard.silent
    application.on("/gone.wav", (404, "text/plain", "no"))
    await command(
        server, "calling.play", identity, play=[{"type": "audio", "params": {"url": application.url("/gone.wav")}}], status_url=told
    )
    failed = await application.wait_for("/state", state("play", "error"))
    assert "404" in failed.json["params"]["error"]
    assert await refused(server, "calling.play", identity, play=[{"type": "video", "params": {}}]) == (422, ("invalid_parameter", "play"))
    await call.hangup()


async def test_play_to_the_others_of_a_room(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """SDK: `direction` listen, speak, both: the call itself, those who hear it, all of them. And members who leave by command."""
    room = script({"join_conference": {"name": "hall", "beep": "false"}}, {"sleep": 60000})
    ids, calls = {}, {}
    for name in ("alice", "bob"):
        ids[name], calls[name] = await dialled(server, phone, name, room)
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    item = {"type": "audio", "params": {"url": application.url("/high.wav")}}
    await command(server, "calling.play", ids["alice"], control_id="x", play=[item], direction="speak")
    await assert_hears(calls["bob"], {TONE["alice"], HIGH}, among=AMONG)
    await assert_hears(calls["alice"], {TONE["bob"]}, among=AMONG)
    await command(server, "calling.play.stop", ids["alice"], control_id="x")
    await command(server, "calling.hold", ids["alice"])
    await assert_hears(calls["bob"], set(), among=AMONG)
    await command(server, "calling.unhold", ids["alice"])
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await command(server, "calling.leave_conference", ids["bob"])
    await assert_matrix(calls, {"alice": "", "bob": ""})
    assert (await refused(server, "calling.leave_conference", ids["bob"]))[0] == 422
    for call in calls.values():
        await call.hangup()


async def test_collect_digits_beside_the_script(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """4 calling.collect: digits with max and terminators; the result is told; no input is told; one that is stopped has none."""
    identity, call = await dialled(server, phone, "bob")
    told = application.url("/state")
    digits = {"max": 4, "terminators": "#", "digit_timeout": 5}
    await command(server, "calling.collect", identity, control_id="pin", digits=digits, initial_timeout=10, status_url=told)
    await call.press("42#")
    result = (await application.wait_for("/state", collected("pin"))).json["params"]
    assert (result["control_id"], result["result"]) == ("pin", {"type": "digit", "params": {"digits": "42", "terminator": "#"}})
    await command(server, "calling.collect", identity, control_id="none", digits={"max": 1}, initial_timeout=0.2, status_url=told)
    nothing = await application.wait_for("/state", collected("none"))
    assert nothing.json["params"]["result"] == {"type": "no_input"}
    await command(server, "calling.collect", identity, control_id="off", digits={"max": 1}, initial_timeout=60, status_url=told)
    await command(server, "calling.collect.stop", identity, control_id="off")
    await application.wait_for("/state", collected("off"))
    assert await refused(server, "calling.collect", identity) == (422, ("missing_required_parameter", "digits"))
    await call.hangup()


async def test_collect_goes_on_tells_what_there_is_so_far_and_lets_its_timers_wait(
    application: Application, server: HubbubServer, phone: PhoneMaker
) -> None:
    """4 calling.collect: `continuous`, `partial_results`, `send_start_of_input`, `start_input_timers` and its command."""
    identity, call = await dialled(server, phone, "bob")
    told = application.url("/state")
    closely = {"continuous": True, "partial_results": True, "send_start_of_input": True}
    await command(server, "calling.collect", identity, control_id="all", digits={"max": 2}, initial_timeout=60, status_url=told, **closely)
    for keys in ("12", "34"):
        await call.press(keys)
    last = {"type": "digit", "params": {"digits": "34", "terminator": ""}}
    await application.wait_for("/state", lambda r: collected("all")(r) and r.json["params"]["result"] == last)
    await command(server, "calling.collect.stop", identity, control_id="all")
    await application.wait_for("/state", lambda r: collected("all")(r) and r.json["params"]["state"] == "finished")
    seen = [(p["state"], p["final"], p["result"].get("params", {}).get("digits", p["result"]["type"])) for p in all_of(application, "all")]
    assert seen == [
        *(("collecting", True, "start_of_input"), ("collecting", False, "1"), ("collecting", True, "12")),
        *(("collecting", True, "start_of_input"), ("collecting", False, "3"), ("collecting", True, "34")),
        ("finished", True, "no_input"),
    ]
    late = {"digits": {"max": 1}, "initial_timeout": 0.1, "start_input_timers": False, "status_url": told}
    await command(server, "calling.collect", identity, control_id="late", **late)
    await asyncio.sleep(1.0)
    assert not all_of(application, "late")
    await command(server, "calling.collect.start_input_timers", identity, control_id="late")
    assert (await application.wait_for("/state", collected("late"))).json["params"]["result"] == {"type": "no_input"}
    await call.hangup()


def all_of(application: Application, control: str) -> list[Any]:
    """What was told of a collection."""
    return [request.json["params"] for request in application.requests("/state") if collected(control)(request)]


async def test_record_is_paused_and_stopped(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """4 calling.record: control_id, `audio`, pause with `behavior`, stop; `calling.call.record` with the URL of what is heard."""
    identity, call = await dialled(server, phone, "bob")
    audio = {"stereo": False, "direction": "speak", "end_silence_timeout": 0, "initial_timeout": 0, "format": "wav"}
    told = application.url("/state")
    await command(server, "calling.record", identity, control_id="tape", record={"audio": audio}, status_url=told)
    await application.wait_for("/state", state("record", "recording"))
    await asyncio.sleep(1.0)  # something to hear
    await command(server, "calling.record.pause", identity, control_id="tape", behavior="skip")
    await command(server, "calling.record.resume", identity, control_id="tape")
    await command(server, "calling.record.stop", identity, control_id="tape")
    params = (await application.wait_for("/state", state("record", "finished"))).json["params"]
    assert (params["control_id"], params["call_id"]) == ("tape", identity)
    async with aiohttp.ClientSession() as session, session.get(params["url"]) as reply:  # no credentials: 2.2
        assert (reply.status, (await reply.read())[:4]) == (200, b"RIFF")
    assert await refused(server, "calling.record.pause", identity, control_id="gone") == (404, "Not Found")
    await call.hangup()


async def test_denoise_is_heard_and_told(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """4 calling.denoise and its stop: what the call says is cleaned of noise; `calling.call.denoise` with `denoised` tells it."""
    application.on("/state", None)
    room = script({"join_conference": {"name": "quiet hall", "beep": "false"}}, {"sleep": 60000})
    identity, alice = await dialled(server, phone, "alice", room, status_url=application.url("/state"), status_events=["ended"])
    _, bob = await dialled(server, phone, "bob", room)
    noise = np.clip(at_level(white(60 * RATE, np.random.default_rng(1)), -34), -32768, 32767).astype(np.int16)
    alice.silence()
    alice.say(noise)

    async def becomes(low: float, high: float) -> None:
        for _ in range(40):
            if low < (level := (await bob.heard(0.4)).level) < high:
                return
        raise AssertionError(level)

    def told(on: bool) -> Any:
        return lambda r: r.json["event_type"] == "calling.call.denoise" and r.json["params"]["denoised"] is on

    await becomes(-37, -31)
    await command(server, "calling.denoise", identity)
    assert (await application.wait_for("/state", told(True))).json["params"]["call_id"] == identity
    await becomes(-120, -46)
    await command(server, "calling.denoise.stop", identity)
    await application.wait_for("/state", told(False))
    await becomes(-37, -31)
    assert await refused(server, "calling.denoise.stop", "00000000-0000-4000-8000-00000000ffff") == (404, "Not Found")
    for call in (alice, bob):
        await call.hangup()


async def test_connected_calls_are_held_and_parted(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """4 calling.disconnect: "unbridge, keep legs"; 3.10 calling.hold and unhold act on the call; calling.transfer to a SIP address."""
    carol = await phone("carol")
    identity, bob = await dialled(server, phone, "bob")
    assert (await refused(server, "calling.disconnect", identity))[1] == ("not_bridged", None)
    assert (await refused(server, "calling.hold", identity))[1] == ("not_bridged", None)
    await command(server, "calling.transfer", identity, dest=carol.uri)
    call = await carol.wait_call()
    call.tone(TONE["carol"])
    calls = {"bob": bob, "carol": call}
    await assert_matrix(calls, {"bob": "c", "carol": "b"})
    await command(server, "calling.hold", identity)
    await assert_hears(call, set(), among=AMONG)
    await command(server, "calling.unhold", identity)
    await assert_matrix(calls, {"bob": "c", "carol": "b"})
    after = script({"connect": {"to": carol.uri}}, {"play": {"url": application.url("/high.wav")}})
    await command(server, "calling.transfer", identity, dest=after)
    second = await carol.wait_call()
    second.tone(TONE["carol"])
    calls["carol"] = second
    await assert_matrix(calls, {"bob": "c", "carol": "b"})
    await command(server, "calling.disconnect", identity)
    await assert_hears(bob, {HIGH}, among=AMONG)  # its script went on
    await assert_hears(second, set(), among=AMONG)
    assert not second.ended.is_set()  # the leg is kept
    (children,) = [row for row in (await logged(server))["data"] if row["parent_id"] == identity and row["status"] == "answered"]
    await command(server, "calling.end", children["id"], reason="hangup")
    await second.wait_ended()
    await command(server, "calling.end", identity)
    await bob.wait_ended()
    assert await refused(server, "calling.end", identity, reason="tired") == (422, ("invalid_parameter", "reason"))


async def test_ai_rests_wakes_and_stops(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """4 calling.ai_hold, ai_unhold, ai.stop: what holds the call answers no functions, does again, and ends; then the script goes on."""
    application.on("/swaig", {"response": "ok"})
    ai = {"ai": {"prompt": {"text": "x"}, "SWAIG": {"functions": [{"function": "f", "web_hook_url": application.url("/swaig")}]}}}
    identity, call = await dialled(server, phone, "bob", script(ai, {"play": {"url": application.url("/high.wav")}}))
    call.silence()

    async def function() -> int:
        url = server.http_url(f"/hubbub/calls/{identity}/functions/f")
        async with aiohttp.ClientSession() as session, session.post(url, json={}) as reply:
            return int(reply.status)

    while await function() == 409:  # not yet there
        await asyncio.sleep(0.05)
    await command(server, "calling.ai_hold", identity, timeout=60)
    assert await function() == 409
    heard = await call.heard(1.0)
    assert not heard.silent
    await command(server, "calling.ai_unhold", identity)
    assert await function() == 200
    assert (await refused(server, "calling.ai_message", identity, role="user", message_text="hi"))[1] == ("unsupported", "command")
    await command(server, "calling.ai.stop", identity)
    await assert_hears(call, {HIGH}, among=AMONG)
    assert await refused(server, "calling.ai.stop", identity) == (404, "Not Found")
    await call.hangup()


async def test_refer_asks_the_far_end(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """4 calling.refer: a device of type sip; a phone that refuses it is told."""
    identity, call = await dialled(server, phone, "bob")
    device = {"type": "sip", "params": {"to": "sip:carol@127.0.0.1:5099"}}
    await command(server, "calling.refer", identity, device=device, status_url=application.url("/state"))
    begun = await application.wait_for("/state", state("refer", "inProgress"))
    failed = await application.wait_for("/state", state("refer", "error"))  # nobody is there
    assert {request.json["params"]["sip_refer_to"] for request in (begun, failed)} == {"sip:carol@127.0.0.1:5099"}
    assert await refused(server, "calling.refer", identity, device={"type": "phone"}) == (422, ("invalid_parameter", "device"))
    await call.hangup()


# -- the face ---------------------------------------------------------------------------------------------------


async def logged(server: HubbubServer, **query: str) -> Any:
    status, answer = await send(server, "GET", "/api/voice/logs", params=query)
    assert status == 200, answer
    return answer


async def test_errors_are_the_vendors(application: Application, server: HubbubServer) -> None:
    """4: 400, 401, 404 `{"error"}`, 422 `{"errors": [{type, code, message, attribute, url}]}`; always JSON, always with an id."""
    path = "/api/calling/calls"
    assert await send(server, "POST", path, auth=False, json={}) == (401, {"error": "Unauthorized"})
    assert await send(server, "POST", path, data=b"no json") == (400, {"error": "Bad Request"})
    assert await send(server, "POST", path, json=[1]) == (400, {"error": "Bad Request"})
    assert await send(server, "GET", path) == (404, {"error": "Not Found"})
    assert await send(server, "GET", "/api/calling/other") == (404, {"error": "Not Found"})
    assert await refused(server, "") == (422, ("missing_required_parameter", "command"))
    assert await refused(server, "calling.sing", "x") == (422, ("unknown_command", "command"))
    assert await refused(server, "calling.end") == (422, ("missing_required_parameter", "id"))
    assert await refused(server, "calling.end", "nonsense") == (404, "Not Found")
    good = {"from": NUMBER, "to": "sip:bob@127.0.0.1", "swml": HOLD_ON}
    for wrong, expected in (
        ({"to": None}, ("missing_required_parameter", "to")),
        ({"swml": None}, ("missing_required_parameter", "url")),
        ({"url": "http://127.0.0.1/x"}, ("missing_required_parameter", "url")),
        ({"to": "nobody at all"}, ("invalid_target", "to")),
        ({"to": "sip:bob@192.0.2.1"}, ("not_allowed", None)),
        ({"timeout": 601}, ("invalid_parameter", "timeout")),
        ({"timeout": [1]}, ("invalid_parameter", "timeout")),
        ({"status_events": ["sung"]}, ("invalid_parameter", "status_events")),
        ({"custom_variables": {"sw_x": "1"}}, ("invalid_parameter", "custom_variables")),
        ({"custom_variables": {f"v{n}": "1" for n in range(21)}}, ("invalid_parameter", "custom_variables")),
        ({"custom_variables": {"v": "x" * 1025}}, ("invalid_parameter", "custom_variables")),
        ({"swml": {"sections": {}}}, ("bad_document", "swml")),
        ({"swml": "[[["}, ("bad_document", "swml")),
    ):
        assert await refused(server, "dial", **{**good, **wrong}) == (422, expected), wrong


async def test_remote_procedures_are_the_same_commands(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """4: "Twin: JSON-RPC 2.0 at `/api/calling/rpc` (`calling.dial`, `calling.update`, `calling.end`…, named params)"."""

    async def rpc(method: str, number: Any = 1, **params: Any) -> Any:
        body = {"jsonrpc": "2.0", "method": method, "params": params, **({"id": number} if number is not None else {})}
        status, answer = await send(server, "POST", "/api/calling/rpc", json=body)
        assert status == (200 if number is not None else 204)
        assert number is None or (answer["jsonrpc"], answer["id"]) == ("2.0", number)
        return answer

    bob = await phone("bob")
    made = (await rpc("calling.dial", "a1", **{"from": NUMBER, "to": bob.uri, "swml": HOLD_ON}))["result"]
    call = await bob.wait_call()
    await call.wait_answered()
    item = {"type": "audio", "params": {"url": application.url("/high.wav")}}
    assert (await rpc("calling.play", call_id=made["id"], control_id="song", play=[item]))["result"]["control_id"] == "song"
    await assert_hears(call, {HIGH}, among=AMONG)
    await rpc("calling.update", id=made["id"], swml=script({"sleep": 60000}))
    missing = (await rpc("calling.end", id="00000000-0000-4000-8000-00000000ffff"))["error"]
    assert (missing["code"], missing["data"]) == (-32000, {"status": 404, "error": "Not Found"})
    wrong = (await rpc("calling.end", id=made["id"], reason="tired"))["error"]
    assert (wrong["code"], wrong["data"]["errors"][0]["attribute"]) == (-32602, "reason")
    assert (await rpc("calling.sing"))["error"]["code"] == -32601
    await rpc("calling.end", None, id=made["id"])
    await call.wait_ended()
    path = "/api/calling/rpc"
    assert (await send(server, "POST", path, data=b"{"))[1]["error"]["code"] == -32700
    assert (await send(server, "POST", path, json={"method": "calling.end"}))[1]["error"]["code"] == -32600
    assert await send(server, "POST", path, auth=False, json={}) == (401, {"error": "Unauthorized"})


async def test_logs_of_calls_and_conferences(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """2.7: `links` and `data`; type by who created the room; recordings of a room beside it; filters and paging."""
    room = script({"join_conference": {"name": "logged", "record": "record-from-start", "max_participants": 7}})
    ids, calls = {}, {}
    for name in ("alice", "bob"):
        ids[name], calls[name] = await dialled(server, phone, name, room)
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    for call in calls.values():
        await call.hangup()

    async def newest() -> Any:
        status, answer = await send(server, "GET", "/api/logs/conferences", params={"page_size": "1"})
        assert status == 200, answer
        return answer

    while (answer := await newest())["data"][0]["recording_url"] is None:
        await asyncio.sleep(0.1)
    (item,) = answer["data"]
    assert (item["name"], item["type"], item["status"], item["max_size"], item["current_participants"]) == (
        "logged", "relay_conference", "completed", 7, 0,
    )  # fmt: skip
    assert set(item) == {
        *("id", "created_at", "updated_at", "project_id", "region", "name", "status", "max_size", "current_participants", "type"),
        *("recording_url", "recording_duration", "recording_file_size"),
    }
    assert item["created_at"].endswith("Z")
    assert item["recording_file_size"] > 1000
    async with aiohttp.ClientSession() as session, session.get(item["recording_url"]) as reply:
        assert reply.status == 200
    assert answer["links"]["self"].startswith("/api/logs/conferences?")
    calls_logged = await logged(server, page_size="1")
    assert len(calls_logged["data"]) == 1
    status, following = await send(server, "GET", calls_logged["links"]["next"])
    assert (status, len(following["data"])) == (200, 1)
    assert following["data"][0]["id"] != calls_logged["data"][0]["id"]
    assert "prev" in following["links"]
    status, events = await send(server, "GET", f"/api/voice/logs/{ids['alice']}/events")
    assert {"call.answered", "call.completed"} <= {event["name"] for event in events["data"]}
    assert (await logged(server, created_before="2001-01-01"))["data"] == []
    assert (await send(server, "GET", "/api/voice/logs", params={"page_size": "1001"}))[0] == 422
    assert (await send(server, "GET", "/api/voice/logs/00000000-0000-4000-8000-00000000ffff"))[0] == 404


async def test_streams_and_taps_by_command(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """4 calling.stream, calling.tap: what the call says goes to a WebSocket until it is stopped; states are told."""
    identity, call = await dialled(server, phone, "bob")
    told = application.url("/state")
    async with listening() as far:
        await command(server, "calling.stream", identity, control_id="s", url=far.url, track="inbound_track", status_url=told)
        await application.wait_for("/state", state("stream", "streaming"))
        await asyncio.sleep(1.0)  # something to hear
        assert abs(level_at(far.heard("inbound"), TONE["bob"]) - level_at(far.heard("inbound"), HIGH)) > 20
        await command(server, "calling.stream.stop", identity, control_id="s")
        await application.wait_for("/state", state("stream", "finished"))
    assert await refused(server, "calling.stream", identity, url="http://127.0.0.1/x") == (422, ("invalid_parameter", "url"))
    tap = {"type": "audio", "params": {"direction": "speak"}}
    async with listening() as far:
        device = {"type": "ws", "params": {"uri": far.url, "codec": "PCMU"}}
        await command(server, "calling.tap", identity, control_id="t", tap=tap, device=device, status_url=told)
        await application.wait_for("/state", state("tap", "tapping"))
        await command(server, "calling.tap.stop", identity, control_id="t")
        await application.wait_for("/state", state("tap", "finished"))
    await call.hangup()


async def test_detection_by_command(application: Application, server: HubbubServer, phone: PhoneMaker) -> None:
    """4 calling.detect: type machine; whoever speaks on and on is a machine, who says a word is a person."""
    told = application.url("/state")
    for name, talks, word in (("bob", True, "MACHINE"), ("carol", False, "HUMAN")):
        identity, call = await dialled(server, phone, name)
        call.silence()
        detect = {"type": "machine", "params": {"initial_timeout": 3, "detect_interruptions": False}}
        await command(server, "calling.detect", identity, control_id=name, detect=detect, timeout=10, status_url=told)
        call.say(babble(4.0 if talks else 0.6))

        def of_this(request: Request, name: str = name) -> bool:
            return bool(request.json["params"].get("control_id") == name and request.json["event_type"] == "calling.call.detect")

        result = await application.wait_for("/state", of_this, timeout=15)
        assert result.json["params"]["detect"] == {"type": "machine", "params": {"event": word}}
        await call.hangup()
    assert await refused(server, "calling.detect", "x", detect={"type": "digit"}) == (422, ("unsupported", "detect"))


def babble(seconds: float) -> np.ndarray[Any, Any]:
    """Noise that comes and goes like syllables, at 16 kHz."""
    time = np.arange(int(16_000 * seconds)) / 16_000
    loud = np.random.default_rng(1).normal(0, 4000, len(time)) * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * time))
    return np.clip(loud, -30_000, 30_000).astype(np.int16)
