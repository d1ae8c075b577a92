"""The acts of the story, in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubbub.demo.stage import Stage


@dataclass(frozen=True)
class Scene:
    """An act as it is written: what it is called, what must hold, and what happens."""

    title: str
    checks: Mapping[str, str]
    play: Callable[[Stage], Awaitable[None]]


def scenes() -> tuple[Scene, ...]:
    """All acts."""
    from hubbub.demo.acts import arrival, control, end, record, talk

    return (*arrival.SCENES, *talk.SCENES, *control.SCENES, *end.SCENES, *record.SCENES)
