"""A line's rules: order, positions, averages, capacity."""

from __future__ import annotations

import pytest

from hubbub.calls.line import LineCore
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
