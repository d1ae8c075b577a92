"""Everything that is shown: acts and their checks, people and what they hear, messages. Views read it; nothing here draws."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hubbub.demo.recorded import Recorded

State = Literal["open", "ok", "failed", "missed"]
"""`missed`: the story broke off before it was reached."""


@dataclass
class Check:
    """One thing that must hold."""

    text: str
    state: State = "open"
    detail: str = ""


@dataclass
class Act:
    """A part of the story."""

    number: int
    title: str
    checks: dict[str, Check]
    state: Literal["open", "running", "done"] = "open"

    @property
    def passed(self) -> int:
        """How many checks have held."""
        return sum(1 for check in self.checks.values() if check.state == "ok")

    @property
    def broken(self) -> bool:
        """Whether a check did not hold."""
        return any(check.state in ("failed", "missed") for check in self.checks.values())


@dataclass(frozen=True)
class Message:
    """A request and its answer. `way` is `in` for what the server asked or told the application, `out` for REST."""

    at: float
    way: Literal["in", "out"]
    request: str
    about: str
    answer: str
    good: bool = True


@dataclass
class Person:
    """A caller as shown. `hears` holds names; `level` is what the phone receives, dBFS."""

    name: str
    title: str
    colour: str
    place: str = "not calling yet"
    saying: str = ""
    level: float = -120.0
    hears: frozenset[str] = frozenset()
    music: bool = False
    live: bool = False


Thing = Act | Check | Message | Person | str


@dataclass
class Board:
    """The state of the show. `watchers` are told of every change that deserves a line."""

    people: dict[str, Person]
    acts: list[Act] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    watchers: list[Callable[[Thing], None]] = field(default_factory=list)
    recorded: Recorded | None = None
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.begun

    @property
    def checks(self) -> Iterable[Check]:
        """All checks of all acts."""
        return (check for act in self.acts for check in act.checks.values())

    @property
    def held(self) -> bool:
        """Whether every check held."""
        return bool(self.acts) and all(check.state == "ok" for check in self.checks)

    def add(self, title: str, checks: Mapping[str, str]) -> Act:
        """Announce an act with its checks."""
        act = Act(len(self.acts) + 1, title, {key: Check(text) for key, text in checks.items()})
        self.acts.append(act)
        return act

    def begin(self, act: Act) -> None:
        """An act begins."""
        act.state = "running"
        self._tell(act)

    def decide(self, check: Check, holds: bool, detail: str = "") -> bool:
        """A check held, or did not. Once it has failed it stays so."""
        if check.state != "failed":
            check.state = "ok" if holds else "failed"
            check.detail = detail
            self._tell(check)
        return holds

    def give_up(self) -> None:
        """What has not been reached will not be."""
        for check in self.checks:
            if check.state == "open":
                check.state = "missed"

    def message(self, message: Message) -> None:
        """A request was answered."""
        self.messages.append(message)
        self._tell(message)

    def say(self, name: str, text: str) -> None:
        """Somebody speaks; an empty text ends it."""
        person = self.people[name]
        person.saying = text
        if text:
            self._tell(person)

    def note(self, text: str) -> None:
        """Something worth a line."""
        self.notes.append(text)
        self._tell(text)

    def _tell(self, thing: Thing) -> None:
        for watcher in self.watchers:
            watcher(thing)
