"""Nobody sees or touches what is another account's, by any operation of any face; browsers, floods and giants are kept at bay."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.support.routes import BESIDE_TABLES
from tests.support.shared import shared
from tests.support.stage import PhoneMaker, call_in, room

from hubbub.configuration import build_settings
from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
from hubbub.dialects.registry import command_faces, rest_faces
from hubbub.dialects.tables import Operation
from hubbub.testing import Application, HubbubServer

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]

STRANGER: dict[str, Any] = {
    "name": "stranger",
    "twilio": {"sid": "AC00000000000000000000000000000009", "token": "9" * 32},
    "signalwire": {"project": "00000000-0000-4000-8000-000000000009", "token": "PT9"},
    "bandwidth": {
        "account": "9900009",
        "username": "stranger",
        "password": "strange",
        "application": "00000000-0000-4000-8000-000000000008",
    },
}
NUMBER, APPLICATION_NAME = "+15550001000", "theirs"
FORMS = {
    "create_member": {"To": "sip:nobody@127.0.0.1:9", "From": NUMBER},
    "update_room": {"Status": "completed", "status": "completed"},
    "upgrade_call": {"name": "stolen"},
    "create_grant": {"may": "hold"},
    "create_transfer": {"giver": "x", "to": "sip:nobody@127.0.0.1:9"},
    "update_transfer": {"action": "cancel"},
    "update_member": {"Muted": "true", "muted": "true"},
    "update_stream": {"Status": "stopped"},
    "create_stream": {"Url": "wss://stream.example/x"},
    "update_recording": {"Status": "paused"},
    "create_announcement": {"AnnounceUrl": "http://127.0.0.1:9/x"},
    "update_number": {"FriendlyName": "stolen"},
    "update_application": {"FriendlyName": "stolen"},
    "update_key": {"FriendlyName": "stolen"},
}
BODIES = {
    "update_call": {"state": "completed"},
    "steer_room": {"status": "completed"},
    "set_member": {"mute": True},
    "steer_recording": {"state": "paused"},
    "create_transcript": {},
}
running, application, hubbub_server, phone, rest = shared({"accounts": [dict(DEVELOPMENT_ACCOUNT), STRANGER]})
ENDLESS = 64_000_000
"""Bytes of a head that must not be taken: far beyond what the kernel holds between two sockets."""
XML = '<?xml version="1.0"?><Bxml><Hangup/></Bxml>'


@dataclass
class Caller:
    """An account at a face."""

    server: HubbubServer
    base: str
    account: str
    user: str
    password: str

    async def __call__(self, session: aiohttp.ClientSession, method: str, path: str, account: str = "", **more: Any) -> tuple[int, Any]:
        headers = {"Authorization": aiohttp.encode_basic_auth(self.user, self.password), **more.pop("headers", {})}
        url = self.server.http_url(re.sub(r"\{account[^}]*\}", account or self.account, self.base) + path)
        async with session.request(method, url, headers=headers, **more) as reply:
            data = await reply.read()
            return reply.status, json.loads(data) if data[:1] in b"{[" and data else data


def faces() -> list[Any]:
    settings = build_settings({"accounts": [dict(DEVELOPMENT_ACCOUNT), STRANGER]}, Path())
    return list(rest_faces("http://127.0.0.1", settings.accounts, lambda: 0.0))


def common_face() -> Any:
    """The face that most tests ask by."""
    return next(face for face in faces() if face.base.startswith("/2010") and ":" not in face.base)


def caller(face: Any, server: HubbubServer, account: dict[str, Any]) -> Caller:
    name = {"twiml": "twilio", "cxml": "signalwire", "swml": "signalwire", "bxml": "bandwidth", "own": "twilio"}[
        type(face).__module__.split(".")[2]
    ]
    values = account[name]
    if name == "bandwidth":
        return Caller(server, face.base, values["account"], values["username"], values["password"])
    if face.base.startswith("/hubbub"):
        return Caller(server, face.base, account["name"], values["sid"], values["token"])
    first = values.get("sid") or values["project"]
    return Caller(server, face.base, first, first, values["token"])


def given(operation: Operation, module: str) -> dict[str, Any]:
    """A body that would do something if it reached what it names."""
    if operation.method in ("GET", "DELETE"):
        return {}
    if module != "bxml":
        stops = operation.path.endswith(("{stream}", "{live}"))
        usual = FORMS["update_stream"] if stops else {"Status": "completed"}
        return {"data": FORMS.get(operation.does, usual)}
    if operation.path.endswith("/bxml"):
        return {"data": XML.encode(), "headers": {"Content-Type": "application/xml"}}
    return {"json": BODIES[operation.does]}


async def test_another_accounts_ids_do_not_exist(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Rule: "per-account isolation proven for every endpoint (another account's ids give 404)"."""
    application.on("/voice", room('record="record-from-start" beep="false"'))
    await call_in(hubbub_server, phone, "alice", "bob")
    async with aiohttp.ClientSession() as session:
        tried, leaks = 0, []
        for face in faces():
            module = type(face).__module__.split(".")[2]
            owner, stranger = caller(face, hubbub_server, DEVELOPMENT_ACCOUNT), caller(face, hubbub_server, STRANGER)
            ids = await things(face, module, owner, session, application.url("/announce"))
            for kind in re.findall(r"\{(\w+)", "".join(operation.path for operation in face.operations)):
                ids.setdefault(kind, ids["room"])  # of kinds that need more to be made, the owner has none; what is above them is his
            before = await state(face, owner, ids, session)
            for operation in face.operations:
                if set(re.findall(r"\{(\w+)", operation.path)):
                    suffix = face.suffixes[0] if face.suffixes else ""
                    path = operation.path.format(**ids) + suffix
                    status, body = await stranger(session, operation.method, path, **given(operation, module))
                    unknown = operation.does == "inspect_recordings" and body == []  # v2 shows no recordings of what it does not know
                    if status != 404 and not unknown:
                        leaks.append((module, operation.method, path, status, body))
                    status, _ = await stranger(session, operation.method, path, owner.account, **given(operation, module))
                    assert status in ((401, 403) if "{account" in face.base else (404,)), (module, operation.method, path, status)
                    tried += 1
                elif operation.method == "GET":
                    status, body = await stranger(session, "GET", operation.path + face.suffixes[0])
                    if status == 200:
                        assert not [one for one in ids.values() if one in json.dumps(body, default=str)], (module, operation.path)
            assert await state(face, owner, ids, session) == before
            for kind in (".wav", ".mp3", "") if "recording" in ids and face.habits.common_media else ():
                status, body = await stranger(session, "GET", f"/Recordings/{ids['recording']}{kind}")
                assert status == 404, (module, kind, status)
        assert tried > 90
        assert leaks == []
        await assert_commands_reach_nobody(hubbub_server, session)
    calls = await gauge(hubbub_server)
    assert calls == 2, "nobody was hung up"


