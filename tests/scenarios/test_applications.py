"""Applications that are called: by `<Dial><Application>`, and as participants, by `To=app:AP…` (1.2, 1.8, 5.6)."""

from __future__ import annotations

import asyncio
import io
import wave

import numpy as np
import pytest
from tests.support.client import RestError
from tests.support.rest import Rest
from tests.support.shared import shared
from tests.support.stage import TONE, PhoneMaker, call_in, event, level_at, room, sid_of, tone_wav

from hubbub.testing import Application, HubbubServer, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
running, application, hubbub_server, phone, rest = shared()
BOT = 2217.0
SINGS = '<Response><Gather numDigits="1" timeout="20" action="/pressed"><Play loop="0">/tone.wav</Play></Gather></Response>'


async def an_application(application: Application, rest: Rest) -> str:
    """An application that sings until a key is pressed."""
    application.on("/bot", SINGS)
    application.on("/tone.wav", (200, "audio/wav", tone_wav(BOT, 10.0)))
    application.on("/pressed", "<Response><Hangup/></Response>")
    application.on("/bot-over", None)
    made = await rest.post("/Applications.json", VoiceUrl=application.url("/bot"), StatusCallback=application.url("/bot-over"))
    return str(made["sid"])


async def test_a_dialled_application(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """1.8: `<Application>` with ApplicationSid, customerId, copyParentTo; 1.2: "custom params … as top-level params", ApplicationSid."""
    sid = await an_application(application, rest)
    inner = f'<ApplicationSid>{sid}</ApplicationSid><Parameter name="mood" value="bright"/>'
    noun = f'<Application customerId="C7" copyParentTo="true" statusCallback="/child">{inner}</Application>'
    application.on("/voice", f'<Response><Dial action="/after">{noun}</Dial></Response>')
    application.on("/child", None)
    application.on("/after", "<Response/>")
    calls = await call_in(hubbub_server, phone, "alice")
    asked = (await application.wait_for("/bot")).params
    assert (asked["ApplicationSid"], asked["Direction"], asked["CustomerId"], asked["mood"]) == (sid, "inbound", "C7", "bright")
    parent = application.requests("/voice")[0].params
    assert (asked["From"], asked["To"]) == (parent["From"], parent["To"]), "copyParentTo"
    assert not {name for name in asked if name.startswith("Sip")}
    await assert_hears(calls["alice"], [BOT], among=(*TONE.values(), BOT))
    await calls["alice"].press("5")
    pressed = (await application.wait_for("/pressed")).params
    assert (pressed["Digits"], pressed["CallSid"], pressed["mood"]) == ("5", asked["CallSid"], "bright")
    done = (await application.wait_for("/after")).params
    assert (done["DialCallStatus"], done["DialBridged"]) == ("completed", "true")
    child = (await application.wait_for("/child")).params
    assert (child["CallSid"], child["To"], child["Direction"]) == (done["DialCallSid"], f"app:{sid}", "outbound-dial")
    assert child["CallSid"] != asked["CallSid"]
    assert (await application.wait_for("/bot-over")).params["CallSid"] == asked["CallSid"]


async def test_an_application_in_a_room(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """5.6: "To may be `app:AP…`; custom params by query string"; the room and the application hear each other."""
    sid = await an_application(application, rest)
    application.on("/voice", room('beep="false"'))
    calls = await call_in(hubbub_server, phone, "alice")
    to = f"app:{sid}?topic=a%20b&CallSid=forged"
    made = await rest.post("/Conferences/standup/Participants.json", To=to, From="+15550001000", Label="bot", Beep="false")
    asked = (await application.wait_for("/bot")).params
    assert (asked["topic"], asked["To"], asked["ApplicationSid"]) == ("a b", f"app:{sid}", sid)
    assert asked["CallSid"].startswith("CA"), "the standard parameters cannot be replaced"
    await assert_hears(calls["alice"], [BOT], among=(*TONE.values(), BOT))
    shown = await rest.get(f"/Calls/{made['call_sid']}.json")
    assert (shown["to"], shown["status"], shown["direction"]) == (f"app:{sid}", "in-progress", "outbound-api")
    inside = await rest.post(f"/Calls/{asked['CallSid']}/Recordings.json", RecordingTrack="inbound")
    await asyncio.sleep(1.2)
    await rest.delete("/Conferences/standup/Participants/bot.json")
    over = (await application.wait_for("/bot-over")).params
    assert (over["CallSid"], over["CallStatus"]) == (asked["CallSid"], "completed")
    for _ in range(100):
        recorded = await rest.get(f"/Recordings/{inside['sid']}.json")
        if recorded["status"] == "completed":
            break
        await asyncio.sleep(0.1)
    heard = await rest.media(f"/Recordings/{inside['sid']}.wav")
    assert tone_in(heard, TONE["alice"]), "the application hears the room"
    await calls["alice"].hangup()
    await application.wait_for("/events", event("conference-end"))


def tone_in(wav: bytes, frequency: float) -> bool:
    with wave.open(io.BytesIO(wav)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return level_at(samples[-8000:], frequency) > -40


async def test_an_application_that_does_not_exist(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """21218 ApplicationSid invalid; 13215 for what is no SID; the Dial goes on as one that failed."""
    nobody = "AP" + "0" * 32
    with pytest.raises(RestError) as error:
        await rest.post("/Calls.json", To=f"app:{nobody}", From="+15550001000", Twiml="<Response/>")
    assert (error.value.status, error.value.body["code"]) == (400, 21218)
    application.on("/voice", f'<Response><Dial action="/after"><Application>{nobody}</Application></Dial></Response>')
    application.on("/after", "<Response><Pause length='10'/></Response>")
    await call_in(hubbub_server, phone, "alice")
    assert (await application.wait_for("/after")).params["DialCallStatus"] == "failed"
    found = (await rest.get(f"/Calls/{sid_of(application, 'alice')}/Notifications.json"))["notifications"]
    assert [note["error_code"] for note in found] == ["21218"]


async def test_applications_that_call_each_other_come_to_an_end(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """Nothing of the vendor: a circle would take every leg that there is."""
    made = await rest.post("/Applications.json", VoiceUrl=application.url("/circle"))
    circle = f'<Response><Dial action="/after"><Application>{made["sid"]}</Application></Dial></Response>'
    application.on("/voice", circle)
    application.on("/circle", circle)
    application.on("/after", "<Response/>")
    await call_in(hubbub_server, phone, "alice")
    refused = await application.wait_for("/after")
    assert refused.params["DialCallStatus"] == "failed"
    assert len(application.requests("/circle")) == 10
    await application.wait_for("/after", count=11, timeout=20)
