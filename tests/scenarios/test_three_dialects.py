"""One neutral model, three vocabularies: programs of BXML and SWML heard beside TwiML."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, Stage, assert_matrix, room, tone_wav

from hubbub.testing import Application, HubbubServer, Request, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]

TWIML, BXML, SWML, CXML = "+15550001001", "+15550001002", "+15550001003", "+15550001004"
ANNOUNCED = 2951.0
AMONG = (*TONE.values(), ANNOUNCED)


def config(application: Application) -> dict[str, Any]:
    numbers = [
        {"number": number, "account": "dev", "dialect": dialect, "url": application.url(f"/{dialect}")}
        for number, dialect in ((TWIML, "twiml"), (BXML, "bxml"), (SWML, "swml"), (CXML, "cxml"))
    ]
    return {"numbers": numbers}


running, application, hubbub_server, phone, rest = shared(config)


async def dial(server: HubbubServer, phone: PhoneMaker, **numbers: str) -> Stage:
    calls = {}
    for name, number in numbers.items():
        caller = await phone(name)
        calls[name] = await caller.call(server.uri(number))
        await calls[name].wait_answered()
        calls[name].tone(TONE[name])
    return calls


def kind(name: str) -> Callable[[Request], bool]:
    return lambda request: request.json["eventType"] == name


def conference(attributes: str = "") -> str:
    return f'<Response><Conference conferenceEventUrl="/conf" {attributes}>room.1</Conference></Response>'


async def test_bxml_conference_with_replies_that_the_room_executes(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """No start rule; created, join, exit and completed arrive in order; a reply to join is heard by all, the newcomer too."""

    def events(request: Request) -> str | None:
        if request.json["eventType"] == "conferenceMemberJoin" and str(request.json["from"]).startswith("sip:bob"):
            return "<Response><PlayAudio>/welcome.wav</PlayAudio></Response>"
        return None

    application.on("/bxml", conference('tag="team"'))
    application.on("/conf", events)
    application.on("/welcome.wav", tone_wav(ANNOUNCED, 3.0))
    calls = await dial(hubbub_server, phone, alice=BXML)
    assert (await calls["alice"].heard(0.5)).silent
    calls |= await dial(hubbub_server, phone, bob=BXML)
    await asyncio.gather(
        assert_hears(calls["alice"], {TONE["bob"], ANNOUNCED}, among=AMONG),
        assert_hears(calls["bob"], {TONE["alice"], ANNOUNCED}, among=AMONG),
    )
    await calls["alice"].hangup()
    await calls["bob"].hangup()
    await application.wait_for("/conf", kind("conferenceCompleted"))
    told = [request.json for request in application.requests("/conf")]
    assert [event["eventType"] for event in told] == [
        "conferenceCreated",
        "conferenceMemberJoin",
        "conferenceMemberJoin",
        "conferenceMemberExit",
        "conferenceMemberExit",
        "conferenceCompleted",
    ]
    assert {event["tag"] for event in told} == {"team"}
    assert len({event["conferenceId"] for event in told}) == 1
    assert told[0]["conferenceId"].startswith("conf-")
    assert all("accountId" not in event for event in told)


async def test_bxml_reply_with_a_wrong_verb_is_dropped_as_a_whole(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """ "any unsupported verb: the entire document is dropped; room and members unaffected; nothing of it is played"."""
    application.on("/bxml", conference())
    application.on("/conf", "<Response><PlayAudio>/welcome.wav</PlayAudio><Pause/></Response>")
    application.on("/welcome.wav", tone_wav(ANNOUNCED, 2.0))
    calls = await dial(hubbub_server, phone, alice=BXML, bob=BXML)
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    assert not (await calls["alice"].heard(1.0)).hears(ANNOUNCED)
    assert application.requests("/welcome.wav") == []


async def test_bxml_mute_hold_and_coach(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """mute: hears, is not heard; hold: neither, and silence; a coach is heard only by the calls that it coaches."""

    def document(request: Request) -> str:
        name = str(request.json["from"]).removeprefix("sip:").partition("@")[0]
        coached = next(r.json["callId"] for r in application.requests("/bxml"))
        return conference({"bob": 'mute="true"', "carol": 'hold="true"', "dave": f'callIdsToCoach="{coached}"'}.get(name, ""))

    application.on("/bxml", document)
    application.on("/conf", None)
    calls = await dial(hubbub_server, phone, alice=BXML, bob=BXML, carol=BXML, dave=BXML)
    await assert_matrix(calls, {"alice": "d", "bob": "a", "carol": "", "dave": "a"})
    assert (await calls["carol"].heard(0.5)).silent


async def test_swml_conference_result(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """join_conference: starts with one member; when it returns, `result` switches on return_value (completed, failed)."""

    def script(request: Request) -> dict[str, Any]:
        assert request.json["call"]["call_state"] in ("created", "ringing")
        first = len(application.requests("/swml")) == 1
        name = "team" if first else "${vars.room}"
        join = {
            "name": name,
            "end_on_exit": first,
            "coach": "" if first else "11111111-1111-4111-8111-111111111111",
            "result": {
                "case": {
                    "completed": [{"play": {"url": application.url("/completed.wav")}}, {"sleep": 9000}],
                    "failed": [{"play": {"url": application.url("/failed.wav")}}, {"sleep": 9000}],
                }
            },
        }
        if first:
            del join["coach"]
        return {"version": "1.0.0", "sections": {"main": [{"answer": {}}, {"set": {"room": "team"}}, {"join_conference": join}]}}

    application.on("/swml", script)
    application.on("/failed.wav", tone_wav(ANNOUNCED, 2.0))
    calls = await dial(hubbub_server, phone, alice=SWML)
    assert (await calls["alice"].heard(0.5)).silent
    calls |= await dial(hubbub_server, phone, bob=SWML)
    await assert_hears(calls["bob"], {ANNOUNCED}, among=AMONG)


async def test_swml_as_yaml_and_its_status_callback(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """YAML 1.2 is executed as JSON is; status callbacks come in relay style, numbered by nothing but their order."""
    document = f"""
