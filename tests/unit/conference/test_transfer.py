"""The core of a warm transfer: each way it can go."""

from __future__ import annotations

import pytest

from hubbub.conference.transfer import Keep, LetGo, Park, TransferCore, TransferRecord, TransferState, Unpark
from hubbub.errors import Refused
from hubbub.ids import Id

AGENT, CUSTOMER, FRIEND, TARGET = (Id(letter * 32) for letter in "acfe")
ROOM, THIS = Id("0" * 32), Id("1" * 32)


def core(*parked: Id, consult: bool = True) -> TransferCore:
    return TransferCore(TransferRecord(THIS, ROOM, AGENT, TARGET, parked or (CUSTOMER,), consult))


def test_park_add_leave() -> None:
    """P8: "transfer primitive (one call)": parked at once, handed over when the giver says so, which then leaves and ends nothing."""
    transfer = core(CUSTOMER, FRIEND)
    assert transfer.begin() == [Keep(AGENT, keeps=True), Park(CUSTOMER), Park(FRIEND)]
    assert transfer.joined(FRIEND) == []
    assert transfer.joined(TARGET) == []
    assert transfer.record.state is TransferState.CONSULTING
    assert transfer.complete() == [Unpark(CUSTOMER), Unpark(FRIEND), LetGo(AGENT)]
    assert transfer.record.state is TransferState.COMPLETED
    assert transfer.left(AGENT) == transfer.left(TARGET) == []


def test_without_a_word_between_them() -> None:
    transfer = core(consult=False)
    transfer.begin()
    assert transfer.joined(TARGET) == [Unpark(CUSTOMER), LetGo(AGENT)]


def test_complete_before_the_answer_waits_for_it() -> None:
    transfer = core()
    transfer.begin()
    assert transfer.complete() == []
    assert transfer.record.state is TransferState.CALLING
    assert transfer.joined(TARGET) == [Unpark(CUSTOMER), LetGo(AGENT)]


@pytest.mark.parametrize("answered", [False, True])
def test_the_giver_may_just_hang_up(answered: bool) -> None:
    transfer = core()
    transfer.begin()
    if answered:
        transfer.joined(TARGET)
        assert transfer.left(AGENT) == [Unpark(CUSTOMER)]
    else:
        assert transfer.left(AGENT) == []
        assert transfer.joined(TARGET) == [Unpark(CUSTOMER), LetGo(AGENT)]
    assert transfer.record.state is TransferState.COMPLETED


@pytest.mark.parametrize("answered", [False, True])
def test_a_target_that_does_not_come_or_stay_gives_the_others_back(answered: bool) -> None:
    transfer = core()
    transfer.begin()
    if answered:
        transfer.joined(TARGET)
    assert transfer.left(TARGET) == [Unpark(CUSTOMER), Keep(AGENT, keeps=False)]
    assert (transfer.record.state, transfer.record.reason) == (
        TransferState.FAILED,
        "the target did not stay" if answered else "the target did not come",
    )


def test_canceled() -> None:
    transfer = core()
    transfer.begin()
    assert transfer.cancel() == [LetGo(TARGET), Unpark(CUSTOMER), Keep(AGENT, keeps=False)]
    for again in (transfer.cancel, transfer.complete):
        with pytest.raises(Refused) as refused:
            again()
        assert refused.value.reason == "no-transfer"


def test_nobody_is_left_to_be_handed_over() -> None:
    transfer = core(CUSTOMER, FRIEND)
    transfer.begin()
    assert transfer.left(CUSTOMER) == []
    assert transfer.left(FRIEND) == [LetGo(TARGET), Keep(AGENT, keeps=False)]
    assert transfer.record.state is TransferState.FAILED


def test_the_room_ends() -> None:
    transfer = core()
    transfer.begin()
    transfer.ended()
    assert (transfer.record.state, transfer.record.reason) == (TransferState.FAILED, "the conference ended")
