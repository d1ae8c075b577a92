"""Every secret of a configuration and of documents, through all that can be made of it: none is in the log, or in what the server shows."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from tests.support.client import RestError
from tests.support.rest import Rest
from tests.support.stage import EVENTS

from hubbub.testing import Application, HubbubServer
from hubbub.testing.fixtures import phones

pytestmark = pytest.mark.scenario
PATHS = ("voice", "events", "status", "action", "recording", "down", "stream", "fallback")
SECRETS = {
    "twiml token": "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
    "cxml token": "PTb2b2b2b2b2b2b2b2",
    "signing key": "PSKc3c3c3c3c3c3c3",
    "bxml password": "d4d4d4d4d4d4d4d4",
    "admin token": "e5e5e5e5e5e5e5e5",
    "phone password": "f6f6f6f6f6f6f6f6",
    "trunk password": "a7a7a7a7a7a7a7a7",
    "sip password": "b8b8b8b8b8b8b8b8",
    "api key": "",
    **{f"url {path}": f"urlpass{index}x{index}x{index}" for index, path in enumerate(PATHS)},
}
NUMBERS = f"/2010-04-01/Accounts/AC{1:032x}/IncomingPhoneNumbers.json"
WRONG = "c9c9c9c9guess"
ACCOUNT: dict[str, Any] = {
    "name": "dev",
    "twilio": {"sid": "AC00000000000000000000000000000001", "token": SECRETS["twiml token"]},
    "signalwire": {
        "project": "00000000-0000-4000-8000-000000000001",
        "token": SECRETS["cxml token"],
        "signing_key": SECRETS["signing key"],
    },
    "bandwidth": {
        "account": "9900001",
        "username": "dev",
        "password": SECRETS["bxml password"],
        "application": "00000000-0000-4000-8000-000000000002",
    },
}


def with_credentials(application: Application, path: str) -> str:
    """A URL of the application that holds a password."""
    return application.url(f"/{path}").replace("http://", f"http://user:{quote(SECRETS[f'url {path}'])}@")


def document(application: Application) -> str:
    url = {path: with_credentials(application, path) for path in PATHS}
    nobody = application.url("/").replace(str(application.url("/").rpartition(":")[2].partition("/")[0]), "9")
    unreachable = nobody.replace("http://", f"http://user:{SECRETS['url down']}@") + "gone"
    return f"""<Response>
      <Play>{unreachable}</Play><Play>{url["down"]}</Play>
      <Start><Stream url="{url["stream"].replace("http", "ws", 1)}" statusCallback="{url["status"]}" unknown="{url["down"]}"/></Start>
      <Dial timeout="5" action="{url["action"]}"><Sip username="x" password="{SECRETS["sip password"]}">sip:nobody@127.0.0.1:9</Sip></Dial>
    </Response>"""


def conference(application: Application) -> str:
    url = {path: with_credentials(application, path) for path in PATHS}
    return f"""<Response>
      <Dial><Conference {EVENTS.replace('"/events"', '"' + url["events"] + '"')} record="record-from-start"
        recordingStatusCallback="{url["recording"]}" waitUrl="{url["down"]}">standup</Conference></Dial>
    </Response>"""


def around(text: str, secret: str) -> str:
    """Where a secret stands."""
    place = text.index(secret)
    return text[max(0, place - 150) : place + 80]


async def everything_shown(server: HubbubServer, session: aiohttp.ClientSession, rest: Rest) -> dict[str, str]:
    """What REST, `/metrics`, `/hubbub/…` and wrong requests show, by their path."""
    shown: dict[str, str] = {}
    base = f"/2010-04-01/Accounts/{ACCOUNT['twilio']['sid']}"
    calls = (await rest.get("/Calls.json"))["calls"]
    rooms = (await rest.get("/Conferences.json"))["conferences"]
    paths = [
        f"{base}/{name}.json" for name in ("Calls", "Conferences", "Recordings", "Notifications", "Keys", "IncomingPhoneNumbers", "Queues")
    ]
    paths += [f"{base}/Calls/{call['sid']}{rest}.json" for call in calls for rest in ("", "/Notifications", "/Events", "/Recordings")]
    paths += [f"{base}/Conferences/{one['sid']}{rest}.json" for one in rooms for rest in ("", "/Participants", "/Recordings")]
    for face, user, password in (
        ("", ACCOUNT["twilio"]["sid"], SECRETS["twiml token"]),
        ("signalwire", ACCOUNT["signalwire"]["project"], SECRETS["cxml token"]),
        ("bandwidth", "dev", SECRETS["bxml password"]),
    ):
        more = {
            "": [*paths, "/v1/Conferences"],
            "signalwire": [f"/api/laml/2010-04-01/Accounts/{user}/{name}" for name in ("Calls", "Notifications")] + ["/api/voice/logs"],
            "bandwidth": ["/api/v2/accounts/9900001/calls", "/api/v2/accounts/9900001/conferences"],
        }[face]
        for given in (password, WRONG):
            for path in more:
                headers = {"Authorization": aiohttp.encode_basic_auth(user, given)}
                async with session.get(server.http_url(path), headers=headers) as reply:
                    shown[f"{path} {reply.status}"] = await reply.text()
    for token in (SECRETS["admin token"], WRONG):
        for path in ("/metrics", "/hubbub/openapi.json", "/hubbub/quality", f"/nowhere?token={token}"):
            async with session.get(server.http_url(path), headers={"Authorization": f"Bearer {token}"}) as reply:
                shown[f"{path} {reply.status}"] = await reply.text()
        url = server.http_url("/hubbub/events")
        timeout = aiohttp.ClientTimeout(total=1)
        try:
            async with session.get(url, headers={"Authorization": f"Bearer {token}", "Last-Event-ID": "0"}, timeout=timeout) as reply:
                async for line in reply.content:
                    shown["/hubbub/events"] = shown.get("/hubbub/events", "") + line.decode()
        except TimeoutError:
            pass
    return shown


@pytest.mark.timeout(180)
async def test_no_secret_is_in_the_log_or_shown(application: Application, tmp_path: Path) -> None:
    """Rule: "credentials never logged; secrets redacted everywhere": accounts, signing keys, phones, trunks, the admin token, API keys,
    passwords in URLs of every kind (that work, are refused, or lead nowhere) and in documents, and wrong ones."""
    application.on("/voice", document(application))
    application.on("/down", (503, "text/plain", "no"))
    application.on("/action", conference(application))
    application.on("/events", None)
    application.on("/recording", (404, "text/plain", "no"))
    application.on("/status", (302, "text/plain", "elsewhere"))
    number = {
        "number": "*", "account": "dev", "dialect": "twiml", "url": with_credentials(application, "voice"),
        "status_callback": with_credentials(application, "status"), "fallback_url": with_credentials(application, "fallback"),
    }  # fmt: skip
    config = {
        "accounts": [ACCOUNT],
        "numbers": [number, {**number, "number": "+15550002000", "url": with_credentials(application, "down")}],
        "http": {"admin_token": SECRETS["admin token"], "wrong_credentials": 0},
        "phones": [{"username": "zed", "password": SECRETS["phone password"], "account": "dev"}],
        "sip": {"trust": ["192.0.2.0/24"], "wrong_passwords": 0, "strangers": 0},
        "dial": {
            "allow_prefixes": ["+1"],
            "allow_sip": ["127.0.0.1:9"],
            "routes": [{"prefix": "+", "to": "sip:{number}@127.0.0.1:9", "username": "t", "password": SECRETS["trunk password"]}],
        },
    }
    secrets = dict(SECRETS)
    async with HubbubServer(config=config, folder=tmp_path / "hubbub") as server, Rest(server) as rest, phones() as phone:
        secrets["api key"] = (await rest.post("/Keys.json", FriendlyName="x"))["secret"]
        for name, password in (("zed", SECRETS["phone password"]), ("zed2", WRONG)):
            caller = await phone(name, username="zed", password=password)
            for to in ("+15550001000", "+15550002000"):
                call = await caller.call(server.uri(to))
                if password != WRONG and to.endswith("1000"):
                    await call.wait_answered(timeout=15)
                    await application.wait_for("/events", timeout=60)
                    await call.hangup()
                await call.wait_ended(timeout=30)
        voice = with_credentials(application, "voice")
        unheard = await rest.post("/Calls.json", To="+15550009999", From="+15550001000", Url=voice, Nonsense="x")
        with pytest.raises(RestError) as refused:
            await rest.post("/Calls.json", To=f"sip:u:{SECRETS['sip password']}@192.0.2.9", From="+15550001000", Url=number["url"])
        assert not [name for name, secret in secrets.items() if secret in json.dumps(refused.value.body)]
        await rest.post(f"/Calls/{unheard['sid']}.json", Status="completed")
        await gauge_rest(server, "hubbub_calls")
        async with aiohttp.ClientSession() as session:
            shown = await everything_shown(server, session, rest)
        secrets["wrong"] = WRONG
        leaks = {
            f"{path}: {name}": around(text, secret) for path, text in shown.items() for name, secret in secrets.items() if secret in text
        }
        for name in ("url voice", "url status", "url fallback", "url down"):  # of its number: what an account gave it reads again
            leaks.pop(f"{NUMBERS} 200: {name}", None)
        assert not leaks, "\n".join(f"{where}: {what}" for where, what in leaks.items())
        log = server.log
    told = {name: around(log, secret) for name, secret in secrets.items() if secret in log}
    assert not told, "\n".join(f"{name}: {what}" for name, what in told.items())
    assert application.requests("/voice")
    assert log.count("problem") > 3, "there was something to tell of"
    with closing(sqlite3.connect(tmp_path / "hubbub" / "hubbub.db")) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        held = {
            name
            for table in names
            if table in ("notifications", "requests", "events")
            for row in database.execute(f'SELECT * FROM "{table}"')
            for name, secret in secrets.items()
            if secret in repr(row)
        }
    assert held == set(), "what REST shows of them is what is kept of them"


async def gauge_rest(server: HubbubServer, name: str) -> None:
    """Wait until nothing of a kind is live."""
    headers = {"Authorization": f"Bearer {SECRETS['admin token']}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for _ in range(600):
            async with session.get(server.http_url("/metrics")) as reply:
                if f"{name} 0.0" in await reply.text():
                    return
            await asyncio.sleep(0.05)
    raise AssertionError(f"{name} is not 0")
