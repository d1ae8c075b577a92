"""Calls that are handed over by SIP: REFER to the far end, what it tells of the new call, and how the document goes on."""

from __future__ import annotations

import pytest
from tests.support.shared import shared
from tests.support.stage import PhoneMaker, tone_wav

from hubbub.testing import Application, HubbubServer, PhoneCall, assert_hears

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
TARGET = "sip:elsewhere@127.0.0.1:9"
REFER = f"<Response><Refer action='/after'><Sip>{TARGET}?X-Account=42</Sip></Refer></Response>"


running, application, hubbub_server, phone, rest = shared(
    answers={"/voice": REFER, "/after": "<Response><Play loop='0'>/on.wav</Play></Response>", "/on.wav": tone_wav(2951.0)}
)


async def referred(server: HubbubServer, phone: PhoneMaker, *told: int, accepts: bool = True) -> tuple[PhoneCall, list[str]]:
    """A caller that obeys a REFER (or does not), and tells these statuses of the new call."""
    asked: list[str] = []
    call = await (await phone("alice")).call(server.uri("+15550001000"))

    def obey(target: str) -> bool:
        asked.append(target)
        for number, code in enumerate(told, 1):
            call._loop.call_later(0.05 * number, call.sip.refer_result, code)
        return accepts

    call.sip.on_refer = obey
    return call, asked


def result(params: dict[str, str]) -> dict[str, str]:
    """What is told of the REFER."""
    return {name: value for name, value in params.items() if name.startswith(("Refer", "Notify"))}


async def test_the_new_call_is_answered(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "ReferCallStatus in-progress, ReferSipResponseCode 202, NotifySipResponseCode 200"; headers go with the URI; the call goes on."""
    call, asked = await referred(hubbub_server, phone, 180, 200)
    params = (await application.wait_for("/after")).params
    assert result(params) == {"ReferCallStatus": "in-progress", "ReferSipResponseCode": "202", "NotifySipResponseCode": "200"}
    assert asked == [f"{TARGET}?X-Account=42"]
    await assert_hears(call, {2951.0}, among=(2951.0,))
    await call.hangup()


async def test_the_new_call_is_busy(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "ReferCallStatus busy, NotifySipResponseCode 486": the application goes on with the caller."""
    call, _ = await referred(hubbub_server, phone, 486)
    params = (await application.wait_for("/after")).params
    assert result(params) == {"ReferCallStatus": "busy", "ReferSipResponseCode": "202", "NotifySipResponseCode": "486"}
    await assert_hears(call, {2951.0}, among=(2951.0,))
    await call.hangup()


async def test_the_refer_is_refused(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "the SIP endpoint responds to the REFER with an error: ReferCallStatus failed"; no NOTIFY parameter."""
    call, _ = await referred(hubbub_server, phone, accepts=False)
    params = (await application.wait_for("/after")).params
    assert result(params) == {"ReferCallStatus": "failed", "ReferSipResponseCode": "603"}
    await call.hangup()


async def test_the_caller_hangs_up_first(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "The caller hangs up before the <Refer> transaction has completed: ReferCallStatus canceled, 202, 180"."""
    call, asked = await referred(hubbub_server, phone, 180)
    call._loop.call_later(0.3, lambda: call._loop.create_task(call.hangup()))
    params = (await application.wait_for("/after")).params
    assert asked
    assert result(params) == {"ReferCallStatus": "canceled", "ReferSipResponseCode": "202", "NotifySipResponseCode": "180"}
    assert params["CallStatus"] == "completed"


async def test_without_an_action_the_next_verb_follows(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "If the action parameter is omitted": the next verb."""
    application.on("/voice", f"<Response><Refer><Sip>{TARGET}</Sip></Refer><Play loop='0'>/on.wav</Play></Response>")
    call, _ = await referred(hubbub_server, phone, 200)
    await assert_hears(call, {2951.0}, among=(2951.0,))
    assert application.requests("/after") == []
    await call.hangup()
