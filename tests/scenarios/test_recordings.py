"""Recordings of legs and rooms heard: which tone is in which channel, how long, in which form (spec 1.6, 1.7, 4.4, 5.7, 8.3)."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import aiohttp
import numpy as np
import pytest
import soundfile
from tests.support.rest import Rest, RestError
from tests.support.stage import TONE, PhoneMaker, by_caller, call_in, level_at, room, sid_of, tone_wav

from hubbub.testing import Application, HubbubServer, Request, assert_hears

pytestmark = pytest.mark.scenario
PROMPT = 2951.0
TOLD = 'recordingStatusCallback="/recording" recordingStatusCallbackEvent="started in-progress paused resumed stopped completed absent"'
EVERYTHING = [
    ("RecordingStatusCallbackEvent", name) for name in ("started", "in-progress", "paused", "resumed", "stopped", "completed", "absent")
]


def status(word: str) -> Any:
    return lambda request: request.params["RecordingStatus"] == word


def channels(content: bytes) -> list[np.ndarray[Any, Any]]:
    """Each channel of a WAV or MP3, as 16-bit samples at 8 kHz."""
    samples, rate = soundfile.read(io.BytesIO(content), always_2d=True)
    assert rate == 8000
    return list((samples * 32768).T)


def tones_in(samples: np.ndarray[Any, Any], floor: float = -35.0) -> set[float]:
    """The tones in the middle of a channel."""
    middle = samples[len(samples) // 3 : len(samples) * 2 // 3]
    return {frequency for frequency in (*TONE.values(), PROMPT) if level_at(middle, frequency) > floor}


async def call_sid(application: Application, name: str) -> str:
    await application.wait_for("/voice")
    return sid_of(application, name)


async def settled(rest: Rest, path: str, wanted: str = "completed") -> dict[str, Any]:
    """A recording, when it has that status."""
    for _ in range(60):
        found: dict[str, Any] = await rest.get(path, IncludeSoftDeleted="true")
        if found["status"] == wanted:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{found['status']} is not {wanted}")


async def test_a_dialled_leg_has_its_voice_in_the_first_and_the_room_in_the_second_channel(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """1.7: "dual puts the leg in ch 1 and the room downstream in ch 2"; 1.9: RecordingUrl; 5.7: wav, mp3, RequestedChannels, ranges."""
    dial = f'record="record-from-answer-dual" action="/after" {TOLD}'
    application.on("/voice", by_caller(alice=room('beep="false"', dial), bob=room('beep="false"')))
    application.on("/after", "<Response/>")
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_hears(calls["alice"], {TONE["bob"]})
    await asyncio.sleep(1.5)
    await calls["alice"].hangup()
    done = await application.wait_for("/recording", status("completed"))
    told = {name: done.params.get(name) for name in ("CallSid", "ConferenceSid", "RecordingSource", "RecordingTrack", "RecordingChannels")}
    assert list(told.values()) == [sid_of(application, "alice"), None, "DialVerb", "both", "2"]
    assert [r.params["RecordingStatus"] for r in application.requests("/recording")] == ["started", "in-progress", "completed"]
    after = await application.wait_for("/after")
    assert (after.params["RecordingUrl"], after.params["RecordingSid"]) == (done.params["RecordingUrl"], done.params["RecordingSid"])
    sid = done.params["RecordingSid"]
    dual = [{TONE["alice"]}, {TONE["bob"]}]
    assert [tones_in(samples) for samples in channels(await rest.media(f"/Recordings/{sid}"))] == dual
    assert [tones_in(samples) for samples in channels(await rest.media(f"/Recordings/{sid}.mp3?RequestedChannels=2"))] == dual
    assert [tones_in(samples) for samples in channels(await rest.media(f"/Recordings/{sid}.wav?RequestedChannels=1"))] == [set.union(*dual)]
    assert [tones_in(samples) for samples in channels(await rest.media(f"/Recordings/{sid}.mp3?RequestedChannels=1"))] == [set.union(*dual)]
    listed = (await rest.get(f"/Calls/{sid_of(application, 'alice')}/Recordings.json"))["recordings"]
    assert [(r["sid"], r["source"], r["channels"], r["track"]) for r in listed] == [(sid, "DialVerb", 2, "both")]
    assert await part_of(hubbub_server, rest, sid) == (206, "audio/x-wav", 44)


async def part_of(server: HubbubServer, rest: Rest, sid: str) -> tuple[int, str, int]:
    """Status, type and size of the first 44 bytes."""
    face = server.faces["twilio"]
    url = server.http_url(f"/2010-04-01/Accounts/{rest.sid}/Recordings/{sid}.wav")
    auth = {"Authorization": aiohttp.encode_basic_auth(face["sid"], face["token"]), "Range": "bytes=0-43"}
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as reply:
            assert reply.status == 401  # "Media may be open or need Basic auth: default auth required"
        async with session.get(url, headers=auth) as reply:
            return reply.status, reply.content_type, len(await reply.read())


async def test_rest_records_a_call_with_pauses_that_are_silent_or_left_out(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """5.7: "PauseBehavior silence (default: keep duration) | skip"; fine status in the answer; Twilio.CURRENT; soft delete."""
    application.on("/voice", "<Response><Pause length='60'/></Response>")
    application.on("/recording", None)
    await call_in(hubbub_server, phone, "alice")
    base = f"/Calls/{await call_sid(application, 'alice')}/Recordings"
    begun = await rest.post(
        base + ".json",
        EVERYTHING,
        RecordingStatusCallback=application.url("/recording"),
        RecordingTrack="inbound",
        RecordingChannels="dual",
    )
    assert (begun["status"], begun["source"], begun["channels"], begun["track"]) == ("in-progress", "StartCallRecordingAPI", 1, "inbound")
    assert begun["duration"] is None
    one, current = f"{base}/{begun['sid']}.json", f"{base}/Twilio.CURRENT.json"
    await asyncio.sleep(1.0)
    assert (await rest.post(current, Status="paused"))["status"] == "paused"
    assert (await rest.get(one))["status"] == "processing"
    await asyncio.sleep(1.0)
    assert (await rest.post(one, Status="in-progress"))["status"] == "in-progress"
    await asyncio.sleep(1.0)
    await rest.post(current, Status="paused", PauseBehavior="skip")
    await asyncio.sleep(2.0)
    await rest.post(current, Status="in-progress")
    await asyncio.sleep(1.0)
    assert (await rest.post(current, Status="stopped"))["status"] == "stopped"
    await settled(rest, one)
    done = await application.wait_for("/recording", status("completed"))
    words = [r.params["RecordingStatus"] for r in application.requests("/recording")]
    assert words == ["started", "in-progress", "paused", "resumed", "paused", "resumed", "stopped", "completed"]
    assert done.params["RecordingDuration"] == "4"
    (samples,) = channels(await rest.media(f"/Recordings/{begun['sid']}.wav"))
    assert len(samples) / 8000 == pytest.approx(4.0, abs=0.5)
    heard = [level_at(samples[int(at * 8000) : int(at * 8000) + 2400], TONE["alice"]) > -35 for at in (0.3, 1.4, 2.4, 3.5)]
    assert heard == [True, False, True, True]
    await refused(rest.post(one, Status="paused"), 400, 21220)
    await refused(rest.post(current, Status="stopped"), 404, 20404)
    await rest.delete(one)
    await refused(rest.get(one), 404, 20404)
    with pytest.raises(RestError) as gone:
        await rest.media(f"/Recordings/{begun['sid']}.wav")
    assert gone.value.status == 404
    assert list(hubbub_server.recordings.rglob("*.wav")) == []
    assert (await rest.get("/Recordings.json"))["recordings"] == []
    kept = (await rest.get("/Recordings.json", IncludeSoftDeleted="true"))["recordings"]
    assert [(r["sid"], r["status"]) for r in kept] == [(begun["sid"], "deleted")]


async def refused(request: Any, http: int, code: int) -> None:
    with pytest.raises(RestError) as error:
        await request
    body = error.value.body if isinstance(error.value.body, dict) else json.loads(error.value.body)
    assert (error.value.status, body["code"]) == (http, code)


async def test_several_recordings_of_a_call_at_a_time(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """5.7: "Twilio.CURRENT = the only active recording; several: 16108"; 8.3: started and stopped by a document, beside what follows."""
    started = f"<Start><Recording channels='dual' {TOLD}/></Start>"
    application.on("/voice", f"<Response>{started}<Play loop='0'>/prompt.wav</Play></Response>")
    application.on("/stop", "<Response><Stop><Recording/></Stop><Pause length='60'/></Response>")
    application.on("/prompt.wav", tone_wav(PROMPT))
    application.on("/recording", None)
    calls = await call_in(hubbub_server, phone, "alice")
    await assert_hears(calls["alice"], {PROMPT}, among=(*TONE.values(), PROMPT))
    sid = await call_sid(application, "alice")
    base = f"/Calls/{sid}/Recordings"
    mono = await rest.post(f"{base}.json")
    out = await rest.post(f"{base}.json", RecordingTrack="outbound")
    await refused(rest.post(f"{base}/Twilio.CURRENT.json", Status="stopped"), 400, 16108)
    await refused(rest.delete(f"{base}/{out['sid']}.json"), 409, 20409)
    await asyncio.sleep(1.5)
    await rest.post(f"/Calls/{sid}.json", Url=application.url("/stop"))
    dual = (await application.wait_for("/recording", status("completed"))).params["RecordingSid"]
    for each in (mono["sid"], out["sid"]):
        await settled(rest, f"/Recordings/{each}.json")
    heard = {name: [tones_in(s) for s in channels(await rest.media(f"/Recordings/{name}.wav"))] for name in (dual, mono["sid"], out["sid"])}
    assert heard == {dual: [{TONE["alice"]}, {PROMPT}], mono["sid"]: [{TONE["alice"], PROMPT}], out["sid"]: [{PROMPT}]}
    await refused(rest.media(f"/Recordings/{out['sid']}.wav?RequestedChannels=2"), 400, 16113)


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


async def test_calls_and_participants_are_recorded_from_their_answer(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """5.4, 5.6: Record, RecordingChannels, RecordingTrack, Trim; "recording continues between rooms"; 4.3: Recording* when completed."""
    application.on("/voice", room('beep="false"'))
    application.on("/recording", None)
    application.on("/progress", None)
    calls = await call_in(hubbub_server, phone, "alice")
    bob = await phone("bob")
    await rest.post(
        "/Conferences/standup/Participants.json",
        To=bob.uri,
        From="+15550001000",
        Beep="false",
        Record="true",
        RecordingChannels="dual",
        Trim="do-not-trim",
        RecordingStatusCallback=application.url("/recording"),
        StatusCallback=application.url("/progress"),
    )
    calls["bob"] = await bob.wait_call()
    await calls["bob"].wait_answered()
    calls["bob"].tone(TONE["bob"])
    await assert_hears(calls["bob"], {TONE["alice"]})
    await asyncio.sleep(1.5)
    await calls["bob"].hangup()
    done = await application.wait_for("/recording", status("completed"))
    told = await application.wait_for("/progress", lambda r: r.params["CallStatus"] == "completed")
    assert [told.params[name] for name in ("RecordingSid", "RecordingUrl")] == [done.params["RecordingSid"], done.params["RecordingUrl"]]
    assert (done.params["RecordingSource"], done.params["RecordingChannels"]) == ("OutboundAPI", "2")
    content = await rest.media(f"/Recordings/{done.params['RecordingSid']}.wav")
    assert [tones_in(samples) for samples in channels(content)] == [{TONE["bob"]}, {TONE["alice"]}]


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
    """Issue: "recordings that survive a crash": the row tells what is in the file, in two channels, and it is told."""
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
