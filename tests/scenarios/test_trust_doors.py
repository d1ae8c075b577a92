"""Who knocks at the doors of REST: guessers of every credential that there is, pages of other origins, names that lead here."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from tests.support.watch import gauges

from hubbub.testing import TONES, HubbubServer, assert_hears
from hubbub.testing.fixtures import phones

pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]
TOKEN = "the-admin-token"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[HubbubServer]:
    """One for all tests of this file that need no token."""
    async with HubbubServer() as one:
        yield one


def doors(server: HubbubServer) -> dict[str, tuple[str, str, str, str]]:
    """Method, path, right and wrong credentials of everything that judges credentials."""
    faces = server.faces
    sid, project, account = faces["twilio"]["sid"], faces["signalwire"]["project"], faces["bandwidth"]["account"]
    pairs = {
        "twiml": (f"/2010-04-01/Accounts/{sid}/Calls.json", sid, faces["twilio"]["token"]),
        "insights": ("/v1/Conferences", sid, faces["twilio"]["token"]),
        "cxml": (f"/api/laml/2010-04-01/Accounts/{project}/Calls", project, faces["signalwire"]["token"]),
        "logs": ("/api/voice/logs", project, faces["signalwire"]["token"]),
        "bxml": (f"/api/v2/accounts/{account}/calls", faces["bandwidth"]["username"], faces["bandwidth"]["password"]),
    }
    found = {
        name: ("GET", path, aiohttp.encode_basic_auth(user, right), aiohttp.encode_basic_auth(user, "guess"))
        for name, (path, user, right) in pairs.items()
    }
    commands, (_, _, right, wrong) = "/api/calling/calls", found["cxml"]
    token = (
        "POST",
        "/api/v1/oauth2/token",
        *(aiohttp.encode_basic_auth(pairs["bxml"][1], secret) for secret in (pairs["bxml"][2], "guess")),
    )
    bearer = ("GET", pairs["bxml"][0], found["bxml"][2], "Bearer e30.e30.guess")
    admin = ("GET", "/metrics", f"Bearer {TOKEN}", "Bearer guess")
    stream = ("GET", "/hubbub/openapi.json", f"Bearer {TOKEN}", "Bearer guess")
    links = ("POST", "/hubbub/recordings/" + "0" * 32 + "/link", right, wrong)
    more = {"commands": ("POST", commands, right, wrong), "token": token, "bearer": bearer, "admin": admin, "openapi": stream}
    return {**found, **more, "links": links}


async def ask(session: aiohttp.ClientSession, server: HubbubServer, door: tuple[str, str], credentials: str) -> tuple[int, str]:
    """Status and Retry-After."""
    body = {"data": {"grant_type": "client_credentials"}} if door[0] == "POST" else {}
    headers = {"Authorization": credentials}
    async with session.request(door[0], server.http_url(door[1]), headers=headers, **body) as reply:
        return reply.status, reply.headers.get("Retry-After", "")


async def until_slowed(session: aiohttp.ClientSession, server: HubbubServer, door: tuple[str, str, str, str]) -> int:
    """Guess until nobody judges it any more; the seconds of Retry-After."""
    for _ in range(10):  # one may be judged again every few seconds
        status, later = await ask(session, server, door[:2], door[3])
        if status == 429:
            return int(later)
        assert status == 401
    raise AssertionError(f"{door[1]}: every guess is judged")


async def test_guesses_at_every_door_are_counted_together() -> None:
    """Rule: "constant-time credentials … rate limits": whoever guesses gets 429 at every door, with the right credentials too, and is told
    when to come again; metrics count it; who was there with the right ones before goes on."""
    number = len(doors(HubbubServer()))
    async with HubbubServer(config={"http": {"wrong_credentials": number, "admin_token": TOKEN}}) as server:
        async with aiohttp.ClientSession() as session:
            known, other = doors(server)["twiml"], doors(server)["bxml"]
            assert (await ask(session, server, known[:2], known[2]))[0] == 200
            for name, door in doors(server).items():
                assert (await ask(session, server, door[:2], door[3]))[0] == 401, name
            await until_slowed(session, server, other)
            assert (await ask(session, server, other[:2], other[2]))[0] == 429, "who guesses does not learn what is right"
            for door in doors(server).values():
                assert 1 <= await until_slowed(session, server, door) <= 60
            assert (await ask(session, server, known[:2], known[2]))[0] == 200, "its credentials were right at this address before"
        lines = [line for line in server.log.splitlines() if "audit_refused" in line]
        assert any("too-many" in line for line in lines)
        assert "guess" not in "".join(lines)


async def test_metrics_count_guesses(server: HubbubServer) -> None:
    before = await gauges(server)
    door = doors(server)["twiml"]
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            assert (await ask(session, server, door[:2], door[3]))[0] == 401
    after = await gauges(server)
    assert after["hubbub_http_wrong_credentials"] == before["hubbub_http_wrong_credentials"] + 3
    assert after["hubbub_http_slowed_credentials"] == 0


async def test_a_page_of_another_origin_changes_nothing(server: HubbubServer) -> None:
    """A browser that remembers credentials sends them with whatever any page asks for."""
    door = doors(server)["twiml"]
    url = server.http_url(door[1].replace("Calls", "Applications"))
    async with aiohttp.ClientSession(headers={"Authorization": door[2]}) as session:
        for origin, status in (
            ("https://evil.example", 403), ("null", 403), ("http://127.0.0.1:1", 403), ("http://127.0.0.1@evil.example", 403),
            (server.http_url("")[:-1] if server.http_url("").endswith("/") else server.http_url(""), 201),
        ):  # fmt: skip
            async with session.post(url, data={"FriendlyName": "x"}, headers={"Origin": origin}) as reply:
                assert reply.status == status, origin
        async with session.post(url, data={"FriendlyName": "x"}) as reply:
            assert reply.status == 201, "programs send no Origin"


async def test_names_that_only_lead_here_are_refused(server: HubbubServer) -> None:
    """DNS rebinding: a page's own name resolves to 127.0.0.1, so its requests are of its own origin; its name gives it away."""
    async with aiohttp.ClientSession() as session:
        for path in ("/metrics", "/hubbub/openapi.json", "/hubbub/events", "/hubbub/quality", "/hubbub/speakers"):
            for host, good in (("evil.example", False), (f"evil.example:{server.http[1]}", False), ("127.0.0.1.evil.example", False),
                               ("localhost", True), (f"127.0.0.1:{server.http[1]}", True), ("[::1]:80", True), ("[", False)):  # fmt: skip
                async with session.get(server.http_url(path), headers={"Host": host}) as reply:
                    assert (reply.status not in (400, 401, 403)) == good, (path, host, reply.status)


async def test_without_numbers_a_name_is_a_room(server: HubbubServer) -> None:
    """Design 4: "dialling `sip:NAME@host` puts the caller in room NAME": also where the configuration names an account and no number."""
    async with phones() as phone:
        calls = [await (await phone(name)).call(server.uri("standup")) for name in ("alice", "bob")]
        for call, tone in zip(calls, TONES, strict=False):
            await call.wait_answered()
            call.tone(tone)
        await assert_hears(calls[0], {TONES[1]})
        await assert_hears(calls[1], {TONES[0]})
