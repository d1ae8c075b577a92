"""Numbers, applications and keys changed at run time; notifications and events of a call read back (5.1, 5.8, 5.9)."""

from __future__ import annotations

from xml.etree import ElementTree

import aiohttp
import pytest
from tests.support.client import RestError
from tests.support.rest import Rest
from tests.support.shared import shared
from tests.support.stage import PhoneMaker, by_caller, room, sid_of

from hubbub.testing import Application, HubbubServer

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
running, application, hubbub_server, phone, rest = shared()

NUMBERS, APPLICATIONS = "/IncomingPhoneNumbers.json", "/Applications.json"
PAUSE = "<Response><Pause length='20'/></Response>"


async def answered_at(
    application: Application, server: HubbubServer, phone: PhoneMaker, number: str, path: str, name: str
) -> dict[str, str]:
    """Call a number and see that the application is asked there; the parameters."""
    caller = await phone(name)
    call = await caller.call(server.uri(number))
    asked = await application.wait_for(path)
    await call.hangup()
    return {key: str(value) for key, value in asked.params.items()}


async def test_routing_is_changed_at_run_time(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """5.9: "VoiceApplicationSid (overrides the URLs)"; the configured number is shown, and outranked while a stored one says otherwise."""
    for path in ("/voice", "/a", "/b", "/c"):
        application.on(path, PAUSE)
    shown = (await rest.get(NUMBERS))["incoming_phone_numbers"]
    assert [(n["phone_number"], n["voice_url"]) for n in shown] == [("*", application.url("/voice"))]
    made = await rest.post(NUMBERS, PhoneNumber="+15550002000", VoiceUrl=application.url("/a"), FriendlyName="Sales")
    assert (made["sid"][:2], made["friendly_name"], made["voice_method"]) == ("PN", "Sales", "POST")
    params = await answered_at(application, hubbub_server, phone, "+15550002000", "/a", "alice")
    assert (await rest.get(f"/Calls/{params['CallSid']}.json"))["phone_number_sid"] == made["sid"]

    own = f"/IncomingPhoneNumbers/{made['sid']}.json"
    await rest.post(own, VoiceUrl=application.url("/b"))
    await answered_at(application, hubbub_server, phone, "+15550002000", "/b", "bob")
    app = await rest.post(APPLICATIONS, FriendlyName="Desk", VoiceUrl=application.url("/c"))
    changed = await rest.post(own, VoiceApplicationSid=app["sid"])
    assert changed["voice_application_sid"] == app["sid"]
    params = await answered_at(application, hubbub_server, phone, "+15550002000", "/c", "carol")
    assert params["ApplicationSid"] == app["sid"], "1.2: call handled through an application"
    with pytest.raises(RestError) as error:
        await rest.post(own, VoiceApplicationSid="AP" + "0" * 32)
    assert (error.value.status, error.value.body["code"]) == (400, 21218)

    await hubbub_server.restart()
    assert (await rest.get(own))["voice_application_sid"] == app["sid"], "kept in the store"
    assert [n["phone_number"] for n in (await rest.get(NUMBERS, PhoneNumber="2000"))["incoming_phone_numbers"]] == ["+15550002000"]
    await rest.post(own, VoiceApplicationSid="")
    assert (await rest.get(own))["voice_application_sid"] is None
    with pytest.raises(RestError) as error:
        await rest.post(NUMBERS, PhoneNumber="+15550002000")
    assert (error.value.status, error.value.body["code"]) == (400, 21422)
    await rest.delete(own)
    with pytest.raises(RestError):
        await rest.get(own)
    with pytest.raises(RestError) as error:
        await rest.delete(f"/IncomingPhoneNumbers/{shown[0]['sid']}.json")
    assert error.value.status == 409, "a configured number is taken out of its file"


async def test_a_call_by_application(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest) -> None:
    """5.4: "ApplicationSid overrides Url, Method, Fallback*, StatusCallback*"; 21218 for one that does not exist."""
    application.on("/desk", PAUSE)
    bob = await phone("bob")
    app = await rest.post(APPLICATIONS, VoiceUrl=application.url("/desk"), VoiceMethod="GET", StatusCallback=application.url("/done"))
    call = await rest.post("/Calls.json", To=bob.uri, From="+15550001000", ApplicationSid=app["sid"], Url=application.url("/other"))
    asked = await application.wait_for("/desk")
    assert (asked.method, asked.params["ApplicationSid"]) == ("GET", app["sid"])
    await rest.post(f"/Calls/{call['sid']}.json", Status="completed")
    assert (await application.wait_for("/done")).params["CallStatus"] == "completed"
    assert application.requests("/other") == []
    with pytest.raises(RestError) as error:
        await rest.post("/Calls.json", To=bob.uri, From="+15550001000", ApplicationSid="APx")
    assert (error.value.status, error.value.body["code"]) == (400, 21218)


async def test_keys_open_the_account_and_their_secrets_are_told_once(hubbub_server: HubbubServer, rest: Rest) -> None:
    """5.1: "API key (SK…):secret (account in path)"."""
    made = await rest.post("/Keys.json", FriendlyName="ci")
    assert (made["sid"][:2], len(made["secret"])) == ("SK", 32)
    listed = await rest.get("/Keys.json")
    assert [set(key) for key in listed["keys"]] == [{"sid", "friendly_name", "date_created", "date_updated"}]
    assert made["secret"].encode() not in (hubbub_server.folder / "hubbub.db").read_bytes(), "only a hash is kept"

    async def asked(user: str, secret: str, sid: str = rest.sid, path: str = "Calls") -> tuple[int, int]:
        headers = {"Authorization": aiohttp.encode_basic_auth(user, secret)}
        url = hubbub_server.http_url(f"/2010-04-01/Accounts/{sid}/{path}.json")
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as reply:
            return reply.status, (await reply.json()).get("code", 0)

    async def status(*credentials: str) -> int:
        return (await asked(*credentials))[0]

    assert await status(made["sid"], made["secret"]) == 200
    assert await status(made["sid"], "0" * 32) == 401
    assert await status("SK" + "0" * 32, made["secret"]) == 401
    assert await status(made["sid"], made["secret"], "AC" + "9" * 32) == 403
    assert await asked(made["sid"], made["secret"], rest.sid, "Keys") == (403, 20006), "standard keys cannot manage keys"
    assert await asked(made["sid"], made["secret"], rest.sid, f"Keys/{made['sid']}") == (403, 20006)
    await rest.delete(f"/Keys/{made['sid']}.json")
    assert await status(made["sid"], made["secret"]) == 401


async def test_events_and_notifications_of_a_call(
    application: Application, hubbub_server: HubbubServer, phone: PhoneMaker, rest: Rest
) -> None:
    """5.8: "lets tests assert what was requested"; filters Log and MessageDate; error_code and log are strings."""
    bad = room('beep="loud"')
    application.on("/voice", by_caller(alice=bad, other=PAUSE))
    alice = await phone("alice")
    call = await alice.call(hubbub_server.uri("+15550001000"))
    await call.wait_answered()
    sid = sid_of(application, "alice")
    events = (await rest.get(f"/Calls/{sid}/Events.json"))["events"]
    request, response = events[0]["request"], events[0]["response"]
    assert (request["method"], request["url"], request["parameters"]["CallSid"]) == ("POST", application.url("/voice"), sid)
    assert (response["response_code"], response["content_type"], "loud" in response["response_body"]) == (200, "application/xml", True)
    found = (await rest.get(f"/Calls/{sid}/Notifications.json", Log="1"))["notifications"]
    assert [(n["error_code"], n["log"], n["call_sid"]) for n in found] == [("13235", "1", sid)]
    assert (await rest.get(f"/Calls/{sid}/Notifications.json", Log="0"))["notifications"] == []
    assert (await rest.get("/Notifications.json", **{"MessageDate<": "2020-01-01"}))["notifications"] == []
    assert (found[0]["request_method"], found[0]["request_url"]) == ("POST", application.url("/voice"))
    assert f"CallSid={sid}" in found[0]["request_variables"].split("&")
    assert ("content-type: application/xml" in found[0]["response_headers"].lower(), "loud" in found[0]["response_body"]) == (True, True)
    one = await rest.get(f"/Notifications/{found[0]['sid']}.json")
    assert one == found[0]
    with pytest.raises(RestError):
        await rest.get(f"/Calls/CA{'0' * 32}/Events.json")
    await in_the_older_form(rest, sid)


async def in_the_older_form(rest: Rest, sid: str) -> None:
    """5.1: "no suffix or `.xml`: legacy XML"; a page and its next one, an error."""
    for path in (f"/Calls/{sid}.xml", f"/Calls/{sid}"):
        one = ElementTree.fromstring(await rest.get(path))
        assert (one.tag, one.findtext("Call/Sid"), one.findtext("Call/Status")) == ("TwilioResponse", sid, "in-progress")
    (page,) = ElementTree.fromstring(await rest.get("/IncomingPhoneNumbers.xml", PageSize="1"))
    assert (page.tag, page[0].tag, page[0].findtext("PhoneNumber")) == ("IncomingPhoneNumbers", "IncomingPhoneNumber", "*")
    assert page.get("uri") == f"/2010-04-01/Accounts/{rest.sid}/IncomingPhoneNumbers.xml?PageSize=1&Page=0"
    with pytest.raises(RestError) as error:
        await rest.get(f"/Calls/CA{'0' * 32}.xml")
    told = ElementTree.fromstring(error.value.body)
    assert (error.value.status, told.findtext("RestException/Code")) == (404, "20404")
