"""What the acts play with: server, application, REST, callers; and how they check what they claim."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from hubbub.demo.application import SampleApplication
from hubbub.demo.board import Act, Board
from hubbub.demo.callers import Caller, Line
from hubbub.demo.cast import CAST, HEARD_DB
from hubbub.demo.ears import DIFFERENT, SAME, Music, Pcm, clear, pilots, words
from hubbub.demo.rest import Rest
from hubbub.demo.vocabulary import Vocabulary
from hubbub.testing import Heard, HubbubServer, Request

PATIENCE: Final = 8.0
"""Seconds until something that should come soon is given up."""
WINDOW: Final = 0.5
Result = TypeVar("Result")
Matrix = Mapping[str, Collection[str]]
"""Who hears whom: listener to speakers."""


@dataclass
class Stage:
    """Everything at hand. `room` is the conference's id once it is known; `moments` are marks on the monotonic clock."""

    board: Board
    vocabulary: Vocabulary
    server: HubbubServer
    application: SampleApplication
    rest: Rest
    callers: Mapping[str, Caller]
    greeting: Pcm
    farewell: Pcm
    music: Music
    room: str = ""
    moments: dict[str, float] = field(default_factory=dict)
    act: Act = field(init=False)

    # -- checking ------------------------------------------------------------------------------------------------------

    def check(self, key: str, holds: bool, detail: str = "") -> bool:
        """Decide a check of the running act."""
        return self.board.decide(self.act.checks[key], holds, detail)

    async def expect(self, key: str, wanted: Awaitable[Result], detail: Callable[[Result], str] = lambda _result: "") -> Result | None:
        """A check that holds when `wanted` comes without AssertionError; None when it does not."""
        try:
            result = await wanted
        except (AssertionError, TimeoutError) as error:
            self.check(key, False, first_line(error))
            return None
        self.check(key, True, detail(result))
        return result

    async def told(self, key: str, word: str, name: str = "", *, count: int = 1, because: str = "") -> Request | None:
        """A check that holds when the application is told of an event (the `count`-th of its kind), within patience."""
        spelled = self.vocabulary.words[word]
        reason = self.vocabulary.words.get(because, "")
        is_event = self.application.events(word, name)

        def matches(request: Request) -> bool:
            given = (self.application.field(request, "left_because"), self.application.field(request, "ended_because"))
            return is_event(request) and (not reason or reason in given)

        wanted = self.application.http.wait_for("/events", matches, timeout=PATIENCE, count=count)
        return await self.expect(key, wanted, lambda _request: " ".join(filter(None, (spelled, name, reason))))

    # -- listening -----------------------------------------------------------------------------------------------------

    async def hears_exactly(self, key: str, wanted: Matrix, *, among: Collection[str] = tuple(role.name for role in CAST)) -> bool:
        """A check that holds as soon as all listeners hear exactly these callers, by their pilots, in one and the same window."""
        roles = [role for role in CAST if role.name in among]
        begun = time.monotonic()
        measured: dict[str, set[str]] = {}
        while True:
            windows = await asyncio.gather(*(self.callers[name].heard(WINDOW) for name in wanted))
            levels = {name: pilots(heard, roles) for name, heard in zip(wanted, windows, strict=True)}
            measured = {name: {speaker for speaker, level in row.items() if level >= HEARD_DB} for name, row in levels.items()}
            settled = all(clear(row.values()) for row in levels.values())
            if settled and all(measured[name] == set(wanted[name]) for name in wanted):
                return self.check(key, True, f"measured {time.monotonic() - begun - WINDOW:.1f} s later, in windows of {WINDOW} s")
            if time.monotonic() - begun > PATIENCE:
                wrong = [f"{name} hears {listed(measured[name])}" for name in wanted if measured[name] != set(wanted[name])]
                return self.check(key, False, "; ".join(wrong) or f"levels are not clear: {_rounded(levels)}")

    async def hears_music(self, key: str, name: str) -> bool:
        """A check that holds as soon as a caller hears the music."""
        begun, likeness = time.monotonic(), 0.0
        while time.monotonic() - begun < PATIENCE:
            likeness = self.music.likeness(await self.callers[name].heard(1.0))
            if likeness >= SAME:
                break
        return self.check(key, likeness >= SAME, f"likeness {likeness:.0%}")

    async def hears_no_music(self, key: str, names: Collection[str]) -> bool:
        """A check that holds when none of these hears the music in the next second."""
        windows = await asyncio.gather(*(self.callers[name].heard(1.0) for name in names))
        found = {name: self.music.likeness(heard) for name, heard in zip(names, windows, strict=True)}
        return self.check(key, max(found.values()) < SAME, _percent(found))

    async def hears_words(self, key: str, name: str, sentence: Pcm, since: float) -> bool:
        """A check that holds as soon as what a caller has heard since then holds a sentence."""
        caller = self.callers[name]
        assert caller.call is not None
        begun, likeness = time.monotonic(), 0.0
        while time.monotonic() - begun < PATIENCE:
            likeness = words(await caller.call.since(since), sentence)
            if likeness >= SAME or caller.call.ended.is_set():
                break
            await asyncio.sleep(0.2)
        return self.check(key, likeness >= SAME, f"likeness {likeness:.0%}")

    async def speak(self, key: str, name: str, line: Line, heard_by: Collection[str], not_by: Collection[str]) -> bool:
        """Let a caller say a line; a check that holds when it is recognised at these callers, and not at those."""
        caller = self.callers[name]
        listeners = [self.callers[other] for other in (*heard_by, *not_by)]
        self.board.say(name, line.text)
        windows = [asyncio.create_task(listener.heard(line.seconds + 0.6)) for listener in listeners]
        try:
            await caller.say(line)
            heard = dict(zip((*heard_by, *not_by), await asyncio.gather(*windows), strict=True))
        finally:
            self.board.say(name, "")
            for window in windows:
                window.cancel()
        return self._recognised(key, line, heard, heard_by, not_by)

    def _recognised(
        self, key: str, line: Line, heard: Mapping[str, Heard], heard_by: Collection[str], not_by: Collection[str]
    ) -> bool:
        found = {name: words(window, line.pcm) for name, window in heard.items()}
        right = all(found[name] >= SAME for name in heard_by) and all(found[name] < DIFFERENT for name in not_by)
        return self.check(key, right, _percent(found))

    # -- moving on -----------------------------------------------------------------------------------------------------

    def place(self, name: str, place: str) -> None:
        """Where a caller is, for the screen."""
        self.board.people[name].place = place

    def mark(self, moment: str) -> None:
        """Remember this moment."""
        self.moments[moment] = time.monotonic()


def listed(names: Collection[str]) -> str:
    """Names as one reads them."""
    return ", ".join(sorted(names)) or "nobody"


def first_line(error: BaseException) -> str:
    """What went wrong, short."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200] or type(error).__name__


def _percent(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {likeness:.0%}" for name, likeness in found.items())


def _rounded(levels: Mapping[str, Mapping[str, float]]) -> str:
    return "; ".join(f"{name}: " + ", ".join(f"{other} {level:.0f} dB" for other, level in row.items()) for name, row in levels.items())
