"""What scenarios of SWML share: one server for a module, scripts, callers, what was told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aiohttp
from tests.support.recorded import channels
from tests.support.stage import TONE, PhoneMaker

from hubbub.testing import Application, HubbubServer, PhoneCall, Request

SWML = "+15550001003"


def numbers(application: Application) -> list[dict[str, Any]]:
    """One number whose state is told."""
    url, status = application.url("/swml"), application.url("/state")
    return [{"number": SWML, "account": "dev", "dialect": "swml", "url": url, "status_callback": status}]


def script(*steps: Any, **sections: Any) -> str:
    return json.dumps({"version": "1.0.0", "sections": {"main": list(steps), **sections}})


def told(**values: str) -> dict[str, Any]:
    """A step that tells the application variables."""
    return {"request": {"url": "/told", "method": "POST", "body": values}}


async def dial(server: HubbubServer, phone: PhoneMaker, name: str = "alice", *, speaks: bool = True) -> PhoneCall:
    call = await (await phone(name)).call(server.uri(SWML))
    await call.wait_answered()
    if speaks:
        call.tone(TONE[name])
    return call


def by_name(**scripts: str) -> Callable[[Request], str]:
    """A script for each caller, by the user part of its address."""
    return lambda request: scripts[str(request.json["call"]["from"]).removeprefix("sip:").partition("@")[0]]


def stands(state: str, field: str = "state") -> Callable[[Request], bool]:
    return lambda request: request.json["params"].get(field) == state


async def recorded(url: str) -> list[Any]:
    """The channels of a recording behind its URL."""
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        assert reply.status == 200, f"{url}: {reply.status} {await reply.text()}"
        return channels(await reply.read())
