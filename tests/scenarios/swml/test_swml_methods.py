"""SWML's methods with all their parameters, heard: play, prompt, record, record_call, user_event, and what is not here."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import aiohttp
import pytest
from tests.support.recorded import tones_in
from tests.support.stage import TONE, PhoneMaker, tone_wav
from tests.support.swml import SWML, dial, recorded, script, stands, told

from hubbub.testing import Application, HubbubServer, assert_hears
from hubbub.testing.heard import Heard

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
SOUND = 2951.0
AMONG = (SOUND, *TONE.values())


async def told_to(application: Application, count: int = 1) -> Any:
    return (await application.wait_for("/told", count=count)).json


async def test_volume_is_in_decibels(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "`volume` 0 (-40..40)": heard as much louder or softer."""
    quiet, plain = {"url": "/sound.wav", "volume": -20}, {"url": "/sound.wav"}
    application.on("/swml", script({"play": quiet}, {"sleep": 500}, {"play": plain}, {"sleep": 20000}))
    application.on("/sound.wav", tone_wav(SOUND, 2.5))
    call = await dial(hubbub_server, phone)
    heard = await call.heard(7.0)
    levels = sorted(_levels(heard.pcm))
    assert 18 < levels[-1] - levels[0] < 22
    await call.hangup()


def _levels(pcm: Any) -> list[float]:
    """Of the sound in each half second that is full of it."""
    found = [Heard(pcm[at : at + 4000]).level_at(SOUND) for at in range(0, len(pcm) - 4000, 1000)]
    steady = [level for level, following in itertools.pairwise(found) if level > -45 and abs(level - following) < 0.5]
    assert steady
    return steady


