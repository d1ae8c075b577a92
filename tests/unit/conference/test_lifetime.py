"""A room's lifetime in the conference core: what starts it, who finds a place, what is recorded, what ends it. Tests quote their rules."""

from __future__ import annotations

import pytest
from tests.support.core import ALICE, BOB, CAROL, DAVE, NORMAL, join, kinds, leave, member, room, routes

from hubbub.conference.effects import BeginRecording, Close, Notify, Release, StartHold, StartWait, StopWait
from hubbub.conference.policy import Policy, RoomSettings, Subscription, Wait
from hubbub.conference.state import MemberChange, RoomCore
from hubbub.errors import Refused
from hubbub.events import CallStatus, EndReason, LeaveReason, Link, RoomEventKind, RoomStatus
from hubbub.ids import Id


def test_a_single_leg_waits() -> None:
    """`in-progress` when "2 legs present and 1 of them has startConferenceOnEnter=true"; before: wait audio."""
    core = room()
    effects = join(core, ALICE)
    assert StartWait(ALICE, Wait()) in effects
    assert core.room.status is RoomStatus.INIT
    assert routes(effects) == {}
    assert kinds(effects) == [RoomEventKind.CREATED, RoomEventKind.JOINED]


def test_two_legs_start_the_room() -> None:
    """ "fires conference-start; wait audio of all legs stops"."""
    core = room()
    join(core, ALICE)
    effects = join(core, BOB, 5.0)
    assert core.room.status is RoomStatus.IN_PROGRESS
    assert core.room.started == 5.0
    assert StopWait(ALICE) in effects
    assert not any(isinstance(effect, StartWait) for effect in effects)
    assert routes(effects) == {ALICE: NORMAL, BOB: NORMAL}
    assert kinds(effects) == [RoomEventKind.JOINED, RoomEventKind.STARTED]


def test_legs_that_do_not_start_wait_for_one_that_does() -> None:
    """startConferenceOnEnter "false = does not start a room; before start the leg hears wait audio"."""
    core = room()
    join(core, ALICE, start_on_enter=False)
    effects = join(core, BOB, start_on_enter=False)
    assert StartWait(BOB, Wait()) in effects
    assert core.room.status is RoomStatus.INIT
    effects = join(core, CAROL)
    assert core.room.status is RoomStatus.IN_PROGRESS
    assert set(routes(effects)) == {ALICE, BOB, CAROL}


def test_a_room_that_needs_one_starts_at_once() -> None:
    """A room whose policy asks for one member is live with its first, which hears no wait audio."""
    core = room(Policy(minimum_to_start=1))
    effects = join(core, ALICE)
    assert core.room.status is RoomStatus.IN_PROGRESS
    assert not any(isinstance(effect, StartWait) for effect in effects)


def test_a_started_room_never_waits_again() -> None:
    """Q10: "does a started room ever go back to waiting when all starters leave: no"; it does not end with one leg left."""
    core = room()
    join(core, ALICE)
    join(core, BOB, start_on_enter=False)
    leave(core, ALICE)
    assert core.room.status is RoomStatus.IN_PROGRESS
    effects = join(core, CAROL, start_on_enter=False)
    assert not any(isinstance(effect, StartWait) for effect in effects)


def test_last_leg_ends_the_room() -> None:
    """3.3: last leg leaves → last-participant-left, call_sid_ending_conference is that leg."""
    core = room()
    join(core, ALICE)
    effects = leave(core, ALICE, now=7.0)
    assert core.room.status is RoomStatus.COMPLETED
    assert (core.room.end_reason, core.room.ended_by, core.room.ended) == (EndReason.LAST_LEFT, ALICE, 7.0)
    assert kinds(effects) == [RoomEventKind.LEFT, RoomEventKind.ENDED]
    assert Close() in effects


def test_moderator_ends_the_room_for_all() -> None:
    """3.3 and 4.2: "leave(moderator), leave(others), end"; the others' reason is moderator_ended_conference."""
    core = room()
    join(core, ALICE)
    join(core, BOB, end_on_exit=True, label="boss")
    effects = leave(core, BOB)
    assert core.room.end_reason is EndReason.MODERATOR_LEFT
    assert (core.room.ended_by, core.room.ended_by_label) == (BOB, "boss")
    assert kinds(effects) == [RoomEventKind.LEFT, RoomEventKind.LEFT, RoomEventKind.ENDED]
    assert Release(ALICE, LeaveReason.MODERATOR_ENDED) in effects
    assert Release(BOB, LeaveReason.HUNG_UP) in effects


@pytest.mark.parametrize(("end_on_exit", "expected"), [(True, EndReason.MODERATOR_REMOVED), (False, EndReason.LAST_REMOVED)])
def test_removed_legs(end_on_exit: bool, expected: EndReason) -> None:
    """3.3: removed by DELETE → last-participant-kicked, or participant-with-end-conference-on-exit-kicked."""
    core = room()
    join(core, ALICE, end_on_exit=end_on_exit)
    leave(core, ALICE, LeaveReason.REMOVED)
    assert core.room.end_reason is expected


