"""Nothing lost: receivers that are down, a server that is killed, a media process that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import wave
from contextlib import closing
from typing import Any

import aiohttp
import numpy as np
import pytest
from tests.support.rest import Rest
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, assert_matrix, call_in, event, room, sid_of

from hubbub.testing import TONES, Application, Heard, HubbubServer, Request, assert_hears, who_hears_whom

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
LAST_SECOND = 1.0
WITH_FALLBACK = "+15550002000"


def config(app: Application) -> dict[str, Any]:
    number = {"account": "dev", "dialect": "twiml", "url": app.url("/voice")}
    return {"numbers": [{"number": WITH_FALLBACK, **number, "fallback_url": app.url("/fallback")}, {"number": "*", **number}]}


running, application, hubbub_server, phone, rest = shared(config)


async def test_a_receiver_that_is_down_gets_everything_in_order(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """Rule: "delivered in order per conference; a receiver that is down does not lose them"."""
    port = await free_port()
    conference = f'<Conference statusCallback="http://127.0.0.1:{port}/events" statusCallbackEvent="start end join leave">down</Conference>'
    application.on("/voice", f"<Response><Dial>{conference}</Dial></Response>")
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    for call in calls.values():
        await call.hangup()
    async with Application(port=port) as again:
        again.on("/events", None)
        await again.wait_for("/events", event("conference-end"), timeout=20)
        kinds = [request.params["StatusCallbackEvent"] for request in again.requests("/events")]
    assert kinds == [
        "participant-join",
        "participant-join",
        "conference-start",
        "participant-leave",
        "participant-leave",
        "conference-end",
    ]


async def free_port() -> int:
    """A port on which nobody listens now, and on which an application may listen later."""
    async with Application() as application:
        return int(application.url().split(":")[2].rstrip("/"))


async def test_notices_survive_a_killed_server(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Rule: "retried after restart of the server too"; the room that the crash left open is shown as completed."""
    port = await free_port()
    conference = f'<Conference statusCallback="http://127.0.0.1:{port}/events" statusCallbackEvent="join">crash</Conference>'
    application.on("/voice", f"<Response><Dial>{conference}</Dial></Response>")
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await hubbub_server.kill()
    await hubbub_server.restart()
    async with Application(port=port) as again, Rest(hubbub_server) as rest:
        again.on("/events", None)
        await again.wait_for("/events", count=2, timeout=20)
        names = [request.params["FriendlyName"] for request in again.requests("/events")]
        listed = await rest.get("/Conferences.json", FriendlyName="crash")
    assert names == ["crash", "crash"]
    assert [found["status"] for found in listed["conferences"]] == ["completed"]


