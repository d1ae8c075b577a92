"""The worked sequence of the specification (7), step by step, with everything heard that can be heard."""

from __future__ import annotations

import asyncio
import io
import re
import wave
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.stage import TONE, PhoneMaker, Stage, assert_matrix, tone_wav
from tests.support.v2 import V2

from hubbub.testing import Application, HubbubServer, Request, assert_hears

pytestmark = pytest.mark.scenario

NUMBER = "+15550001002"
FIRST, WELCOME, QUEUED, LAST = 2451.0, 2651.0, 2851.0, 3051.0
AMONG = (*TONE.values(), FIRST, WELCOME, QUEUED, LAST)


@pytest.fixture
def hubbub_config(application: Application) -> dict[str, Any]:
    number = {"number": NUMBER, "account": "dev", "dialect": "bxml", "url": application.url("/initiate")}
    number["status_callback"] = application.url("/over")
    return {"numbers": [number]}


def kind(name: str, call: str = "") -> Callable[[Request], bool]:
    return lambda request: request.json["eventType"] == name and call in (request.json.get("callId", ""), "")


def play(path: str) -> str:
    return f"<PlayAudio>{path}</PlayAudio>"


def caller(request: Request) -> str:
    return str(request.json["from"]).removeprefix("sip:").partition("@")[0]


def serve(application: Application) -> None:
    """The application of the sequence. A tone stands for each sentence, because ears tell tones apart."""
    coached: dict[str, str] = {}

    def initiate(request: Request) -> str:
        coached[caller(request)] = request.json["callId"]
        attributes = {
            "bob": 'mute="true" tag="B" conferenceEventUrl="/other"',
            "carol": f'callIdsToCoach="{coached.get("bob", "")}"',
            "dave": 'tag="new" conferenceEventUrl="/other"',
        }[caller(request)]
        return f"<Response><Conference {attributes}>room.1</Conference></Response>"

    def room(request: Request) -> str | None:
        event = request.json["eventType"]
        if event == "conferenceCreated":
            return '<Response><StartRecording recordingAvailableUrl="/recorded"/></Response>'
        if event == "conferenceMemberJoin" and request.json["to"].startswith("sip:alice"):
            return f"<Response>{play('/welcome.wav')}</Response>"
        return None

    application.on(
        "/answer",
        f'<Response>{play("/first.wav")}<Conference conferenceEventUrl="/conf">room.1</Conference>{play("/last.wav")}</Response>',
    )
    application.on("/initiate", initiate)
    application.on("/conf", room)
    application.on("/redirected", f"<Response>{play('/queued.wav')}</Response>")
    application.on("/moved", "<Response><Pause duration='60'/></Response>")
    for name, tone in (("first", FIRST), ("welcome", WELCOME), ("queued", QUEUED), ("last", LAST)):
        application.on(f"/{name}.wav", tone_wav(tone, 1.5))


async def dial(server: HubbubServer, phone: PhoneMaker, calls: Stage, name: str) -> None:
    calls[name] = await (await phone(name)).call(server.uri(NUMBER))
    await calls[name].wait_answered()
    calls[name].tone(TONE[name])


