"""The hunt for somebody who answers: parallel, sequential, the first wins (1.8: "<=10 parallel; first answer wins")."""

from __future__ import annotations

import pytest

from hubbub.events import CallStatus
from hubbub.verbs.hunt import CallOff, GiveUp, Hunt, Join, Prepare, Ring

BUSY, NO_ANSWER, FAILED, CANCELED = CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.CANCELED


def test_the_first_who_answers_is_prepared_and_joined_and_the_others_are_called_off() -> None:
    hunt = Hunt([3])
    assert hunt.start() == [Ring((0, 0)), Ring((0, 1)), Ring((0, 2))]
    assert hunt.ended((0, 2), BUSY) == []
    assert hunt.answered((0, 1)) == [CallOff((0, 0)), Prepare((0, 1))]
    assert hunt.ended((0, 0), CANCELED) == []
    assert hunt.ready((0, 1)) == [Join((0, 1))]
    assert hunt.joined == (0, 1)


def test_who_answers_too_late_is_called_off() -> None:
    """The CANCEL and the 200 may cross (RFC 3261 9.1)."""
    hunt = Hunt([2])
    hunt.start()
    hunt.answered((0, 0))
    assert hunt.answered((0, 1)) == [CallOff((0, 1))]
    hunt.ready((0, 0))
    assert hunt.answered((0, 1)) == [CallOff((0, 1))]


def test_groups_ring_one_after_the_other() -> None:
    hunt = Hunt([1, 2])
    assert hunt.start() == [Ring((0, 0))]
    assert hunt.ended((0, 0), NO_ANSWER) == [Ring((1, 0)), Ring((1, 1))]
    assert hunt.answered((0, 0)) == [CallOff((0, 0))]
    assert hunt.ended((1, 0), BUSY) == []
    assert hunt.ended((1, 1), FAILED) == [GiveUp(BUSY, (1, 0))]


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        ((BUSY, NO_ANSWER), NO_ANSWER),
        ((FAILED, BUSY), BUSY),
        ((CANCELED, FAILED), FAILED),
        ((CANCELED, CANCELED), CANCELED),
    ],
)
def test_the_status_of_a_group(ends: tuple[CallStatus, CallStatus], status: CallStatus) -> None:
    hunt = Hunt([2])
    hunt.start()
    assert hunt.ended((0, 0), ends[0]) == []
    assert hunt.ended((0, 1), ends[1]) == [GiveUp(status, (0, ends.index(status)))]


def test_a_callee_that_is_dropped_by_its_document_makes_way() -> None:
    """Its Hangup drops the callee: answered, and not connected, counts as no answer."""
    hunt = Hunt([2, 1])
    hunt.start()
    hunt.answered((0, 0))
    assert hunt.ended((0, 0), CallStatus.COMPLETED) == [Ring((1, 0))]
    hunt.answered((1, 0))
    assert hunt.ended((1, 0), CallStatus.COMPLETED) == [GiveUp(NO_ANSWER, (1, 0))]
    assert hunt.over


def test_nobody_to_call_fails() -> None:
    assert Hunt([]).start() == [GiveUp(FAILED, None)]
    assert Hunt([0]).start() == [GiveUp(FAILED, None)]


def test_what_ends_after_the_hunt_changes_nothing() -> None:
    hunt = Hunt([2])
    hunt.start()
    hunt.stop()
    assert hunt.ended((0, 0), BUSY) == []
    assert hunt.answered((0, 1)) == [CallOff((0, 1))]
    assert hunt.ready((0, 1)) == [CallOff((0, 1))]
