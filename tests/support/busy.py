"""A busy hour for a server that dies and comes back: callers who come and go, and an operator who presses buttons."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp
from tests.support.client import RestError
from tests.support.rest import Rest

from hubbub.testing import HubbubServer, Phone, PhoneCall

NAMES = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")
GONE = (AssertionError, aiohttp.ClientError, TimeoutError, OSError)
"""What a client meets while the server is dead."""


class Load:
    """Callers and an operator, from `begin` until `rest`; they take it as it comes when the server dies under them."""

    def __init__(self, server: HubbubServer, number: str, seed: int, *, longest: float = 2.5) -> None:
        self._server = server
        self._number = number
        self._chance = random.Random(seed)
        self._longest = longest
        self._phones: list[Phone] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.calls: list[tuple[PhoneCall, float]] = []
        """Answered calls that were not hung up by their caller yet, and when they were answered."""
        self.answered = 0
        self.pressed = 0
        self._busy = False  # beside the tasks' cancellation, which a wait that ends at that moment may swallow

    async def __aenter__(self) -> Self:
        self._phones = [await Phone(name).start() for name in NAMES]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.rest()
        for phone in self._phones:
            await phone.stop()

    def begin(self) -> None:
        """Everybody starts."""
        self._busy = True
        self.calls.clear()
        for phone in self._phones:
            phone.calls.clear()
        self._tasks = [asyncio.create_task(self._caller(phone)) for phone in self._phones] + [asyncio.create_task(self._operator())]

    async def rest(self) -> None:
        """Everybody stops at once, as they stand."""
        self._busy = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def hang_up(self) -> None:
        """Whoever still talks hangs up: callers, and those who were called."""
        for phone in self._phones:
            for call in phone.calls:
                if not call.ended.is_set():
                    await call.hangup()

    async def _caller(self, phone: Phone) -> None:
        while self._busy:
            await asyncio.sleep(self._chance.uniform(0.0, 0.2))
            call = await phone.call(self._server.uri(self._number))
            try:
                await call.wait_answered(timeout=5)
            except AssertionError:
                continue
            entry = (call, time.monotonic())
            self.answered += 1
            self.calls.append(entry)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(call.ended.wait(), self._chance.uniform(0.05, self._longest))
            self.calls.remove(entry)
            await call.hangup()

    async def _operator(self) -> None:
        async with Rest(self._server) as rest:
            while self._busy:
                await asyncio.sleep(self._chance.uniform(0.01, 0.1))
                try:
                    await self._press(rest)
                    self.pressed += 1
                except RestError:
                    continue  # somebody left meanwhile
                except GONE:
                    await asyncio.sleep(0.05)

    async def _press(self, rest: Rest) -> None:
        rooms = (await rest.get("/Conferences.json", Status="in-progress"))["conferences"]
        if not rooms:
            return
        room = self._chance.choice(rooms)["sid"]
        members = await rest.members(room)
        if not members:
            return
        path = f"/Conferences/{room}/Participants/{self._chance.choice(members)['call_sid']}.json"
        choices: tuple[Callable[[], Any], ...] = (
            lambda: rest.post(path, Muted="true"),
            lambda: rest.post(path, Muted="false"),
            lambda: rest.post(path, Hold="true"),
            lambda: rest.delete(path),
            lambda: rest.post(f"/Conferences/{room}.json", Status="completed"),
            lambda: rest.post(f"/Conferences/{room}/Participants.json", To=self._chance.choice(self._phones).uri, From="+15550001000"),
        )
        await self._chance.choices(choices, (8, 8, 4, 2, 1, 4))[0]()
