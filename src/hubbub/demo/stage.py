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
from hubbub.demo.ears import DIFFERENT, SAME, SURE, Music, Pcm, clear, pilots, words
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

    async def listen(self, names: Collection[str], seconds: float) -> dict[str, Heard]:
        """What these callers' phones receive from now on. AssertionError when one of them is not on the phone: it would hear nothing."""
        windows = await asyncio.gather(*(self.callers[name].heard(seconds) for name in names))
        for name, heard in zip(names, windows, strict=True):
            caller = self.callers[name]
            assert caller.on_the_phone, f"{caller.role.title}'s call has ended too early: {caller.call and caller.call.describe()}"
            assert heard.packets, f"{caller.role.title}'s phone receives nothing: {caller.call and caller.call.describe()}"
        return dict(zip(names, windows, strict=True))

    async def hears_exactly(self, key: str, wanted: Matrix) -> bool:
        """A check that holds as soon as all listeners hear exactly these callers, by their pilots, in one and the same window."""
        begun = time.monotonic()
        measured: dict[str, set[str]] = {}
        while True:
            windows = await self.listen(list(wanted), WINDOW)
            levels = {name: pilots(heard, CAST) for name, heard in windows.items()}
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
            likeness = self.music.likeness((await self.listen([name], 1.0))[name])
            if likeness >= SAME:
                break
        return self.check(key, likeness >= SAME, f"likeness {likeness:.0%}")

    async def hears_no_music(self, key: str, names: Collection[str]) -> bool:
        """A check that holds when none of these hears the music in the next second."""
        found = {name: self.music.likeness(heard) for name, heard in (await self.listen(names, 1.0)).items()}
        return self.check(key, max(found.values()) < SAME, _percent(found))

    async def hears_words(self, key: str, name: str, sentence: Pcm, since: float) -> bool:
        """A check that holds as soon as what a caller has heard since then holds a sentence."""
        caller = self.callers[name]
        assert caller.call is not None
        begun, likeness = time.monotonic(), 0.0
        while time.monotonic() - begun < PATIENCE:
            over = caller.call.ended.is_set()
            likeness = max(likeness, words(await caller.call.since(since), sentence))
            if likeness >= SURE or over:
                break
            await asyncio.sleep(0.2)
        return self.check(key, likeness >= SAME, f"likeness {likeness:.0%}")

    async def speak(self, key: str, name: str, line: Line, heard_by: Collection[str], not_by: Collection[str]) -> bool:
        """Let a caller say a line; a check that holds when it is recognised at these callers, and not at those."""
        self.board.say(name, line.text)
        listening = asyncio.create_task(self.listen((*heard_by, *not_by), line.seconds + 0.6))
        try:
            await self.callers[name].say(line)
            heard = await listening
        finally:
            self.board.say(name, "")
            listening.cancel()
        found = {listener: words(window, line.pcm) for listener, window in heard.items()}
        right = all(found[listener] >= SAME for listener in heard_by) and all(found[listener] < DIFFERENT for listener in not_by)
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
    return (str(error).splitlines() or [""])[0].removesuffix("; requests seen:")[:200] or type(error).__name__


def _percent(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {likeness:.0%}" for name, likeness in found.items())


def _rounded(levels: Mapping[str, Mapping[str, float]]) -> str:
    return "; ".join(f"{name}: " + ", ".join(f"{other} {level:.0f} dB" for other, level in row.items()) for name, row in levels.items())
