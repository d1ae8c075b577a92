"""Data maps as both agents SDKs build them, computed on a live call; the newer SDK's own simulation of the platform agrees."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.interop.test_signalwire_sdk import _function, run_sdk
from tests.support.shared import shared
from tests.support.stage import PhoneMaker, assert_matrix, call_in

from hubbub.testing import Application, HubbubServer

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]
running, application, hubbub_server, phone, rest = shared(dialect="swml")
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("search", {"query": "Red Shoes & more"}),
    ("array", {}),
    ("failing", {"q": "this"}),
    ("broken", {}),
    ("post_expressions", {}),
    ("chosen", {"city": "Bern"}),
    ("join", {"room": "Not Good"}),
    ("files", {"command": "please start it", "file": "a.mp3"}),
    ("files", {"command": "else"}),
    ("simple", {"query": "x"}),
]
SAID = [
    "Found 3: One (1.500000); Two (2); for Red Shoes & more",
    "Knock knock bye gold",
    "sorry this",
    "broken",
    "who is there",
    "city Bern",
    "bad name",
    "go",
    "There was an error processing this request.",
    "total 3",
]


async def called(server: HubbubServer, call: str, function: str, **arguments: Any) -> Any:
    """What a function gives, as soon as `ai` holds the call again."""
    async with asyncio.timeout(20):
        while (answered := await _function(server, call, function, **arguments))[0] == 409:
            await asyncio.sleep(0.1)
    assert answered[0] == 200, function
    return answered[1]


@pytest.mark.parametrize("name", ["signalwire-sdk", "signalwire-agents"])
async def test_what_the_sdk_builds_is_computed_on_the_call(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, name: str
) -> None:
    results = [{"title": "One", "score": 1.5}, {"title": "Two", "score": 2}, {"title": "Three", "score": 3}]
    application.on("/search", {"total": 3, "results": results})
    application.on("/array", [{"joke": "Knock knock"}, {"joke": "bye"}])
    application.on("/failing", {"error": "x"})
    application.on("/broken", "no JSON")
    simulate = name == "signalwire-sdk"
    job = {"base": application.url("").rstrip("/"), "calls": CALLS, "simulate": simulate}
    built = await run_sdk(name, "datamaps", job, SWML_ALLOW_PRIVATE_URLS="true")
    main = [{"ai": {"prompt": {"text": "x"}, "SWAIG": {"functions": built["functions"]}, "global_data": {"tier": "gold"}}}]
    application.on("/voice", {"version": "1.0.0", "sections": {"main": main}})
    before = len(application.requests("/search"))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    ids = {request.json["call"]["from"].split(":")[1][0]: request.json["call"]["call_id"] for request in application.requests("/voice")}
    for index, ((function, arguments), said) in enumerate(zip(CALLS, SAID, strict=True)):
        answer = await called(hubbub_server, ids["a"], function, **arguments)
        assert answer["reply"]["response"] == said, function
        if simulate:
            assert answer["reply"] == built["simulated"][str(index)], function
    asked = application.requests("/search")[before]
    assert asked.json == {"query": "Red Shoes & more", "limit": 3, "tier": "gold"}
    assert asked.headers["X-Key"] == "k"
    for call in ids.values():  # a data map that joins a conference
        assert (await called(hubbub_server, call, "join", room="blue"))["reply"]["response"] == "joining"
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