async def assert_commands_reach_nobody(server: HubbubServer, session: aiohttp.ClientSession) -> None:
    """Commands (and the same as remote procedures) that name another account's call: 404, or refused before anybody looked for it."""
    (face,) = command_faces("http://127.0.0.1", build_settings({"accounts": [dict(DEVELOPMENT_ACCOUNT), STRANGER]}, Path()).accounts)
    owner, stranger = caller(face, server, DEVELOPMENT_ACCOUNT), caller(face, server, STRANGER)
    logs = replace(owner, base="/api/voice")
    _, calls = await logs(session, "GET", "/logs")
    call, document = calls["data"][0]["id"], json.dumps({"sections": {"main": ["hangup"]}})
    params = {
        "swml": document,
        "status": "completed",
        "reason": "hangup",
        "control_id": "x",
        "play": [{"type": "silence", "params": {"duration": 1}}],
    }
    for operation in face.operations:
        if operation.does == "create_call":
            continue
        body = {"command": operation.command, "id": call, "params": {**params, "id": call}}
        status, said = await stranger(session, "POST", "/calls", json=body)
        assert status in (404, 422), (operation.command, status, said)
        remote = {"jsonrpc": "2.0", "id": 1, "method": operation.command, "params": {**params, "id": call, "call_id": call}}
        _, said = await stranger(session, "POST", "/rpc", json=remote)
        assert "error" in said, (operation.command, said)
    status, _ = await owner(session, "POST", "/calls", json={"command": "calling.hold", "id": call, "params": {}})
    assert status == 200, "its owner may"


async def gauge(server: HubbubServer) -> float:
    from tests.support.watch import gauges

    return (await gauges(server))["hubbub_calls"]


