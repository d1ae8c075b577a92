"""`kill -9` of the whole server, again and again, in the middle of busy rooms: what was told is whole, and REST tells the truth.

HUBBUB_SERVER_KILLS gives the number: a few with the other tests, hundreds in `make soak`; HUBBUB_SEED the moments.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import time
import wave
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.busy import Load
from tests.support.figures import figure
from tests.support.rest import Rest
from tests.support.stage import EVENTS

from hubbub.testing import Application, HubbubServer, Request

pytestmark = pytest.mark.scenario

KILLS = int(os.environ.get("HUBBUB_SERVER_KILLS", "4"))
SEED = int(os.environ.get("HUBBUB_SEED", "9"))
NUMBER = "+15550001000"
OVER = ("completed", "failed", "absent")
SETTLED = 1.0
"""Seconds after its answer from which a call must be told by BYE that the server died: by then its dialog is on disk."""
LAST_SECOND = 1.0
PATIENCE = 400.0
"""Seconds that a restart may take on a machine that has more to do."""
SLACK = 1.0
"""What a busy machine may take between a beat of the recorder and our look at the clock."""


@dataclass
class Found:
    """What the storm came to, over all lives of the server."""

    open_recordings: int = 0
    open_rooms: int = 0
    open_calls: int = 0
    hung_up: int = 0
    shortest: float = 0.0
    faults: list[str] = field(default_factory=list)

    def check(self, holds: bool, text: str) -> None:
        if not holds:
            self.faults.append(text)


def rows(database: Path, sql: str, *values: object) -> list[dict[str, Any]]:
    """A query by a reader of its own; columns `data` as JSON."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute(sql, values)]
    return [{**row, "data": json.loads(row["data"])} if "data" in row else row for row in found]


def document(request: Request) -> str:
    """Three rooms; one of them is recorded as a mix, one by a channel for each speaker's leg."""
    number = int(str(request.params["CallSid"])[-2:], 16) % 3
    record = ('record="record-from-start" trim="do-not-trim"', "", "")[number]
    dial = ("", 'record="record-from-answer-dual"', "")[number]
    more = 'beep="false" recordingStatusCallback="/recording" recordingStatusCallbackEvent="in-progress completed absent"'
    return f"<Response><Dial {dial}><Conference {EVENTS} {record} {more}>room {number}</Conference></Dial></Response>"


@pytest.mark.timeout(600 + 20 * KILLS)
async def test_the_server_is_killed_at_random_moments_of_a_busy_hour(application: Application, tmp_path: Path) -> None:
    """Rule: "`kill -9` of the server at random moments of a busy hour: after restart no event is missing or duplicated in the sequence,
    half-done conferences are closed with their end event, recordings are whole up to the last second, REST tells the truth"."""
    chance, found = random.Random(SEED), Found()
    application.on("/voice", document)
    for path in ("/events", "/calls", "/recording"):
        application.on(path, None)
    number = {"number": "*", "account": "dev", "dialect": "twiml", "url": application.url("/voice")}
    config = {
        "numbers": [{**number, "status_callback": application.url("/calls")}],
        "media": {"legs": 64},
        "sip": {"invites_per_second": 0},
    }
    server = HubbubServer(config=config, folder=tmp_path / "hubbub")
    database = server.folder / "hubbub.db"
    await server.start()
    async with Load(server, NUMBER, SEED) as load:
        for life in range(KILLS):
            load.begin()
            await asyncio.sleep(chance.uniform(0.3, 2.5))
            settled = [call for call, at in load.calls if time.monotonic() - at > SETTLED and not call.ended.is_set()]
            killed = time.time()
            await server.kill()
            await load.rest()
            found.check(server.orphans == [], f"life {life}: processes outlived the server: {server.orphans}")
            before = left_open(database, found)
            await server.start(timeout=PATIENCE)
            for call in settled:
                found.hung_up += 1
                await call.wait_ended(timeout=30)
            await look(server, database, before, killed, found, life)
            if KILLS > 10:
                print(f"kill {life + 1} of {KILLS}: {load.answered} calls so far, {len(found.faults)} faults", flush=True)
        await drained(database)
        sound = await server.stop()
    assert sound == 0
    assert "Traceback" not in server.log_file.read_text(errors="replace")
    told(application, database, found)
    figure(
        f"{KILLS} kills, seed {SEED}",
        f"{load.answered} calls, {load.pressed} REST changes; left open and closed afterwards: {found.open_rooms} rooms, "
        f"{found.open_calls} calls ({found.hung_up} known to be hung up), {found.open_recordings} recordings (most lost at an end: "
        f"{found.shortest:.2f} s); {len(application.requests('/events'))} room notices; {len(found.faults)} faults",
    )
    assert not found.faults, "\n".join(found.faults[:20])
    assert load.answered > 2 * KILLS


def left_open(database: Path, found: Found) -> dict[str, set[str]]:
    """What the dead server left open, by table."""
    open_now = {
        "rooms": {row["id"] for row in rows(database, "SELECT id FROM rooms WHERE status != 'completed'")},
        "calls": {row["id"] for row in rows(database, "SELECT id FROM calls WHERE ended IS NULL")},
        "recordings": {
            row["id"] for row in rows(database, "SELECT id FROM recordings WHERE status IN ('in-progress', 'paused', 'processing')")
        },
    }
    found.open_rooms += len(open_now["rooms"])
    found.open_calls += len(open_now["calls"])
    found.open_recordings += len(open_now["recordings"])
    return open_now