async def test_a_recording_survives_a_killed_server(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """Rule: "recorder that writes as it goes and survives a crash of the server up to the last second"."""
    application.on("/voice", room('record="record-from-start" beep="false"'))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    last = TONES[9]
    assert last not in (TONE["alice"], TONE["bob"])
    await asyncio.sleep(1.0)
    calls["alice"].tone(last)
    await assert_hears(calls["bob"], {last})
    await asyncio.sleep(LAST_SECOND)  # what was said by now must be there
    await hubbub_server.kill()
    (file,) = list(hubbub_server.recordings.rglob("*.wav"))
    with wave.open(str(file)) as recorded:
        assert recorded.getframerate() == 8000
        pcm = recorded.readframes(recorded.getnframes())
    heard = Heard(np.frombuffer(pcm, np.int16).reshape(-1, recorded.getnchannels())[-4000:, 0])
    assert heard.hears(last), "its end was said in the last second, or is lost"
    await hubbub_server.start()
    listed = (await rest.get("/Recordings.json"))["recordings"]
    assert abs(int(listed[0]["duration"]) - len(pcm) / 2 / recorded.getnchannels() / 8000) <= 1


async def test_what_happened_is_on_disk_before_a_document_is_asked_for(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """Law 4: "one SQL transaction …; after commit the REST answer, document requests and notices": seen by a reader of the file."""
    seen: list[list[tuple[str, ...]]] = []

    def document(request: Request) -> str:
        with closing(sqlite3.connect(f"file:{hubbub_server.folder}/hubbub.db?mode=ro", uri=True)) as reader:
            seen.append(reader.execute("SELECT status FROM calls WHERE id = ?", (str(request.params["CallSid"])[2:],)).fetchall())
        return "<Response/>"

    application.on("/voice", document)
    with closing(sqlite3.connect(hubbub_server.folder / "hubbub.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")  # nobody else can write for a while
        call = await (await phone("alice")).call(hubbub_server.uri("+15550001000"))
        await asyncio.sleep(0.4)
        asked_early = len(seen)
        holder.execute("ROLLBACK")
    await call.wait_ended()
    assert asked_early == 0
    assert [len(rows) for rows in seen] == [1]


@pytest.mark.alone
async def test_a_killed_media_process_costs_no_call(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Rule: "kill -9 of the media process in a room of 20 costs no call and less than 200 ms of audio"."""
    application.on("/voice", room('beep="false"'))
    calls = {}
    for index in range(20):
        caller = await phone(f"caller{index}")
        calls[f"caller{index}"] = await caller.call(hubbub_server.uri("+15550001000"))
        await calls[f"caller{index}"].wait_answered()
    calls["caller0"].tone(TONES[0])
    calls["caller1"].tone(TONES[1])
    listeners = {name: calls[name] for name in ("caller2", "caller10", "caller19")}
    tones = {"caller0": TONES[0], "caller1": TONES[1]}
    for call in listeners.values():
        await assert_hears(call, {TONES[0], TONES[1]})
    marks = {name: call.mark() for name, call in calls.items()}
    os.kill(hubbub_server.media_pids()[0], signal.SIGKILL)
    await asyncio.sleep(2.0)
    heard = await who_hears_whom(listeners, tones, seconds=0.5)
    assert heard == {name: {"caller0", "caller1"} for name in listeners}
    assert not any(call.ended.is_set() for call in calls.values())
    gaps = {name: (await call.since(marks[name])).longest_gap for name, call in calls.items()}
    assert max(gaps.values()) < 200, f"milliseconds without audio: {gaps}"
    assert await metric(hubbub_server, "hubbub_media_takeovers") == 1
    assert len(hubbub_server.media_pids()) == 2


async def metric(server: HubbubServer, name: str) -> float:
    async with aiohttp.ClientSession() as session, session.get(server.http_url("/metrics")) as reply:
        lines = (await reply.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


async def test_the_application_answers_late_or_wrong(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.3: "failure of a document the call needs: canned apology prompt, then hang up"."""
    application.fault("/voice", status=500)
    caller = await phone("alice")
    call = await caller.call(hubbub_server.uri("+15550001000"))
    await call.wait_answered()
    mark = call.mark()
    await call.wait_ended(timeout=20)
    assert not (await call.since(mark)).silent


async def test_a_broken_document_is_notified_with_its_line(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """12100: "not well-formed: fallback / apology / hang up"; the notification names the line."""
    application.on("/voice", "<Response><Redirect>/broken</Redirect></Response>")
    application.on("/broken", (200, "text/xml", "<Response>\n<Dial"))
    caller = await phone("alice")
    call = await caller.call(hubbub_server.uri("+15550001000"))
    await call.wait_ended(timeout=15)
    listed = await rest.get(f"/Calls/{sid_of(application, 'alice')}/Notifications.json")
    assert listed["notifications"][0]["error_code"] == "12100"
    assert "line 2" in listed["notifications"][0]["message_text"]


async def test_the_fallback_takes_over(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "request FallbackUrl if configured", with ErrorCode and ErrorUrl; its document runs."""
    application.fault("/voice", status=500)
    application.on("/fallback", room())
    calls = await call_in(hubbub_server, phone, "alice", "bob", number=WITH_FALLBACK)
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    asked = application.requests("/fallback")[0].params
    assert (asked["ErrorCode"], asked["ErrorUrl"]) == ("11200", application.url("/voice"))


async def test_phones_are_hung_up_after_a_crash(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """Law 4: calls that a crash left open are closed; RFC 3261 15: a session ends with BYE. Who called hears it, and who was called."""
    application.on("/voice", room('beep="false"'))
    calls = await call_in(hubbub_server, phone, "alice")
    bob = await phone("bob")
    await rest.post("/Conferences/standup/Participants.json", To=bob.uri, From="+15550001000", Beep="false")
    calls["bob"] = await bob.wait_call()
    await calls["bob"].wait_answered()
    await assert_hears(calls["bob"], {TONE["alice"]})
    await hubbub_server.kill()
    assert not any(call.ended.is_set() for call in calls.values())
    await hubbub_server.restart()
    for name, call in calls.items():
        await call.wait_ended(timeout=5)
        assert call.end is not None, name
        assert (call.end.by, call.end.answered) == ("remote", True), name
    assert await metric(hubbub_server, "hubbub_sip_bye_after_restart") == 2


async def test_ringing_phones_are_cancelled_after_a_crash(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """RFC 3261 9: whoever rings for nobody is told; one that was answered while the server was dead hears BYE."""
    application.on("/voice", room('beep="false"'))
    await call_in(hubbub_server, phone, "alice")
    ringing = {}
    for name in ("bob", "carol"):
        called = await phone(name, auto_answer=False)
        await rest.post("/Conferences/standup/Participants.json", To=called.uri, From="+15550001000")
        ringing[name] = await called.wait_call()
        ringing[name].ring()
    while len((await rest.get("/Calls.json", Status="ringing"))["calls"]) < 2:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    await hubbub_server.kill()
    ringing["carol"].answer()
    await hubbub_server.restart()
    ends = {name: await call.wait_ended(timeout=10) for name, call in ringing.items()}
    assert (ends["bob"].code, ends["bob"].by, ends["bob"].answered) == (487, "remote", False)
    assert (ends["carol"].code, ends["carol"].by, ends["carol"].answered) == (200, "remote", True)
    assert await metric(hubbub_server, "hubbub_sip_cancel_after_restart") == 2
