"""The official npm package, unmodified, in a folder of its own: signatures, two flows, its document builder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.support.sdk import run
from tests.support.shared import shared
from tests.support.stage import PhoneMaker, assert_matrix, call_in, event, room, sid_of
from tests.support.vectors import DIALECTS, plain

from hubbub.testing import Application, HubbubServer
from hubbub.verbs.model import Stage
from hubbub.webhooks.signatures import hmac_sha1_text

FOLDER = Path(__file__).parents[2] / ".venv-npm-twilio"
FLOW = Path(__file__).parent / "sdk" / "twilio_flow.cjs"
TOKEN = "0123456789abcdef0123456789abcdef"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        shutil.which("npm") is None, reason="NPM IS NOT HERE: the official npm package is NOT tested (install nodejs and npm)"
    ),
]
running, application, hubbub_server, phone, rest = shared()


async def run_npm(work: str, job: dict[str, Any]) -> dict[str, Any]:
    """What the package saw."""
    assert (FOLDER / "node_modules" / "twilio").exists(), "the package is not installed: run `make peers`"
    return await run(["node", FLOW, FOLDER, work], job)


def credentials(server: HubbubServer) -> dict[str, str]:
    face = server.faces["twilio"]
    return {"base": server.http_url("").rstrip("/"), "sid": face["sid"], "token": face["token"]}


async def test_calls_and_participants_are_created(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Checklist 9.1, Node 6.2: create, fetch, update and list on Calls and Participants, a label with a space."""
    application.on("/voice", room())
    callers = await call_in(hubbub_server, phone, "alice")
    carol, dave = await phone("carol"), await phone("dave")
    job = {**credentials(hubbub_server), "callee": carol.uri, "second": dave.uri, "url": application.url("/voice"), "room": "standup"}
    seen = await run_npm("create", job)
    assert seen["call"] == ["queued", "outbound-api", "0"]
    assert seen["member"] == ["queued", "by node", "0", True]
    assert seen["fetched"] == [True, carol.uri]
    assert sid_of(application, "alice") in seen["people"]
    assert seen["muted"] == [True, "by node"]
    called = [await each.wait_call() for each in (carol, dave)]
    called[0].tone(1951.0)
    await application.wait_for("/events", event("participant-join"), count=3)
    for call in (*called, *callers.values()):
        await call.hangup()


async def test_a_conference_is_changed_and_ended(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Checklist 9.1, Node 6.2: update of a conference, ending twice, and errors with code, status and moreInfo."""
    application.on("/voice", room())
    application.on("/announce", "<Response><Pause length='1'/></Response>")
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    seen = await run_npm("end", {**credentials(hubbub_server), "callee": "sip:x@127.0.0.1:9", "announce": application.url("/announce")})
    assert seen["room"] == ["standup", "in-progress", "us1"]
    assert (seen["announced"], seen["again"]) == ("in-progress", "completed")
    assert seen["ended"] == ["completed", "conference-ended-via-api", None]
    assert (seen["missing"]["status"], seen["missing"]["code"]) == (404, 20404)
    assert (seen["refused"]["status"], seen["refused"]["code"]) == (401, 20003)
    assert (seen["bad"]["status"], seen["bad"]["code"]) == (400, 21205)
    assert seen["bad"]["more"] == "https://www.twilio.com/docs/errors/21205"
    assert await application.wait_for("/announce")


async def test_the_package_accepts_every_signature(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Checklist 9.2, Node 6.2: every webhook that we send validates: POST, GET, port, query, unicode, JSON."""
    attributes = 'waitUrl="/wait?lang=de&amp;x=%20y" waitMethod="GET" participantLabel="Ägent 7"'
    application.on("/voice", room(attributes, dial='action="/after?a=1" method="GET"', name="größe &amp; co"))
    application.on("/wait", "<Response><Pause length='5'/></Response>")
    application.on("/after", "<Response/>")
    call = await (await phone("alice")).call(hubbub_server.uri("+15550001000"))
    await application.wait_for("/wait")
    await call.hangup()
    await application.wait_for("/events", event("conference-end"))
    await application.wait_for("/after")
    requests: list[dict[str, Any]] = [
        {"url": r.url, "fields": {} if r.method == "GET" else dict(r.fields), "signature": r.headers["X-Twilio-Signature"], "json": None}
        for r in application.requests()
    ]
    url = "https://app.example/hooks/wait?bodySHA256=015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    requests.append({"url": url, "fields": {}, "signature": hmac_sha1_text(TOKEN, url), "json": '{"a":1}'})
    seen = await run_npm("validate", {"token": hubbub_server.faces["twilio"]["token"], "requests": requests})
    assert len(requests) >= 7
    assert all(seen["verdicts"]), [r["url"] for r, ok in zip(requests, seen["verdicts"], strict=True) if not ok]
    assert not any(seen["forged"])


async def test_the_builders_document_is_accepted() -> None:
    """Checklist 9.3: "TwiML produced by both builders for every attribute of section 2 is accepted"."""
    document = (await run_npm("build", {}))["document"]
    program = DIALECTS["twiml"].compile(document.encode(), "text/xml", "http://app.test/voice", Stage.CALL)
    assert program.remarks == ()
    joining = plain(program.main[0], whole=True)["joining"]
    assert (joining["label"], joining["jitter_ms"], joining["beep_on_enter"]) == ("agent 7", 20, False)
    assert set(joining["settings"]["subscription"]["events"]) == {"started", "ended", "joined"}
    assert joining["settings"]["recording"]["events"] == ["completed", "in-progress"]