async def things(face: Any, module: str, owner: Caller, session: aiohttp.ClientSession, server_url: str) -> dict[str, str]:
    """An identity of each kind that paths name, as this face spells it; all of them are the owner's."""
    if module == "bxml":
        _, calls = await owner(session, "GET", "/calls")
        _, rooms = await owner(session, "GET", "/conferences")
        room_id = rooms[0]["id"]
        _, members = await owner(session, "GET", f"/conferences/{room_id}/members")
        _, recordings = await owner(session, "GET", f"/conferences/{room_id}/recordings")
        found = {"call": calls[0]["callId"], "room": room_id, "recording": recordings[0]["recordingId"]}
        return {**found, "member": (members[0].get("memberId") or members[0]["callId"]) if members else calls[0]["callId"]}
    if module == "own":
        _, rooms = await owner(session, "GET", "/rooms")
        room_id = rooms["rooms"][0]["id"]
        _, members = await owner(session, "GET", f"/rooms/{room_id}/members")
        first = members["members"][0]["call"]
        return {"room": room_id, "call": first, "member": first, "transfer": room_id}
    if module == "swml":
        _, listed = await owner(session, "GET", face.operations[0].path)
        one = listed["data"][0]["id"]
        return {"call": one, "room": one}
    if "{account" not in face.base:
        _, rooms = await owner(session, "GET", "/Conferences")
        room_id = rooms["conferences"][0]["conference_sid"]
        _, stays = await owner(session, "GET", f"/Conferences/{room_id}/Participants")
        return {"room": room_id, "stay": stays["participants"][0]["participant_sid"]}
    made = {"PhoneNumber": f"+1555{abs(hash(face.base)) % 10**7:07}"}
    _, number = await owner(session, "POST", f"/IncomingPhoneNumbers{face.suffixes[0]}", data=made)
    _, application = await owner(session, "POST", f"/Applications{face.suffixes[0]}", data={"FriendlyName": APPLICATION_NAME})
    _, key = await owner(session, "POST", f"/Keys{face.suffixes[0]}", data={"FriendlyName": APPLICATION_NAME})
    _, calls = await owner(session, "GET", f"/Calls{face.suffixes[0]}")
    call = calls["calls"][0]["sid"]
    _, rooms = await owner(session, "GET", f"/Conferences{face.suffixes[0]}")
    room_id = rooms["conferences"][0]["sid"]
    _, recordings = await owner(session, "GET", f"/Conferences/{room_id}/Recordings{face.suffixes[0]}")
    more = {"AnnounceUrl": server_url}
    _, announcement = await owner(session, "POST", f"/Conferences/{room_id}/Announcements{face.suffixes[0]}", data=more)
    notification = await noted(face, owner, session)
    _, line = await owner(session, "POST", f"/Queues{face.suffixes[0]}", data={"FriendlyName": f"line of {face.base}"})
    return {
        "line": line["sid"],
        "call": call, "room": room_id, "member": call, "recording": recordings["recordings"][0]["sid"],
        "number": number["sid"], "application": application["sid"], "key": key["sid"], "notification": notification,
        "announcement": announcement["sid"],
    }  # fmt: skip


async def noted(face: Any, owner: Caller, session: aiohttp.ClientSession) -> str:
    """A notification: something without effect was asked for."""
    path = f"/Applications{face.suffixes[0]}"
    await owner(session, "POST", path, data={"FriendlyName": "x", "NoSuchThing": "1"})
    for _ in range(100):
        _, found = await owner(session, "GET", f"/Notifications{face.suffixes[0]}")
        if found["notifications"]:
            return str(found["notifications"][0]["sid"])
        await asyncio.sleep(0.02)
    raise AssertionError("nothing was noted")


