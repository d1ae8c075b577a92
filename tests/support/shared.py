"""One server for all tests of a module: starting one costs seconds of CPU, and every test has its own phones and documents."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest_asyncio
from tests.support.client import RestError
from tests.support.rest import Rest
from tests.support.stage import PhoneMaker
from tests.support.watch import gauge

from hubbub.testing import Application, HubbubServer, Phone, PhoneCall
from hubbub.testing.fixtures import phones

Config = Mapping[str, Any] | Callable[[Application], Mapping[str, Any]]


class Shared(NamedTuple):
    """The fixtures of a module, to be unpacked there."""

    running: Any
    application: Any
    hubbub_server: Any
    phone: Any
    rest: Any


def shared(
    config: Config | None = None, *, answers: Mapping[str, Any] | None = None, path: str = "/voice", dialect: str = "twiml"
) -> Shared:
    """Fixtures of one server a module; its application begins every test with `answers`, when no call and no room is left.

    Such a module runs in one loop: `pytestmark = [pytest.mark.scenario, pytest.mark.asyncio(loop_scope="module")]`.
    """

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def running() -> AsyncIterator[tuple[Application, HubbubServer, Rest]]:
        async with Application() as app:
            said = config(app) if callable(config) else config or {}
            async with HubbubServer(app.url(path), config=dict(said), dialect=dialect) as server, Rest(server) as rest:
                yield app, server, rest

    @pytest_asyncio.fixture(loop_scope="module")
    async def application(running: tuple[Application, HubbubServer, Rest]) -> Application:
        await calm(running[1], running[2])
        running[0].reset()
        for place, answer in (answers or {}).items():
            running[0].on(place, answer)
        return running[0]

    @pytest_asyncio.fixture(loop_scope="module")
    async def hubbub_server(running: tuple[Application, HubbubServer, Rest]) -> HubbubServer:
        return running[1]

    @pytest_asyncio.fixture(loop_scope="module")
    async def phone() -> AsyncIterator[PhoneMaker]:
        async with phones() as start:
            yield start

    @pytest_asyncio.fixture(loop_scope="module")
    async def rest(running: tuple[Application, HubbubServer, Rest]) -> Rest:
        return running[2]

    return Shared(running, application, hubbub_server, phone, rest)


def rest_of(face: Mapping[str, str]) -> Any:
    """A fixture of a module with a shared server: REST of another account than the first, by the credentials of its face."""

    @pytest_asyncio.fixture(loop_scope="module")
    async def made(hubbub_server: HubbubServer) -> AsyncIterator[Rest]:
        server = SimpleNamespace(faces={"twilio": face}, http_url=hubbub_server.http_url)
        async with Rest(cast(HubbubServer, server)) as opened:
            yield opened

    return made


async def calm(server: HubbubServer, rest: Rest) -> None:
    """End the calls that the test before has left, and wait until no call, room and notice is left.

    Three times in a row: a last notice may be on its way to its lane.
    """
    for status in ("queued", "ringing", "in-progress"):
        for call in (await rest.get("/Calls.json", Status=status, PageSize="1000"))["calls"]:
            with contextlib.suppress(RestError):
                await rest.post(f"/Calls/{call['sid']}.json", Status="completed")
    for _ in range(3):
        for name in ("hubbub_calls", "hubbub_sip_calls", "hubbub_rooms", "hubbub_notices_lanes"):
            await gauge(server, name, 0)
        await asyncio.sleep(0.05)


def dialling(numbers: Mapping[str, str]) -> Any:
    """The fixture `call` of a module with `running` (application, server, …): it calls a dialect's number, and is answered."""

    @pytest_asyncio.fixture(loop_scope="module")
    async def call(running: Any) -> AsyncIterator[Callable[[str], Awaitable[PhoneCall]]]:
        async with contextlib.AsyncExitStack() as stack:

            async def dial(dialect: str) -> PhoneCall:
                phone = await stack.enter_async_context(Phone("alice"))
                made = await phone.call(running[1].uri(numbers[dialect]))
                await made.wait_answered()
                return made

            yield dial

    return call
