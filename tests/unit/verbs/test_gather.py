"""Gather: what decides, and what comes too late to; whose keys they are when two hear them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.events import Link
from hubbub.speech.recognition import RecognitionFailed, Understood
from hubbub.verbs import gather
from hubbub.verbs.gather import _Began, _Collecting
from hubbub.verbs.hearing import Listening, Manner, Timers
from hubbub.verbs.model import Followed, Gather, Pause
from hubbub.verbs.program import Outcome


class SomeCall:
    """As much of a call as Gather asks for."""

    id = "a" * 32

    def __init__(self) -> None:
        self.press: Callable[[str], None] | None = None

    def hear_keys(self, told: Callable[[str], None], *, gathers: bool = False) -> Callable[[], None]:
        assert gathers
        self.press = told

        def release() -> None:
            self.press = None

        return release


def a_shell(sound: Callable[[], Awaitable[Outcome]]) -> Any:
    reports: list[tuple[str, str]] = []
    session = SimpleNamespace(
        call=SomeCall(),
        leg=None,
        record=SimpleNamespace(account="dev"),
        dialect=SimpleNamespace(refusal_code=lambda reason: reason),
        reports=reports,
        report=lambda code, message, **_: reports.append((code, message)),
    )

    async def perform(_verb: object) -> Outcome:
        return await sound()

    services = SimpleNamespace(
        sound=lambda *_: SimpleNamespace(perform=perform), media=None, recognition=SimpleNamespace(check=lambda _language: None)
    )
    return SimpleNamespace(session=session, services=services)


async def _silent() -> Outcome:
    return Outcome()


async def _broken() -> Outcome:
    raise RuntimeError("a bug")


@pytest.mark.parametrize("late", [_Began(), Understood("words", 1.0), RecognitionFailed("failed", "late")])
async def test_what_was_heard_before_the_key_that_decided_is_too_late(late: Any) -> None:
    """input "dtmf speech": the first input decides. What the ear said while the key was on its way changes nothing."""
    shell = a_shell(_silent)
    events: asyncio.Queue[Any] = asyncio.Queue()
    prompts = asyncio.create_task(asyncio.sleep(0))
    ears = asyncio.create_task(asyncio.sleep(60))
    verb = Gather(speech=Listening(keys=True), first_timeout=0.01, next_timeout=0.01)
    for event in ("1", late):
        events.put_nowait(event)
    outcome = await asyncio.wait_for(_Collecting(shell, verb, events, cast(Any, prompts), cast(Any, ears)).run(), 5)
    assert (outcome.kind, outcome.details["digits"]) == ("digits", "1")
    assert shell.session.reports == []
    await asyncio.wait([prompts, ears])


async def test_a_prompt_that_a_bug_ended_is_reported() -> None:
    shell = a_shell(_broken)
    outcome = await gather.perform(shell, Gather(prompts=(Pause(),), first_timeout=0.01))
    assert outcome.kind == "nothing"
    assert shell.session.reports == [("internal", "internal error: RuntimeError('a bug')")]
    assert shell.session.call.press is None


async def test_an_ear_that_a_bug_ended_is_reported_and_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ear:
        def __init__(self, *_: object) -> None:
            pass

        async def began(self, _turn: object) -> None:
            pass

        async def understood(self, *_: object, **__: object) -> Understood:
            raise RuntimeError("a bug")

        async def close(self) -> None:
            pass

    monkeypatch.setattr(gather, "Listener", Ear)
    shell = a_shell(_silent)
    outcome = await asyncio.wait_for(gather.perform(shell, Gather(speech=Listening(keys=False), first_timeout=30)), 5)
    assert outcome.kind == "failed"
    assert len(shell.session.reports) == 1
    assert "a bug" in shell.session.reports[0][1]


async def test_what_is_cancelled_is_no_problem() -> None:
    """A key ends the prompt: that is as it should be."""
    shell = a_shell(lambda: asyncio.sleep(60, Outcome()))
    task = asyncio.create_task(gather.perform(shell, Gather(prompts=(Pause(),), max_digits=1)))
    while shell.session.call.press is None:
        await asyncio.sleep(0)
    shell.session.call.press("5")
    assert (await asyncio.wait_for(task, 5)).details["digits"] == "5"
    assert shell.session.reports == []


@pytest.mark.parametrize(
    ("verb", "keys", "expected"),
    [
        (Gather(), "12#", ("digits", "12", "#")),
        (Gather(max_digits=2), "123", ("digits", "12", "")),
        (Gather(finish_on="*"), "1#*", ("digits", "1#", "*")),
        (Gather(finish_on="", max_digits=3), "1#*", ("digits", "1#*", "")),
        (Gather(), "#", ("finished-empty", "", "#")),
        (Gather(ask_when_empty=True), "#", ("digits", "", "#")),
    ],
)
async def test_what_ends_the_gathering_of_keys(verb: Gather, keys: str, expected: tuple[str, str, str]) -> None:
    """1.6.1: "Ends on finishOnKey, numDigits …"; "Only `#` before any digit = empty"."""
    prompts = asyncio.create_task(asyncio.sleep(60))
    events: asyncio.Queue[Any] = asyncio.Queue()
    for key in keys:
        events.put_nowait(key)
    outcome = await _Collecting(cast(Any, None), verb, events, cast(Any, prompts), None).run()
    assert (outcome.kind, outcome["digits"], outcome["finish"]) == expected
    await asyncio.sleep(0)
    assert prompts.cancelled(), "the first digit stops nested audio"


@pytest.mark.parametrize(
    ("verb", "key", "expected"),
    [
        (Gather(first_timeout=0.01, next_timeout=60), "", ("nothing", "")),
        (Gather(first_timeout=60, next_timeout=0.01), "7", ("digits", "7")),
        (Gather(first_timeout=0.01, ask_when_empty=True), "", ("digits", "")),
    ],
)
async def test_silence_ends_the_gathering_of_keys(verb: Gather, key: str, expected: tuple[str, str]) -> None:
    """1.6.1: "timeout after last digit"; without any: next verb, or the action where actionOnEmptyResult says so."""
    prompts = asyncio.create_task(asyncio.sleep(0))
    events: asyncio.Queue[Any] = asyncio.Queue()
    if key:
        events.put_nowait(key)
    outcome = await _Collecting(cast(Any, None), verb, events, cast(Any, prompts), None).run()
    assert (outcome.kind, outcome["digits"]) == expected


# -- followed closely ------------------------------------------------------------------------------------------

FOLLOWED = Followed(Link("http://app.test/"), "gathering", "pin")


def followed_shell() -> tuple[Any, list[tuple[str, dict[str, Any]]]]:
    shell = a_shell(_silent)
    told: list[tuple[str, dict[str, Any]]] = []
    shell.tell = lambda _followed, state, **details: told.append((state, details))
    return shell, told


async def _pressing(shell: Any, keys: str) -> None:
    while shell.session.call.press is None:
        await asyncio.sleep(0)
    for key in keys:
        shell.session.call.press(key)
        await asyncio.sleep(0)


async def test_what_there_is_so_far_is_told() -> None:
    """`partial_results`, `send_start_of_input`: the beginning, each key; the result is whoever performs it's to tell."""
    shell, told = followed_shell()
    verb = Gather(max_digits=3, first_timeout=30, followed=FOLLOWED, manner=Manner(partial=True, beginning=True))
    task = asyncio.create_task(gather.perform(shell, verb))
    await _pressing(shell, "123")
    assert (await asyncio.wait_for(task, 5)).details["digits"] == "123"
    assert told == [("input", {}), ("partly", {"digits": "1"}), ("partly", {"digits": "12"})]


