"""The official Python SDK, unmodified, in its own environment: it drives REST and validates our webhooks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.rest import Rest
from tests.support.sdk import run
from tests.support.shared import shared
from tests.support.stage import PhoneMaker, assert_matrix, by_caller, call_in, event, room, sid_of

from hubbub.testing import Application, HubbubServer

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-twilio" / "bin" / "python"
FLOW = Path(__file__).parent / "sdk" / "twilio_flow.py"

installed = pytest.mark.skipif(not PYTHON.exists(), reason="the SDK's environment is missing: run `make peers`")
pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module"), installed]
running, application, hubbub_server, phone, rest = shared()


async def run_sdk(work: str, job: dict[str, Any]) -> dict[str, Any]:
    return await run([PYTHON, FLOW, work], job)


async def test_insights_through_the_sdk(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """8.1: the summary of a conference and of its participants, "summary at once" (P10).

    The first test of the server: it counts all conferences of the account.
    """
    application.on(
        "/voice", by_caller(alice=room('participantLabel="a"'), other=room('participantLabel="b" startConferenceOnEnter="false"'))
    )
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await rest.post("/Conferences/standup/Participants/a.json", Muted="true")
    await calls["bob"].hangup()
    await calls["alice"].hangup()
    await application.wait_for("/events", event("conference-end"))
    face = hubbub_server.faces["twilio"]
    seen = await run_sdk("insights", {"base": hubbub_server.http_url("").rstrip("/"), "sid": face["sid"], "token": face["token"]})
    assert (seen["found"], seen["ended"], seen["other"]) == (1, 1, 0)
    assert (seen["status"], seen["reason"], seen["ended_by"]) == ("completed", "last_participant_left", sid_of(application, "alice"))
    assert (seen["most"], seen["unique"], seen["state"], seen["times"]) == (2, 2, "complete", [True, True, True])
    assert seen["people"] == [["a", "sip", "completed", True], ["b", "sip", "completed", False]]
    assert (seen["events"], seen["same"]) == (["mute"], True)


async def test_rest_through_the_sdk(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Checklist 9.1: create, fetch, update, list with paging, label, error objects with code and status."""
    application.on("/voice", room())
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    carol = await phone("carol")
    face = hubbub_server.faces["twilio"]
    job = {"base": hubbub_server.http_url("").rstrip("/"), "sid": face["sid"], "token": face["token"], "callee": carol.uri}
    seen = await run_sdk("rest", job)
    assert seen["room"]["status"] == "in-progress"
    assert seen["people"] == 2
    assert seen["muted"] is True
    assert seen["filtered"] == [seen["first"]]
    assert seen["created"] == {"label": "by sdk", "status": "queued", "queue_time": "0"}
    assert (seen["call"]["status"], seen["call"]["direction"], seen["call"]["to"]) == ("in-progress", "inbound", "+15550001000")
    assert len(seen["calls"]) == 3
    assert {sid_of(application, "alice"), sid_of(application, "bob")} < set(seen["calls"])
    assert seen["ended"] == {"status": "completed", "reason": "conference-ended-via-api"}
    assert seen["missing"] == {"status": 404, "code": 20404}
    assert seen["refused"] == {"status": 401, "code": 20003}


async def test_the_directory_through_the_sdk(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Checklist 9.1: create, fetch, update, list and delete; "paging over 3 pages"; 5.8 and 5.9 through the SDK's own classes."""
    application.on("/voice", room('beep="loud"'))
    await call_in(hubbub_server, phone, "alice")
    await application.wait_for("/events", event("participant-join"))
    face = hubbub_server.faces["twilio"]
    base, url = hubbub_server.http_url("").rstrip("/"), application.url("/voice")
    seen = await run_sdk("directory", {"base": base, "sid": face["sid"], "token": face["token"], "url": url})
    assert seen["number"] == ["+15550003000", "Main", "GET", True]
    assert (seen["listed"], seen["paged"], seen["left"], seen["keys"]) == ([True], ["app 3", "app 2", "app 1"], 3, 0)
    assert url in seen["events"]
    assert seen["notes"] == [["13235", "1", True]]
    assert seen["page"] is True


async def test_the_sdk_accepts_every_signature(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Checklist 9.2: every webhook that we send validates: documents and callbacks, POST and GET, unicode, queries."""
    attributes = 'waitUrl="/wait?lang=de&amp;x=%20y" waitMethod="GET" participantLabel="Ägent 7"'
    application.on("/voice", room(attributes, dial='action="/after?a=1" method="GET"', name="größe &amp; co"))
    application.on("/wait", "<Response><Pause length='5'/></Response>")
    application.on("/after", "<Response/>")
    caller = await phone("alice")
    call = await caller.call(hubbub_server.uri("+15550001000"))
    await call.wait_answered()
    await application.wait_for("/wait")
    await call.hangup()
    await application.wait_for("/events", event("conference-end"))
    await application.wait_for("/after")
    requests = [
        {"url": request.url, "fields": list(request.fields), "signature": request.headers["X-Twilio-Signature"]}
        for request in application.requests()
    ]
    answer = await run_sdk("validate", {"token": hubbub_server.faces["twilio"]["token"], "requests": requests})
    assert len(requests) >= 6
    assert all(answer["verdicts"]), [r["url"] for r, ok in zip(requests, answer["verdicts"], strict=True) if not ok]
    assert not any(answer["forged"])


async def test_recordings_through_the_sdk(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """5.7: recordings of a call, of a conference and of the account; Twilio.CURRENT; media; soft delete."""
    application.on("/voice", room('record="record-from-start" beep="false"'))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    face = hubbub_server.faces["twilio"]
    job = {"base": hubbub_server.http_url("").rstrip("/"), "sid": face["sid"], "token": face["token"], "call": sid_of(application, "bob")}
    seen = await run_sdk("recordings", job)
    assert seen["begun"] == ["in-progress", "StartCallRecordingAPI", 2, "both"]
    assert seen["noted"] == ["20001"], "0.3: a conference recording that is stopped: end it, and log a note"
    assert seen["fine"] == ["paused", "in-progress", "stopped", "stopped"]
    assert seen["sids"] == [seen["sid"], seen["sid"]]
    assert seen["done"][0] == "completed"
    assert seen["done"][1:] == ["2", True]
    assert seen["room"] == [["Conference", "in-progress", True]]
    assert seen["sid"] in seen["account"]
    assert seen["media"] == [200, "audio/x-wav", "RIFF"]
    assert seen["gone"] == [True, False]
    assert seen["deleted"] == ["deleted"]
    assert seen["missing"] == {"status": 404, "code": 20404}
