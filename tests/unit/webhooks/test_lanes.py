"""The order of notices (design, law 4), without a loop and without waiting: "strictly in order inside a lane, lanes concurrent"."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.webhooks.lanes import CUTS, GIVE_UP, Dead, Done, Entry, Lanes, Load, Outcome, Retry, Send


def lanes_with(*entries: tuple[int, str], born: float = 0.0, **options: int | bool) -> Lanes:
    lanes = Lanes(**options)  # type: ignore[arg-type]
    lanes.announce(Entry(seq, lane, born) for seq, lane in entries)
    return lanes


def test_one_at_a_time_per_lane_and_lanes_beside_each_other() -> None:
    lanes = lanes_with((1, "a"), (2, "a"), (3, "b"))
    assert lanes.take(0) == [Send("a", 1), Send("b", 3)]
    assert lanes.take(0) == []
    assert lanes.finished("a", Outcome.DELIVERED, 0) == Done()
    assert lanes.take(0) == [Send("a", 2)]
    lanes.finished("a", Outcome.DELIVERED, 0)
    lanes.finished("b", Outcome.DELIVERED, 0)
    assert lanes.take(0) == []
    assert len(lanes) == 0  # nothing is kept of an empty lane


def test_at_most_so_many_lanes_each_in_its_turn() -> None:
    lanes = lanes_with((1, "a"), (2, "a"), (3, "b"), (4, "c"), concurrent=2)
    assert lanes.take(0) == [Send("a", 1), Send("b", 3)]
    lanes.finished("a", Outcome.DELIVERED, 0)
    assert lanes.take(0) == [Send("c", 4)]  # c has waited longer than a's second
    lanes.finished("b", Outcome.DELIVERED, 0)
    assert lanes.take(0) == [Send("a", 2)]


def test_one_receiver_gets_three_quarters_of_the_places() -> None:
    lanes = Lanes(concurrent=4)
    lanes.announce(Entry(seq, f"slow{seq}", 0, "slow") for seq in range(1, 7))
    lanes.announce([Entry(7, "quick", 0, "other")])
    assert lanes.take(0) == [Send("slow1", 1), Send("slow2", 2), Send("slow3", 3), Send("quick", 7)]
    lanes.finished("quick", Outcome.DELIVERED, 0)
    assert lanes.take(0) == []
    lanes.finished("slow2", Outcome.DELIVERED, 0)
    assert lanes.take(0) == [Send("slow4", 4)]
    lanes.put_back("slow1", 0)
    assert lanes.take(0) == [Send("slow5", 5)]


def test_rejected_is_a_dead_letter_and_the_lane_goes_on() -> None:
    """ "4xx, 5xx and time-outs take the dialect's attempts, then dead letter, and the lane goes on"."""
    lanes = lanes_with((1, "a"), (2, "a"))
    lanes.take(0)
    assert lanes.finished("a", Outcome.REJECTED, 0) == Dead()
    assert lanes.take(0) == [Send("a", 2)]


def test_unreachable_holds_the_lane_one_second_doubling_to_sixty() -> None:
    """ "only connection failure holds a lane (backoff, 24 h, then dead letter)"."""
    lanes = lanes_with((1, "a"), (2, "a"), (3, "b"))
    now, waits = 0.0, []
    lanes.take(now)
    lanes.finished("b", Outcome.DELIVERED, now)
    for _ in range(8):
        verdict = lanes.finished("a", Outcome.UNREACHABLE, now)
        assert isinstance(verdict, Retry)
        waits.append(verdict.at - now)
        assert lanes.take(verdict.at - 0.001) == []
        assert lanes.next_time() == verdict.at
        now = verdict.at
        assert lanes.take(now) == [Send("a", 1)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    lanes.finished("a", Outcome.DELIVERED, now)
    assert lanes.take(now) == [Send("a", 2)]
    assert lanes.finished("a", Outcome.UNREACHABLE, now) == Retry(now + 1)  # a delivery ends the series


def test_an_hour_of_a_dead_receiver_costs_seventy_attempts_and_no_time() -> None:
    lanes = lanes_with((1, "a"))
    now, attempts = 0.0, 0
    while now < 3600:
        assert lanes.take(now) == [Send("a", 1)]
        attempts += 1
        lanes.finished("a", Outcome.UNREACHABLE, now)
        now = lanes.next_time() or 0.0
    assert attempts == 65


def test_given_up_after_a_day_with_all_that_is_as_old() -> None:
    lanes = lanes_with((1, "a"), (2, "a"), (3, "a"))
    lanes.announce([Entry(4, "a", 50.0)])
    lanes.take(0)
    assert isinstance(lanes.finished("a", Outcome.UNREACHABLE, GIVE_UP - 1), Retry)
    lanes.take(GIVE_UP + 10)
    assert lanes.finished("a", Outcome.UNREACHABLE, GIVE_UP + 10) == Dead(also=(2, 3))
    assert lanes.take(GIVE_UP + 10) == [Send("a", 4)]


def test_an_old_notice_is_tried_once_after_a_long_pause() -> None:
    lanes = lanes_with((1, "a"), (2, "a"))
    later = 3 * GIVE_UP
    assert lanes.take(later) == [Send("a", 1)]
    assert lanes.finished("a", Outcome.DELIVERED, later) == Done()
    assert lanes.take(later) == [Send("a", 2)]


def test_a_poisoned_notice_does_not_hold_its_lane_for_a_day() -> None:
    lanes = lanes_with((1, "a"), (2, "a"))
    now = 0.0
    for _ in range(CUTS - 1):
        lanes.take(now)
        verdict = lanes.finished("a", Outcome.CUT, now)
        assert isinstance(verdict, Retry)
        now = verdict.at
    lanes.take(now)
    assert lanes.finished("a", Outcome.CUT, now) == Dead()
    assert lanes.take(now) == [Send("a", 2)]
    assert isinstance(lanes.finished("a", Outcome.CUT, now), Retry)


@pytest.mark.parametrize("outcome", [Outcome.UNREACHABLE, Outcome.CUT, Outcome.REJECTED])
def test_without_redelivery_every_failure_is_final(outcome: Outcome) -> None:
    """ "[webhooks] redeliver = false gives the vendors' loss"."""
    lanes = lanes_with((1, "a"), (2, "a"), redeliver=False)
    lanes.take(2 * GIVE_UP)
    assert lanes.finished("a", outcome, 2 * GIVE_UP) == Dead()
    assert lanes.take(2 * GIVE_UP) == [Send("a", 2)]


def test_a_long_lane_is_loaded_in_windows() -> None:
    lanes = lanes_with(*((seq, "a") for seq in range(1, 8)), window=2)
    for seq in (1, 2):
        assert lanes.take(0) == [Send("a", seq)]
        lanes.finished("a", Outcome.DELIVERED, 0)
    assert lanes.take(0) == [Load("a", 2, 2)]
    assert lanes.take(0) == []
    lanes.loaded("a", [Entry(3, "a", 0), Entry(4, "a", 0)], more=True)
    assert lanes.take(0) == [Send("a", 3)]


def test_news_during_a_load_is_not_lost() -> None:
    lanes = lanes_with((1, "a"), (2, "a"), window=1)
    lanes.take(0)
    lanes.finished("a", Outcome.DELIVERED, 0)
    assert lanes.take(0) == [Load("a", 1, 1)]
    lanes.announce([Entry(3, "a", 0)])
    lanes.loaded("a", [Entry(2, "a", 0)], more=False)  # read before 3 was there
    lanes.take(0)
    lanes.finished("a", Outcome.DELIVERED, 0)
    assert lanes.take(0) == [Load("a", 2, 1)]


def test_trouble_of_our_own_makes_the_lane_look_again() -> None:
    lanes = lanes_with((1, "a"), (2, "a"), window=1)
    assert lanes.take(0) == [Send("a", 1)]
    lanes.put_back("a", 0)
    assert lanes.sending == 0
    assert lanes.take(0.5) == []
    assert lanes.take(1) == [Send("a", 1)]
    lanes.finished("a", Outcome.DELIVERED, 1)
    assert lanes.take(1) == [Load("a", 1, 1)]
    lanes.load_failed("a", 1)
    assert lanes.take(2) == [Load("a", 1, 1)]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_any_history_keeps_order_and_loses_nothing(seed: int, window: int, concurrent: int, redeliver: bool) -> None:
    """A store, commits in between, receivers that answer anything at any time: every notice ends once, in the order of its lane."""
    dice = random.Random(seed)
    lanes = Lanes(redeliver=redeliver, concurrent=concurrent, window=window)
    groups = dice.choice([{}, {"a": "x", "b": "x"}])
    store: list[Entry] = []
    cursor = 0
    ended: dict[str, list[int]] = defaultdict(list)
    sending: dict[str, int] = {}
    loads: list[tuple[Load, int]] = []
    now = 0.0
    for step in range(400):
        if step < 200 and dice.random() < 0.4:
            store += [Entry(len(store) + 1 + i, dice.choice("abc"), now) for i in range(dice.randint(1, 4))][:4]
            store = [Entry(seq, entry.lane, entry.born, groups.get(entry.lane, "")) for seq, entry in enumerate(store, 1)]
        if dice.random() < 0.5 or step > 300:
            page = store[cursor : cursor + 3]
            lanes.announce(page)
            cursor += len(page)
        for effect in lanes.take(now):
            if isinstance(effect, Load):
                loads.append((effect, cursor))
            else:
                assert effect.lane not in sending
                sending[effect.lane] = effect.seq
        assert len(sending) == lanes.sending <= concurrent
        if loads and dice.random() < 0.7:
            load, upto = loads.pop()
            found = [entry for entry in store if entry.lane == load.lane and load.after < entry.seq <= upto][: load.limit]
            lanes.loaded(load.lane, found, more=len(found) == load.limit)
        for lane in [lane for lane in sending if dice.random() < 0.6]:
            seq = sending.pop(lane)
            outcome = dice.choice(list(Outcome)) if step < 250 else Outcome.DELIVERED
            verdict = lanes.finished(lane, outcome, now)
            if not isinstance(verdict, Retry):
                ended[lane].append(seq)
                ended[lane] += verdict.also if isinstance(verdict, Dead) else ()
        now += dice.choice([0.0, 0.5, 30.0, 70.0])
    for _ in range(3 * len(store) + 10):
        lanes.announce(store[cursor:])
        cursor = len(store)
        while loads:
            load, upto = loads.pop()
            found = [entry for entry in store if entry.lane == load.lane and load.after < entry.seq <= upto][: load.limit]
            lanes.loaded(load.lane, found, more=len(found) == load.limit)
        for lane, seq in list(sending.items()):
            lanes.finished(lane, Outcome.DELIVERED, now)
            ended[lane].append(seq)
            del sending[lane]
        now += 100
        for effect in lanes.take(now):
            if isinstance(effect, Load):
                loads.append((effect, cursor))
            else:
                sending[effect.lane] = effect.seq
    for name in "abc":
        assert ended[name] == [entry.seq for entry in store if entry.lane == name]
    assert len(lanes) == 0


def test_receivers_that_hang_leave_places_and_memory_to_others() -> None:
    """Rule: "one slow receiver never delays another lane", and four do not either; of a long lane a window is in memory."""
    lanes = Lanes()
    lanes.announce(Entry(1000 * lane + n, f"hung{lane}", 0, f"hung{lane % 4}") for lane in range(400) for n in range(100))
    lanes.announce([Entry(999_999, "quick", 0, "quick")])
    assert Send("quick", 999_999) in (taken := lanes.take(0))
    assert len(taken) == 4 * 48 + 1
    assert sum(len(lane.waiting) for lane in lanes._lanes.values()) <= 401 * 32
