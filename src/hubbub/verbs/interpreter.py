"""The interpreter: a pure core that walks a program and says what to do next.

`(state, input) → command`. Each document starts a new generation; an outcome or a reply that belongs to an older one is
discarded. What may take long, to bind a template, is a command too. It runs on any stage: a call, the audio beside it, a room's queue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hubbub.events import Link
from hubbub.verbs.dialect import OutcomeRule
from hubbub.verbs.model import Redirect
from hubbub.verbs.program import (
    Execute,
    Flow,
    Goto,
    Label,
    Note,
    Outcome,
    Program,
    Remark,
    Return,
    Scope,
    SetVariables,
    Step,
    Switch,
    Template,
    Transfer,
    UnsetVariables,
    Verb,
)

MAX_STEPS = 10_000
"""Control flow without a verb in between beyond this is a loop that does nothing: the program ends."""
MAX_TRANSFERS = 32
"""Of one call."""
MAX_DEPTH = 64
"""Of sections that execute one another."""


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
class Bind:
    """Bind this template, which may take long, then call `bound`."""

    generation: int
    template: Template
    scope: Scope


@dataclass(frozen=True)
class Finished:
    """The program has run to its end."""

    generation: int


Command = Run | Ask | Bind | Finished


@dataclass
class _Frame:
    steps: tuple[Step, ...]
    program: Program
    params: Mapping[str, Any] = field(default_factory=dict)
    section: bool = False
    """Whether labels are looked for here."""
    called: bool = False
    """Whether Return leads out of it."""
    position: int = 0
    jumps: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Awaited:
    """What happens with a document that control flow has asked for."""

    params: Mapping[str, Any]
    execute: Execute | None = None


class Interpreter:
    """Walks programs. One per stage; variables outlive a document."""

    def __init__(self, outcomes: Mapping[type[Verb], OutcomeRule]) -> None:
        self._outcomes = outcomes
        self._stack: list[_Frame] = []
        self._running: Verb | None = None
        self._awaited: _Awaited | None = None
        self._transfers = 0
        self._binding: Scope | None = None
        self._steps = 0
        self._spent = 0.0
        self.generation = 0
        self.variables: dict[str, Any] = {}
        self.facts: Callable[[], Mapping[str, Any]] = dict
        """What expressions may know about the call."""
        self.remarks: list[Remark] = []
        """What the author shall be told, since somebody looked last."""

    @property
    def more(self) -> bool:
        """Whether steps follow the one that runs."""
        return any(frame.position < len(frame.steps) for frame in self._stack)

    def load(self, program: Program, generation: int | None = None) -> Command | None:
        """Begin a program. `generation`: of the request it answers; None when an older one has asked for it."""
        if generation is not None and generation != self.generation:
            return None
        self.generation += 1
        awaited, self._awaited = self._awaited, None
        if generation is not None and awaited is not None and awaited.execute is not None:
            self._call(awaited.execute, program.main, program)
        else:
            self._stack = [_Frame(program.main, program, awaited.params if awaited and generation is not None else {}, section=True)]
        self._running = self._binding = None
        self._steps, self._spent = 0, 0.0
        return self._advance()

    def ended(self, generation: int, outcome: Outcome) -> Command | None:
        """The running verb has ended like this; None when that is old news."""
        verb = self._running
        if generation != self.generation or verb is None:
            return None
        self._running = None
        self._steps, self._spent = 0, 0.0
        rule = self._outcomes.get(type(verb), OutcomeRule())
        if isinstance(verb, Redirect):
            return Ask(self.generation, verb.link, verb)
        program = outcome["program"]
        if isinstance(program, Program):
            self._interrupted(verb, program, goes_on=outcome.kind == "interrupted")
            return self._advance()
        self.variables.update(rule.variables(outcome))
        link: Link | None = getattr(verb, "on_referred" if outcome.kind == "referred" else "on_done", None)
        if link is not None and rule.asks(outcome):
            return Ask(self.generation, link, verb, rule.fields(outcome))
        return self._advance()

    def bound(self, generation: int, steps: tuple[Step, ...]) -> Command | None:
        """A template has become these steps; None when that is old news."""
        scope, self._binding = self._binding, None
        if generation != self.generation or scope is None:
            return None
        self._spent = scope.spent
        self._push(steps)
        return self._advance()

    def stop(self, outcome: Outcome) -> Ask | None:
        """Another document takes over (`replaced`) or the far end hung up (`gone`): end here.

        Returns the last request that the dialect still makes, whose answer is to be discarded.
        """
        verb, self._running = self._running, None
        self._stack = []
        self._awaited = self._binding = None
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
        while self._steps < MAX_STEPS:
            self._steps += 1
            step = self._next_step()
            if step is None:
                return Finished(self.generation)
            if isinstance(step, Template) and step.slow:
                self._binding = self._scope()
                return Bind(self.generation, step, self._binding)
            if isinstance(step, Verb):
                self._running = step
                return Run(self.generation, step)
            ask = self._flow(step)
            if ask is not None:
                return ask
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

    def _flow(self, step: Flow) -> Ask | None:
        match step:
            case SetVariables():
                self.variables.update(step.values)
            case UnsetVariables():
                for name in step.names:
                    self.variables.pop(name, None)
            case Switch():
                found = self.variables.get(step.variable, "")
                value = str(found).lower() if isinstance(found, bool) else str(found)  # a boolean is spelled as documents spell it
                self._push(step.cases.get(value, step.default))
            case Template():
                self._push(step.bind(self._scope()))
            case Note():
                self._note(step)
            case Goto():
                self._goto(step)
            case Execute():
                return self._execute(step, step.to)
            case Transfer():
                return self._transfer(step, step.to)
            case Return():
                while self._stack and not self._stack.pop().called:
                    pass
            case Label():
                pass
        return None

    def _scope(self) -> Scope:
        scope = Scope(self.variables)
        scope.params, scope.facts, scope.spent = self._stack[-1].params, self.facts(), self._spent
        return scope

    def _push(self, steps: tuple[Step, ...]) -> None:
        """Steps inside the present ones."""
        frame = self._stack[-1]
        self._stack.append(_Frame(steps, frame.program, frame.params))

    def _note(self, note: Note) -> None:
        self.remarks.append(note.remark)
        self.variables.update(note.values)
        if note.ends:
            self._stack = []

    def _goto(self, step: Goto) -> None:
        depth = max(index for index, frame in enumerate(self._stack) if frame.section)
        frame = self._stack[depth]
        jumped = frame.jumps.get((step.label, step.at.path), 0)
        if jumped >= step.most:
            return
        if Label(step.label) not in frame.steps:
            self._note(step.missing)
            return
        frame.jumps[step.label, step.at.path] = jumped + 1
        frame.position = frame.steps.index(Label(step.label)) + 1
        del self._stack[depth + 1 :]

    def _execute(self, step: Execute, to: str | Link | Program) -> Ask | None:
        if sum(frame.called for frame in self._stack) >= MAX_DEPTH:
            self._note(step.too_deep)
        elif isinstance(to, Link):
            self._awaited = _Awaited(step.params, step)
            return Ask(self.generation, to, Redirect(link=to), {"params": step.params})
        elif isinstance(to, Program):
            self._call(step, to.main, to)
        elif to in (program := self._stack[-1].program).sections:
            self._call(step, program.sections[to], program)
        else:
            self._note(step.missing)
        return None

    def _interrupted(self, verb: Verb, program: Program, *, goes_on: bool) -> None:
        """A program takes over; where it goes on afterwards, the verb is done again."""
        if not goes_on:
            self._stack = [_Frame(program.main, program, section=True)]
            return
        self._push((verb,))
        self._stack.append(_Frame(program.main, program, section=True, called=True))

    def _call(self, step: Execute, steps: tuple[Step, ...], program: Program) -> None:
        if step.then:
            self._push(step.then)
        self._stack.append(_Frame(steps, program, step.params, section=True, called=True))

    def _transfer(self, step: Transfer, to: str | Link | Program) -> Ask | None:
        self._transfers += 1
        if self._transfers > MAX_TRANSFERS:
            self._note(step.too_many)
        elif isinstance(to, Link):
            self._awaited = _Awaited(step.params)
            return Ask(self.generation, to, Redirect(link=to), {"params": step.params})
        elif isinstance(to, Program):
            self._stack = [_Frame(to.main, to, step.params, section=True)]
        elif to in (program := self._stack[-1].program).sections:
            self._stack = [_Frame(program.sections[to], program, step.params, section=True)]
        else:
            self._note(step.missing)
        return None
