"""The interpreter: a pure core that walks a program and says what to do next.

`(state, input) → command`. Each document starts a new generation; an outcome or a reply that belongs to an older one is
discarded. It runs on any stage: a call, the audio beside it, a room's queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hubbub.events import Link
from hubbub.verbs.dialect import OutcomeRule
from hubbub.verbs.model import Outcome, Program, Redirect, SetVariables, Step, Switch, Template, Verb

MAX_STEPS = 10_000
"""Control flow without a verb in between beyond this is a loop that does nothing: the program ends."""


@dataclass(frozen=True)
class Run:
    """Do this verb, then call `ended`."""

    generation: int
    verb: Verb


@dataclass(frozen=True)
class Ask:
    """Request this document, then call `load` with it; `discard`: its answer does not matter."""

    generation: int
    link: Link
    verb: Verb
    fields: Mapping[str, Any] = field(default_factory=dict)
    discard: bool = False


@dataclass(frozen=True)
class Finished:
    """The program has run to its end."""

    generation: int


Command = Run | Ask | Finished


@dataclass
class _Frame:
    steps: tuple[Step, ...]
    position: int = 0


class Interpreter:
    """Walks programs. One per stage; variables outlive a document."""

    def __init__(self, outcomes: Mapping[type[Verb], OutcomeRule]) -> None:
        self._outcomes = outcomes
        self._stack: list[_Frame] = []
        self._running: Verb | None = None
        self.generation = 0
        self.variables: dict[str, Any] = {}

    def load(self, program: Program, generation: int | None = None) -> Command | None:
        """Begin a program. `generation`: of the request it answers; None when an older one has asked for it."""
        if generation is not None and generation != self.generation:
            return None
        self.generation += 1
        self._stack = [_Frame(program.main)]
        self._running = None
        return self._advance()

    def ended(self, generation: int, outcome: Outcome) -> Command | None:
        """The running verb has ended like this; None when that is old news."""
        verb = self._running
        if generation != self.generation or verb is None:
            return None
        self._running = None
        rule = self._outcomes.get(type(verb), OutcomeRule())
        if isinstance(verb, Redirect):
            return Ask(self.generation, verb.link, verb)
        self.variables.update(rule.variables(outcome))
        link: Link | None = getattr(verb, "on_done", None)
        if link is not None and rule.asks(outcome):
            return Ask(self.generation, link, verb, rule.fields(outcome))
        return self._advance()

    def stop(self, outcome: Outcome) -> Ask | None:
        """Another document takes over (`replaced`) or the far end hung up (`gone`): end here.

        Returns the last request that the dialect still makes, whose answer is to be discarded.
        """
        verb, self._running = self._running, None
        self._stack = []
        self.generation += 1
        if verb is None:
            return None
        rule = self._outcomes.get(type(verb), OutcomeRule())
        wanted = rule.asks_when_gone if outcome.kind == "gone" else rule.asks_when_replaced
        link: Link | None = getattr(verb, "on_done", None)
        if link is None or not wanted:
            return None
        return Ask(self.generation, link, verb, rule.fields(outcome), discard=True)

    def _advance(self) -> Command:
        for _ in range(MAX_STEPS):
            step = self._next_step()
            if step is None:
                return Finished(self.generation)
            if isinstance(step, Verb):
                self._running = step
                return Run(self.generation, step)
            self._flow(step)
        self._stack = []
        return Finished(self.generation)

    def _next_step(self) -> Step | None:
        while self._stack:
            frame = self._stack[-1]
            if frame.position < len(frame.steps):
                frame.position += 1
                return frame.steps[frame.position - 1]
            self._stack.pop()
        return None

    def _flow(self, step: SetVariables | Switch | Template) -> None:
        if isinstance(step, SetVariables):
            self.variables.update(step.values)
        elif isinstance(step, Switch):
            found = self.variables.get(step.variable, "")
            value = str(found).lower() if isinstance(found, bool) else str(found)  # a boolean is spelled as documents spell it
            self._stack.append(_Frame(step.cases.get(value, step.default)))
        else:
            self._stack.append(_Frame(step.bind(self.variables)))
