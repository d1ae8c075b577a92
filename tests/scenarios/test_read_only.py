"""A database that may really only be read: no simulated fault, the file system refuses."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.client import RestError
from tests.support.frozen import frozen
from tests.support.rest import Rest
from tests.support.shared import shared
from tests.support.stage import PhoneMaker, assert_in_order, assert_matrix, call_in, event, room
from tests.support.v2 import V2
from tests.support.watch import gauge, gauges, until_health

from hubbub.testing import Application, HubbubServer

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
running, application, hubbub_server, phone, rest = shared(answers={"/voice": room('beep="false"')})


async def test_calls_go_on_while_the_database_may_only_be_read(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """Rule: "read-only database: clear errors, calls go on"; REST reads, changes get the dialect's 503, nothing is lost."""
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await application.wait_for("/events", event("conference-start"))
    lost = (await gauges(hubbub_server)).get("hubbub_journal_lost_total", 0)
    with frozen(hubbub_server.folder, "hubbub.db*"):
        await until_health(hubbub_server, "degraded")  # nobody has to write for it to be noticed
        calls |= await call_in(hubbub_server, phone, "carol")
        await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
        assert (await rest.get("/Calls.json"))["calls"]
        with pytest.raises(RestError) as refused:
            await rest.post("/Conferences/standup.json", Status="completed")
        assert (refused.value.status, refused.value.body["code"]) == (503, 20503)
        async with V2(hubbub_server) as v2:
            other = await v2.post(
                "/calls", **{"from": "+15550001001", "to": "+15550001002", "applicationId": "x", "answerUrl": "http://x/"}
            )
        assert (other.status, other.body["type"]) == (503, "system-overloaded")
        await calls.pop("carol").hangup()
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        assert "hubbub.db cannot be written" in hubbub_server.log
    await until_health(hubbub_server, "ok")
    await application.wait_for("/events", event("participant-leave"), timeout=20)
    assert_in_order(application)
    await rest.post("/Conferences/standup.json", Status="completed")
    await gauge(hubbub_server, "hubbub_rooms", 0)
    assert (await gauges(hubbub_server)).get("hubbub_journal_lost_total", 0) == lost


async def test_a_server_is_not_started_on_it(hubbub_server: HubbubServer) -> None:
    """One line that names the file and what to do, and a status that is not 0: what was open could not be closed, nor any call kept."""
    folder = hubbub_server.folder / "other"
    folder.mkdir()
    config = folder / "hubbub.toml"
    config.write_text(
        'storage = { database = "sqlite:///hubbub.db" }\nhttp = { listen = "127.0.0.1:0" }\nsip = { listen = "127.0.0.1:0" }\n'
    )
    (folder / "recordings").mkdir()
    (folder / "hubbub.db").touch()
    with frozen(folder, "hubbub.db"):
        done = await serve(config)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith(f"hubbub: cannot start: {folder} cannot be written: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("key", ["sip.listen", "http.listen", "storage.recordings", "storage.database"])
async def test_what_keeps_a_server_from_starting_is_named(hubbub_server: HubbubServer, tmp_path: Path, key: str) -> None:
    """One line with the key that is to be changed, and status 2."""
    (tmp_path / "file").touch()
    values = {
        "sip.listen": "{}:{}".format(*hubbub_server.sip),
        "http.listen": "{}:{}".format(*hubbub_server.http),
        "storage.recordings": "file/below",
        "storage.database": "sqlite:///gone/hubbub.db",
    }
    base = {"sip.listen": "127.0.0.1:0", "http.listen": "127.0.0.1:0"}
    lines = [f'{name} = "{value}"\n' for name, value in {**base, key: values[key]}.items()]
    (tmp_path / "hubbub.toml").write_text("".join(lines))
    done = await serve(tmp_path / "hubbub.toml")
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("hubbub: ")
    assert key in last
    assert "Traceback" not in done.stderr


async def serve(config: Path) -> subprocess.CompletedProcess[str]:
    """A server that is expected to end at once."""
    program = "import sys; from hubbub.cli import main; sys.exit(main())"
    given = [sys.executable, "-c", program, "serve", "--config", str(config)]
    return await asyncio.to_thread(subprocess.run, given, capture_output=True, text=True, timeout=60, check=False)
