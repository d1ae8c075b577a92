"""SWML: control flow, variables, prompts and results, heard on phones."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import uuid
from typing import Any

import pytest
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, assert_matrix, tone_wav

from hubbub.testing import Application, HubbubServer, PhoneCall, Request, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]

SWML, CXML = "+15550001003", "+15550001004"
TOKEN = "PT0123456789"
NOTED = {"who": "%{call.from}", "x": "${params.x}"}


def config(application: Application) -> dict[str, Any]:
    numbers = [
        {"number": number, "account": "dev", "dialect": dialect, "url": application.url(f"/{dialect}")}
        for number, dialect in ((SWML, "swml"), (CXML, "cxml"))
    ]
    return {"numbers": numbers}


running, application, hubbub_server, phone, rest = shared(config)


def script(*steps: Any, **sections: Any) -> str:
    return json.dumps({"version": "1.0.0", "sections": {"main": list(steps), **sections}})


async def dial(server: HubbubServer, phone: PhoneMaker, name: str, number: str = SWML) -> PhoneCall:
    caller = await phone(name)
    call = await caller.call(server.uri(number))
    await call.wait_answered()
    call.tone(TONE[name])
    return call


async def test_prompt_switch_execute_request(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """A prompt is heard, its digits choose a section, a request is made with variables, a remote document is executed with params."""
    application.on(
        "/swml",
        script(
            {"set": {"team": "blue", "count": "${1 + 1}"}},
            {"prompt": {"play": "/ask.wav", "max_digits": 2, "terminators": "#"}},
            {"cond": [{"when": "vars.prompt_value == '42'", "then": [{"execute": {"dest": "good", "params": {"x": "${count}"}}}]}]},
            {"sleep": 1500},
            {"hangup": {}},
            good=[
                {
                    "request": {
                        "url": "/note",
                        "method": "POST",
                        "body": {"who": "%{call.from}", "x": "${params.x}"},
                        "save_variables": True,
                    }
                },
                {"execute": {"dest": "/more", "params": {"color": "${team}"}}},
                {"request": {"url": "/done", "method": "POST", "body": {"back": "${return_value}", "ok": "${request_response.ok}"}}},
            ],
        ),
    )
    application.on("/ask.wav", tone_wav(2951.0, 3.0))
    application.on("/note", lambda request: {"ok": "fine"})
    application.on("/more", lambda request: {"version": "1.0.0", "sections": {"main": [{"return": "was ${params.color}"}]}})
    application.on("/done", None)
    call = await dial(hubbub_server, phone, "alice")
    await assert_hears(call, {2951.0}, among=(2951.0, *TONE.values()))
    await call.press("42#")
    await application.wait_for("/done")
    await asyncio.wait_for(call.ended.wait(), 10)
    assert application.requests("/note")[0].json["x"] == 2
    assert "alice" in application.requests("/note")[0].json["who"]
    assert application.requests("/more")[0].json["params"] == {"color": "blue"}
    assert application.requests("/more")[0].json["vars"]["team"] == "blue"
    assert application.requests("/done")[0].json == {"back": "was blue", "ok": "fine"}


async def test_every_document_request_is_signed(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.11 A and A-256 over URL and raw body, on documents and on conference callbacks."""
    application.on("/swml", script({"join_conference": {"name": "a", "status_callback": "/events", "status_callback_event": "start end"}}))
    application.on("/events", None)
    call = await dial(hubbub_server, phone, "alice")
    await application.wait_for("/events", lambda request: request.json["params"]["status"] == "conference-start")
    await call.hangup()
    for request in application.requests():
        text = request.url.encode() + request.body
        assert request.headers["X-SignalWire-Signature"] == hmac.new(TOKEN.encode(), text, hashlib.sha1).hexdigest()
        assert request.headers["X-Signalwire-SHA256-Signature"] == hmac.new(TOKEN.encode(), text, hashlib.sha256).hexdigest()


