"""Conferences heard: callers with tones, measured on the audio that each received."""

from __future__ import annotations

import asyncio
import io
import wave

import numpy as np
import pytest
from tests.support.client import RestError
from tests.support.rest import Rest
from tests.support.shared import shared
from tests.support.stage import (
    EVENTS,
    TONE,
    PhoneMaker,
    assert_matrix,
    by_caller,
    call_in,
    caller_of,
    event,
    level_at,
    room,
    sid_of,
    tone_wav,
)

from hubbub.testing import Application, HubbubServer, Request, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
running, application, hubbub_server, phone, rest = shared()


async def test_three_callers_hear_exactly_the_two_others(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Rule: "three phones with three tones in one room: each hears exactly the two others"."""
    application.on("/voice", room())
    calls = await call_in(hubbub_server, phone, "alice", "bob", "carol")
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
    await calls["bob"].hangup()
    await assert_matrix(calls, {"alice": "c", "carol": "a"})


async def test_the_beep_is_heard_by_the_others_alone(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """Q13: "beep heard by the joining leg itself, and beeps before start": "others only; none before start"."""
    enter, leave = (880.0, 1175.0), (1047.0, 698.0)
    application.on("/voice", by_caller(carol=room('beep="onEnter"'), other=room('beep="false"')))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    for call in calls.values():
        call.silence()
    await assert_matrix(calls, {"alice": "", "bob": ""})
    marks = {name: call.mark() for name, call in calls.items()}
    caller = await phone("carol")
    calls["carol"] = await caller.call(hubbub_server.uri("+15550001000"))
    marks["carol"] = calls["carol"].mark()
    await calls["carol"].wait_answered()
    await application.wait_for(
        "/events", lambda request: event("participant-join")(request) and request.params["CallSid"] == sid_of(application, "carol")
    )
    await asyncio.sleep(1.0)
    heard = {name: await call.since(marks[name]) for name, call in calls.items()}
    loudest = {name: {f: max(level_at(each.pcm[n : n + 800], f) for n in range(0, len(each.pcm) - 800, 200)) for f in (*enter, *leave)}
               for name, each in heard.items()}  # fmt: skip
    for name in ("alice", "bob"):
        assert all(loudest[name][frequency] > -20 for frequency in enter), name
        assert all(loudest[name][frequency] < -26 for frequency in leave), name
    assert heard["carol"].silent, "not the newcomer"


async def test_mute_hold_and_kick_change_the_matrix(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """3.6: muted hears and is not heard; on hold hears only hold audio; removed by DELETE goes on with its document."""
    application.on("/voice", room(dial='action="/after"'))
    application.on("/after", "<Response><Pause length='20'/></Response>")
    application.on("/hold", "<Response><Play>/hold.wav</Play><Redirect>/hold</Redirect></Response>")
    application.on("/hold.wav", tone_wav(2951.0))
    calls = await call_in(hubbub_server, phone, "alice", "bob", "carol")
    bob = f"/Conferences/standup/Participants/{sid_of(application, 'bob')}.json"

    answer = await rest.post(bob, Muted="True")
    assert answer["muted"] is True
    await assert_matrix(calls, {"alice": "c", "bob": "ac", "carol": "a"})
    await application.wait_for("/events", event("participant-mute"))

    answer = await rest.post(bob, Hold="true", HoldUrl=application.url("/hold"))
    assert (answer["muted"], answer["hold"]) == (True, True)
    await assert_matrix(calls, {"alice": "c", "bob": "", "carol": "a"})
    await assert_hears(calls["bob"], {2951.0}, among=(*TONE.values(), 2951.0))

    await rest.post(bob, Muted="false", Hold="false")
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})

    await rest.delete(bob)
    await assert_matrix(calls, {"alice": "c", "bob": "", "carol": "a"})
    left = await application.wait_for("/events", event("participant-leave"))
    assert left.params["ReasonParticipantLeft"] == "participant_updated_via_api"
    after = await application.wait_for("/after")
    assert (after.params["DialCallStatus"], after.params["CallStatus"]) == ("answered", "in-progress")
    assert not calls["bob"].ended.is_set()


async def test_a_coach_is_heard_by_its_target_only(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """3.6: coaching T: hears all, heard by T only; retargeted live by CallSidToCoach; Coaching=false is heard by all."""

    def document(request: Request) -> str:
        return room(f'coach="{sid_of(application, "bob")}"') if caller_of(request) == "carol" else room()

    application.on("/voice", document)
    calls = await call_in(hubbub_server, phone, "alice", "bob", "carol")
    await assert_matrix(calls, {"alice": "b", "bob": "ac", "carol": "ab"})
    carol = f"/Conferences/standup/Participants/{sid_of(application, 'carol')}.json"
    answer = await rest.post(carol, CallSidToCoach=sid_of(application, "alice"))
    assert answer["call_sid_to_coach"] == sid_of(application, "alice")
    await assert_matrix(calls, {"alice": "bc", "bob": "a", "carol": "ab"})
    await rest.post(carol, Coaching="false")
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
    assert len([r for r in application.requests("/events") if event("participant-modify")(r)]) == 2


async def test_waiting_callers_hear_the_wait_document_until_the_start(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """waitUrl: "audio or TwiML until the room starts"; before the start the leg cannot be heard."""
    application.on(
        "/voice",
        by_caller(alice=room('startConferenceOnEnter="false" waitUrl="/wait"'), bob=room('startConferenceOnEnter="false" waitUrl=""')),
    )
    application.on("/wait", "<Response><Play loop='0'>/wait.wav</Play></Response>")
    application.on("/wait.wav", tone_wav(2951.0))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_hears(calls["alice"], {2951.0}, among=(*TONE.values(), 2951.0))
    assert (await calls["bob"].heard(0.6)).silent
    calls |= await call_in(hubbub_server, phone, "carol")
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
    assert not (await calls["alice"].heard(0.5)).hears(2951.0)


async def test_moderator_leaves_and_the_room_ends(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """endConferenceOnExit: others' ReasonParticipantLeft is moderator_ended_conference; action or next verb; end comes last."""
    application.on("/voice", by_caller(bob=room('endConferenceOnExit="true" participantLabel="boss"')))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await calls["bob"].hangup()
    ended = await application.wait_for("/events", event("conference-end"))
    assert ended.params["ReasonConferenceEnded"] == "participant-with-end-conference-on-exit-left"
    assert ended.params["CallSidEndingConference"] == sid_of(application, "bob")
    assert ended.params["ParticipantLabelEndingConference"] == "boss"
    await calls["alice"].wait_ended()
    told = application.requests("/events")
    assert [r.params["SequenceNumber"] for r in told] == [str(n + 1) for n in range(len(told))]
    reasons = [r.params.get("ReasonParticipantLeft") for r in told if event("participant-leave")(r)]
    assert reasons == ["participant_hung_up", "moderator_ended_conference"]
    listed = await rest.get("/Conferences.json", FriendlyName="standup")
    assert listed["conferences"][0]["status"] == "completed"
    assert listed["conferences"][0]["reason_conference_ended"] == ended.params["ReasonConferenceEnded"]


async def test_end_by_request_and_what_follows(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """POST Status=completed: everybody goes on; the name is free again and yields a new SID; a completed room lists nobody."""
    joining = f"<Dial><Conference {EVENTS}>standup</Conference></Dial>"
    document = f"<Response>{joining}<Play>/next.wav</Play><Pause length='10'/></Response>"
    application.on("/voice", document)
    application.on("/next.wav", tone_wav(2951.0))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    first = (await rest.get("/Conferences/standup.json"))["sid"]
    ended = await rest.post(f"/Conferences/{first}.json", Status="completed")
    assert (ended["status"], ended["reason_conference_ended"]) == ("completed", "conference-ended-via-api")
    await assert_hears(calls["alice"], {2951.0}, among=(*TONE.values(), 2951.0))
    assert (await rest.get(f"/Conferences/{first}/Participants.json"))["participants"] == []
    assert (await rest.post(f"/Conferences/{first}.json", Status="completed"))["status"] == "completed"
    await call_in(hubbub_server, phone, "carol")
    assert (await rest.get("/Conferences/standup.json"))["sid"] != first


async def test_recording_holds_exactly_the_audible_tones(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """Rule: "a recording holds exactly the audible tones": the muted and the coach are not in it; the WAV is 8 kHz, 16 bit, mono."""

    def document(request: Request) -> str:
        attributes = {"carol": 'muted="true"', "dave": f'coach="{sid_of(application, "alice")}"'}.get(caller_of(request), "")
        recorded = 'record="record-from-start" beep="false" recordingStatusCallback="/recording"'
        return room(f'{recorded} recordingStatusCallbackEvent="in-progress completed" {attributes}')

    application.on("/voice", document)
    calls = await call_in(hubbub_server, phone, "alice", "bob", "carol", "dave")
    await assert_matrix(calls, {"alice": "bd", "bob": "a", "carol": "ab", "dave": "ab"})
    await asyncio.sleep(2.0)
    for call in calls.values():
        await call.hangup()
    done = await application.wait_for("/recording", lambda r: r.params["RecordingStatus"] == "completed", timeout=10)
    assert float(done.params["RecordingDuration"]) >= 2
    sid = done.params["ConferenceSid"]
    listed = (await rest.get(f"/Conferences/{sid}/Recordings.json"))["recordings"]
    assert [r["sid"] for r in listed] == [done.params["RecordingSid"]]
    assert (listed[0]["source"], listed[0]["status"], listed[0]["channels"]) == ("Conference", "completed", 1)
    content = await rest.media(f"/Recordings/{done.params['RecordingSid']}.wav")
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (8000, 2, 1)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    middle = samples[len(samples) // 4 : len(samples) // 4 * 3]
    loud = {name for name, frequency in TONE.items() if level_at(middle, frequency) > -40}
    assert loud == {"alice", "bob"}


async def test_announcements(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """AnnounceUrl on the room is heard by all, on a participant by it alone; announcement-end follows."""
    application.on("/voice", room())
    application.on("/announce", "<Response><Play loop='2'>/announce.wav</Play></Response>")
    application.on("/announce.wav", tone_wav(2951.0))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await rest.post("/Conferences/standup.json", AnnounceUrl=application.url("/announce"))
    among = (*TONE.values(), 2951.0)
    await asyncio.gather(
        assert_hears(calls["alice"], {TONE["bob"], 2951.0}, among=among), assert_hears(calls["bob"], {TONE["alice"], 2951.0}, among=among)
    )
    done = await application.wait_for("/events", event("announcement-end"))
    assert done.params["AnnounceUrl"] == application.url("/announce")
    alone = f"/Conferences/standup/Participants/{sid_of(application, 'bob')}.json"
    await rest.post(alone, AnnounceUrl=application.url("/announce"))
    await assert_hears(calls["bob"], {TONE["alice"], 2951.0}, among=among)
    assert not (await calls["alice"].heard(0.5)).hears(2951.0)
    done = await application.wait_for("/events", event("announcement-end"), count=2)
    assert done.params["CallSid"] == sid_of(application, "bob")


async def test_participant_called_into_a_room_by_rest(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """POST /Participants: the callee is heard in the room, is addressed by its label, and is hung up when it is removed."""
    application.on("/voice", room())
    application.on("/progress", None)
    calls = await call_in(hubbub_server, phone, "alice")
    bob = await phone("bob")
    created = await rest.post(
        "/Conferences/standup/Participants.json",
        [("StatusCallbackEvent", "initiated"), ("StatusCallbackEvent", "answered"), ("StatusCallbackEvent", "completed")],
        To=bob.uri,
        From="+15550001000",
        Label="the agent",
        StatusCallback=application.url("/progress"),
    )
    assert (created["status"], created["label"], created["queue_time"]) == ("queued", "the agent", "0")
    calls["bob"] = await bob.wait_call()
    await calls["bob"].wait_answered()
    calls["bob"].tone(TONE["bob"])
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    shown = await rest.get("/Conferences/standup/Participants/the%20agent.json")
    assert (shown["call_sid"], shown["status"]) == (created["call_sid"], "connected")
    await rest.delete("/Conferences/standup/Participants/the%20agent.json")
    await calls["bob"].wait_ended()
    told = await application.wait_for("/progress", lambda r: r.params["CallStatus"] == "completed")
    assert [r.params["CallStatus"] for r in application.requests("/progress")] == ["initiated", "in-progress", "completed"]
    assert told.params["CallSid"] == created["call_sid"]
    with pytest.raises(RestError) as missing:
        await rest.get("/Conferences/standup/Participants/the%20agent.json")
    assert (missing.value.status, missing.value.body["code"]) == (404, 20404)


async def test_participant_that_does_not_answer(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """participant_add_failed: "REST-added leg never connected", with the call's own status."""
    application.on("/voice", room())
    await call_in(hubbub_server, phone, "alice")
    bob = await phone("bob", auto_answer=False)
    await rest.post("/Conferences/standup/Participants.json", To=bob.uri, From="+15550001000")
    (await bob.wait_call()).reject(486)
    left = await application.wait_for("/events", event("participant-leave"))
    assert left.params["ReasonParticipantLeft"] == "participant_add_failed"
    assert left.params["ParticipantCallStatus"] == "busy"


async def test_redirected_leg_asks_twice(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """1.9: "both documents are requested: first the Dial action (answer discarded), then the new URL, which takes control"."""
    application.on("/voice", room(dial='action="/after"'))
    application.on("/after", "<Response><Hangup/></Response>")
    application.on("/new", "<Response><Play loop='0'>/new.wav</Play></Response>")
    application.on("/new.wav", tone_wav(2951.0))
    calls = await call_in(hubbub_server, phone, "alice", "bob", "carol")
    await assert_matrix(calls, {"alice": "bc", "bob": "ac", "carol": "ab"})
    await rest.post(f"/Calls/{sid_of(application, 'bob')}.json", Url=application.url("/new"))
    await assert_hears(calls["bob"], {2951.0}, among=(*TONE.values(), 2951.0))
    paths = [r.path for r in application.requests() if r.path in ("/after", "/new")]
    assert paths == ["/after", "/new"]
    await assert_matrix(calls, {"alice": "c", "carol": "a"})


async def test_star_and_time_limit_leave_the_room(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """hangupOnStar: "* leaves the room"; timeLimit "removes this leg from the room"."""
    application.on(
        "/voice",
        by_caller(alice=room(dial='hangupOnStar="true" action="/star"'), bob=room(dial='timeLimit="2" action="/limit"'), other=room()),
    )
    application.on("/star", "<Response><Pause length='9'/></Response>")
    application.on("/limit", "<Response><Pause length='9'/></Response>")
    calls = await call_in(hubbub_server, phone, "alice", "bob", "carol")
    await application.wait_for("/limit", timeout=6)
    await assert_matrix(calls, {"alice": "c", "carol": "a"})
    await calls["alice"].press("*")
    await application.wait_for("/star")
    await assert_matrix(calls, {"carol": ""})


@pytest.mark.parametrize(
    ("attributes", "code"),
    [('participantLabel="twin"', "16025"), (f'coach="CA{"0" * 32}"', "13240"), ('maxParticipants="1"', "16020")],
    ids=["label taken", "coach of nobody", "room full"],
)
async def test_refused_joins_are_notified(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest, attributes: str, code: str
) -> None:
    """3.2: "Rejected leg: nothing mixed, no join event"; the next verb runs; every code is stored as a notification."""
    first = attributes if code != "13240" else ""
    refused = f"<Response><Dial><Conference {attributes}>standup</Conference></Dial><Play>/refused.wav</Play></Response>"
    application.on("/voice", by_caller(alice=room(first), bob=refused))
    application.on("/refused.wav", tone_wav(2951.0))
    calls = await call_in(hubbub_server, phone, "alice", "bob")
    await assert_hears(calls["bob"], {2951.0}, among=(*TONE.values(), 2951.0))
    listed = await rest.get(f"/Calls/{sid_of(application, 'bob')}/Notifications.json")
    assert code in [n["error_code"] for n in listed["notifications"]]
    assert len(await rest.members("standup")) == 1
