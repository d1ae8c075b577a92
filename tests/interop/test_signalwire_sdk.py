"""The official SDKs, unmodified, each in its own environment: agents (two versions) and compatibility, of Python and of Node."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.support.sdk import run
from tests.support.stage import PhoneMaker, assert_matrix, call_in, tone_wav

from hubbub.testing import Application, HubbubServer, PhoneCall

ROOT = Path(__file__).parents[2]
FLOW = Path(__file__).parent / "sdk" / "signalwire_flow.py"
PROJECT, TOKEN = "00000000-0000-4000-8000-000000000001", "PT0123456789"
OPTIONS = {
    "muted": True,
    "beep": "onEnter",
    "start_on_enter": False,
    "end_on_exit": True,
    "wait_url": "/hold",
    "max_participants": 10,
    "record": "record-from-start",
    "region": "us-east",
    "trim": "do-not-trim",
    "status_callback_event": "start end join leave",
    "status_callback": "/events",
    "status_callback_method": "POST",
    "recording_status_callback": "/recording",
    "recording_status_callback_event": "completed",
    "result": {"case": {}, "default": []},
}

pytestmark = pytest.mark.interop


def python_of(name: str) -> Path:
    python = ROOT / f".venv-{name}" / "bin" / "python"
    if not python.exists():
        pytest.skip("the SDK's environment is missing: run `make peers`")
    return python


async def run_sdk(name: str, work: str, job: dict[str, Any], **environment: str) -> dict[str, Any]:
    return await run([python_of(name), FLOW, work], job, **environment)


async def run_node(work: str, job: dict[str, Any], **environment: str) -> dict[str, Any]:
    modules = ROOT / ".venv-npm-signalwire" / "node_modules"
    node = shutil.which("node")
    if node is None or not modules.exists():
        pytest.skip("the SDK's folder is missing: run `make peers`")
    return await run([node, FLOW.with_suffix(".cjs"), work], job, NODE_PATH=str(modules), **environment)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1, made by openssl; its key stands beside it."""
    made = tmp_path / "certificate.pem"
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(tmp_path / "key.pem")]
    subprocess.run([*command, "-out", str(made), *name], check=True, capture_output=True)
    return made


class TestAgents:
    """3.11, 3.12: what FunctionResult serialises is executed on the live call."""

    @pytest.fixture
    def hubbub_config(self, application: Application) -> dict[str, Any]:
        url = application.url("/voice")
        return {"numbers": [{"number": "+15550001000", "account": "dev", "dialect": "swml", "url": url}]}

    @pytest.mark.parametrize("name", ["signalwire-agents", "signalwire-sdk"])
    async def test_replies_act_on_the_call(
        self, application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, name: str
    ) -> None:
        """Without transfer `ai` resumes after the conference; with it `ai` ends first; parameters reach the room; wrong ones are told."""
        replies = await run_sdk(name, "functions", {"options": OPTIONS})
        assert set(replies["refused"]) == {"beep", "record", "name"}
        called = ("plain", "full", "transfer", "raw", "nothing")
        declared = [{"function": function, "web_hook_url": f"/swaig/{function}"} for function in called]
        main = [{"ai": {"prompt": {"text": "x"}, "SWAIG": {"functions": declared}}}, {"play": {"url": "silence:1"}}]
        application.on("/voice", {"version": "1.0.0", "sections": {"main": main}})
        for function in called:
            application.on(f"/swaig/{function}", replies[function])
        application.on("/events", None)
        application.on("/hold", {"version": "1.0.0", "sections": {"main": [{"sleep": 60000}]}})
        calls = await call_in(hubbub_server, phone, "alice", "bob")
        ids = {request.json["call"]["from"].split(":")[1][0]: request.json["call"]["call_id"] for request in application.requests("/voice")}
        assert await _function(hubbub_server, ids["a"], "missing") == (404, None)
        assert (await _function(hubbub_server, ids["a"], "nothing", color="red"))[0] == 200
        asked = application.requests("/swaig/nothing")[0].json
        assert (asked["function"], asked["argument"]["parsed"], asked["version"]) == ("nothing", [{"color": "red"}], "2.0")
        assert asked["call_id"] == ids["a"]
        status, answer = await _function(hubbub_server, ids["a"], "raw")
        assert status == 200
        assert "wrong" in answer["warnings"][0]
        assert (await _function(hubbub_server, ids["a"], "plain"))[1]["transferred"] is False
        assert (await _function(hubbub_server, ids["b"], "transfer"))[1]["transferred"] is True
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        assert (await _function(hubbub_server, ids["a"], "nothing"))[0] == 409  # suspended while in the room
        await _remove(hubbub_server, "room", ids["a"])
        await assert_matrix(calls, {"alice": "", "bob": ""})
        assert (await _function(hubbub_server, ids["a"], "nothing"))[0] == 200  # `ai` has resumed
        await _remove(hubbub_server, "room", ids["b"])
        await asyncio.wait_for(calls["bob"].ended.wait(), 10)  # `ai` had ended: nothing follows
        await _joins_with_everything(application, hubbub_server, calls["alice"], ids["a"])