async def test_a_continuous_one_tells_each_result_and_goes_on_until_it_is_stopped() -> None:
    shell, told = followed_shell()
    verb = Gather(max_digits=2, finish_on="#", first_timeout=0.5, next_timeout=30, followed=FOLLOWED, manner=Manner(continuous=True))
    task = asyncio.create_task(gather.perform(shell, verb))
    await _pressing(shell, "127#34")
    async with asyncio.timeout(5):
        while len(told) < 3:
            await asyncio.sleep(0)
    assert [(state, details["digits"], details["finish"]) for state, details in told] == [
        ("heard", "12", ""),
        ("heard", "7", "#"),
        ("heard", "34", ""),
    ]
    await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert shell.session.call.press is None


async def test_a_continuous_one_to_which_nobody_says_anything_ends() -> None:
    shell, told = followed_shell()
    verb = Gather(first_timeout=0.01, followed=FOLLOWED, manner=Manner(continuous=True))
    assert (await asyncio.wait_for(gather.perform(shell, verb), 5)).kind == "nothing"
    assert told == []


async def test_the_first_time_limit_waits_to_be_started() -> None:
    """`start_input_timers: false`: nothing ends it until the command came; a key ends the waiting too."""
    shell, _ = followed_shell()
    timers = Timers()
    verb = Gather(max_digits=1, first_timeout=0.0, followed=FOLLOWED, manner=Manner(timers=timers))
    task = asyncio.create_task(gather.perform(shell, verb))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()
    timers.start()
    assert (await asyncio.wait_for(task, 5)).kind == "nothing"
    task = asyncio.create_task(gather.perform(shell, replace(verb, manner=Manner(timers=Timers()))))
    await _pressing(shell, "5")
    assert (await asyncio.wait_for(task, 5)).details["digits"] == "5"


async def test_who_waits_for_the_time_limit_to_begin_leaves_nobody_waiting() -> None:
    """The call ends while its time limit has not begun: nothing of the waiting is left."""
    shell, _ = followed_shell()
    verb = Gather(max_digits=1, first_timeout=0.0, followed=FOLLOWED, manner=Manner(timers=Timers()))
    before = asyncio.all_tasks()
    task = asyncio.create_task(gather.perform(shell, verb))
    for _ in range(20):
        await asyncio.sleep(0)
    assert any("begun" in repr(each) for each in asyncio.all_tasks() - before)
    task.cancel()
    await asyncio.wait({task})
    for _ in range(20):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
