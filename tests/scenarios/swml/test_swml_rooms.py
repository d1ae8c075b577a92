"""SWML's rooms: who is coached, what is recorded and told of it, and each status once and in order."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from tests.support.recorded import tones_in
from tests.support.stage import TONE, PhoneMaker, assert_matrix
from tests.support.swml import by_name, dial, recorded, script, stands

from hubbub.testing import Application, HubbubServer

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
EVERYTHING = "start end join leave mute hold modify speaker announcement"


async def change(server: HubbubServer, room: str, call: str, **params: str) -> None:
    """By the compatibility REST: there are no conference commands in the other."""
    face = server.faces["signalwire"]
    url = server.http_url(f"/api/laml/2010-04-01/Accounts/{face['project']}/Conferences/{room}/Participants/{call}")
    headers = {"Authorization": aiohttp.encode_basic_auth(face["project"], face["token"])}
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, data=params) as reply:
        assert reply.status == 200, await reply.text()


async def announce(server: HubbubServer, room: str, url: str) -> None:
    """To everybody."""
    face = server.faces["signalwire"]
    target = server.http_url(f"/api/laml/2010-04-01/Accounts/{face['project']}/Conferences/{room}")
    headers = {"Authorization": aiohttp.encode_basic_auth(face["project"], face["token"])}
    async with aiohttp.ClientSession(headers=headers) as session, session.post(target, data={"AnnounceUrl": url}) as reply:
        assert reply.status == 200, await reply.text()


def join(**more: Any) -> str:
    return script({"join_conference": {"name": "team", "beep": "false", "status_callback": "/status", **more}})


async def test_a_coach_is_heard_by_one_and_the_room_is_recorded(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """`coach`: heard by the coached only, hears all; `record-from-start`: record-start, record-stop with the URL of what was said."""
    recording = {"record": "record-from-start", "recording_status_callback": "/told"}
    first = {**recording, "recording_status_callback_event": "in-progress completed"}

    def document(request: Any) -> str:
        name = str(request.json["call"]["from"]).removeprefix("sip:").partition("@")[0]
        if name != "carol":
            return join(**(first if name == "alice" else {}))
        alice = application.requests("/swml")[0].json["call"]["call_id"]
        return join(coach=alice)

    application.on("/swml", document)
    calls = {name: await dial(hubbub_server, phone, name) for name in ("alice", "bob", "carol")}
    await assert_matrix(calls, {"alice": "bc", "bob": "a", "carol": "ab"})
    await asyncio.sleep(1.5)
    for call in calls.values():
        await call.hangup()
    done = await application.wait_for("/told", stands("record-stop", "status"))
    assert [r.json["params"]["status"] for r in application.requests("/told")] == ["record-start", "record-stop"]
    assert {r.json["event_type"] for r in application.requests("/told")} == {"calling.conference"}
    assert done.json["params"]["name"] == "team"
    (samples,) = await recorded(done.json["params"]["recording_url"])
    assert tones_in(samples) >= {TONE["alice"], TONE["bob"]}


async def test_announcements_are_told_and_the_end_names_the_recording(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """3.8: `recording_url recording_file_size recording_duration` on `conference-end`; `announcement` is told of to all and to one."""
    kept = {"record": "record-from-start", "trim": "do-not-trim", "recording_status_callback": "/told"}
    application.on("/swml", join(status_callback_event="start end announcement", **kept))
    application.on("/say", '<Response><Pause length="1"/></Response>')
    calls = {name: await dial(hubbub_server, phone, name) for name in ("alice", "bob")}
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    started = (await application.wait_for("/status", stands("conference-start", "status"))).json["params"]
    identities = {request.json["call"]["call_id"] for request in application.requests("/swml")}
    assert started["call_id"] in identities
    await change(hubbub_server, started["conference_id"], started["call_id"], AnnounceUrl=application.url("/nothing"))
    failed = (await application.wait_for("/status", stands("announcement-fail", "status"))).json["params"]
    assert (failed["call_id"], failed["announce_url"]) == (started["call_id"], application.url("/nothing"))
    assert failed["reason"]
    await announce(hubbub_server, started["conference_id"], application.url("/say"))
    assert (await application.wait_for("/status", stands("announcement-end", "status"))).json["params"]["call_id"] in identities
    await asyncio.sleep(0.5)
    for call in calls.values():
        await call.hangup()
    ended = (await application.wait_for("/status", stands("conference-end", "status"))).json["params"]
    assert ended["recording_duration"] > 0.5
    await application.wait_for("/told", stands("record-stop", "status"))
    (samples,) = await recorded(ended["recording_url"])
    assert abs(len(samples) / 8000 - ended["recording_duration"]) < 1.0
    assert abs(ended["recording_file_size"] - 2 * len(samples)) < 2 * 8000


async def test_each_status_once_and_in_order(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """3.8: every status that can be asked for, with flags whose names differ from the request's; the first joiner's wish counts."""
    scripts = {
        "alice": join(status_callback_event=EVERYTHING, start_on_enter=False, wait_url="/wait"),
        "bob": join(status_callback_event="end", status_callback_event_type="cxml", end_on_exit=True),
    }
    application.on("/swml", by_name(**scripts))
    application.on("/wait", script({"sleep": 60000}))
    calls = {"alice": await dial(hubbub_server, phone, "alice", speaks=False)}
    calls["bob"] = await dial(hubbub_server, phone, "bob", speaks=False)
    started = (await application.wait_for("/status", stands("conference-start", "status"))).json["params"]
    alice = application.requests("/swml")[0].json["call"]["call_id"]
    room = started["conference_id"]
    for params in ({"Muted": "true"}, {"Muted": "false"}, {"Hold": "true"}, {"Hold": "false"}, {"EndConferenceOnExit": "true"}):
        await change(hubbub_server, room, alice, **params)
    calls["alice"].tone([200, 320])
    await application.wait_for("/status", stands("participant-speech-start", "status"))
    calls["alice"].silence()
    await application.wait_for("/status", stands("participant-speech-stop", "status"))
    await calls["bob"].hangup()
    ended = (await application.wait_for("/status", stands("conference-end", "status"))).json["params"]
    await asyncio.wait_for(calls["alice"].ended.wait(), 10)
    told = [request.json["params"] for request in application.requests("/status")]
    assert sorted(params["status"] for params in told[:3]) == ["conference-start", "participant-join", "participant-join"]
    assert [params["status"] for params in told[3:]] == [
        "participant-mute",
        "participant-unmute",
        "participant-hold",
        "participant-unhold",
        "participant-modify",
        "participant-speech-start",
        "participant-speech-stop",
        "participant-leave",
        "participant-leave",
        "conference-end",
    ]
    assert (told[0]["call_id"], told[0]["start_on_join"], told[0]["end_on_leave"], told[0]["muted"]) == (alice, False, False, False)
    assert (told[3]["muted"], told[5]["hold"]) == (True, True)
    assert all({"call_id", "name", "conference_id", "status", "size", "node_id"} <= set(params) for params in told[:2])
    assert ended["reason_ended"] == "participant-with-end-conference-on-exit-left"
    assert ended["call_id_ending_conf"] == application.requests("/swml")[-1].json["call"]["call_id"]