def test_ended_by_request() -> None:
    """3.3: POST Status=completed → conference-ended-via-api, no ending call; others leave by conference_ended_via_api."""
    core = room()
    join(core, ALICE)
    join(core, BOB)
    effects = core.end(EndReason.REQUESTED, 3.0)
    assert core.room.ended_by is None
    assert Release(ALICE, LeaveReason.REQUEST_ENDED) in effects
    assert core.end(EndReason.REQUESTED, 4.0) == []


def test_full_room() -> None:
    """maxParticipants: "join beyond it → 16020"; invited members count."""
    core = room(Policy(capacity=2))
    join(core, ALICE)
    core.invite(member(BOB), Wait(), 0.0)
    with pytest.raises(Refused) as refused:
        join(core, CAROL)
    assert refused.value.reason == "full"


def test_invited_member_counts_for_start_only_when_it_is_there() -> None:
    core = room()
    core.invite(member(ALICE), Wait(), 0.0)
    join(core, BOB)
    assert core.room.status is RoomStatus.INIT
    join(core, ALICE)
    assert core.room.status is RoomStatus.IN_PROGRESS


def test_recording_begins_when_two_are_bridged() -> None:
    """record: "starts when the first two legs are bridged", once."""
    core = room(record=True)
    assert BeginRecording() not in join(core, ALICE)
    assert BeginRecording() in join(core, BOB)
    assert BeginRecording() not in join(core, CAROL)


def test_numbers_count_only_what_was_asked_for() -> None:
    """Q1: first SequenceNumber 1; events nobody subscribed to consume no numbers."""
    wanted = Subscription(Link("http://127.0.0.1/"), frozenset({RoomEventKind.LEFT, RoomEventKind.ENDED}))
    core = room(subscription=wanted)
    join(core, ALICE)
    events = [effect.event for effect in leave(core, ALICE) if isinstance(effect, Notify)]
    assert [(event.kind, event.number) for event in events] == [(RoomEventKind.LEFT, 1), (RoomEventKind.ENDED, 2)]


def test_an_hour_of_comings_and_goings_is_quick_and_leaves_nothing() -> None:
    core = room(Policy(minimum_to_start=1))
    join(core, ALICE)
    for second in range(3600):
        call = Id(f"{second:032x}")
        join(core, call, float(second))
        leave(core, call, now=second + 0.5)
    assert list(core.members) == [ALICE]
    assert core.room.size == 1


def test_age() -> None:
    """A room's greatest age is its policy's: 24 hours where the dialect says so."""
    assert room(Policy(max_age_seconds=86_400)).due() == 86_400
    assert room().due() is None


def test_a_restored_room_ends_with_numbers_that_go_on() -> None:
    """Law 4: "the restarted server … closes rooms with their end events"; SequenceNumber increases per room."""
    core = room()
    join(core, ALICE)
    join(core, BOB)
    again = RoomCore.restored(core.room, core.settings, core.members.values(), core.number)
    told = [effect.event for effect in again.end(EndReason.SERVER_RESTARTED, 9.0) if isinstance(effect, Notify)]
    assert [event.kind for event in told] == [RoomEventKind.LEFT, RoomEventKind.LEFT, RoomEventKind.ENDED]
    assert [event.number for event in told] == [core.number + 1, core.number + 2, core.number + 3]
    assert {event.member.call_status for event in told if event.member} == {CallStatus.COMPLETED}


def test_whoever_has_nothing_to_go_on_with_is_completed_when_the_room_ends() -> None:
    """3.3: "in-progress if TwiML continues, else completed"; whoever was given another document goes on with that."""
    core = room()
    join(core, ALICE, goes_on=False)
    join(core, BOB)
    join(core, CAROL, goes_on=False)
    told = {}
    for effect in (*core.leave(CAROL, LeaveReason.REDIRECTED, 5.0, CallStatus.IN_PROGRESS), *core.end(EndReason.REQUESTED, 9.0)):
        if isinstance(effect, Notify) and effect.event.kind is RoomEventKind.LEFT and effect.event.member is not None:
            told[effect.event.member.call] = effect.event.member.call_status
    assert told == {CAROL: CallStatus.IN_PROGRESS, ALICE: CallStatus.COMPLETED, BOB: CallStatus.IN_PROGRESS}


def test_the_end_on_exit_of_a_change_counts() -> None:
    """2 endConferenceOnExit: "changeable by REST"; P7: also while the leg is on hold."""
    core = room()
    join(core, ALICE)
    join(core, BOB)
    core.change(BOB, MemberChange(held=True), 1.0)
    core.change(BOB, MemberChange(end_on_exit=True), 2.0)
    leave(core, BOB)
    assert core.room.end_reason is EndReason.MODERATOR_LEFT


