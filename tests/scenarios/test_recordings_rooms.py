"""Recordings of rooms by REST, also with a channel per speaker; the Record verb; absence; a crash."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from tests.support.recorded import EVERYTHING, TOLD, call_sid, channels, refused, settled, status, tones_in
from tests.support.rest import Rest
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, call_in, level_at, room, sid_of

from hubbub.testing import Application, HubbubServer, Request, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
running, application, hubbub_server, phone, rest = shared()


async def test_a_room_is_recorded_by_rest_at_any_time(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """P3: "conference recording cannot be started mid-call over REST": here POST /Conferences/{CF}/Recordings.json does."""
    application.on("/voice", room('beep="false"'))
    application.on("/recording", None)
    calls = await call_in(hubbub_server, phone, "alice")
    await refused(rest.post("/Conferences/standup/Recordings.json"), 400, 16001)
    calls |= await call_in(hubbub_server, phone, "bob")
    await assert_hears(calls["alice"], {TONE["bob"]})
    begun = await rest.post("/Conferences/standup/Recordings.json", EVERYTHING, RecordingStatusCallback=application.url("/recording"))
    assert (begun["source"], begun["status"]) == ("StartConferenceRecordingAPI", "in-progress")
    assert begun["uri"].endswith(f"/Conferences/{begun['conference_sid']}/Recordings/{begun['sid']}.json")
    await asyncio.sleep(1.5)
    again = await rest.post(f"/Conferences/{begun['conference_sid']}/Recordings/Twilio.CURRENT.json", Status="stopped")
    assert (again["sid"], again["status"]) == (begun["sid"], "stopped")
    done = await application.wait_for("/recording", status("completed"))
    assert done.params["RecordingSource"] == "StartConferenceRecordingAPI"
    (samples,) = channels(await rest.media(f"/Recordings/{begun['sid']}.mp3"))
    assert tones_in(samples) == {TONE["alice"], TONE["bob"]}
    await rest.delete(f"/Conferences/{begun['conference_sid']}/Recordings/{begun['sid']}.json")
    assert (await rest.get(f"/Conferences/{begun['conference_sid']}/Recordings.json"))["recordings"] == []


async def test_a_channel_per_speaker_on_one_clock(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """P4: "N-track recording, aligned clocks": who joins later, is muted, or leaves is in its place; a skipped pause is in no track."""
    application.on("/voice", room('beep="false"'))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_hears(calls["alice"], {TONE["bob"]})
    begun = await rest.post("/Conferences/standup/Recordings.json", RecordingTracks="speakers")
    recordings = f"/Conferences/{begun['conference_sid']}/Recordings"
    await asyncio.sleep(1.0)
    calls |= await call_in(hubbub_server, phone, "carol")
    await assert_hears(calls["alice"], {TONE["bob"], TONE["carol"]})
    await rest.post(f"{recordings}/Twilio.CURRENT.json", Status="paused", PauseBehavior="skip")
    await asyncio.sleep(1.0)
    await rest.post(f"{recordings}/Twilio.CURRENT.json", Status="in-progress")
    await rest.post(f"/Conferences/standup/Participants/{sid_of(application, 'bob')}.json", Muted="true")
    await asyncio.sleep(0.5)
    for name in ("alice", "carol"):
        calls[name].silence()
    await asyncio.sleep(0.7)
    await calls["carol"].hangup()
    await asyncio.sleep(0.3)
    await rest.post(f"{recordings}/Twilio.CURRENT.json", Status="stopped")
    done = await settled(rest, f"/Recordings/{begun['sid']}.json")
    tracks = (await rest.get(f"{recordings}/{begun['sid']}/Tracks.json"))["tracks"]
    assert (done["channels"], len(tracks)) == (3, 3)
    assert tracks[2]["call_sid"] == sid_of(application, "carol")
    heard = dict(zip([track["call_sid"] for track in tracks], channels(await rest.media(f"/Recordings/{begun['sid']}.wav")), strict=True))
    sound = {name: heard[sid_of(application, name)] for name in calls}
    assert len({len(samples) for samples in sound.values()}) == 1
    for name, samples in sound.items():
        others = {level_at(samples, TONE[other]) for other in calls if other != name}
        assert max(others) < -50 < level_at(samples, TONE[name]), name
    assert begins(sound["carol"]) > begins(sound["alice"]) + 0.9
    assert ends(sound["carol"]) == pytest.approx(ends(sound["alice"]), abs=0.045)
    assert ends(sound["bob"]) < ends(sound["alice"]) - 0.3
    (mixed,) = channels(await rest.media(f"/Recordings/{begun['sid']}.mp3"))
    assert tones_in(mixed[: len(mixed) // 2]) >= {TONE["alice"], TONE["bob"]}


def loud(samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The 10 ms blocks in which something is heard."""
    blocks = samples[: len(samples) // 80 * 80].reshape(-1, 80)
    return np.flatnonzero(np.sqrt((blocks**2).mean(axis=1)) > 500)


def begins(samples: np.ndarray[Any, Any]) -> float:
    return float(loud(samples)[0]) / 100


def ends(samples: np.ndarray[Any, Any]) -> float:
    return float(loud(samples)[-1]) / 100


async def test_what_is_too_short_or_silent_is_absent(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """1.10: 16101 too short, 16102 silent: `absent`, with ErrorCode; no media."""
    application.on("/voice", "<Response><Pause length='60'/></Response>")
    application.on("/recording", None)
    calls = await call_in(hubbub_server, phone, "alice")
    base = f"/Calls/{await call_sid(application, 'alice')}/Recordings"
    told = [("RecordingStatusCallbackEvent", "absent")]
    short = await rest.post(f"{base}.json", told, RecordingStatusCallback=application.url("/recording"))
    await rest.post(f"{base}/Twilio.CURRENT.json", Status="stopped")
    assert (await settled(rest, f"/Recordings/{short['sid']}.json", "absent"))["error_code"] == 16101
    calls["alice"].silence()
    await asyncio.sleep(0.5)
    quiet = await rest.post(f"{base}.json", told, RecordingStatusCallback=application.url("/recording"))
    await asyncio.sleep(1.0)
    await rest.post(f"{base}/Twilio.CURRENT.json", Status="stopped")
    assert (await settled(rest, f"/Recordings/{quiet['sid']}.json", "absent"))["error_code"] == 16102
    await application.wait_for("/recording", count=2)
    assert [r.params["ErrorCode"] for r in application.requests("/recording")] == ["16101", "16102"]
    notes = (await rest.get(f"/Calls/{await call_sid(application, 'alice')}/Notifications.json"))["notifications"]
    assert sorted((note["error_code"], note["log"]) for note in notes) == [("16101", "1"), ("16102", "1")]
    await refused(rest.media(f"/Recordings/{quiet['sid']}.wav"), 404, 20404)


async def test_the_record_verb_ends_by_key_silence_limit_and_hangup(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """1.6: finishOnKey, timeout (0: off), maxLength, playBeep; Digits is the key or `hangup`; recordingStatusCallback."""

    def document(request: Request) -> str:
        return {
            "alice": f'<Response><Record timeout="0" finishOnKey="9" action="/key" {TOLD}/></Response>',
            "bob": '<Response><Record timeout="1" playBeep="false" action="/silence"/></Response>',
            "carol": '<Response><Record timeout="0" playBeep="false" maxLength="2" action="/limit"/></Response>',
            "dave": f'<Response><Record playBeep="false" action="/hangup" trim="do-not-trim" {TOLD}/></Response>',
        }[request.params["From"].removeprefix("sip:").partition("@")[0]]

    application.on("/voice", document)
    for path in ("/key", "/silence", "/limit", "/hangup"):
        application.on(path, "<Response><Pause length='20'/></Response>")
    application.on("/recording", None)
    calls = await call_in(hubbub_server, phone, "alice", "bob", "carol", "dave")
    await asyncio.sleep(1.5)
    calls["bob"].silence()
    await calls["alice"].press("1")
    await asyncio.sleep(0.4)
    assert application.requests("/key") == []
    await calls["alice"].press("9")
    await calls["dave"].hangup()
    ended = {path: (await application.wait_for(path, timeout=8)).params for path in ("/key", "/silence", "/limit", "/hangup")}
    assert {path: params["Digits"] for path, params in ended.items()} == {"/key": "9", "/silence": "", "/limit": "", "/hangup": "hangup"}
    assert ended["/limit"]["RecordingDuration"] == "2"
    assert all(params["RecordingUrl"].endswith(params["RecordingSid"]) for params in ended.values())
    await application.wait_for("/recording", status("completed"), count=2)
    sources = {r.params["RecordingSource"] for r in application.requests("/recording")}
    assert sources == {"RecordVerb"}


async def test_recordings_of_a_killed_server_have_their_true_duration(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """Rule: "recordings that survive a crash": the row tells what is in the file, in two channels, and it is told."""
    application.on("/voice", "<Response><Pause length='60'/></Response>")
    application.on("/recording", None)
    async with Rest(hubbub_server) as rest:
        await call_in(hubbub_server, phone, "alice")
        base = f"/Calls/{await call_sid(application, 'alice')}/Recordings"
        begun = await rest.post(f"{base}.json", RecordingChannels="dual", RecordingStatusCallback=application.url("/recording"))
        await asyncio.sleep(3.0)
    await hubbub_server.kill()
    await hubbub_server.restart()
    done = await application.wait_for("/recording", status("completed"), timeout=10)
    async with Rest(hubbub_server) as rest:
        found = await rest.get(f"/Recordings/{begun['sid']}.json")
        left, right = channels(await rest.media(f"/Recordings/{begun['sid']}.wav"))
    assert (found["status"], found["channels"]) == ("completed", 2)
    assert int(found["duration"]) in (2, 3)
    assert done.params["RecordingDuration"] == found["duration"] == str(round(len(left) / 8000))
    assert (tones_in(left), tones_in(right)) == ({TONE["alice"]}, set())
