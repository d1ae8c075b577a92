"""Advice: what is right in a document, and yet seldom what its author wants. Looked for in the program, so it holds for every dialect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hubbub.verbs.model import JoinRoom
from hubbub.verbs.program import Execute, Position, Program, Step, Switch, Transfer

Advice = tuple[str, str, Position]
"""A word for the kind, the advice, and where it belongs to."""


def advice_on(program: Program) -> list[Advice]:
    """What is to be said about each conference that a program joins."""
    found: list[Advice] = []
    for section in program.sections.values():
        verbs = list(_joins(section))
        for place, (verb, last) in enumerate(verbs):
            found += [(kind, text, verb.at) for kind, text in _of_join(verb, last=last)]
            if place and verb.joining.label and verb.joining.label == verbs[place - 1][0].joining.label:
                found.append(("same-label", "the label is that of the conference before it", verb.at))
    return found


def _joins(steps: tuple[Step, ...]) -> Iterator[tuple[JoinRoom, bool]]:
    """The joins of a section, also in its branches, and whether nothing follows."""
    for place, step in enumerate(steps):
        last = place == len(steps) - 1
        if isinstance(step, JoinRoom):
            yield step, last
        for inner in _branches(step):
            for verb, ends in _joins(inner):
                yield verb, ends and last


def _branches(step: Step) -> Iterable[tuple[Step, ...]]:
    if isinstance(step, Switch):
        return (*step.cases.values(), step.default)
    if isinstance(step, (Execute, Transfer)) and isinstance(step.to, Program):
        return tuple(step.to.sections.values())
    return (step.then,) if isinstance(step, Execute) else ()


def _of_join(verb: JoinRoom, *, last: bool) -> Iterator[tuple[str, str]]:
    joining, settings = verb.joining, verb.joining.settings
    if joining.end_on_exit and (verb.coach_ids or joining.muted):
        yield (
            "listener-ends",
            "somebody who only listens or coaches ends the conference for all by leaving (not as listener or supervisor)",
        )
    elif joining.end_on_exit and not joining.start_on_enter:
        yield (
            "customer-ends",
            "the conference ends for all when this leg leaves, also for elsewhere: right for a customer only",
        )
    elif joining.end_on_exit:
        yield (
            "end-on-exit",
            "the conference ends for all when this leg leaves, for whatever reason: whoever hands calls on must not have this (role agent)",
        )
    if joining.end_on_exit and verb.leave_on_star:
        yield "star-ends", "the key * ends the conference for all"
    if joining.end_on_exit and verb.time_limit_seconds is not None:
        yield "limit-ends", "the time limit of this leg ends the conference for all"
    if verb.coach_ids and joining.start_on_enter:
        yield "coach-starts", "the coming of a coach counts for the start: role supervisor waits for others"
    if last and verb.on_done is None and (verb.leave_on_star or verb.time_limit_seconds is not None):
        yield "hangs-up", "nothing follows: whoever leaves by the key * or by the time limit is hung up on"
    if settings.record and settings.recording is None:
        yield "untold-recording", "the conference is recorded, and nobody is told where the recording is"
    if joining.alone and settings.subscription is None and joining.wait.link is None:
        yield "lost-room", "a conference of its own is found by its id only, and nobody is told that"
