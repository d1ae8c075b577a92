"""The official Python SDK, unmodified, in its own environment: REST v2, OAuth, its BXML classes, and its models of our webhooks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.stage import PhoneMaker, tone_wav

from hubbub.dialects.bxml.document import TABLE
from hubbub.dialects.bxml.operations import CREATE_CALL, UPDATE_CALL
from hubbub.dialects.bxml.resources import RESOURCES
from hubbub.testing import Application, HubbubServer

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-bandwidth" / "bin" / "python"
FLOW = Path(__file__).parent / "sdk" / "bandwidth_flow.py"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not PYTHON.exists(), reason="the SDK's environment is missing: run `make peers`"),
]


@pytest.fixture
def hubbub_config(application: Application) -> dict[str, Any]:
    number = {"number": "+15550001002", "account": "dev", "dialect": "bxml", "url": application.url("/initiate")}
    return {"numbers": [{**number, "status_callback": application.url("/over")}]}


async def run_sdk(work: str, job: dict[str, Any]) -> dict[str, Any]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(PYTHON, FLOW, work, stdin=pipe, stdout=pipe, stderr=pipe)
    out, err = await process.communicate(json.dumps(job).encode())
    assert process.returncode == 0, err.decode()
    answer: dict[str, Any] = json.loads(out)
    return answer


def job_of(server: HubbubServer, **more: Any) -> dict[str, Any]:
    return {"base": server.http_url("").rstrip("/"), **server.faces["bandwidth"], **more}


async def test_rest_and_webhooks_through_the_sdk(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """A call into a conference and out of it, with the SDK's documents, its client, and its models of every webhook."""
    urls = {name: application.url(f"/{name}") for name in ("answer", "events", "redirected")}
    written = await run_sdk("document", {**urls})
    application.on("/answer", written["document"])
    application.on("/redirected", "<Response><PlayAudio>/tone.wav</PlayAudio></Response>")
    application.on("/tone.wav", tone_wav(800.0, 1.0))
    alice = await phone("alice")
    ringing = asyncio.create_task(alice.wait_call())
    flow = asyncio.create_task(run_sdk("rest", job_of(hubbub_server, callee=alice.uri, **urls)))
    call = await ringing
    await call.wait_answered()
    call.tone(440.0)
    seen = await flow
    assert seen["created"] == {"status": 201, "tag": "T", "timeout": 20, "method": "POST"}
    assert seen["room"] == {"tag": "by sdk", "name": "sdk-room", "listed_members": None}
    assert seen["member"] == {"call": True, "muted": True}
    assert seen["recording"]["size"] > 8000
    assert seen["recording"]["format"] == "wav"
    assert seen["state"] == {"state": "answered", "direction": "outbound", "answered": True}
    assert seen["members_after"] == 0
    assert seen["over"] == {"state": "disconnected", "cause": "hangup"}
    assert (seen["listed"], seen["recordings"], seen["statistics"]) == (True, 0, 0)
    expected = {
        "missing": (404, "validation"),
        "foreign": (403, "authorization-error"),
        "wrong": (401, "authentication-error"),
        "bad_to": (400, "validation"),
        "no_redirect": (400, "validation"),
        "changed_late": (409, "validation"),
    }
    assert {name: (seen[name]["status"], seen[name]["type"]) for name in expected} == expected
    assert seen["bad_to"]["description"] == "Invalid to: must be an E164 telephone number"
    events = [request.json for request in application.requests() if request.json and "eventType" in request.json]
    assert {"answer", "conferenceCreated", "conferenceMemberJoin", "conferenceRedirect", "conferenceMemberExit"} <= {
        event["eventType"] for event in events
    }
    unknown = await run_sdk("callbacks", {"events": events})
    assert {name: fields for name, fields in unknown.items() if set(fields) - BEYOND_THE_MODEL.get(name, set())} == {}


BEYOND_THE_MODEL: dict[str, set[str]] = {}
"""Fields of the specification that the SDK's model of an event does not have."""


async def test_oauth_through_the_sdk(hubbub_server: HubbubServer) -> None:
    """ "SDKs send `Authorization: Bearer …` afterwards and renew when under 60 s remain"."""
    seen = await run_sdk("oauth", job_of(hubbub_server))
    assert seen["rooms"] == 0
    assert seen["token"].count(".") == 2
    assert 3500 < seen["left"] <= 3600


async def test_the_tables_know_every_word_of_the_sdk() -> None:
    """Attributes of its BXML classes, fields of its models."""
    words = await run_sdk("words", {})
    elements = {name: {row.name for row in element.attributes} for name, element in TABLE.elements.items()}
    missing = {
        name: sorted(set(attributes) - elements[name])
        for name, attributes in words["verbs"].items()
        if name in elements and TABLE.elements[name].build is not None
    }
    assert {name: attributes for name, attributes in missing.items() if attributes} == {}
    assert set(words["verbs"]) - set(TABLE.elements) <= NESTED
    shown = {"Conference": "room", "ConferenceMember": "member", "CallState": "call", "ConferenceRecordingMetadata": "room-recording"}
    shown |= {"CallRecordingMetadata": "call-recording"}
    for model, resource in shown.items():
        fields = {out.name for out in RESOURCES[resource].fields}
        assert set(words["models"][model]) - fields <= NOT_SHOWN.get(model, set()), model
    assert set(words["models"]["CreateCall"]) - {"machineDetection"} <= {param.name for param in CREATE_CALL}
    assert set(words["models"]["UpdateCall"]) <= {param.name for param in UPDATE_CALL}


NESTED = {"PhoneNumber", "SipUri", "StreamParam", "CustomParam", "Endpoint", "Root", "NestableVerb"}
NOT_SHOWN = {
    "ConferenceRecordingMetadata": {"recordingName"},
    "CallRecordingMetadata": {"transferCallerId", "transferTo", "transcription"},
}
"""Optional fields of things that are not built: transcriptions, names of recordings."""
