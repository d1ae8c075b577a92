"""Calls that wait to be sent: a rate, priorities, a bound; time is an argument."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.calls.departures import Departures
from hubbub.errors import Refused


def nobody(_item: str) -> bool:
    return False


def test_one_at_a_time_the_first_at_once() -> None:
    """Dialled at the account's dequeue rate."""
    line: Departures[str] = Departures(2)
    for name in "abc":
        line.add(name, 5)
    assert (line.due(100.0, nobody), line.wait(100.0)) == (["a"], 0.5)
    assert line.due(100.4, nobody) == []
    assert line.due(100.5, nobody) == ["b"]
    assert line.due(150.0, nobody) == ["c"], "idle time saves nothing up"
    assert line.wait(150.0) is None


def test_priority_goes_before_age() -> None:
    """`priority` 1 to 5, 1 first."""
    line: Departures[str] = Departures(1)
    for name, priority in (("late", 5), ("early", 1), ("next", 1), ("middle", 3)):
        line.add(name, priority)
    assert [line.due(float(second), nobody)[0] for second in range(4)] == ["early", "next", "middle", "late"]


def test_a_call_that_is_over_takes_no_turn() -> None:
    line: Departures[str] = Departures(1)
    line.add("gone", 1)
    line.add("here", 5)
    assert (line.due(0.0, lambda item: item == "gone"), len(line)) == (["here"], 0)


def test_so_many_may_wait() -> None:
    """The queue holds the calls of 300 s: `maxCallQueueSize` 900 at 3 a second."""
    line: Departures[int] = Departures(3)
    assert line.most == 900
    for number in range(900):
        line.check()
        line.add(number, 5)
    with pytest.raises(Refused, match="900"):
        line.check()
    assert Departures(0.001).most == 1


@given(st.floats(0.1, 100), st.lists(st.tuples(st.floats(0, 5), st.integers(1, 5)), max_size=60))
def test_never_faster_than_the_rate(rate: float, arrivals: list[tuple[float, int]]) -> None:
    line: Departures[int] = Departures(rate)
    now, sent = 0.0, 0
    for pause, priority in arrivals:
        now += pause
        line.add(0, priority)
        sent += len(line.due(now, lambda _item: False))
        assert sent <= now * rate + 1 + 1e-6
    while (seconds := line.wait(now)) is not None:
        now += seconds
        sent += len(line.due(now, lambda _item: False))
    assert sent == len(arrivals)