async def test_status_urls_of_play_and_prompt(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """The common envelope of `status_url`; a playing began and finished, what a prompt was answered with; `volume` of a prompt."""
    prompt = {"play": "/ask.wav", "max_digits": 4, "terminators": "#", "status_url": "/status", "volume": 6, "initial_timeout": 9}
    application.on(
        "/swml", script({"play": {"urls": ["silence:0.1", "/sound.wav"], "status_url": "/status"}}, {"prompt": prompt}, {"sleep": 9000})
    )
    application.on("/sound.wav", tone_wav(SOUND, 0.5))
    application.on("/ask.wav", tone_wav(SOUND, 20.0))
    call = await dial(hubbub_server, phone, speaks=False)
    await application.wait_for("/status", stands("finished"))
    await assert_hears(call, {SOUND}, among=AMONG)
    await call.press("42#")
    collected = (await application.wait_for("/status", lambda r: "result" in r.json["params"])).json
    played = [r.json for r in application.requests("/status") if r.json["event_type"] == "calling.call.play"]
    assert [event["params"]["state"] for event in played] == ["playing", "finished"]
    assert set(collected) == {"event_type", "event_channel", "timestamp", "project_id", "space_id", "params"}
    assert collected["event_type"] == "calling.call.collect"
    assert collected["params"]["result"] == {"type": "digit", "params": {"digits": "42", "terminator": "#"}}
    assert collected["params"]["call_id"] == application.requests("/swml")[0].json["call"]["call_id"]
    await call.hangup()


async def test_a_sound_that_cannot_be_had_is_told(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """A playing that fails: state `error`; the script goes on, and whoever follows the call gets `calling.script.warning`."""
    application.on("/swml", script({"play": {"url": "/nothing.wav", "status_url": "/status"}}, told(a="1")))
    application.on("/nothing.wav", (404, "text/plain", "no"))
    await dial(hubbub_server, phone)
    await told_to(application)
    await application.wait_for("/status", stands("error"))
    warning = (await application.wait_for("/state", lambda r: r.json["event_type"] == "calling.script.warning")).json["params"]
    assert warning["code"] == "relay_script_method_execute_failed"
    assert "404" in warning["message"]


async def test_record_hears_beeps_ends_by_key_and_is_mp3(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """`beep`, `terminators`, `format` mp3, `status_url`: the file holds what the caller said."""
    record = {"beep": True, "terminators": "*", "format": "mp3", "status_url": "/status", "end_silence_timeout": 30, "initial_timeout": 30}
    application.on("/swml", script({"record": record}, told(result="${record_result}", url="${record_url}"), {"sleep": 9000}))
    call = await dial(hubbub_server, phone)
    assert not (await call.heard(0.8)).silent  # the beep
    await application.wait_for("/status", stands("recording"))
    await asyncio.sleep(2.0)
    await call.press("#")  # no terminator
    await call.press("*")
    variables = await told_to(application)
    assert variables["result"] == "finished"
    assert variables["url"].endswith(".mp3")
    assert [tones_in(samples) for samples in await recorded(variables["url"])] == [{TONE["alice"]}]
    done = (await application.wait_for("/status", stands("finished"))).json
    assert done["event_type"] == "calling.call.record"
    assert done["params"]["url"] == variables["url"]
    assert done["params"]["duration"] > 1.5
    await call.hangup()


async def test_record_ends_by_silence_of_two_kinds(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """`initial_timeout` without speech; `end_silence_timeout` after it; nothing heard is `no_input`."""
    application.on(
        "/swml",
        script(
            {"record": {"initial_timeout": 0.6, "end_silence_timeout": 20}},
            told(first="${record_result}"),
            {"record": {"initial_timeout": 20, "end_silence_timeout": 0.8}},
            told(second="${record_result}"),
        ),
    )
    call = await dial(hubbub_server, phone, speaks=False)
    assert await told_to(application) == {"first": "no_input"}
    call.tone(TONE["alice"])
    await asyncio.sleep(1.5)
    call.silence()
    assert await told_to(application, 2) == {"second": "finished"}


async def test_record_call_keeps_both_sides_apart(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """`stereo` of both directions: said in the first channel, heard in the second; `beep` before; `listen` hears the other side only."""
    both = {"control_id": "both", "stereo": True, "beep": True, "status_url": "/status"}
    application.on(
        "/swml",
        script(
            {"record_call": both},
            {"record_call": {"control_id": "ears", "direction": "listen", "status_url": "/status"}},
            {"play": {"url": "/sound.wav"}},
            {"stop_record_call": {"control_id": "both"}},
            {"stop_record_call": {"control_id": "ears"}},
            told(url="${record_call_url}", control="${record_control_id}"),
        ),
    )
    application.on("/sound.wav", tone_wav(SOUND, 3.0))
    call = await dial(hubbub_server, phone)
    assert not (await call.heard(0.5)).silent
    assert (await told_to(application))["control"] == "ears"
    await application.wait_for("/status", stands("finished"), count=2)
    ends = {r.json["params"]["control_id"]: r.json["params"] for r in application.requests("/status") if stands("finished")(r)}
    assert [tones_in(samples) for samples in await recorded(ends["both"]["url"])] == [{TONE["alice"]}, {SOUND}]
    assert [tones_in(samples) for samples in await recorded(ends["ears"]["url"])] == [{SOUND}]


@pytest.mark.parametrize(
    ("options", "key"),
    [({"terminators": "9"}, "9"), ({"max_length": 1.5}, ""), ({"initial_timeout": 0.8}, ""), ({"end_silence_timeout": 0.8}, "")],
    ids=["terminators", "max_length", "initial_timeout", "end_silence_timeout"],
)
async def test_record_call_ends_by_itself(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, options: dict[str, Any], key: str
) -> None:
    """Whatever ends it, the script goes on meanwhile, and the recording is told as finished."""
    application.on("/swml", script({"record_call": {**options, "status_url": "/status"}}, {"sleep": 30000}))
    call = await dial(hubbub_server, phone, speaks=bool(key) or "initial_timeout" not in options)
    await application.wait_for("/status", stands("recording"))
    await asyncio.sleep(0.6)
    if key:
        await call.press("1")
        await call.press(key)
    elif "end_silence_timeout" in options:
        call.silence()
    await application.wait_for("/status", lambda r: r.json["params"]["state"] in ("finished", "no_input"))
    assert not call.ended.is_set()
    await call.hangup()


async def test_user_event_is_told_and_kept(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """user_event: to whoever follows the call, and in the event stream."""
    application.on("/swml", script({"set": {"n": 7}}, {"user_event": {"event": {"screen": "open", "n": "${n}"}}}, {"sleep": 9000}))
    async with aiohttp.ClientSession() as session, session.get(hubbub_server.http_url("/hubbub/events?after=0")) as stream:
        call = await dial(hubbub_server, phone)
        sent = (await application.wait_for("/state", lambda r: r.json["event_type"] == "calling.user_event")).json
        assert sent["params"]["event"] == {"screen": "open", "n": 7}
        async with asyncio.timeout(10):
            while b"event: action.message" not in await stream.content.readline():
                pass
            kept = json.loads((await stream.content.readline()).partition(b":")[2])
    assert kept["details"] == {"event": {"screen": "open", "n": 7}}
    await call.hangup()


async def test_what_is_not_here_fails_and_the_script_goes_on(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """A method of a service that is not here: its result says `failed`, `script_error` and a warning with the path say why."""
    sms = {"send_sms": {"to_number": "+15550001", "from_number": "+15550002", "body": "hello"}}
    application.on("/swml", script({"answer": {}}, sms, told(result="${send_sms_result}", error="${script_error}"), {"sleep": 9000}))
    call = await dial(hubbub_server, phone)
    assert await told_to(application) == {"result": "failed", "error": "relay_script_method_execute_failed"}
    warning = (await application.wait_for("/state", lambda r: r.json["event_type"] == "calling.script.warning")).json["params"]
    assert warning["code"] == "relay_script_method_execute_failed"
    assert warning["message"].startswith("/sections/main[1]/send_sms")
    await call.hangup()


async def test_a_script_that_is_rejected_is_told(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """3.9: "unknown key => method_parameter_undefined": the call ends, and whoever follows it is told where."""
    application.on("/swml", script({"join_conference": {"name": "x", "loud": True}}))
    caller = await (await phone("alice")).call(hubbub_server.uri("+15550001003"))
    await asyncio.wait_for(caller.ended.wait(), 10)
    warning = (await application.wait_for("/state", lambda r: r.json["event_type"] == "calling.script.warning")).json["params"]
    assert warning["code"] == "relay_script_method_parameter_undefined"
    assert "/sections/main[0]/join_conference" in warning["message"]


async def function(server: HubbubServer, call: str, name: str) -> tuple[int, Any]:
    """Ask the application for a function, as a talking machine would."""
    url = server.http_url(f"/hubbub/calls/{call}/functions/{name}")
    async with aiohttp.ClientSession() as session, session.post(url, json={}) as reply:
        return reply.status, await reply.json()


async def test_actions_of_functions_act_on_the_call(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """3.12: what a reply remembers is in later requests; background audio, hold, a transfer that comes back; the rest is told."""
    names = ("remember", "sound", "quiet", "hold", "away", "off", "model")
    declared = [{"function": name, "web_hook_url": f"/swaig/{name}"} for name in names]
    data = {"kept": 1, "gone": 2}
    application.on("/swml", script({"answer": {}}, {"ai": {"SWAIG": {"functions": declared}, "global_data": data}}))
    changes = [{"set_global_data": {"new": 3}}, {"unset_global_data": "gone"}, {"set_meta_data": {"seen": True}}]
    away = {"sections": {"main": [{"transfer": {"dest": "/elsewhere"}}]}}
    actions: dict[str, Any] = {
        "remember": changes,
        "sound": [{"playback_bg": "/sound.wav"}, {"user_event": {"n": 1}}],
        "quiet": [{"stop_playback_bg": True}],
        "hold": [{"hold": {"timeout": 5}}],
        "away": [{"SWML": away, "transfer": "false"}],
        "off": [{"toggle_functions": [{"function": "hold", "active": False}]}],
        "model": [{"change_step": "next"}],
    }
    for name in names:
        application.on(f"/swaig/{name}", {"response": "ok", "action": actions[name]})
    application.on("/elsewhere", script({"play": {"url": "/sound.wav"}}))
    application.on("/sound.wav", tone_wav(SOUND, 3.0))
    call = await dial(hubbub_server, phone, speaks=False)
    identity = (await application.wait_for("/swml")).json["call"]["call_id"]
    async with asyncio.timeout(5):
        while (await function(hubbub_server, identity, "remember"))[0] != 200:  # until `ai` holds the call
            await asyncio.sleep(0.05)
    assert (await function(hubbub_server, identity, "remember"))[0] == 200
    asked = application.requests("/swaig/remember")[-1].json
    assert (asked["global_data"], asked["meta_data"]) == ({"kept": 1, "new": 3}, {"seen": True})
    assert (await function(hubbub_server, identity, "sound"))[0] == 200
    await assert_hears(call, {SOUND}, among=AMONG)
    assert (await application.wait_for("/state", lambda r: r.json["event_type"] == "calling.user_event")).json["params"]["event"] == {
        "n": 1
    }
    assert (await function(hubbub_server, identity, "quiet"))[0] == 200
    await assert_hears(call, set(), among=AMONG)
    assert (await function(hubbub_server, identity, "hold"))[0] == 200
    async with asyncio.timeout(10):
        while (await call.heard(0.3)).silent:  # music
            pass
    assert (await function(hubbub_server, identity, "model"))[0] == 409
    async with asyncio.timeout(10):
        while (answer := await function(hubbub_server, identity, "model"))[0] == 409:  # until the hold is over
            await asyncio.sleep(0.1)
    assert "no effect" in answer[1]["warnings"][0]
    assert (await function(hubbub_server, identity, "off"))[0] == 200
    assert (await function(hubbub_server, identity, "hold"))[0] == 404
    assert (await function(hubbub_server, identity, "away"))[0] == 200
    await assert_hears(call, {SOUND}, among=AMONG)
    async with asyncio.timeout(10):
        while (await function(hubbub_server, identity, "model"))[0] == 409:  # the other script is over: `ai` goes on
            await asyncio.sleep(0.1)
    assert not call.ended.is_set()
    await call.hangup()


@pytest.mark.parametrize(("seconds", "expected"), [(0.8, "human"), (6.0, "machine")])
async def test_detect_machine(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, seconds: float, expected: str
) -> None:
    """detect_machine: who says little and waits is a person, who talks on is a machine; `detect_result`, `status_url`."""
    detect = {"machine_voice_threshold": 2.5, "end_silence_timeout": 1, "initial_timeout": 8, "status_url": "/status"}
    application.on("/swml", script({"answer": {}}, {"detect_machine": detect}, told(result="${detect_result}"), {"sleep": 9000}))
    call = await dial(hubbub_server, phone, speaks=False)
    call.tone([200, 320])  # two tones are a voice, not a beep
    await asyncio.sleep(seconds)
    call.silence()
    assert (await application.wait_for("/told", timeout=15)).json == {"result": expected}
    event = (await application.wait_for("/status")).json
    assert event["event_type"] == "calling.call.detect"
    assert event["params"]["detect"] == {"type": "machine", "params": {"event": expected.upper()}}
    await call.hangup()


async def test_a_call_lasts_no_longer_than_its_answer_says(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker
) -> None:
    """`answer` `max_duration`."""
    application.on("/swml", script({"answer": {"max_duration": 2}}, {"sleep": 60000}))
    call = await dial(hubbub_server, phone)
    await asyncio.wait_for(call.ended.wait(), 10)


async def test_sip_refer(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """sip_refer: the far end is asked, what it tells is in variables and at `status_url`, and the script goes on."""
    refer = {"to_uri": "sip:elsewhere@127.0.0.1:9", "status_url": "/status"}
    variables = told(result="${sip_refer_result}", notify="${sip_notify_response_code}", to="${sip_refer_to}")
    application.on("/swml", script({"answer": {}}, {"sleep": 500}, {"sip_refer": refer}, variables, {"sleep": 9000}))
    call = await (await phone("alice")).call(hubbub_server.uri(SWML))
    asked: list[str] = []

    def obey(target: str) -> bool:
        asked.append(target)
        asyncio.get_running_loop().call_later(0.1, call.sip.refer_result, 200)
        return True

    call.sip.on_refer = obey
    assert (await application.wait_for("/told", timeout=10)).json == {"result": "success", "notify": 200, "to": refer["to_uri"]}
    assert refer["to_uri"] in asked[0]
    done = (await application.wait_for("/status", stands("success"))).json
    assert (done["event_type"], done["params"]["sip_notify_response_code"]) == ("calling.call.refer", 200)
    await call.hangup()
