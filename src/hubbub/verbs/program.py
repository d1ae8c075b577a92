"""Programs: sections of steps, and the control flow that stands between verbs. Nothing here can be heard.

A step is a verb (`verbs/model.py`), a template that is bound when it is reached, or control flow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hubbub.events import Link


@dataclass(frozen=True)
class Position:
    """Where in its document a step stands."""

    path: str = ""
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, kw_only=True)
class Verb:
    """Something to be done; ends with an Outcome."""

    at: Position = field(default=Position(), compare=False)


@dataclass(frozen=True)
class SetVariables:
    """Control flow: set variables."""

    values: Mapping[str, Any]


@dataclass(frozen=True)
class Switch:
    """Control flow: go on with the case that the variable's value names."""

    variable: str
    cases: Mapping[str, tuple[Step, ...]]
    default: tuple[Step, ...] = ()


class Scope(dict[str, Any]):
    """The variables, as a template sees them; beside them what came with its section, and the facts about the call."""

    params: Mapping[str, Any] = {}
    facts: Mapping[str, Any] = {}
    spent: float = 0.0
    """CPU seconds that expressions took since the last verb."""


@dataclass(frozen=True)
class Template:
    """Steps that are known only when they are reached: `bind` makes them from the variables."""

    bind: Callable[[Scope], tuple[Step, ...]]
    at: Position = field(default=Position(), compare=False)
    slow: bool = False
    """Whether binding may take long: expressions are evaluated."""


@dataclass(frozen=True)
class UnsetVariables:
    """Control flow: forget variables."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Note:
    """Control flow: tell the author, and set variables that say what is wrong; `ends`: the program ends here."""

    remark: Remark
    values: Mapping[str, Any] = field(default_factory=dict)
    ends: bool = False


@dataclass(frozen=True)
class Label:
    """Control flow: a place that Goto leads to."""

    name: str


@dataclass(frozen=True)
class Goto:
    """Control flow: go on behind a label of the same section, so often at most."""

    label: str
    most: int
    missing: Note
    """Where there is no such label."""
    at: Position = field(default=Position(), compare=False)


@dataclass(frozen=True)
class Execute:
    """Control flow: run a section, or another document, and come back."""

    to: str | Link | Program
    params: Mapping[str, Any]
    missing: Note
    too_deep: Note
    then: tuple[Step, ...] = ()
    """What runs when it has come back."""


@dataclass(frozen=True)
class Transfer:
    """Control flow: go on with a section, or another document, for good."""

    to: str | Link | Program
    params: Mapping[str, Any]
    missing: Note
    too_many: Note


@dataclass(frozen=True)
class Return:
    """Control flow: leave what Execute began; elsewhere the program ends."""


Flow = SetVariables | UnsetVariables | Switch | Template | Note | Label | Goto | Execute | Transfer | Return
Step = Verb | Flow


@dataclass(frozen=True)
class Remark:
    """Something in a document that does not stop it but that its author should know."""

    code: str
    message: str
    at: Position = Position()
    level: str = "warning"


@dataclass(frozen=True)
class Program:
    """A compiled document."""

    sections: Mapping[str, tuple[Step, ...]]
    base: str = ""
    """The URL it came from."""
    remarks: tuple[Remark, ...] = ()
    dialect: str = ""
    """What it speaks, where that matters to whoever runs it: notices of what it starts in a room of another dialect."""

    @property
    def main(self) -> tuple[Step, ...]:
        """Where it begins."""
        return self.sections.get("main", ())


@dataclass(frozen=True)
class Outcome:
    """How a verb ended, in neutral words.

    `kind`: `done`; `failed` (with `reason`); for a room also `left` and `refused`; for digits `digits` and `nothing`;
    `gone`: the far end hung up during it; `replaced`: another document took over.
    """

    kind: str = "done"
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.details.get(key)
