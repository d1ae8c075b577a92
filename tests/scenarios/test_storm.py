"""A storm of kills: store, journal and delivery die again and again in the middle of their work, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from aiohttp import web
from tests.support.figures import figure

from hubbub.storage.store import Query, Store

pytestmark = pytest.mark.scenario

KILLS = int(os.environ.get("HUBBUB_KILLS", "15"))
LANES = 6
BUSY = """
import asyncio, ipaddress, sys
from hubbub.clock import SystemClock
from hubbub.conference.journal import Journal
from hubbub.ids import new_id
from hubbub.storage.store import Append, Condition, Put, Query, Store
from hubbub.webhooks.delivery import Delivery, Notice
from hubbub.webhooks.requester import HttpRequest, Limits, Requester

database, url, lanes, finish = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "finish"

def prepare(notice, attempt):
    body = "&".join(f"{name}={value}" for name, value in notice.fields).encode()
    return HttpRequest("POST", notice.url, {"Content-Type": "application/x-www-form-urlencoded"}, body, Limits())

async def main():
    store = Store("sqlite:///" + database)
    await store.open()
    requester = Requester([ipaddress.ip_network("127.0.0.0/8")])
    await requester.start()
    delivery = Delivery(store, requester, prepare, SystemClock(), redeliver=True, on_result=lambda notice, result, final: None)
    journal = Journal(store, committed=lambda events, notices: delivery.wake())
    reached = {}
    for lane in range(lanes):
        rows = await store.find(Query("rooms", (Condition("name", "=", f"lane{lane}"),)))
        reached[lane] = (rows[0]["id"], rows[0]["data"]["number"]) if rows else (new_id(), 0)
    await delivery.start()
    print("up", flush=True)
    while not finish:
        for lane, (room, number) in reached.items():
            number += 1
            reached[lane] = room, number
            fields = (("lane", str(lane)), ("number", str(number)))
            notice = Notice(new_id(), f"{room} {url}", "dev", "twiml", "POST", url, fields, event="tick", room=room)
            row = {"account": "dev", "name": f"lane{lane}", "status": "init", "owner": "me", "epoch": 1, "data": {"number": number}}
            event = {"account": "dev", "room": room, "type": "tick", "at": 0.0, "data": {"lane": lane, "number": number}}
            journal.write([Put("rooms", room, row), Append("events", event)], (), [notice])
        await asyncio.sleep(0.01)
    while await store.outbox.due(0, 1):
        await asyncio.sleep(0.02)
    await delivery.stop()
    await requester.stop()
    await store.close()

asyncio.run(main())
"""


class Receiver:
    """Counts what comes, lane by lane; some of its answers are slow."""

    def __init__(self) -> None:
        self.got: dict[int, list[int]] = defaultdict(list)

    async def take(self, request: web.BaseRequest) -> web.StreamResponse:
        form = dict(part.split("=") for part in (await request.text()).split("&"))
        self.got[int(form["lane"])].append(int(form["number"]))
        if form["lane"] == "0":
            await asyncio.sleep(0.01)
        return web.Response(status=204)


async def run(database: Path, url: str, seconds: float | None) -> None:
    """One life of the process: killed after `seconds`, or until everything is delivered."""
    word = "busy" if seconds is not None else "finish"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BUSY, str(database), url, str(LANES), word, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        assert line == b"up\n"
        if seconds is None:
            assert await asyncio.wait_for(process.wait(), 60) == 0
            return
        await asyncio.sleep(seconds)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


async def test_nothing_is_lost_or_out_of_order_whenever_it_is_killed(tmp_path: Path) -> None:
    """Rule: "`kill -9` at random moments …: no event is missing or duplicated in the sequence"; "per lane in order"; at least once."""
    chance, receiver = random.Random(11), Receiver()
    runner = web.ServerRunner(web.Server(receiver.take), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    database = tmp_path / "hubbub.db"
    try:
        for _ in range(KILLS):
            await run(database, url, chance.uniform(0.0, 0.35))
        await run(database, url, None)
    finally:
        await runner.cleanup()
    store = Store(f"sqlite:///{database}")
    await store.open()
    events = [row["data"] for row in await store.find(Query("events", order=(("seq", "asc"),)))]
    rooms = {int(row["name"][4:]): row["data"]["number"] for row in await store.find(Query("rooms"))}
    await store.close()
    assert set(rooms) == set(range(LANES))
    again = 0
    for lane, reached in rooms.items():
        assert [data["number"] for data in events if data["lane"] == lane] == list(range(1, reached + 1)), "none missing, none twice"
        first = list(dict.fromkeys(receiver.got[lane]))
        assert first == list(range(1, reached + 1)), "all delivered, in order"
        again += len(receiver.got[lane]) - reached
    assert sum(rooms.values()) > 5 * KILLS
    figure(f"{KILLS} kills", f"{sum(rooms.values())} events, none missing, none twice; {again} notices came twice, all in order")
    assert again < sum(rooms.values()), "sent again only where the settling was lost"
