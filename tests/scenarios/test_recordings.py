"""Recordings of legs and rooms heard: which tone is in which channel, how long, in which form (spec 1.6, 1.7, 4.4, 5.7, 8.3)."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from tests.support.client import RestError
from tests.support.recorded import EVERYTHING, PROMPT, TOLD, call_sid, channels, refused, settled, status, tones_in
from tests.support.rest import Rest
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, by_caller, call_in, level_at, room, sid_of, tone_wav

from hubbub.testing import Application, HubbubServer, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
running, application, hubbub_server, phone, rest = shared()


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
    files = set(hubbub_server.recordings.rglob("*.wav"))
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
    assert set(hubbub_server.recordings.rglob("*.wav")) == files
    assert begun["sid"] not in [each["sid"] for each in (await rest.get("/Recordings.json"))["recordings"]]
    kept = (await rest.get("/Recordings.json", IncludeSoftDeleted="true"))["recordings"]
    assert (begun["sid"], "deleted") in [(r["sid"], r["status"]) for r in kept]


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
