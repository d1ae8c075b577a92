"""Links to recordings: whoever has one hears the recording, until it expires; whoever has none does not."""

from __future__ import annotations

import asyncio
import io
import re
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.scenarios.test_trust_rest import STRANGER
from tests.support.stage import TONE, PhoneMaker, room

from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
from hubbub.testing import Application, HubbubServer

pytestmark = pytest.mark.scenario


@pytest.fixture
async def recorded(application: Application, phone: PhoneMaker, tmp_path: Path) -> AsyncIterator[tuple[HubbubServer, str]]:
    """A server with a finished recording."""
    number = {"number": "*", "account": "dev", "dialect": "twiml", "url": application.url("/voice")}
    config = {"accounts": [dict(DEVELOPMENT_ACCOUNT), STRANGER], "numbers": [number], "http": {"admin_token": "t0ken"}}
    application.on("/voice", room('record="record-from-start" beep="false" recordingStatusCallback="/recording"'))
    application.on("/recording", None)
    async with HubbubServer(config=config, folder=tmp_path / "hubbub") as server:
        calls = []
        for name in ("alice", "bob"):
            calls.append(await (await phone(name)).call(server.uri("+15550001000")))
            await calls[-1].wait_answered()
            calls[-1].tone(TONE[name])
        await asyncio.sleep(1.2)
        for call in calls:
            await call.hangup()
        told = await application.wait_for("/recording", lambda r: r.params["RecordingStatus"] == "completed")
        yield server, str(told.params["RecordingSid"])


class Client:
    """Asks for links with some credentials."""

    def __init__(self, server: HubbubServer, session: aiohttp.ClientSession) -> None:
        self.server, self.session = server, session

    async def link(self, recording: str, authorization: str | None, **wanted: Any) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": authorization} if authorization else {}
        url = self.server.http_url(f"/hubbub/recordings/{recording}/link")
        async with self.session.post(url, json=wanted, headers=headers) as reply:
            return reply.status, await reply.json()

    async def get(self, url: str) -> tuple[int, bytes]:
        async with self.session.get(url) as reply:
            return reply.status, await reply.read()


def basic(account: dict[str, Any], face: str) -> str:
    values = account[face]
    names = {"twilio": ("sid", "token"), "signalwire": ("project", "token"), "bandwidth": ("username", "password")}[face]
    return aiohttp.encode_basic_auth(values[names[0]], values[names[1]])


async def test_links(recorded: tuple[HubbubServer, str]) -> None:
    """Rule: "recordings only with authorization or expiring signed links"."""
    server, recording = recorded
    owner = dict(DEVELOPMENT_ACCOUNT)
    async with aiohttp.ClientSession() as session:
        client = Client(server, session)
        path = server.http_url(f"/2010-04-01/Accounts/{owner['twilio']['sid']}/Recordings/{recording}.wav")
        assert (await client.get(path))[0] == 401, "without a link and without credentials"

        for face in ("twilio", "signalwire", "bandwidth"):
            status, made = await client.link(recording, basic(owner, face))
            assert status == 201, face
        status, made = await client.link(recording, "Bearer t0ken", seconds=60)
        assert status == 201
        assert abs(made["expires"] - time.time() - 60) < 5
        status, audio = await client.get(made["url"])
        assert status == 200
        with wave.open(io.BytesIO(audio)) as file:
            assert file.getnframes() > 4000
        status, mp3 = await client.link(recording, basic(owner, "twilio"), format="mp3")
        assert (await client.get(mp3["url"]))[0] == 200

        changed = [
            re.sub(r"expires=\d+", f"expires={made['expires'] + 1}", made["url"]),
            made["url"].replace(".wav", ".mp3"),
            made["url"][:-1] + ("0" if made["url"][-1] != "0" else "1"),
            made["url"].partition("?")[0],
            re.sub(r"media/\w+", "media/" + "0" * 32, made["url"]),
            re.sub(r"expires=\d+", "expires=9999999999999999", made["url"]),
            re.sub(r"expires=\d+", "expires=%D9%A3", made["url"]),
        ]
        for url in changed:
            assert (await client.get(url))[0] == 403, url

        status, short = await client.link(recording, basic(owner, "twilio"), seconds=1)
        await asyncio.sleep(max(0.0, short["expires"] - time.time()) + 0.1)
        assert (await client.get(short["url"])) == (403, b'{"error":"the link has expired"}')

        strangers = ((None, 401), ("Bearer wrong", 401), (basic(STRANGER, "twilio"), 404), (basic(STRANGER, "bandwidth"), 404))
        for credentials, expected in strangers:
            assert (await client.link(recording, credentials))[0] == expected, credentials
        assert (await client.link("RE" + "0" * 32, basic(owner, "twilio")))[0] == 404
        for wanted in ({"seconds": 0}, {"seconds": 10**9}, {"seconds": "60"}, {"seconds": True}, {"format": "../../etc/passwd"}):
            assert (await client.link(recording, basic(owner, "twilio"), **wanted))[0] == 400, wanted

        key = server.recordings / ".link-key"
        assert key.stat().st_mode & 0o777 == 0o600
        await server.restart()
        assert (await client.get(made["url"]))[0] == 200, "a restart ends no link"
        headers = {"Authorization": basic(owner, "twilio")}
        async with session.delete(path.removesuffix(".wav") + ".json", headers=headers) as reply:
            assert reply.status == 204
        assert (await client.get(made["url"]))[0] == 404, "a deleted recording has no links"
        lines = [line for line in server.log_file.read_text().splitlines() if "create_link" in line]
        assert len(lines) == 6
        assert not any("signature" in line for line in lines)
        assert "Traceback" not in server.log_file.read_text()
