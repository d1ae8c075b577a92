"""The official Python SDK, unmodified, in its own environment: REST v2, OAuth, its BXML classes, and its models of our webhooks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.facts import ACCOUNT
from tests.support.sdk import run
from tests.support.stage import PhoneMaker, tone_wav

from hubbub.dialects.bxml.callbacks import WEBHOOKS
from hubbub.dialects.bxml.document import TABLE
from hubbub.dialects.bxml.operations import CREATE_CALL, UPDATE_CALL, UPDATE_CONFERENCE, UPDATE_MEMBER, UPDATE_RECORDING
from hubbub.dialects.bxml.resources import CREATED_CALL, RESOURCES
from hubbub.dialects.bxml.rest import ECHO, _echo
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
    return await run([PYTHON, FLOW, work], job)


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


@pytest.fixture(scope="module")
def words() -> dict[str, Any]:
    """Every BXML class with its attributes, every model with its fields."""
    return asyncio.run(run_sdk("words", {}))


def test_every_verb_and_attribute_of_the_sdk_has_a_row(words: dict[str, Any]) -> None:
    """Its BXML classes, those inside others too."""
    elements = {**TABLE.elements, **{name.partition("/")[2]: element for name, element in TABLE.nested.items()}}
    rows = {name: {row.name for row in element.attributes} for name, element in elements.items()}
    built = {name for name in rows if name not in TABLE.elements or TABLE.elements[name].build is not None}
    missing = {name: set(given) - rows[name] for name, given in words["verbs"].items() if name in built}
    assert {name: attributes for name, attributes in missing.items() if attributes} == {}
    assert {name: words["verbs"][name] for name in set(words["verbs"]) - set(rows)} == {name: words["verbs"][name] for name in BARE}


BARE = {"Endpoint", "NestableVerb"}
"""An endpoint has no attributes; the other is no verb but the base of verbs."""
SHOWN = {"Conference": "room", "ConferenceMember": "member", "CallState": "call", "ConferenceRecordingMetadata": "room-recording"}
SHOWN |= {"CallRecordingMetadata": "call-recording", "AccountStatistics": "statistics"}
ASKED = {"CreateCall": CREATE_CALL, "UpdateCall": UPDATE_CALL, "UpdateConference": UPDATE_CONFERENCE}
ASKED |= {"UpdateConferenceMember": UPDATE_MEMBER, "UpdateCallRecording": UPDATE_RECORDING}


@pytest.mark.parametrize("model", SHOWN)
def test_what_is_shown_has_the_fields_of_the_sdk(words: dict[str, Any], model: str) -> None:
    """No field of a model is missing, and none is there that its model does not know."""
    fields = {out.name for out in RESOURCES[SHOWN[model]].fields}
    assert set(words["models"][model]) - fields == set()
    assert fields <= set(words["models"][model])


@pytest.mark.parametrize("model", ASKED)
def test_what_is_asked_has_the_parameters_of_the_sdk(words: dict[str, Any], model: str) -> None:
    params = {param.name for param in ASKED[model]}
    wanted = set(words["models"][model])
    if "machineDetection" in wanted:
        wanted = wanted - {"machineDetection"} | {f"machineDetection.{name}" for name in words["models"]["MachineDetectionConfiguration"]}
    assert wanted <= params


def test_the_answer_to_a_creation_has_the_fields_of_the_sdk(words: dict[str, Any]) -> None:
    """6.2: the echo of the request, and what the call adds."""
    values = {key: "x" for _, key in ECHO} | {"password": "x", "fallback_password": "x", "priority": 5, "extra": {}}
    given = set(_echo(values, ACCOUNT)) | {out.name for out in CREATED_CALL}
    assert set(words["models"]["CreateCallResponse"]) - given == set()


def webhook_models(words: dict[str, Any]) -> dict[str, set[str]]:
    """The SDK's models of voice webhooks by eventType."""
    names = {"RecordingCompleteCallback": "recordComplete"}
    messaging = {"Callback", "InboundCallback", "StatusCallback"}
    return {
        names.get(model, model[0].lower() + model.removesuffix("Callback")[1:]): set(fields)
        for model, fields in words["models"].items()
        if model.endswith("Callback") and model not in messaging
    }


def test_every_webhook_has_the_fields_of_its_model(words: dict[str, Any]) -> None:
    """5.2, 5.3: event by event; what a row has beyond its model is in the specification, and named here."""
    models = webhook_models(words)
    assert set(models) - set(WEBHOOKS) == set()
    rows = {event: {out.name for out in WEBHOOKS[event]} for event in set(models) & set(WEBHOOKS)}
    never = {event: models[event] - fields for event, fields in rows.items() if models[event] - fields}
    assert never == {}
    unknown = {event: fields - models[event] - OF_A_TRANSFER - BEYOND.get(event, set()) for event, fields in rows.items()}
    assert {event: fields for event, fields in unknown.items() if fields} == {}


OF_A_TRANSFER = {"parentCallId", "transferCallerId", "transferTo"}
"""Base fields of every event of a call that a transfer made (5.3); no other call has them."""
BEYOND = {"initiate": {"tag", "enqueuedTime"}, "referComplete": {"enqueuedTime"}, "recordingAvailable": {"recordingName"}}
BEYOND |= {"gather": {"speechResult", "confidence"}}
"""Speech has fields whose names its vendor does not publish; `recordingName` is in the specification; an incoming call has no tag
when it begins, and waited in no queue."""
