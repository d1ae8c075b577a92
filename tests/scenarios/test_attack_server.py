"""A store that fails, a server that is stopped or killed, three hundred quick calls: nothing is lost in silence, nothing leaks."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.support.client import RestError
from tests.support.frozen import small_disk
from tests.support.rest import Rest
from tests.support.shared import shared
from tests.support.stage import PhoneMaker, assert_matrix, by_caller, call_in, event, room, sid_of, tone_wav
from tests.support.watch import gauge, gauges, held

from hubbub.testing import Application, HubbubServer, Phone

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
TOLD, OF_ROOMS, OF_SCRIPTS = "+15550002000", "+15550003000", "+15550004000"


def config(app: Application) -> dict[str, Any]:
    usual = {"account": "dev", "dialect": "twiml", "url": app.url("/voice")}
    return {
        "numbers": [
            {**usual, "number": TOLD, "status_callback": app.url("/calls")},
            {**usual, "number": OF_ROOMS, "dialect": "bxml", "url": app.url("/bxml")},
            {**usual, "number": OF_SCRIPTS, "dialect": "swml", "url": app.url("/swml")},
            {**usual, "number": "*"},
        ]
    }


running, application, hubbub_server, phone, rest = shared(config)


async def test_a_store_that_fails_costs_no_audio_and_no_event(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """Law 4: "while storage fails, audio and documents go on, events queue, REST writes get 503 before they touch the room"."""
    application.on("/voice", room())
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    database = hubbub_server.folder / "hubbub.db"
    away = database.with_suffix(".away")
    moved = [(path, Path(str(path).replace("hubbub.db", "away.db"))) for path in sorted(hubbub_server.folder.glob("hubbub.db*"))]
    for path, aside in moved:
        path.rename(aside)
    away.touch()
    calls |= await call_in(hubbub_server, phone, "carol")
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
    before = len(application.requests("/events"))
    alice = f"/Conferences/standup/Participants/{sid_of(application, 'alice')}.json"
    with pytest.raises(RestError) as refused:
        await rest.post(alice, Muted="true")
    assert (refused.value.status, refused.value.body["code"]) == (503, 20503)
    bob = await phone("dave")
    with pytest.raises(RestError) as refused:
        await rest.post("/Conferences/standup/Participants.json", To=bob.uri, From="+15550001000")
    assert refused.value.status == 503
    await calls["carol"].hangup()
    await assert_matrix({name: calls[name] for name in ("alice", "bob")}, {"alice": "b", "bob": "a"})
    for path, aside in moved:
        aside.rename(path)
    await application.wait_for("/events", event("participant-leave"), timeout=8)
    told = application.requests("/events")
    assert len(told) > before
    assert [request.params["SequenceNumber"] for request in told] == [str(number + 1) for number in range(len(told))]
    assert (await rest.post(alice, Muted="true"))["muted"] is True
    assert (await gauges(hubbub_server))["hubbub_calls"] == 2


async def test_a_killed_server_tells_how_everything_ended(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """Law 4: "the restarted server … closes rooms with their end events": leaves first, end last; calls and recordings too."""
    application.on("/voice", room('record="record-from-start" beep="false" recordingStatusCallback="/recording"'))
    for path in ("/events", "/calls", "/recording"):
        application.on(path, None)
    calls = await call_in(hubbub_server, phone, "alice", "bob", number=TOLD)
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await application.wait_for("/events", event("conference-start"))
    await asyncio.sleep(1.5)
    await hubbub_server.kill()
    await hubbub_server.start()
    await application.wait_for("/events", event("conference-end"))
    kinds = [request.params["StatusCallbackEvent"] for request in application.requests("/events")]
    assert kinds == ["participant-join", "participant-join", "conference-start", "participant-leave", "participant-leave", "conference-end"]
    assert [r.params["SequenceNumber"] for r in application.requests("/events")] == list("123456")
    ended = application.requests("/events")[-1].params
    assert ended["ReasonConferenceEnded"] == "conference-ended-via-api"
    await application.wait_for("/calls", lambda r: r.params["CallStatus"] == "completed", count=2)
    done = await application.wait_for("/recording", lambda r: r.params["RecordingStatus"] == "completed")
    assert int(done.params["RecordingDuration"]) >= 1
    async with Rest(hubbub_server) as again:
        listed = await again.get("/Recordings.json")
        assert int(listed["recordings"][0]["duration"]) >= 1
        assert {call["status"] for call in (await again.get("/Calls.json"))["calls"]} == {"completed"}


async def test_stop_with_live_calls(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """SIGTERM: calls get BYE, rooms end, the process ends in good time with status 0, its notices are sent now or at the next start."""
    application.on("/voice", room('record="record-from-start"', dial='action="/after"'))
    application.on("/after", "<Response/>")
    application.fault("/after", delay=0.5)
    calls = await call_in(hubbub_server, phone, "alice", "bob", "carol")
    await application.wait_for("/events", event("conference-start"))
    assert await hubbub_server.stop() == 0
    for call in calls.values():
        await call.wait_ended()
    assert hubbub_server.orphans == []
    assert "Traceback" not in hubbub_server.log
    await hubbub_server.start()
    ended = await application.wait_for("/events", event("conference-end"))
    assert ended.params["ReasonConferenceEnded"] == "last-participant-left"


async def test_three_hundred_quick_calls_leave_nothing_behind(application: Application, hubbub_server: HubbubServer) -> None:
    """Calls, sessions, rooms, legs, playbacks, tasks, descriptors and memory are what they were."""
    application.on("/voice", lambda request: room(name=f"room {int(request.params['CallSid'][-1], 16) % 5}", dial='action="/after"'))
    application.on("/after", "<Response/>")
    async with Phone("caller") as caller:
        await _calls(caller, hubbub_server, 60)
        before, (descriptors, megabytes) = await _settled(hubbub_server), held(hubbub_server.pid)
        await _calls(caller, hubbub_server, 300)
        after, (descriptors_after, megabytes_after) = await _settled(hubbub_server), held(hubbub_server.pid)
    names = ("hubbub_calls", "hubbub_sessions", "hubbub_rooms", "hubbub_media_legs", "hubbub_media_mixes", "hubbub_media_playbacks")
    assert {name: after[name] for name in names} == dict.fromkeys(names, 0.0)
    assert after["hubbub_tasks"] <= before["hubbub_tasks"] + 3
    assert descriptors_after <= descriptors + 30  # connections to the application are kept
    assert megabytes_after - megabytes < 24  # SIP remembers a call's last messages for a minute
    assert after["hubbub_journal_lost_total"] == 0
    assert "Traceback" not in hubbub_server.log


async def _calls(caller: Phone, server: HubbubServer, count: int) -> None:
    """Calls of about a tenth of a second, ten at a time."""

    async def one(index: int) -> None:
        call = await caller.call(server.uri("+15550001000"))
        await call.wait_answered(timeout=10)
        await asyncio.sleep(0.02 * (index % 5))
        await call.hangup()

    for first in range(0, count, 10):
        await asyncio.gather(*(one(index) for index in range(first, first + 10)))


async def _settled(server: HubbubServer) -> dict[str, float]:
    for name in ("hubbub_calls", "hubbub_sessions", "hubbub_rooms", "hubbub_media_legs", "hubbub_media_mixes"):
        await gauge(server, name, 0)
    await asyncio.sleep(0.5)
    return await gauges(server)


async def test_a_room_reply_goes_to_its_fallback(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """conferenceEventFallbackUrl: "used when the primary fails to respond"; exit and completed events name the member's call."""
    urls = 'conferenceEventUrl="/events" conferenceEventFallbackUrl="/fallback"'
    application.on("/bxml", f"<Response><Conference {urls}>support</Conference></Response>")
    application.fault("/events", status=500)
    application.on("/fallback", None)
    call = await (await phone("alice")).call(hubbub_server.uri(OF_ROOMS))
    await call.wait_answered()
    await application.wait_for("/fallback", lambda r: r.json["eventType"] == "conferenceMemberJoin")
    await call.hangup()
    left = await application.wait_for("/fallback", lambda r: r.json["eventType"] == "conferenceMemberExit")
    await application.wait_for("/fallback", lambda r: r.json["eventType"] == "conferenceCompleted")
    assert left.json["to"].startswith("+1555")
    assert left.json["from"].startswith("sip:alice@")
    assert "Traceback" not in hubbub_server.log