version: 1.0.0
sections:
  main:
    - join_conference:
        name: team
        status_callback: {application.url("/relay")}
        status_callback_event: start end join leave
        result:
          variable: return_value
          case: {{completed: [{{hangup: {{}}}}]}}
"""
    application.on("/swml", (200, "application/yaml", document))
    application.on("/relay", None)
    calls = await dial(hubbub_server, phone, alice=SWML, bob=SWML)
    await assert_matrix(calls, {"alice": "b", "bob": "a"})
    await calls["alice"].hangup()
    await calls["bob"].hangup()
    await application.wait_for("/relay", lambda r: r.json["params"]["status"] == "conference-end")
    told = [request.json for request in application.requests("/relay")]
    assert [event["params"]["status"] for event in told] == [
        "participant-join",
        "conference-start",
        "participant-join",
        "participant-leave",
        "participant-leave",
        "conference-end",
    ]
    assert {event["event_type"] for event in told} == {"calling.conference"}
    assert told[-1]["params"]["reason_ended"] == "last-participant-left"


async def test_all_dialects_in_one_room(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "A TwiML caller, a BXML caller and a SWML caller can sit in one room", a cXML caller too; notices speak its creator's dialect."""
    application.on("/twiml", room(name="mixed"))
    application.on("/bxml", '<Response><Conference conferenceEventUrl="/never">mixed</Conference></Response>')
    application.on("/swml", json.dumps({"sections": {"main": [{"join_conference": "mixed"}]}}))
    application.on("/events", None)
    application.on("/cxml", "<Response><Dial><Conference>mixed</Conference></Dial></Response>")
    calls = await dial(hubbub_server, phone, alice=TWIML, bob=BXML, carol=SWML, dave=CXML)
    await assert_matrix(calls, {"alice": "bcd", "bob": "acd", "carol": "abd", "dave": "abc"})
    for call in calls.values():
        await call.hangup()
    ended = await application.wait_for("/events", lambda r: r.params["StatusCallbackEvent"] == "conference-end")
    assert ended.params["FriendlyName"] == "mixed"
    assert application.requests("/never") == []
