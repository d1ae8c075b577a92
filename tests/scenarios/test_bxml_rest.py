"""REST v2: authentication, errors, filters and paging, and outgoing calls that do not come about (1.2, 6)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from tests.support.shared import shared
from tests.support.stage import PhoneMaker
from tests.support.v2 import V2, Answer

from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
from hubbub.testing import Application, HubbubServer, Request

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]

BXML = "+15550001002"
UNKNOWN = "00000000-00000000-0000-0000-0000-000000000000"


def config(application: Application) -> dict[str, Any]:
    face = {"username": "slow", "password": "p", "application": "00000000-0000-4000-8000-000000000003", "account": "9900002"}
    slow = {"name": "slow", "bandwidth": {**face, "calls_per_second": "0.01"}}
    one = {"name": "one", "bandwidth": {**face, "username": "one", "account": "9900003", "concurrent_calls": "1"}}
    hasty = {"name": "hasty", "bandwidth": {**face, "username": "hasty", "account": "9900004", "silent_seconds": "1"}}
    numbers = [{"number": BXML, "account": "dev", "dialect": "bxml", "url": application.url("/bxml")}]
    return {"accounts": [DEVELOPMENT_ACCOUNT, slow, one, hasty], "numbers": numbers}


running, application, hubbub_server, phone, rest = shared(config)


def kind(name: str) -> Callable[[Request], bool]:
    return lambda request: request.json["eventType"] == name


def told(answer: Answer) -> tuple[int, str, str]:
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert set(answer.body) == {"type", "description", "id"}
    return answer.status, answer.body["type"], answer.body["description"]


async def test_who_may(hubbub_server: HubbubServer) -> None:
    """ "Missing/wrong credentials 401; good credentials but an account in the path that they cannot use: 403"."""
    wrong = aiohttp.encode_basic_auth("dev", "no")
    for authorization, description in (
        ("", "Unauthorized"),
        (wrong, "The credentials provided were invalid"),
        ("Basic %%%", "Failed to decode basic authentication token"),
        ("Bearer no.token.here", "The credentials provided were invalid"),
        ("Bearer äöü", "The credentials provided were invalid"),
    ):
        async with V2(hubbub_server, authorization) as rest:
            answer = await rest.get("/calls")
            assert told(answer) == (401, "authentication-error", description)
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
    async with V2(hubbub_server) as rest:
        for account in ("5555555", "no"):
            foreign = await rest.send("GET", rest.root + f"/api/v2/accounts/{account}/conferences")
            assert told(foreign) == (403, "authorization-error", "Access is denied")


async def test_tokens(hubbub_server: HubbubServer) -> None:
    """OAuth2 client credentials: the token lists its account, is valid 3600 s, and cannot be changed."""
    async with V2(hubbub_server) as rest:
        where = rest.root + "/api/v1/oauth2/token"
        answer = await rest.send("POST", where, data={"grant_type": "client_credentials"})
        assert answer.status == 200
        assert (answer.body["token_type"], answer.body["expires_in"]) == ("Bearer", 3600)
        token = answer.body["access_token"]
        assert (await rest.send("POST", where, data={"grant_type": "password"})).status == 400
    async with V2(hubbub_server, aiohttp.encode_basic_auth("dev", "wrong")) as rest:
        refused = await rest.send("POST", where, data={"grant_type": "client_credentials"})
        assert told(refused)[:2] == (401, "authentication-error")
    async with V2(hubbub_server, f"Bearer {token}") as rest:
        assert (await rest.get("/conferences")).body == []
        assert (await rest.send("GET", rest.root + "/api/v2/accounts/5555555/conferences")).status == 403
    head, claims, signature = token.split(".")
    longer = base64.urlsafe_b64encode(base64.urlsafe_b64decode(claims + "==").replace(b'"exp":1', b'"exp":9')).decode().rstrip("=")
    for forged in (f"{head}.{longer}.{signature}", f"{head}.{claims}.", token[:-2]):
        async with V2(hubbub_server, f"Bearer {forged}") as rest:
            assert (await rest.get("/conferences")).status == 401


async def test_errors_have_their_words(hubbub_server: HubbubServer, application: Application) -> None:
    """6.9, string for string where one is known."""
    async with V2(hubbub_server) as rest:
        good = {"to": "+15551112222", "from": "+15550002000", "applicationId": rest.face["application"], "answerUrl": "http://a.test/"}
        missing = "Missing at least one required field. Required fields are [from, to, answerUrl, applicationId]"
        for changes, description in (
            ({"to": None}, missing),
            ({"answerUrl": None}, missing),
            ({"to": "+1invalid"}, "Invalid to: must be an E164 telephone number"),
            ({"from": "5551234"}, "Invalid from: must be an E164 telephone number"),
            ({"answerUrl": "ftp://a.test/"}, "Invalid answerUrl: only http and https are allowed"),
            ({"answerMethod": "PUT"}, "Invalid answerUrl method. Supported methods: [POST, GET]"),
            ({"applicationId": "none"}, "Could not create call: Application id none not found"),
            (
                {"answerUrl": "http://a.test/", "username": "u", "password": "p"},
                "Invalid answerUrl: https is required when credentials are given",
            ),
            ({"tag": "x" * 4097}, "Could not create call: sendCallback tag must contain at most 4096 characters"),
            ({"callTimeout": 301}, "callTimeout must be within the range [1, 300], but was 301"),
            ({"callbackTimeout": 0.5}, "callbackTimeout must be within the range [1, 25], but was 0.5"),
        ):
            assert told(await rest.post("/calls", **{**good, **changes})) == (400, "validation", description)
        assert told(await rest.post("/calls", **good))[:2] == (400, "validation"), "numbers may not be dialled by the default configuration"
        assert told(await rest.send("POST", "/calls", data=b"{", headers={"Content-Type": "application/json"}))[2] == "Bad Request"
        plain = await rest.send("POST", "/calls", data=b"{}", headers={"Content-Type": "text/plain;charset=UTF-8"})
        assert told(plain) == (415, "validation", "Content type 'text/plain;charset=UTF-8' not supported")
        for kind_of, path in (("Call", "/calls/c-"), ("Conference", "/conferences/conf-")):
            assert told(await rest.get(path + UNKNOWN)) == (404, "validation", f"{kind_of} {path.rpartition('/')[2]}{UNKNOWN} not found")
        conference = f"/conferences/conf-{UNKNOWN}"
        for path in (
            f"{conference}/members/c-{UNKNOWN}",
            f"{conference}/recordings/r-{UNKNOWN}",
            f"/calls/c-{UNKNOWN}/recordings/r-{UNKNOWN}",
        ):
            assert (await rest.get(path)).status == 404
        assert (await rest.get(f"{conference}/recordings/r-{UNKNOWN}/media")).status == 404
        assert (await rest.post(conference, status="completed")).status == 404
        assert (await rest.post(f"/calls/c-{UNKNOWN}", redirectUrl="http://a.test/")).status == 404
        assert told(await rest.post(conference))[:2] == (400, "validation")
        assert told(await rest.delete("/conferences")) == (405, "validation", "Method Not Allowed")
        assert (await rest.get("/nothing")).status == 404
        assert (await rest.get("/statistics")).body.keys() == {"currentCallQueueSize", "maxCallQueueSize"}
        assert told(await rest.get("/conferences", pageSize="1001"))[2] == "pageSize must be within the range [1, 1000], but was 1001"
        assert (await rest.get("/calls", pageSize="10000")).status == 200
        assert (await rest.get("/conferences", minCreatedTime="yesterday")).status == 400
        assert (await rest.get("/conferences", pageToken="%%")).status == 400


async def test_lists_are_filtered_and_paged(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """6.8: oldest first, `Link: <absolute URL>; rel="next"` with the other filters kept, none on the last page."""
    application.on("/bxml", lambda request: f"<Response><Conference>room.{request.json['from'][4:9]}</Conference></Response>")
    for name in ("alice", "bobby", "carol"):
        call = await (await phone(name)).call(hubbub_server.uri(BXML))
        await call.wait_answered()
    async with V2(hubbub_server) as rest:
        calls = [request.json for request in application.requests("/bxml")]
        answer = await rest.get("/calls", pageSize="2", to=calls[0]["to"].replace("+", " "))  # as an unescaped + is decoded
        assert [call["callId"] for call in answer.body] == [call["callId"] for call in calls[:2]]
        link = answer.headers["Link"]
        assert link.startswith(f"<{rest.base}/calls?")
        assert link.endswith('>; rel="next"')
        following = await rest.send("GET", link[1 : link.index(">")])
        assert [call["callId"] for call in following.body] == [calls[2]["callId"]]
        assert "Link" not in following.headers
        assert [call["callId"] for call in (await rest.get("/calls", **{"from": calls[1]["from"]})).body] == [calls[1]["callId"]]
        while len(rooms := (await rest.get("/conferences")).body) < 3:
            await asyncio.sleep(0.05)  # the third has been answered, and joins just now
        assert [room["name"] for room in rooms] == ["room.alice", "room.bobby", "room.carol"]
        assert [room["tag"] for room in rooms] == [None] * 3
        inclusive = {"minCreatedTime": rooms[1]["createdTime"], "maxCreatedTime": rooms[1]["createdTime"]}
        assert [room["name"] for room in (await rest.get("/conferences", **inclusive)).body] == ["room.bobby"]
        assert (await rest.get("/conferences", name="ROOM.alice")).body == [], "names are case-sensitive"
        assert (await rest.get("/calls", maxStartTime="2001-01-01T00:00:00.000Z")).body == []


async def test_calls_that_do_not_come_about(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """ "201 does not mean the call can succeed: destination problems only show up in `disconnect`"; what ends it names the cause."""
    async with V2(hubbub_server) as rest:
        alice = await phone("alice", auto_answer=False)

        async def place(**more: Any) -> tuple[str, Any]:
            ringing = asyncio.create_task(alice.wait_call())
            answer = await rest.post(
                "/calls",
                **{"to": alice.uri, "from": "+15550002000", "applicationId": rest.face["application"], "password": "secret"},
                **{"answerUrl": application.url("/answer"), "disconnectUrl": application.url("/over"), "username": "u", **more},
            )
            assert (answer.status, answer.body["password"], answer.body["username"]) == (201, "*****", "u")
            return answer.body["callId"], await ringing

        first, call = await place()
        assert told(await rest.post(f"/calls/{first}", redirectUrl="http://a.test/")) == (
            *(409, "validation"),
            f"Call {first} cannot be modified in its current state",
        )
        call.reject(486)
        assert (await over(application, first))["cause"] == "busy"
        second, call = await place(callTimeout=1)
        assert (await over(application, second))["cause"] == "timeout"
        third, call = await place()
        assert (await rest.post(f"/calls/{third}", state="completed", redirectMethod="POST", username="u")).status == 200
        assert (await over(application, third))["cause"] == "cancel"
        fourth, call = await place()
        call.reject(603)
        event = await over(application, fourth)
        assert (event["cause"], event["direction"], event["enqueuedTime"] <= event["endTime"]) == ("rejected", "outbound", True)
        assert [each["callId"] for each in (await rest.get("/calls", disconnectCause="timeout")).body] == [second]
        shown = (await rest.get(f"/calls/{second}")).body
        assert (shown["state"], shown["disconnectCause"], shown["answerTime"]) == ("disconnected", "timeout", None)


def wanted(rest: V2, callee: str, url: str, **more: Any) -> dict[str, Any]:
    return {"to": callee, "from": "+15550002000", "applicationId": rest.face["application"], "answerUrl": url, **more}


async def test_calls_wait_for_their_turn(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """1.4 "outbound queue = CPS x 300 s"; 2.2 "a queued call can be cancelled but not redirected (409)"; 6.9: 429 with Retry-After."""
    alice = await phone("alice", auto_answer=False)
    async with V2(hubbub_server, account="slow") as rest:
        assert (await rest.get("/statistics")).body == {"currentCallQueueSize": 0, "maxCallQueueSize": 3}
        body = wanted(rest, alice.uri, application.url("/answer"))
        first = await rest.post("/calls", **body, priority=5)
        assert (first.status, first.body["priority"]) == (201, 5)
        await alice.wait_call()
        made = [await rest.post("/calls", **body) for _ in range(3)]
        assert [answer.status for answer in made] == [201] * 3
        queued = made[1].body["callId"]
        assert (await rest.get(f"/calls/{queued}")).body["state"] == "queued"
        assert (await rest.get(f"/calls/{queued}")).body["startTime"] is None
        refused = await rest.post("/calls", **body)
        assert told(refused) == (429, "error", "Account call creation rate limit exceeded")
        assert refused.headers["Retry-After"]
        assert (await rest.get("/statistics")).body["currentCallQueueSize"] == 3
        assert told(await rest.post(f"/calls/{queued}", redirectUrl=application.url("/x")))[0] == 409
        assert (await rest.post(f"/calls/{queued}", state="completed")).status == 200
        over = (await rest.get(f"/calls/{queued}")).body
        assert (over["state"], over["disconnectCause"]) == ("disconnected", "cancel")
        for wrong in (0, 6, 1.5):
            assert (await rest.post("/calls", **body, priority=wrong)).status == 400
        for answer in (first, *made):
            await rest.post(f"/calls/{answer.body['callId']}", state="completed")
    async with V2(hubbub_server, account="one") as rest:
        body = wanted(rest, alice.uri, application.url("/answer"))
        only = await rest.post("/calls", **body)
        assert only.status == 201
        refused = await rest.post("/calls", **body)
        assert told(refused) == (429, "error", "Account concurrent call limit exceeded")
        assert refused.headers["Retry-After"]
        await rest.post(f"/calls/{only.body['callId']}", state="completed")


async def test_a_call_that_does_not_even_ring(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """2.2: "no ringing within 30 s: cancelled whatever callTimeout says"; one that rings may ring on."""
    silent, rings = await phone("silent", auto_answer=False), await phone("rings", auto_answer=False)
    async with V2(hubbub_server, account="hasty") as rest:
        made = {}
        for callee in (rings, silent):
            body = wanted(rest, callee.uri, application.url("/answer"), callTimeout=20, disconnectUrl=application.url("/over"))
            made[callee.name] = (await rest.post("/calls", **body)).body["callId"]
        (await rings.wait_call()).ring()
        assert (await over(application, made["silent"]))["cause"] == "cancel"
        assert (await rest.get(f"/calls/{made['rings']}")).body["state"] == "initiated"


async def over(application: Application, call: str) -> Any:
    return (await application.wait_for("/over", lambda r: r.json["eventType"] == "disconnect" and r.json["callId"] == call)).json