async def test_requests_of_a_room_whose_replies_count_go_one_after_the_other(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """Law 4: "*room replies*: … one in flight per room": three members join at once, and each request is answered late."""
    late = 0.6
    application.on("/bxml", '<Response><Conference conferenceEventUrl="/events">support</Conference></Response>')
    application.on("/events", None)
    application.fault("/events", delay=late)
    callers = [await phone(name) for name in ("alice", "bob", "carol")]
    calls = [await caller.call(hubbub_server.uri(OF_ROOMS)) for caller in callers]
    await application.wait_for("/events", lambda r: r.json["eventType"] == "conferenceMemberJoin", count=3, timeout=20)
    asked = application.requests("/events")
    assert all(after.arrived - before.arrived > late for before, after in pairwise(asked))
    application.heal("/events")
    for call in calls:
        await call.hangup()
    await application.wait_for("/events", lambda r: r.json["eventType"] == "conferenceCompleted", timeout=20)


async def test_a_full_disk_costs_the_recording_only(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """Rule: "full disk …: clear errors, calls go on": it fills up while a room is recorded; the account is told, what was there stays."""
    wanted = 'recordingStatusCallback="/recording" recordingStatusCallbackEvent="in-progress completed failed"'
    application.on("/voice", room(f'record="record-from-start" beep="false" {wanted}'))
    application.on("/recording", None)
    folder = hubbub_server.recordings / "dev"
    folder.mkdir(exist_ok=True)
    with small_disk(folder, 48):  # three seconds
        calls = await call_in(hubbub_server, phone, "alice", "bob")
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        told = await application.wait_for("/recording", lambda r: r.params["RecordingStatus"] != "in-progress", timeout=20)
        assert (told.params["RecordingStatus"], int(told.params["RecordingDuration"])) in (("completed", 2), ("completed", 3))
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        notes = (await rest.get("/Notifications.json"))["notifications"]
        assert any("No space left" in item["message_text"] for item in notes), [item["message_text"] for item in notes]
        for call in calls.values():
            await call.hangup()
        await application.wait_for("/events", event("conference-end"))
    assert "Traceback" not in hubbub_server.log


async def test_a_folder_that_cannot_be_written_costs_the_recording_only(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """Law 6: the room goes on, the account is told, RecordingStatus=failed reaches whoever asked for it."""
    attributes = (
        'record="record-from-start" recordingStatusCallback="/recording" recordingStatusCallbackEvent="in-progress completed failed"'
    )
    application.on("/voice", by_caller(alice=room(attributes), bob=room()))
    application.on("/recording", None)
    folder, kept = hubbub_server.recordings / "dev", hubbub_server.recordings / "kept"
    folder.mkdir(exist_ok=True)
    folder.rename(kept)
    folder.write_text("a file where a folder should be")
    before = {item["sid"] for item in (await rest.get("/Notifications.json"))["notifications"]}
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    told = await application.wait_for("/recording")
    assert told.params["RecordingStatus"] == "failed"
    notes = (await rest.get("/Notifications.json"))["notifications"]
    assert any("recording failed" in item["message_text"] for item in notes if item["sid"] not in before)
    folder.unlink()
    kept.rename(folder)


async def test_hostile_scripts_end_their_call(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Law 6: a script of nonsense is an error of the document, never a caller in silence."""
    bodies = [
        json.dumps({"sections": {"main": [{"play": {"url": "silence:soon"}}]}}),
        json.dumps({"sections": {"main": [{"join_conference": {"name": "\ud800"}}]}}),
        json.dumps({"sections": {"main": [{"set": {"a": "x"}}, {"play": {"url": "ring:${a}:us"}}]}}),
        '{"sections":{"main":[{"sleep":' + "9" * 5000 + "}]}}",
        '{"sections":{"main":[{"set":{"a":' + "[" * 900 + "]" * 900 + "}}]}}",
        "sections: &a [*a]",
        "a: !!python/object/apply:os.system [true]",
    ]
    application.on("/tone.wav", tone_wav(2951.0))
    caller = await phone("alice")
    for body in bodies:
        application.on("/swml", (200, "application/json", body))
        call = await caller.call(hubbub_server.uri(OF_SCRIPTS))
        await call.wait_ended(timeout=5)
    await gauge(hubbub_server, "hubbub_sessions", 0)
    assert (await gauges(hubbub_server))["hubbub_journal_lost_total"] == 0
    assert "storage_changeset_lost" not in hubbub_server.log
    assert "Traceback" not in hubbub_server.log, hubbub_server.log_tail(200)