async def test_results_and_callbacks_in_both_styles(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """3.7: a full room is `failed`, a list of conditions decides; 3.8: `status_callback_event_type` chooses the style."""

    def document(request: Request) -> str:
        said = {"when": "return_value == 'failed'", "then": [{"play": {"url": "/full.wav"}}]}
        join = {
            "name": "small",
            "max_participants": "${1 + 1}",
            "status_callback": "/events",
            "status_callback_event": "start join leave end",
            "status_callback_event_type": "cxml",
            "result": [said, {"else": [{"play": {"url": "/bye.wav"}}]}],
        }
        return script({"join_conference": join})

    application.on("/swml", document)
    application.on("/events", None)
    application.on("/full.wav", tone_wav(2951.0, 4.0))
    calls = {name: await dial(hubbub_server, phone, name) for name in ("alice", "bob")}
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    late = await dial(hubbub_server, phone, "carol")
    await assert_hears(late, {2951.0}, among=(2951.0, *TONE.values()))
    told = [request.params["StatusCallbackEvent"] for request in application.requests("/events")]
    assert sorted(told) == ["conference-start", "participant-join", "participant-join"]


async def test_wait_url_is_a_script_that_loops(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """3.6 wait_url: POST; "if SWML => run (play/sleep/goto…)"; until a starter comes, also one of another dialect."""
    application.on("/swml", script({"join_conference": {"name": "team", "start_on_enter": False, "wait_url": "/wait"}}))
    application.on("/wait", script({"label": "again"}, {"play": {"url": "/tick.wav"}}, {"goto": {"label": "again", "max": 50}}))
    application.on("/tick.wav", tone_wav(2951.0, 0.5))
    application.on("/cxml", "<Response><Dial><Conference>team</Conference></Dial></Response>")
    alice = await dial(hubbub_server, phone, "alice")
    await assert_hears(alice, {2951.0}, among=(2951.0, *TONE.values()))
    assert application.requests("/wait")[0].method == "POST"
    calls = {"alice": alice, "bob": await dial(hubbub_server, phone, "bob", CXML)}
    await assert_matrix(calls, {"alice": "b", "bob": "a"})


async def test_a_hostile_script_costs_its_call_only(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """An endless expression is cut off and told in `script_error`; who talks meanwhile goes on hearing."""
    forever = "${(() => { while (true) {} })()}"

    def document(request: Request) -> str:
        if "carol" in request.json["call"]["from"]:
            return script({"set": {"x": forever}}, {"request": {"url": "/told", "method": "POST", "body": {"error": "${script_error}"}}})
        return script({"join_conference": "calm"})

    application.on("/swml", document)
    application.on("/told", None)
    calls = {name: await dial(hubbub_server, phone, name) for name in ("alice", "bob")}
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    carol = await phone("carol")
    await carol.call(hubbub_server.uri(SWML))
    await application.wait_for("/told")
    assert application.requests("/told")[0].json == {"error": "relay_script_js_eval_error"}
    await assert_matrix(calls, {"alice": "b", "bob": "a"})


async def test_connect_bridges_and_goes_on(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """connect: the two hear each other; afterwards the script goes on with `connect_result`."""
    bob = await phone("bob")
    body = {"was": "${connect_result}", "peer": "${call.peer.call_id}"}
    result = {"case": {"connected": [{"request": {"url": "/told", "method": "POST", "body": body}}]}}
    application.on("/swml", script({"connect": {"to": bob.uri, "timeout": 20, "result": result}}))
    application.on("/told", None)
    alice = await phone("alice")
    ringing = asyncio.create_task(bob.wait_call(20))
    calls = {"alice": await alice.call(hubbub_server.uri(SWML))}
    await calls["alice"].wait_answered()
    calls["bob"] = await ringing
    for name, call in calls.items():
        call.tone(TONE[name])
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await calls["bob"].hangup()
    await application.wait_for("/told")
    told = application.requests("/told")[0].json
    assert told["was"] == "connected"
    assert str(uuid.UUID(told["peer"])) == told["peer"] != application.requests("/swml")[0].json["call"]["call_id"]