async def look(server: HubbubServer, database: Path, before: Mapping[str, set[str]], killed: float, found: Found, life: int) -> None:
    """After a restart: nothing of the life before is shown as live, and what was recorded is there."""
    async with Rest(server) as rest:
        for kind, path, prefix in (
            ("rooms", "/Conferences.json", "CF"),
            ("calls", "/Calls.json", "CA"),
            ("recordings", "/Recordings.json", "RE"),
        ):
            listed = (await rest.get(path, PageSize="1000"))[path[1:-5].lower()]
            shown = {one["sid"].removeprefix(prefix): one["status"] for one in listed}
            for identity in before[kind]:  # callers who dial again are new calls
                found.check(shown.get(identity) in OVER, f"life {life}: REST shows {kind} {identity} as {shown.get(identity)}")
    for identity in before["recordings"]:
        (row,) = rows(database, "SELECT * FROM recordings WHERE id = ?", identity)
        lost = unrecorded(row["data"]["record"], server.recordings, killed, found)
        found.shortest = max(found.shortest, lost)
        found.check(lost < LAST_SECOND + SLACK, f"life {life}: recording {identity} lost its last {lost:.2f} s: {row['data']['record']}")


def unrecorded(record: Mapping[str, Any], folder: Path, killed: float, found: Found) -> float:
    """Seconds between the end of a recording's file and the death of the server, checked against what its row says."""
    if record["status"] == "absent":
        return killed - record["created"]
    with wave.open(str(folder / record["file"]), "rb") as file:
        seconds = file.getnframes() / file.getframerate()
        samples = len(file.readframes(file.getnframes())) // (2 * file.getnchannels())
    found.check(samples == round(seconds * 8000), f"{record['file']}: the header says {seconds} s, there are {samples} samples")
    found.check(abs(seconds - record["seconds"]) < 0.1, f"{record['file']} has {seconds} s, its row says {record['seconds']}")
    return float(killed - (record["started"] or record["created"]) - seconds)


async def drained(database: Path) -> None:
    """Wait until all notices are delivered."""
    for _ in range(600):
        if not rows(database, "SELECT seq FROM outbox WHERE state = 'due'"):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not delivered: {rows(database, 'SELECT * FROM outbox WHERE state = ?', 'due')[:3]}")


def sequences(application: Application) -> Iterator[tuple[str, list[Request]]]:
    """Room by room the first arrival of each notice."""
    by_room: dict[str, dict[str, Request]] = defaultdict(dict)
    for request in application.requests("/events"):
        by_room[str(request.params["ConferenceSid"])].setdefault(str(request.params["SequenceNumber"]), request)
    for room, first in by_room.items():
        yield room, list(first.values())


def told(application: Application, database: Path, found: Found) -> None:
    """All of it together: events in the database, notices at the application, rows."""
    assert not rows(database, "SELECT seq FROM outbox WHERE state = 'dead'")
    by_room: dict[str, list[int]] = defaultdict(list)
    for row in rows(database, "SELECT * FROM events WHERE room IS NOT NULL AND type LIKE 'room.%' ORDER BY seq"):
        if row["data"]["number"] is not None:
            by_room[row["room"]].append(row["data"]["number"])
    for room, numbers in by_room.items():
        found.check(numbers == list(range(1, len(numbers) + 1)), f"events of room {room} are numbered {numbers}")
    rooms = {f"CF{row['id']}" for row in rows(database, "SELECT * FROM rooms")}
    heard = dict(sequences(application))
    found.check(set(heard) == rooms, f"rooms nobody heard of: {rooms - set(heard)}; unknown ones: {set(heard) - rooms}")
    for room, requests in heard.items():
        numbers = [int(request.params["SequenceNumber"]) for request in requests]
        expected = len(by_room[room.removeprefix("CF")])
        found.check(numbers == list(range(1, expected + 1)), f"notices of room {room} arrived as {numbers}, there are {expected}")
        kinds = [request.params["StatusCallbackEvent"] for request in requests]
        found.check(kinds[-1] == "conference-end" and kinds.count("conference-end") == 1, f"room {room} ended so: {kinds}")
        stays: dict[str, list[str]] = defaultdict(list)
        for request in requests:
            if request.params["StatusCallbackEvent"] in ("participant-join", "participant-leave"):
                never_came = request.params.get("ReasonParticipantLeft") == "participant_add_failed"
                stays[str(request.params["CallSid"])].append("nobody" if never_came else str(request.params["StatusCallbackEvent"])[12:])
        wrong = {call: stay for call, stay in stays.items() if stay not in (["join", "leave"], ["nobody"])}
        found.check(not wrong, f"room {room}: who joined and who left do not match: {wrong}")
    completed = {str(request.params["CallSid"])[2:] for request in application.requests("/calls")}
    inbound = {row["id"] for row in rows(database, "SELECT id FROM calls WHERE direction = 'inbound'")}
    found.check(inbound <= completed, f"calls whose end nobody was told: {inbound - completed}")
    found.check(not rows(database, "SELECT id FROM rooms WHERE status != 'completed'"), "a room is open")
    found.check(not rows(database, "SELECT id FROM members WHERE active = 1"), "a member is active")
    found.check(not rows(database, "SELECT id FROM calls WHERE ended IS NULL"), "a call is open")
