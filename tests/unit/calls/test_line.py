"""A line's rules: order, positions, averages, capacity."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from hubbub.calls.line import LineCore, Lines
from hubbub.errors import Refused
from hubbub.ids import Id

A, B, C = Id("a" * 32), Id("b" * 32), Id("c" * 32)


def test_calls_wait_in_the_order_of_their_coming() -> None:
    line = LineCore()
    for second, call in enumerate((A, B, C)):
        line.join(call, float(second))
    assert [line.position(call) for call in (A, B, C)] == [1, 2, 3]
    assert line.first() == A
    line.leave(A, 10.0)
    assert (line.first(), line.position(C), line.position(A), len(line)) == (B, 2, 0, 2)


def test_the_average_is_of_those_who_left_last() -> None:
    """AvgQueueTime: while nobody has left, of those who wait."""
    line = LineCore()
    assert line.average(5.0) == 0.0
    line.join(A, 0.0)
    line.join(B, 4.0)
    assert line.average(6.0) == 4.0
    line.leave(A, 10.0)
    line.leave(B, 24.0)
    assert line.average(100.0) == 15.0


def test_a_full_line_takes_nobody() -> None:
    """QueueResult queue-full."""
    line = LineCore(1)
    line.join(A, 0.0)
    with pytest.raises(Refused) as refusal:
        line.join(B, 1.0)
    assert refusal.value.reason == "line-full"
    line.leave(B, 2.0)
    line.leave(A, 3.0)
    line.join(B, 4.0)


class SomeCall:
    """As much of a call as a line asks for."""

    def __init__(self, identity: Id) -> None:
        self.id = identity
        self.record = type("Record", (), {"account": "dev"})()


async def test_takers_wait_for_callers_and_one_that_gave_up_takes_nobody() -> None:
    """ "If the queue is empty, Dial will wait until the next person joins the queue or until the timeout is reached"."""
    lines = Lines()
    first = lines.join(cast(Any, SomeCall(A)), "support", None, 0.0)
    assert (await lines.next(first.line, lambda: 3.0)).call.id == A
    assert (first.taken_at, lines.place(first, 9.0).seconds) == (3.0, 3.0)
    takers = [asyncio.create_task(lines.next(first.line, lambda: 5.0)) for _ in range(2)]
    await asyncio.sleep(0)
    second = lines.join(cast(Any, SomeCall(B)), "support", None, 4.0)
    takers[0].cancel()  # it gives up at the moment in which somebody comes
    assert await takers[1] is second
    assert len(second.line.core) == 0


async def test_a_call_that_leaves_is_not_taken() -> None:
    lines = Lines()
    waiting = lines.join(cast(Any, SomeCall(A)), "support", None, 0.0)
    waiting.leave()
    lines.leave(waiting, 2.0)
    assert (waiting.over.result(), waiting.line.core.first(), waiting.gone) == ("leave", None, True)


async def test_a_taker_that_gave_up_is_forgotten() -> None:
    """ "or until the timeout is reached": nothing of it stays."""
    lines = Lines()
    waiting = lines.join(cast(Any, SomeCall(A)), "support", None, 0.0)
    await lines.next(waiting.line, lambda: 1.0)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lines.next(waiting.line, lambda: 1.0), 0)
        taker = asyncio.create_task(lines.next(waiting.line, lambda: 1.0))
        await asyncio.sleep(0)
        taker.cancel()
        await asyncio.wait([taker])
    assert not waiting.line.takers


async def test_empty_lines_of_documents_are_not_kept_without_limit() -> None:
    """A name for every caller fills no memory; "if the queue is empty, Dial will wait" holds for those that were left last."""
    lines = Lines(kept_empty=2)
    lines.open("dev", "made", None, 0.0)
    for second in range(6):
        waiting = lines.join(cast(Any, SomeCall(A)), f"ticket {second}", None, float(second))
        if second == 1:
            lines.change(waiting.line, None, 5, float(second))
        lines.leave(waiting, float(second))
    stays = lines.join(cast(Any, SomeCall(B)), "ticket 4", None, 7.0)
    lines.join(cast(Any, SomeCall(C)), "last", None, 8.0)
    assert {line.name for line in lines.all("dev")} == {"made", "ticket 1", "ticket 3", "ticket 4", "ticket 5", "last"}
    assert stays.line is lines.find("dev", "ticket 4")


async def test_a_line_that_somebody_takes_from_is_kept() -> None:
    lines = Lines(kept_empty=0)
    first = lines.join(cast(Any, SomeCall(A)), "support", None, 0.0)
    lines.leave(first, 1.0)
    taker = asyncio.create_task(lines.next(first.line, lambda: 3.0))
    await asyncio.sleep(0)
    lines.join(cast(Any, SomeCall(B)), "other", None, 2.0)
    waiting = lines.join(cast(Any, SomeCall(C)), "support", None, 3.0)
    assert await taker is waiting