def test_muted_members_and_coaches_take_places_and_start_rooms() -> None:
    """Q9: "do coaches or muted legs count toward start (2 legs) and maxParticipants: yes, both"."""
    core = room(Policy(capacity=3))
    join(core, ALICE, muted=True)
    join(core, BOB, muted=True)
    assert core.room.status is RoomStatus.IN_PROGRESS
    join(core, CAROL, is_coach=True, coaching=(ALICE,))
    with pytest.raises(Refused) as refused:
        join(core, DAVE)
    assert refused.value.reason == "full"


def test_the_last_member_that_is_removed_among_others_does_not_end_the_room() -> None:
    """3.3: "The room does not end when one leg remains; it waits silently until that leg leaves"."""
    core = room()
    join(core, ALICE)
    join(core, BOB)
    effects = leave(core, BOB, LeaveReason.REMOVED)
    assert core.room.status is RoomStatus.IN_PROGRESS
    assert not any(isinstance(effect, (StartWait, StartHold)) for effect in effects)


def test_redirected_legs_end_the_room_where_their_exit_does() -> None:
    """3.4: "redirected by POST /Calls/{sid}: leaves immediately; … if it had endConferenceOnExit the room ends too"."""
    core = room()
    join(core, ALICE)
    join(core, BOB, end_on_exit=True)
    effects = leave(core, BOB, LeaveReason.REDIRECTED)
    assert core.room.end_reason is EndReason.MODERATOR_LEFT
    assert Release(ALICE, LeaveReason.MODERATOR_ENDED) in effects


def test_a_room_that_ends_when_one_is_alone_waits_for_the_start() -> None:
    """P6 "endWhenAlone": not before the conference has started."""
    core = room(Policy(end_when_alone=True))
    join(core, ALICE, start_on_enter=False)
    join(core, BOB, start_on_enter=False)
    leave(core, BOB)
    assert core.room.status is RoomStatus.INIT
    join(core, CAROL)
    assert core.room.status is RoomStatus.IN_PROGRESS
    leave(core, CAROL)
    assert core.room.end_reason is EndReason.LAST_LEFT


def test_where_a_room_is_says_the_first_who_names_it() -> None:
    """2 region: "first leg that names one wins; later ignored": one that is refused says nothing."""
    core = room(Policy(capacity=2))
    join(core, ALICE)
    for call, region in ((BOB, "ie1"), (CAROL, "de1")):
        try:
            core.join(member(call), Wait(), 0.0, wished=RoomSettings("twiml", region=region))
        except Refused:
            assert call == CAROL
    assert core.room.region == "ie1"
    core = room(Policy(capacity=1))
    join(core, ALICE)
    with pytest.raises(Refused):
        core.join(member(BOB), Wait(), 0.0, wished=RoomSettings("twiml", region="ie1"))
    assert core.room.region == ""


RECORDED = RoomSettings("cxml", record=True, trim=False)


@pytest.mark.parametrize("anybody", [True, False])
def test_who_may_ask_for_a_recording(anybody: bool) -> None:
    """cXML 1.6: "any member's `record-from-start` before start; after start, ignore"; 2 record, Q12: the first joiner's elsewhere."""
    core = room(Policy(recorded_by_any=anybody))
    join(core, ALICE)
    effects = core.join(member(BOB), Wait(), 1.0, wished=RECORDED)
    assert (BeginRecording() in effects, core.settings.record, core.settings.trim) == (anybody, anybody, not anybody)
    core = room(Policy(recorded_by_any=anybody))
    join(core, ALICE)
    join(core, BOB)
    effects = core.join(member(CAROL), Wait(), 1.0, wished=RECORDED)
    assert (BeginRecording() in effects, core.settings.record) == (False, False)


def test_a_room_that_was_opened_by_request_waits_for_the_first() -> None:
    """P5: made before anybody comes; given up when nobody does, and kept as any other as soon as somebody has."""
    core = room()
    assert kinds(core.open(0.0, 300.0)) == [RoomEventKind.CREATED]
    assert core.due() == 300.0
    assert core.expire(299.0) == []
    ended = core.expire(300.0)
    assert kinds(ended) == [RoomEventKind.ENDED]
    assert core.room.end_reason is EndReason.TOO_OLD
    assert core.due() is None
    core = room(Policy(max_age_seconds=1000.0))
    core.open(0.0, 300.0)
    assert kinds(join(core, ALICE, 5.0)) == [RoomEventKind.JOINED], "it was created already"
    assert core.due() == 1000.0
    assert core.expire(400.0) == []


def test_who_is_told_can_be_changed_while_it_goes_on() -> None:
    """P20: "change room callbacks live": the numbers of the room's events go on."""
    core = room(subscription=None)
    effects = join(core, ALICE)
    assert [effect.event.number for effect in effects if isinstance(effect, Notify)] == [None, None]
    core.subscribe(Subscription(Link("http://127.0.0.1/other"), frozenset({RoomEventKind.JOINED})))
    effects = join(core, BOB)
    assert [effect.event.number for effect in effects if isinstance(effect, Notify)] == [1, None]
    core.subscribe(None)
    effects = join(core, CAROL)
    assert [effect.event.number for effect in effects if isinstance(effect, Notify)] == [None]