async def state(face: Any, owner: Caller, ids: dict[str, str], session: aiohttp.ClientSession) -> dict[str, Any]:
    """What the owner sees of everything: it is there (else a stranger's 404 would prove nothing), and stays as it is."""
    seen = {}
    for operation in face.operations:
        named = re.findall(r"\{(\w+)", operation.path)
        if operation.method != "GET" or not named or operation.does in ("fetch_media", "fetch_room_summary", "fetch_member_summary"):
            continue
        if named[-1] not in ("call", "room", "member", "recording", "number", "application", "key", "notification"):
            continue  # it may be over meanwhile
        if "notification" in named and not ids["notification"].startswith("NO"):
            continue  # shown as a UUID, and not found by it: not even its owner can fetch it
        if operation.does.startswith(("fetch", "inspect")) and not operation.path.startswith(
            ("/calls/{call}/rec", "/Calls/{call}/Rec", "/Calls/{call}/Not")
        ):
            status, body = await owner(session, "GET", operation.path.format(**ids) + face.suffixes[0])
            assert status == 200, (face.base, operation.path, status, body)
            seen[operation.path] = {key: value for key, value in body.items() if "uration" not in key} if isinstance(body, dict) else body
    return seen


async def test_browsers_are_told_and_other_origins_are_not_let_in(hubbub_server: HubbubServer) -> None:
    """Rule: "no open CORS, security headers on pages"."""
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with aiohttp.ClientSession() as session:
        for method in ("GET", "OPTIONS"):
            for path in ("/healthz", "/metrics", "/2010-04-01/Accounts/AC1/Calls.json", "/api/v2/accounts/1/calls", "/nothing"):
                async with session.request(method, hubbub_server.http_url(path), headers=origin) as reply:
                    assert not [name for name in reply.headers if name.lower().startswith("access-control-")], path
                    assert reply.headers["X-Content-Type-Options"] == "nosniff"
                    assert reply.headers["X-Frame-Options"] == "DENY"
                    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]


async def test_requests_have_bounds(hubbub_server: HubbubServer) -> None:
    """Rule: "request size limits": query, head and body; the connection of an endless head is closed."""
    owner = caller(common_face(), hubbub_server, DEVELOPMENT_ACCOUNT)
    async with aiohttp.ClientSession() as session:
        status, _ = await owner(session, "GET", "/Calls.json?x=" + "y" * 20_000)
        assert status == 414
        status, _ = await owner(session, "POST", "/Calls.json", data=b"To=" + b"x" * (2 << 20))
        assert status == 400
    reader, writer = await asyncio.open_connection(*hubbub_server.http)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < ENDLESS and not reader.at_eof():
            writer.write(b"X-More: " + b"y" * 1000 + b"\r\n")
            await writer.drain()
            sent += 1010
            await asyncio.sleep(0)
    assert sent < ENDLESS
    writer.close()
    async with aiohttp.ClientSession() as session, session.get(hubbub_server.http_url("/healthz")) as reply:
        assert reply.status == 200


async def test_an_account_that_asks_too_often_is_told_so_and_no_other_one(tmp_path: Path) -> None:
    """`http.requests_per_second`: 429 with Retry-After, by account."""
    config = {"accounts": [dict(DEVELOPMENT_ACCOUNT), STRANGER], "http": {"requests_per_second": 5}}
    async with HubbubServer(config=config, folder=tmp_path) as server, aiohttp.ClientSession() as session:
        owner, stranger = (caller(common_face(), server, account) for account in (DEVELOPMENT_ACCOUNT, STRANGER))
        found = [(await owner(session, "GET", "/Calls.json"))[0] for _ in range(20)]
        assert found[:10] == [200] * 10
        assert found.count(429) >= 5
        assert (await stranger(session, "GET", "/Calls.json"))[0] == 200


async def test_every_change_leaves_its_line_in_the_log(hubbub_server: HubbubServer) -> None:
    """Rule: "audit log of changes": who, what, which; values (they may be secrets) are not in it."""
    owner, before = caller(common_face(), hubbub_server, DEVELOPMENT_ACCOUNT), len(hubbub_server.log)
    async with aiohttp.ClientSession() as session:
        _, made = await owner(session, "POST", "/Applications.json", data={"FriendlyName": "s3cret-value"})
        await owner(session, "GET", "/Applications.json")
        await owner(session, "DELETE", f"/Applications/{made['sid']}.json")
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in hubbub_server.log[before:].splitlines() if '"audit"' in line]
    assert len(lines) == 2
    assert "create_application" in lines[0]
    assert "delete_application" in lines[1]
    assert made["sid"] in lines[1]
    assert all("dev" in line and "s3cret" not in line for line in lines)


