"""A server under accident and attack: a full disk, a folder that is gone, an old database, SIGTERM with calls, strangers on RTP ports."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import socket
import sqlite3
import struct
import time
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from tests.support.client import RestError
from tests.support.facts import CALL, ROOM
from tests.support.rest import Rest
from tests.support.rtp_peer import sine, ulaw
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, assert_in_order, assert_matrix, call_in, event, room
from tests.support.watch import gauge, gauges, until_health

from hubbub.conference.rows import call_row, room_row
from hubbub.events import CallStatus
from hubbub.storage.database import migrate, shipped_scripts, version_of
from hubbub.testing import TONES, Application, HubbubServer, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
running, application, hubbub_server, phone, rest = shared()
RECORDED = room('record="record-from-start" beep="false" recordingStatusCallback="/recording"')


@pytest_asyncio.fixture(loop_scope="module")
async def full(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> AsyncIterator[HubbubServer]:
    """A server whose every file may grow no more, as on a full disk; two callers in a recorded room."""
    application.on("/voice", RECORDED)
    application.on("/recording", None)
    yield hubbub_server
    resource.prlimit(hubbub_server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


async def test_a_disk_that_is_full_for_everything(full: HubbubServer, application: Application, phone: PhoneMaker, rest: Rest) -> None:
    """Rule: "full disk …: clear errors, calls go on": database and recordings at once, on a running server, and room again later."""
    calls = await call_in(full, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    limit = (1, resource.RLIM_INFINITY)
    resource.prlimit(full.pid, resource.RLIMIT_FSIZE, limit)
    calls |= await call_in(full, phone, "carol")
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
    await until_health(full, "degraded")
    with pytest.raises(RestError) as refused:
        await rest.post("/Conferences/standup.json", Status="completed")
    assert refused.value.status == 503
    await calls["carol"].hangup()
    await assert_matrix({name: calls[name] for name in ("alice", "bob")}, {"alice": "b", "bob": "a"})
    resource.prlimit(full.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await until_health(full, "ok")
    await application.wait_for("/events", event("participant-leave"), timeout=20)
    assert_in_order(application)
    await rest.post("/Conferences/standup.json", Status="completed")
    await gauge(full, "hubbub_rooms", 0)
    assert (await gauges(full))["hubbub_journal_lost_total"] == 0


async def test_a_database_that_another_holds(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """Rule: "read-only database", for a while: another process holds it; calls go on, REST reads, changes get 503, nothing lost."""
    application.on("/voice", room('beep="false"'))
    calls = await call_in(hubbub_server, phone, "alice")
    with closing(sqlite3.connect(hubbub_server.folder / "hubbub.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")  # nobody else writes now
        calls |= await call_in(hubbub_server, phone, "bob")
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        await until_health(hubbub_server, "degraded")
        assert (await rest.get("/Calls.json"))["calls"]
        with pytest.raises(RestError) as refused:
            await rest.post("/Conferences/standup.json", Status="completed")
        assert refused.value.status == 503
        holder.execute("ROLLBACK")
    await until_health(hubbub_server, "ok")
    await application.wait_for("/events", event("conference-start"), timeout=20)


async def test_a_recording_folder_that_is_gone(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """Rule: "broken recording folder: clear errors, calls go on"."""
    application.on("/voice", RECORDED)
    application.on("/recording", None)
    before = len((await rest.get("/Notifications.json"))["notifications"])
    kept = hubbub_server.recordings.rename(hubbub_server.recordings.with_suffix(".kept"))
    hubbub_server.recordings.write_text("in the way")
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    for _ in range(200):
        if len((await rest.get("/Notifications.json"))["notifications"]) > before:
            break
        await asyncio.sleep(0.05)
    assert len((await rest.get("/Notifications.json"))["notifications"]) > before, "the account is told"
    assert "Traceback" not in hubbub_server.log
    hubbub_server.recordings.unlink()
    kept.rename(hubbub_server.recordings)


async def test_the_log_names_calls_and_rooms(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """Rule: "structured logs with call and conference ids": one JSON object a line, with the ids that REST shows.

    Only of this test's calls: of one that came while the disk was full, the log could hold no line either.
    """

    async def shown() -> tuple[set[str], set[str]]:
        calls, rooms = (await rest.get("/Calls.json"))["calls"], (await rest.get("/Conferences.json"))["conferences"]
        return {call["sid"][2:] for call in calls}, {room["sid"][2:] for room in rooms}

    old = await shown()
    application.on("/voice", room('beep="false"'))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await application.wait_for("/events", event("conference-start"))
    for call in calls.values():
        await call.hangup()
    await application.wait_for("/events", event("conference-end"))
    await gauge(hubbub_server, "hubbub_calls", 0)
    lines = [json.loads(line) for line in hubbub_server.log.splitlines() if line.startswith("{")]
    new = await shown()
    for number, word, name in (
        (0, "call", "call_arrived"),
        (0, "call", "call_ended"),
        (1, "room", "notice_delivered"),
        (1, "room", "room_closed"),
    ):
        ids = {line[word] for line in lines if line["event"] == name}
        assert ids - old[number] == new[number] - old[number] != set(), name


async def test_sigterm_lets_calls_go_on_and_takes_no_new_ones(application: Application, phone: PhoneMaker, tmp_path: Path) -> None:
    """Rule: "graceful drain on SIGTERM": new calls get 503, present ones hear each other; the process ends when they do."""
    application.on("/voice", room('beep="false"'))
    async with HubbubServer(application.url("/voice"), folder=tmp_path / "hubbub", arguments=("--drain", "60")) as server:
        calls = await call_in(server, phone, "alice", "bob")
        process = server.pid
        os.kill(process, signal.SIGTERM)
        await until_health(server, "draining")
        late = await (await phone("carol")).call(server.uri("+15550001000"))
        assert (await late.wait_ended()).code == 503
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        began = time.monotonic()
        for call in calls.values():
            await call.hangup()
        while Path(f"/proc/{process}").exists() and "State:\tZ" not in Path(f"/proc/{process}/status").read_text():
            assert time.monotonic() - began < 30, "it ends when its last call does, not when its time is up"
            await asyncio.sleep(0.05)
        await application.wait_for("/events", event("conference-end"), timeout=10)
        assert "Traceback" not in server.log


async def test_a_database_of_the_first_release(application: Application, tmp_path: Path) -> None:
    """Rule: "upgrade path of the database (migrations tested from the first schema)": its rows are there, what was open is closed."""
    folder = tmp_path / "hubbub"
    folder.mkdir()
    scripts = shipped_scripts()
    assert len(scripts) > 1, "else there is nothing to prove"
    over = replace(CALL, status=CallStatus.COMPLETED, ended=CALL.created + 60, id=CALL.id[:-1] + "7")
    with closing(sqlite3.connect(folder / "hubbub.db", isolation_level=None)) as old:
        migrate(old, {1: scripts[1]})
        for table, row in (("calls", {"id": CALL.id, **call_row(CALL)}), ("calls", {"id": over.id, **call_row(over)}),
                           ("rooms", {"id": ROOM.id, **room_row(ROOM)})):  # fmt: skip
            values = [json.dumps(value) if isinstance(value, dict) else value for value in row.values()]
            old.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", values)
        assert version_of(old) == 1
    async with HubbubServer(application.url("/voice"), folder=folder) as server, Rest(server) as rest:
        shown = {call["sid"]: call["status"] for call in (await rest.get("/Calls.json"))["calls"]}
        assert shown == {f"CA{CALL.id}": "completed", f"CA{over.id}": "completed"}
        assert [found["status"] for found in (await rest.get("/Conferences.json"))["conferences"]] == ["completed"]
        made = await rest.post("/Applications.json", FriendlyName="of a table that the first release had not")
        assert made["sid"]
    with closing(sqlite3.connect(folder / "hubbub.db")) as new:
        assert version_of(new) == max(scripts)


async def test_strangers_on_an_rtp_port_are_not_heard(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Rule: "flood on one RTP port, garbage, spoofed source, wrong SSRC, replay: the room hears nothing of it (proven by tones)".

    The same host as the caller's, another port: streams, what the caller said a second ago with its SSRC, and what is no RTP at all.
    """
    application.on("/voice", room('beep="false"'))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    port = calls["alice"]._line.remote
    assert port is not None
    strange, chance = TONES[9], random.Random(1)
    sound = ulaw(sine((strange,)))
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.setblocking(False)
    line = calls["alice"]._line
    end = time.monotonic() + 4.0
    sent = 0
    hearing = asyncio.create_task(assert_hears(calls["bob"], {TONE["alice"]}, within=15))
    while time.monotonic() < end:
        for _ in range(20):  # one packet in 20 ms is a call: this is a flood
            head = struct.pack(">BBHII", 0x80, 0, chance.getrandbits(16), chance.getrandbits(32), chance.getrandbits(32))
            back = chance.randrange(40, 90)  # what was said a second ago, said again
            past = (line.mouth.sequence - back) & 0xFFFF, (line.mouth.timestamp - 160 * back) & 0xFFFFFFFF
            old = struct.pack(">BBHII", 0x80, 0, *past, line.mouth.ssrc)
            garbage = (chance.randbytes(chance.randrange(200)), head[:7], b"\x80\xc8" + head, b"\xff" * 1400)
            forged = chance.choice((head + sound[:160], head + sound[:160], *garbage))
            with contextlib.suppress(OSError):
                stranger.sendto(chance.choice((forged, old + sound[:160])), port)
                sent += 1
        await asyncio.sleep(0.01)
    await hearing
    heard = await calls["bob"].heard(1.0)
    assert heard.hears(TONE["alice"])
    assert not heard.hears(strange)
    assert sent > 500
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    stranger.close()


async def test_a_stream_slipped_in_beside_a_caller_is_not_heard(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """The same, from the caller's own address and port: another SSRC in order, and its own SSRC as it was three seconds ago."""
    application.on("/voice", room('beep="false"'))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    line = calls["alice"]._line
    assert line.remote is not None
    strange = TONES[9]
    sound = ulaw(sine((strange,)))[:160]
    hearing = asyncio.create_task(calls["bob"].heard(3.0))
    number = 0
    while not hearing.done():
        past = (line.mouth.sequence - 150) & 0xFFFF, (line.mouth.timestamp - 160 * 150) & 0xFFFFFFFF
        for head in (
            struct.pack(">BBHII", 0x80, 0, number & 0xFFFF, 160 * number & 0xFFFFFFFF, 0x5EED),
            struct.pack(">BBHII", 0x80, 0, *past, line.mouth.ssrc),
        ):
            line.socket.sendto(head + sound, line.remote)
        number += 1
        await asyncio.sleep(0.02)
    heard = await hearing
    assert number > 50
    assert heard.hears(TONE["alice"])
    assert not heard.hears(strange)
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
