"""Hostile scripts through real calls: each costs its own call only, is told clearly, and who talks meanwhile goes on hearing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.rest import Rest
from tests.support.stage import PhoneMaker, assert_matrix
from tests.support.swml import SWML, by_name, dial, script, told

from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
from hubbub.testing import Application, HubbubServer

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]

BOMB = "\n".join(
    ["sections:", "  main: [hangup]", 'a: &a ["x","x","x","x","x","x","x","x","x"]']
    + [f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]" for n in range(9)]
)
DEEP_YAML = "sections: {main: " + "[" * 5000 + "]" * 5000 + "}"
DEEP_JSON = '{"sections":{"main":' + "[" * 200_000 + "]" * 200_000 + "}}"
NESTED: list[Any] = [{"hangup": {}}]
for _ in range(70):
    NESTED = [{"cond": [{"when": "true", "then": NESTED}]}]
LARGE = json.dumps({"sections": {"main": [{"play": {"url": "say:" + "x" * 1_000_000}}]}})
REJECTED = {
    "alias bomb": (BOMB, "parse_error"),
    "deep YAML": (DEEP_YAML, "parse_error"),
    "deep JSON": (DEEP_JSON, "parse_error"),
    "deep steps": (json.dumps({"sections": {"main": NESTED}}), "parse_error"),
    "1 MB": (LARGE, "parse_error"),
    "entity": ("!!python/object/apply:os.system ['true']", "parse_error"),
    "not text": (b"\xff\xfe\x00\x80", "parse_error"),
    "number": ('{"sections":{"main":[{"sleep":1e999}]}}', "parse_error"),
}


@pytest.mark.parametrize("name", REJECTED)
async def test_a_hostile_document_is_rejected(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, name: str) -> None:
    """The call ends, whoever follows it gets the code, and two who talk hear each other all the while."""
    hostile, code = REJECTED[name]
    calm = script({"join_conference": {"name": "calm", "beep": "false"}})
    answers = {"alice": calm, "bob": calm}

    def document(request: Any) -> Any:
        caller = str(request.json["call"]["from"]).removeprefix("sip:").partition("@")[0]
        return answers.get(caller) or (200, "application/yaml", hostile)

    application.on("/swml", document)
    calls = {caller: await dial(hubbub_server, phone, caller) for caller in answers}
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    carol = await (await phone("carol")).call(hubbub_server.uri(SWML))
    await asyncio.wait_for(carol.ended.wait(), 10)
    warned = await application.wait_for("/state", lambda r: r.json["event_type"] == "calling.script.warning")
    assert warned.json["params"]["code"] == f"relay_script_{code}"
    assert warned.json["params"]["message"]
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    for call in calls.values():
        await call.hangup()


EXPRESSIONS = {
    "endless": "${(() => { while (true) {} })()}",
    "memory": "${'x'.repeat(1 << 29)}",
    "array": "${Array(1 << 28).fill('x').join()}",
    "recursion": "${(function f(n) { return f(n + 1) })(0)}",
    "pattern": "${/^(a+)+$/.test('a'.repeat(40) + 'b')}",
    "too long": "${" + "1+" * 600 + "1}",
    "syntax": "${1 +}",
    "outside": "${require('fs').readFileSync('/etc/passwd')}",
    "constructor": "${this.constructor.constructor('return process')().exit()}",
}


async def test_hostile_expressions_are_cut_off(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """3.3: "<= 1024 chars, <= 150 ms": each is told in `script_error`, and the script goes on with the next step."""
    steps: list[Any] = [{"answer": {}}]
    for name, expression in EXPRESSIONS.items():
        steps += [{"unset": "script_error"}, {"set": {"x": expression}}, told(name=name, error="${script_error}")]
    application.on("/swml", script(*steps, {"sleep": 900}))
    await dial(hubbub_server, phone)
    await application.wait_for("/told", count=len(EXPRESSIONS), timeout=20)
    found = {request.json["name"]: request.json["error"] for request in application.requests("/told")}
    assert found == dict.fromkeys(EXPRESSIONS, "relay_script_js_eval_error")


async def test_scripts_that_never_end_do_not_spin(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """A jump to itself, sections that call one another, transfers in a circle: each ends, and the limit is told."""
    scripts = {
        "alice": script({"answer": {}}, {"label": "top"}, {"goto": {"label": "top"}}, {"hangup": {}}),
        "bob": script({"answer": {}}, {"execute": {"dest": "deep"}}, deep=[{"execute": {"dest": "deep"}}]),
        "carol": script({"answer": {}}, {"transfer": {"dest": "round"}}, round=[{"transfer": {"dest": "round"}}]),
    }
    application.on("/swml", by_name(**scripts))
    for name in scripts:
        call = await dial(hubbub_server, phone, name)
        await asyncio.wait_for(call.ended.wait(), 10)
    for code in ("nested_too_deep", "too_many_transfers"):
        await application.wait_for(
            "/state",
            lambda r, code=code: r.json["params"].get("code") == f"relay_script_{code}",  # type: ignore[misc]
        )


async def test_scripts_that_only_reckon_starve_nobody(application: Application, phone: PhoneMaker, tmp_path: Path) -> None:
    """Eight calls of one account would reckon for minutes; meanwhile a script of another one is run, expressions too, and REST answers."""
    numbers = [
        {"number": "+1", "account": "mallory", "dialect": "swml", "url": application.url("/endless")},
        {"number": "+2", "account": "dev", "dialect": "swml", "url": application.url("/swml")},
    ]
    mallory = {"name": "mallory", "signalwire": {"project": "00000000-0000-4000-8000-000000000009", "token": "PT9"}}
    reckon = [{"cond": [{"when": "(() => {for (;;) {}})()", "then": [{"hangup": {}}]}]}] * 30
    application.on("/endless", script({"answer": {}}, {"label": "top"}, *reckon, {"sleep": 1}, {"goto": {"label": "top"}}))
    application.on("/swml", script({"answer": {}}, told(name="reckoned", value="${6 * 7}"), {"sleep": 900}))
    config = {"numbers": numbers, "accounts": [dict(DEVELOPMENT_ACCOUNT), mallory]}
    async with HubbubServer(config=config, folder=tmp_path) as server, Rest(server) as rest:
        greedy = [await (await phone(f"greedy{n}")).call(server.uri("+1")) for n in range(8)]
        for call in greedy:
            await call.wait_answered(timeout=10)
        for turn in range(1, 4):
            good = await (await phone(f"alice{turn}")).call(server.uri("+2"))
            await good.wait_answered(timeout=5)
            await application.wait_for("/told", count=turn, timeout=5)
            await asyncio.wait_for(rest.get("/Calls.json"), 5)
        assert {request.json["value"] for request in application.requests("/told")} == {42}
        assert not any(call.ended.is_set() for call in greedy)