async def test_every_metric_is_documented(hubbub_server: HubbubServer) -> None:
    """Rule: "/metrics (Prometheus names, documented)"."""
    from tests.support.watch import gauges

    page = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
    documented = {re.sub(r"_[A-Z]+$", "_", name) for name in re.findall(r"`(hubbub_\w+)`", page)}
    names = await gauges(hubbub_server)
    missing = [
        name for name in names if name not in documented and not any(name.startswith(each) for each in documented if each.endswith("_"))
    ]
    assert missing == []


async def test_what_was_refused_is_in_the_log_too(hubbub_server: HubbubServer) -> None:
    """Rule: "audit log": changes that were refused, and credentials that were wrong; what was read and not found is not."""
    owner, before = caller(common_face(), hubbub_server, DEVELOPMENT_ACCOUNT), len(hubbub_server.log)
    wrong = Caller(hubbub_server, owner.base, owner.account, owner.user, "s3cret-guess")
    async with aiohttp.ClientSession() as session:
        await owner(session, "POST", "/Calls.json", data={"To": "s3cret-value"})
        await owner(session, "GET", "/Calls/CA00000000000000000000000000000000.json")
        await wrong(session, "GET", "/Calls.json")
        for _ in range(400):
            await wrong(session, "GET", "/Calls.json?x=" + "y" * 500)
    lines = [json.loads(line) for line in hubbub_server.log[before:].splitlines() if "audit_refused" in line]
    assert (lines[0]["account"], lines[0]["method"], lines[0]["client"]) == ("dev", "POST", "127.0.0.1")
    assert (lines[1]["account"], lines[1]["reason"], lines[1]["path"][-11:]) == (None, "unauthenticated", "/Calls.json")
    assert len(lines) < 400, "whoever is refused does not decide how large the log becomes"
    assert "s3cret" not in hubbub_server.log


async def test_paths_beside_the_tables_are_closed(application: Application, phone: PhoneMaker, tmp_path: Path) -> None:
    """The operator's are closed to accounts, and what is one account's to another; the call and the recording that they name are there."""
    number = {"number": "*", "account": "dev", "dialect": "twiml", "url": application.url("/voice")}
    config = {
        "accounts": [dict(DEVELOPMENT_ACCOUNT), STRANGER],
        "numbers": [number],
        "http": {"admin_token": "t0ken", "wrong_credentials": 1000},
    }
    async with HubbubServer(config=config, folder=tmp_path) as server, aiohttp.ClientSession() as session:
        application.on("/voice", room('record="record-from-start" beep="false"'))
        calls = await call_in(server, phone, "alice", "bob")
        owner, stranger = (caller(common_face(), server, account) for account in (DEVELOPMENT_ACCOUNT, STRANGER))
        _, live = await owner(session, "GET", "/Calls.json")
        _, kept = await owner(session, "GET", "/Recordings.json")
        await calls["alice"].heard(3.0)  # a shorter recording is not kept
        recording = kept["recordings"][0]
        path = f"/Conferences/{recording['conference_sid']}/Recordings/{recording['sid']}.json"
        await owner(session, "POST", path, data={"Status": "stopped"})
        for _ in range(200):
            if (await owner(session, "GET", path))[1]["status"] == "completed":
                break
            await asyncio.sleep(0.05)
        names = {"call": live["calls"][0]["sid"], "recording": recording["sid"], "name": "x", "kind": "wav"}
        answers: dict[tuple[str, str], dict[str, int]] = {}
        for (method, path), whose in BESIDE_TABLES.items():
            url = server.http_url(path.format(**names))
            keys = {
                name: {"Authorization": aiohttp.encode_basic_auth(who.user, who.password)}
                for name, who in (("owner", owner), ("stranger", stranger))
            }
            keys |= {"nobody": {}, "operator": {"Authorization": "Bearer t0ken"}}
            for who, headers in keys.items():
                async with session.request(method, url, headers=headers) as reply:
                    answers.setdefault((method, path), {})[who] = reply.status
            found = answers[method, path]
            closed = {
                "anybody": set[str](),
                "operator": {"owner", "stranger", "nobody"},
                "owner": {"stranger", "nobody"},
                "link": set(keys),
            }[whose]
            for who in keys:
                assert (found[who] in (401, 403, 404)) is (who in closed or found["operator"] == 404), (method, path, who, found)
        assert answers["POST", "/hubbub/recordings/{recording}/link"]["owner"] in (200, 201)
        for call in calls.values():
            await call.hangup()