async def test_the_worked_sequence(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    serve(application)
    calls: Stage = {}
    alice = await phone("alice")
    async with V2(hubbub_server) as rest:
        # 1. POST /calls: 201
        ringing = asyncio.create_task(alice.wait_call())
        created = await rest.post(
            "/calls",
            **{"to": alice.uri, "from": "+15550002000", "applicationId": rest.face["application"], "tag": "A", "callbackTimeout": 5},
            answerUrl=application.url("/answer"),
            disconnectUrl=application.url("/over"),
        )
        assert created.status == 201, created
        c1 = created.body["callId"]
        assert created.headers["Location"] == created.body["callUrl"] == f"{rest.base}/calls/{c1}"
        calls["alice"] = await ringing
        await calls["alice"].wait_answered()
        # 2. answer: c1 hears, enters; events go to the resolved /conf; the room's tag is A
        asked = await application.wait_for("/answer", kind("answer"))
        assert (asked.json["tag"], asked.json["direction"], asked.json["applicationId"]) == ("A", "outbound", rest.face["application"])
        await assert_hears(calls["alice"], {FIRST}, among=AMONG)
        made = await application.wait_for("/conf", kind("conferenceCreated"))
        assert (made.json["name"], made.json["tag"]) == ("room.1", "A")
        room = f"/conferences/{made.json['conferenceId']}"
        # 3 and 4. the replies to created and join are executed in order: recording on, then the welcome
        joined = await application.wait_for("/conf", kind("conferenceMemberJoin", c1))
        assert joined.number > made.number
        await assert_hears(calls["alice"], {WELCOME}, among=AMONG)
        calls["alice"].tone(TONE["alice"])
        # 5. a muted caller: its event goes to the creator's URL with the creator's tag; its own tag is B
        await dial(hubbub_server, phone, calls, "bob")
        c2 = next(request.json["callId"] for request in application.requests("/initiate"))
        assert (await application.wait_for("/conf", kind("conferenceMemberJoin", c2))).json["tag"] == "A"
        await assert_matrix(calls, {"alice": "", "bob": "a"})
        # 6. the list and the room show it
        (listed,) = (await rest.get("/conferences", name="room.1")).body
        assert listed["id"] == made.json["conferenceId"]
        assert "activeMembers" not in listed
        shown = (await rest.get(room)).body
        assert (shown["tag"], shown["conferenceEventUrl"], shown["completedTime"]) == ("A", application.url("/conf"), None)
        assert [(member["callId"], member["mute"], member["hold"]) for member in shown["activeMembers"]] == [
            (c1, False, False),
            (c2, True, False),
        ]
        # 7. unmuted by REST
        assert (await rest.put(f"{room}/members/{c2}", mute=False)).status == 204
        await assert_matrix(calls, {"alice": "b", "bob": "a"})
        # 8. a coach is heard by the coached call alone
        await dial(hubbub_server, phone, calls, "carol")
        c3 = application.requests("/initiate")[1].json["callId"]
        await assert_matrix(calls, {"alice": "b", "bob": "ac", "carol": "ab"})
        assert (await rest.get(f"{room}/members/{c3}")).body["callIdsToCoach"] == [c2]
        # 9. a document with a verb that rooms do not have: nothing of it is played
        wrong = await rest.bxml(room, f"<Bxml>{play(application.url('/last.wav'))}<Pause/></Bxml>")
        assert (wrong.status, wrong.body["type"]) == (400, "validation")
        assert application.requests("/last.wav") == []
        # 10. the room is redirected: 204 at once, the event, the reply queued
        assert (await rest.post(room, redirectUrl=application.url("/redirected"))).status == 204
        event = await application.wait_for("/redirected", kind("conferenceRedirect"))
        assert set(event.json) == {"eventType", "eventTime", "conferenceId", "name", "tag"}
        await assert_hears(calls["bob"], {TONE["alice"], TONE["carol"], QUEUED}, among=AMONG)
        # 11. one member is taken away by its call
        assert (await rest.post(f"/calls/{c2}", redirectUrl=application.url("/moved"))).status == 200
        assert (await application.wait_for("/moved", kind("redirect", c2))).json["tag"] == "B"
        await application.wait_for("/conf", kind("conferenceMemberExit", c2))
        assert (await rest.get(f"{room}/members/{c2}")).status == 404
        await assert_matrix(calls, {"alice": "", "bob": "", "carol": "a"})
        # 12. completed: exits, completed; c1 hears its last sentence and hangs up
        assert (await rest.post(room, status="completed", redirectMethod="POST")).status == 204
        await assert_hears(calls["alice"], {LAST}, among=AMONG)
        await application.wait_for("/conf", kind("conferenceCompleted"))
        assert ended(application) == ["conferenceMemberExit"] * 3 + ["conferenceCompleted"]
        over = await application.wait_for("/over", kind("disconnect", c1))
        assert (over.json["cause"], over.json["tag"]) == ("hangup", "A")
        assert (await rest.get(f"/calls/{c1}")).body["state"] == "disconnected"
        assert (await rest.post(room, redirectUrl=application.url("/redirected"))).status == 404
        assert (await rest.get(room)).body["activeMembers"] == []
        # 13. the recording
        await heard_recording(application, rest, room)
        # 14. the name begins a new life
        await dial(hubbub_server, phone, calls, "dave")
        again = await application.wait_for("/other", kind("conferenceCreated"))
        assert again.json["conferenceId"] != made.json["conferenceId"]
        assert again.json["tag"] == "new"
        both = (await rest.get("/conferences", name="room.1")).body
        assert [item["id"] for item in both] == [made.json["conferenceId"], again.json["conferenceId"]]
    assert calls["bob"].ended.is_set() is False


def ended(application: Application) -> list[str]:
    events = [request.json["eventType"] for request in application.requests("/conf")]
    return [event for event in events if event in ("conferenceMemberExit", "conferenceCompleted")]


async def heard_recording(application: Application, rest: V2, room: str) -> None:
    told = (await application.wait_for("/recorded", kind("conferenceRecordingAvailable"))).json
    assert (told["status"], told["channels"], told["fileFormat"], told["tag"]) == ("complete", 1, "wav", "A")
    assert re.fullmatch(r"PT[0-9.]+S", told["duration"])
    media = await rest.send("GET", told["mediaUrl"], headers={"Accept": "application/json"})
    assert (media.status, media.headers["Content-Type"]) == (200, "audio/vnd.wave")
    with wave.open(io.BytesIO(media.body)) as file:
        assert file.getnframes() / file.getframerate() > 3
    (listed,) = (await rest.get(f"{room}/recordings")).body
    assert listed["recordingId"] == told["recordingId"]
    recording = f"{room}/recordings/{told['recordingId']}"
    assert (await rest.get(recording)).body == listed
    assert (await rest.delete(f"{recording}/media")).status == 204
    assert ((await rest.get(recording)).body["status"], (await rest.get(f"{recording}/media")).status) == ("deleted", 404)
    assert (await rest.delete(recording)).status == 204
    assert (await rest.get(recording)).status == 404