async def _joins_with_everything(application: Application, server: HubbubServer, call: PhoneCall, identity: str) -> None:
    assert (await _function(server, identity, "full"))[0] == 200
    await application.wait_for("/hold")
    joined = (await application.wait_for("/events", lambda request: request.json["params"]["status"] == "participant-join")).json["params"]
    assert (joined["muted"], joined["start_on_join"], joined["end_on_leave"], joined["name"]) == (True, False, True, "room")
    await call.hangup()


async def _function(server: HubbubServer, call: str, name: str, **arguments: Any) -> tuple[int, Any]:
    url = server.http_url(f"/hubbub/calls/{call}/functions/{name}")
    async with aiohttp.ClientSession() as session, session.post(url, json=arguments) as reply:
        body = await reply.json()
        return reply.status, body if reply.status == 200 else None


async def _remove(server: HubbubServer, room: str, call: str) -> None:
    url = server.http_url(f"/api/laml/2010-04-01/Accounts/{PROJECT}/Conferences/{room}/Participants/{call}")
    headers = {"Authorization": aiohttp.encode_basic_auth(PROJECT, TOKEN)}
    async with aiohttp.ClientSession(headers=headers) as session, session.delete(url) as reply:
        assert reply.status == 204


class Secure:
    """A server over TLS: most SDKs force https."""

    @pytest.fixture
    def hubbub_config(self, application: Application, certificate: Path) -> dict[str, Any]:
        number = {"number": "+15550001000", "account": "dev", "dialect": "cxml", "url": application.url("/voice")}
        http = {"listen": "127.0.0.1:0", "tls_certificate": str(certificate), "tls_key": str(certificate.with_name("key.pem"))}
        return {"numbers": [number], "http": http}

    @pytest.fixture
    async def secure_server(
        self, application: Application, hubbub_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Any:
        monkeypatch.setattr(HubbubServer, "_until_ready", _until_ready)
        async with HubbubServer(application.url("/voice"), config=hubbub_config, folder=tmp_path / "hubbub") as running:
            yield running


def form_requests(application: Application) -> list[dict[str, Any]]:
    return [
        {
            "url": r.url,
            "fields": list(r.fields),
            "params": dict(r.fields),
            "body": r.body.decode(),
            "signature": r.headers["X-SignalWire-Signature"],
        }
        for r in application.requests()
    ]


async def room_of_two(application: Application, server: HubbubServer, phone: PhoneMaker) -> dict[str, Any]:
    """Two callers talk in `Room 1234`; what an SDK needs to reach them."""
    application.on("/voice", '<Response><Dial><Conference statusCallback="/events" statusCallbackEvent="start join">Room 1234</Conference></Dial></Response>')  # fmt: skip  # noqa: E501
    application.on("/events", None)
    calls = await call_in(server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    callee = await phone("carol")
    host = "{}:{}".format(*server.http)
    return {"project": PROJECT, "token": TOKEN, "host": host, "from": "+15550001000", "to": callee.uri}


MISSING = {"status": 404, "code": 20404}


class TestCompatible(Secure):
    """Checklist 7.1, 7.2: the compatibility SDKs."""

    async def test_rest_and_signatures(
        self, application: Application, secure_server: HubbubServer, phone: PhoneMaker, certificate: Path
    ) -> None:
        """List, fetch, update, paging, errors; every request that arrived validates with the SDK's own validator."""
        job = {**await room_of_two(application, secure_server, phone), "certificate": str(certificate)}
        seen = await run_sdk("signalwire", "rest", job)
        assert seen["room"]["status"] == "in-progress"
        assert seen["room"]["uri"].startswith("/api/laml/2010-04-01/")
        assert (seen["people"], seen["muted"], seen["filtered"], seen["calls"]) == (2, True, True, 2)
        assert (seen["call"]["status"], seen["call"]["direction"]) == ("in-progress", "inbound")
        assert seen["ended"] == {"status": "completed", "reason": "conference-ended-via-api"}
        assert seen["missing"] == MISSING
        requests = form_requests(application)
        answer = await run_sdk("signalwire", "validate", {"token": TOKEN, "requests": requests})
        assert len(requests) >= 5
        assert all(answer["verdicts"])
        assert not any(answer["forged"])

    async def test_node(self, application: Application, secure_server: HubbubServer, phone: PhoneMaker, certificate: Path) -> None:
        """The same with the package of Node: lists over pages, changes, calls made and ended; its validator on what arrived."""
        job = await room_of_two(application, secure_server, phone)
        seen = await run_node("rest", job, NODE_EXTRA_CA_CERTS=str(certificate))
        assert seen["missing"] == MISSING
        assert (seen["people"], seen["muted"], seen["filtered"], seen["calls"], seen["left"]) == (2, True, True, 2, 1)
        assert seen["call"] == {"status": "in-progress", "direction": "inbound"}
        assert (seen["made"], seen["ended"], seen["recordings"]) == ("outbound", True, 0)
        assert seen["over"] == {"status": "completed", "reason": "conference-ended-via-api"}
        answer = await run_node("validate", {"token": TOKEN, "requests": form_requests(application)})
        assert len(answer["verdicts"]) >= 5
        assert all(answer["verdicts"])
        assert not any(answer["forged"])

    async def test_what_node_builds_is_understood(self, application: Application, secure_server: HubbubServer, phone: PhoneMaker) -> None:
        """Its VoiceResponse with every attribute of `<Conference>`: nothing is reported, the room does what they say."""
        attributes = {
            "muted": False,
            "beep": "false",
            "startConferenceOnEnter": True,
            "endConferenceOnExit": True,
            "jitterBufferSize": "small",
            "waitUrl": "",
            "waitMethod": "POST",
            "maxParticipants": 5,
            "record": "do-not-record",
            "region": "us1",
            "trim": "do-not-trim",
            "statusCallback": "/events",
            "statusCallbackEvent": "start end join leave",
            "statusCallbackMethod": "POST",
            "recordingStatusCallback": "/recorded",
            "recordingStatusCallbackEvent": "completed",
        }
        built = await run_node("builder", {"attributes": attributes})
        application.on("/voice", built["document"])
        application.on("/after", "<Response/>")
        calls = await call_in(secure_server, phone, "alice", "bob")
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        await calls["alice"].hangup()
        await asyncio.wait_for(calls["bob"].ended.wait(), 10)  # endConferenceOnExit
        await application.wait_for("/events", lambda request: request.params["StatusCallbackEvent"] == "conference-end")
        assert "problem " not in secure_server.log

    async def test_namespace_of_an_agents_sdk(
        self, application: Application, secure_server: HubbubServer, phone: PhoneMaker, certificate: Path
    ) -> None:
        """2.1: "PYA's `compat` client sends JSON bodies (no `.json` suffix) with the same key names"."""
        job = await room_of_two(application, secure_server, phone)
        seen = await run_sdk("signalwire-agents", "compat", job, REQUESTS_CA_BUNDLE=str(certificate))
        assert seen == {
            "room": "in-progress",
            "people": 2,
            "muted": True,
            "filtered": 1,
            "unmuted": False,
            "member": "in-progress",
            "call": "in-progress",
            "taped": "stopped",
            "made": "outbound",
            "left": 1,
            "ended": "completed",
            "missing": [404, 20404],
        }


class TestCalling(Secure):
    """4: both published agents SDKs drive a call by commands; the older forces https, the newer does not on loopback."""

    async def _drive(self, name: str, application: Application, server: HubbubServer, phone: PhoneMaker, certificate: Path) -> None:
        application.on("/told", None)
        application.on("/high.wav", tone_wav(2951.0, 20.0))
        callee = await phone("bob")
        job = {"project": PROJECT, "token": TOKEN, "host": "{}:{}".format(*server.http), "from": "+15550001000", "to": callee.uri}
        job |= {"told": application.url("/told"), "audio": application.url("/high.wav")}
        ringing = asyncio.create_task(callee.wait_call(timeout=30))
        running = asyncio.create_task(run_sdk(name, "calling", job, REQUESTS_CA_BUNDLE=str(certificate)))
        done, _ = await asyncio.wait({ringing, running}, return_when=asyncio.FIRST_COMPLETED)
        if ringing not in done:
            await running
        call = await ringing
        call.tone(574)
        seen = await running
        await call.wait_ended()
        await application.wait_for(
            "/told", lambda told: told.json["event_type"].endswith("record") and told.json["params"].get("state") == "finished"
        )
        assert (seen["direction"], seen["control"], seen["transferred"], seen["logged"]) == (
            "outbound-api",
            "song",
            seen["call"],
            "completed",
        )
        assert seen["denoised"] == [seen["call"]] * 2
        assert seen["errors"]["unknown"][0] == 404
        status, body = seen["errors"]["wrong"]
        assert status == 422
        assert "invalid_target" in json.dumps(body)
        assert seen["events"] > 5
        told = [
            (request.json["event_type"].rpartition(".")[2], request.json["params"].get("state"))
            for request in application.requests("/told")
        ]
        played = [state for kind, state in told if kind == "play"]
        assert (played[0], played[-1]) == ("playing", "finished")
        assert ("record", "finished") in told
        assert ("collect", "finished") in told

    async def test_older(self, application: Application, secure_server: HubbubServer, phone: PhoneMaker, certificate: Path) -> None:
        await self._drive("signalwire-agents", application, secure_server, phone, certificate)

    async def test_newer(self, application: Application, phone: PhoneMaker, certificate: Path, tmp_path: Path) -> None:
        async with HubbubServer(application.url("/voice"), folder=tmp_path / "plain") as server:
            await self._drive("signalwire-sdk", application, server, phone, certificate)


async def _until_ready(server: HubbubServer, deadline: float) -> None:
    """The address of a server that speaks TLS: its health is asked for by the SDK only."""
    from hubbub.settings import split_address
    from hubbub.testing.server import READY

    while not (match := READY.search(server.log)) or not match[2]:
        server._check_alive(deadline, "did not become ready")
        await asyncio.sleep(0.02)
    server.http, server.sip = split_address(match[1]), split_address(match[2])
