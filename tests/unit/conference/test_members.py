"""Members in the conference core: what each hears, who is coached, what a change tells, how one leaves. Tests quote their rules."""

from __future__ import annotations

import pytest
from tests.support.core import ALICE, BOB, CAROL, DAVE, NORMAL, join, kinds, leave, member, room, routes

from hubbub.conference.effects import Audio, Beep, Effect, Notify, Release, StartHold, StartWait, StopHold, StopWait
from hubbub.conference.policy import Policy, Wait
from hubbub.conference.state import MemberChange, RoomCore
from hubbub.errors import Refused
from hubbub.events import CallStatus, EndReason, LeaveReason, Link, Presence, RoomEventKind, RoomStatus
from hubbub.ids import Id

LISTENING = Audio(speak=False, hear=True)
NOTHING = Audio(speak=False, hear=False)


def test_beeps() -> None:
    """Q13: beeps "others only; none before start"."""
    core = room()
    assert not any(isinstance(effect, Beep) for effect in join(core, ALICE) + join(core, BOB))
    assert Beep(entering=True, call=CAROL) in join(core, CAROL)
    assert not any(isinstance(effect, Beep) for effect in join(core, DAVE, beep_on_enter=False))
    assert Beep(entering=False, call=CAROL) in leave(core, CAROL)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, NORMAL),
        ({"muted": True}, LISTENING),
        ({"held": True}, NOTHING),
        ({"muted": True, "held": True}, NOTHING),
        ({"is_coach": True, "coaching": (BOB,)}, Audio(False, True, frozenset({BOB}))),
        ({"is_coach": True, "coaching": (BOB,), "muted": True}, LISTENING),
    ],
)
def test_audio_matrix(flags: dict[str, object], expected: Audio) -> None:
    """3.6, row by row: normal, muted, on hold, muted + held, coaching, coaching + muted."""
    core = room()
    join(core, ALICE)
    join(core, BOB)
    effects = join(core, CAROL, **flags)
    assert routes(effects).get(CAROL, NOTHING) == expected


def test_barge() -> None:
    """3.6: "coach after Coaching=false: hears mix, heard by all"; `modify` fires."""
    core = room()
    join(core, ALICE)
    join(core, BOB)
    join(core, CAROL, is_coach=True, coaching=(BOB,))
    effects = core.change(CAROL, MemberChange(coaching=()), 1.0)
    assert routes(effects) == {CAROL: NORMAL}
    assert kinds(effects) == [RoomEventKind.MODIFIED]


def test_coach_is_retargeted_live() -> None:
    """3.6: "Coach target can be changed live by CallSidToCoach"."""
    core = room()
    join(core, ALICE)
    join(core, BOB)
    join(core, CAROL, is_coach=True, coaching=(BOB,))
    effects = core.change(CAROL, MemberChange(coaching=(ALICE,)), 1.0)
    assert routes(effects) == {CAROL: Audio(False, True, frozenset({ALICE}))}


def test_coach_falls_silent_when_its_target_leaves() -> None:
    core = room()
    join(core, ALICE)
    join(core, BOB)
    join(core, CAROL, is_coach=True, coaching=(BOB,))
    assert routes(leave(core, BOB))[CAROL] == LISTENING


@pytest.mark.parametrize(("target", "reason"), [(DAVE, "coach-absent"), (BOB, "coach-held")], ids=["13240 unknown", "16027 on hold"])
def test_coach_refused(target: Id, reason: str) -> None:
    core = room()
    join(core, ALICE)
    join(core, BOB, held=True)
    with pytest.raises(Refused) as refused:
        join(core, CAROL, is_coach=True, coaching=(target,))
    assert refused.value.reason == reason
    assert CAROL not in core.members


def test_coached_calls_need_not_be_present_where_the_dialect_says_so() -> None:
    """ "Coached calls need not be present at the time; the link becomes live when they join.\""""
    core = room(Policy(minimum_to_start=1, coach_limit=1))
    join(core, ALICE)
    core.join(member(CAROL, is_coach=True, coaching=(BOB,)), Wait(), 0.0, coached_must_be_present=False)
    effects = join(core, BOB)
    assert routes(effects)[CAROL] == Audio(False, True, frozenset({BOB}))


def test_one_coach_at_a_time() -> None:
    """ "At most one coach per room at any time", where the policy says so."""
    core = room(Policy(minimum_to_start=1, coach_limit=1))
    join(core, ALICE)
    join(core, BOB, is_coach=True, coaching=(ALICE,))
    with pytest.raises(Refused, match="coaches already"):
        join(core, CAROL, is_coach=True, coaching=(ALICE,))


def test_mute_and_hold_are_independent() -> None:
    """3.6: "muted + held: flags independent; unhold leaves muted as it was"."""
    core = room()
    join(core, ALICE)
    join(core, BOB, muted=True)
    effects = core.change(BOB, MemberChange(held=True, hold_audio=Wait(Link("http://127.0.0.1/hold", "GET"))), 1.0)
    assert StartHold(BOB, Wait(Link("http://127.0.0.1/hold", "GET"))) in effects
    assert kinds(effects) == [RoomEventKind.HELD]
    effects = core.change(BOB, MemberChange(held=False), 2.0)
    assert StopHold(BOB) in effects
    assert routes(effects) == {BOB: LISTENING}
    assert kinds(effects) == [RoomEventKind.UNHELD]


def test_a_change_that_changes_nothing_is_silent() -> None:
    """Q14: "events for no-op updates: none"."""
    core = room()
    join(core, ALICE)
    assert core.change(ALICE, MemberChange(muted=False, held=False, end_on_exit=False), 1.0) == []


def test_labels_are_unique_among_active_members() -> None:
    """16025: "label already used by an active participant: not joined"; a label is free again after its member left."""
    core = room()
    join(core, ALICE, label="agent")
    with pytest.raises(Refused) as refused:
        join(core, BOB, label="agent")
    assert refused.value.reason == "label-taken"
    join(core, CAROL)
    leave(core, ALICE)
    join(core, BOB, label="agent")
    found = core.find("agent")
    assert found is not None
    assert found.call == BOB


def test_failed_invitation_leaves_without_having_joined() -> None:
    """participant_add_failed: a leg that never connected; a room of invitations only ends with the last of them."""
    core = room()
    core.invite(member(ALICE), Wait(), 0.0)
    effects = core.leave(ALICE, LeaveReason.ADD_FAILED, 3.0, CallStatus.BUSY)
    assert kinds(effects) == [RoomEventKind.LEFT, RoomEventKind.ENDED]
    left = next(e.event.member for e in effects if isinstance(e, Notify) and e.event.kind is RoomEventKind.LEFT)
    assert left is not None
    assert (left.leave_reason, left.call_status) == (LeaveReason.ADD_FAILED, CallStatus.BUSY)


def test_early_media_lets_the_room_hear_the_callee() -> None:
    """3.1: "count a leg from early media only when EarlyMedia=true"; the leg is heard and hears nothing."""
    core = room()
    core.invite(member(ALICE), Wait(), 0.0)
    join(core, BOB)
    effects = core.early_media(ALICE, 1.0)
    assert core.room.status is RoomStatus.IN_PROGRESS
    assert routes(effects)[ALICE] == Audio(speak=True, hear=False)


def test_wait_audio_can_be_replaced_while_waiting() -> None:
    """WaitUrl update "fires participant-modify" and restarts the wait audio of a waiting leg."""
    core = room()
    join(core, ALICE)
    other = Wait(Link("http://127.0.0.1/other"))
    effects = core.change(ALICE, MemberChange(wait=other), 1.0)
    assert effects[:2] == [StopWait(ALICE), StartWait(ALICE, other)]
    assert kinds(effects) == [RoomEventKind.MODIFIED]


def test_speech_of_silenced_members_is_not_told() -> None:
    core = room()
    join(core, ALICE)
    join(core, BOB, muted=True)
    assert kinds(core.speech(ALICE, True, 1.0)) == [RoomEventKind.SPEECH_STARTED]
    assert core.speech(BOB, True, 1.0) == []


def invited(core: RoomCore, call: Id, **more: object) -> list[Effect]:
    return core.invite(member(call, **more), Wait(), 0.0)


def left_events(effects: list[Effect]) -> dict[Id | None, tuple[LeaveReason | None, CallStatus | None]]:
    found = {}
    for effect in effects:
        if isinstance(effect, Notify) and effect.event.kind is RoomEventKind.LEFT and effect.event.member is not None:
            found[effect.event.call] = (effect.event.member.leave_reason, effect.event.member.call_status)
    return found


@pytest.mark.parametrize("how", ["room ended", "removed"])
def test_an_invitation_that_is_taken_back_is_told_as_never_connected(how: str) -> None:
    """participant_add_failed: "REST-added leg never connected: no-answer, busy, failed, canceled"; its call is let go."""
    core = room()
    join(core, ALICE)
    invited(core, BOB)
    removed = (BOB, LeaveReason.REMOVED, 1.0, CallStatus.RINGING)
    effects = core.end(EndReason.REQUESTED, 1.0) if how == "room ended" else core.leave(*removed)
    assert left_events(effects)[BOB] == (LeaveReason.ADD_FAILED, CallStatus.CANCELED)
    assert Release(BOB, LeaveReason.ADD_FAILED) in effects


def test_nobody_is_coached_before_the_start() -> None:
    """13240: "coach SID unknown or not in the in-progress room"; 16001: "coaching participant created before anyone is in"."""
    core = room()
    join(core, ALICE)
    for attempt in (
        lambda: join(core, BOB, is_coach=True, coaching=(ALICE,)),
        lambda: invited(core, BOB, is_coach=True, coaching=(ALICE,)),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.reason == "coach-too-early"


def test_nobody_coaches_itself() -> None:
    """coach: "this leg is heard only by that leg": itself is none."""
    core = room()
    join(core, ALICE)
    join(core, BOB)
    with pytest.raises(Refused) as refused:
        core.change(BOB, MemberChange(coaching=(BOB,)), 1.0)
    assert refused.value.reason == "coach-absent"
    assert not core.members[BOB].is_coach


def test_hold_audio_replaces_wait_audio() -> None:
    """on hold: "only hold audio"; unhold before the start: the wait audio again."""
    core = room()
    join(core, ALICE)
    held = core.change(ALICE, MemberChange(held=True), 1.0)
    assert held.index(StopWait(ALICE)) < held.index(StartHold(ALICE, Wait()))
    back = core.change(ALICE, MemberChange(held=False), 2.0)
    assert back.index(StopHold(ALICE)) < back.index(StartWait(ALICE, Wait()))


def test_new_hold_audio_is_heard_at_once_and_is_no_event() -> None:
    """HoldUrl on a leg that is held: its audio changes; "no-op update (same value): no event"."""
    core = room()
    join(core, ALICE)
    join(core, BOB)
    core.change(BOB, MemberChange(held=True), 1.0)
    music = Wait(Link("http://127.0.0.1/music"))
    assert core.change(BOB, MemberChange(held=True, hold_audio=music), 2.0) == [StartHold(BOB, music)]
    assert core.change(BOB, MemberChange(held=True, hold_audio=music), 3.0) == []


def test_an_announcement_names_its_call_also_when_that_has_left() -> None:
    """announcement events: CallSid for a participant announcement, flags only "if still present"."""
    core = room()
    join(core, ALICE)
    join(core, BOB)
    leave(core, BOB)
    (effect,) = core.announced(BOB, "http://127.0.0.1/a", "", 1.0)
    assert isinstance(effect, Notify)
    assert (effect.event.call, effect.event.member) == (BOB, None)


@pytest.mark.parametrize("change", [MemberChange(beep_on_exit=False), MemberChange(end_on_exit=True)])
def test_what_modifies_a_member_is_told_as_that(change: MemberChange) -> None:
    """4.1: "`modify` fires for BeepOnExit, EndConferenceOnExit, Coaching/CallSidToCoach, WaitUrl"; the same again is none (Q14)."""
    core = room()
    join(core, ALICE)
    join(core, BOB)
    assert kinds(core.change(BOB, change, 1.0)) == [RoomEventKind.MODIFIED]
    assert core.change(BOB, change, 2.0) == []


def test_beep_on_exit_can_be_changed() -> None:
    """2 beep: "REST can only change the exit part (`BeepOnExit`)"."""
    core = room()
    for call in (ALICE, BOB, CAROL):
        join(core, call)
    core.change(CAROL, MemberChange(beep_on_exit=False), 1.0)
    assert not any(isinstance(effect, Beep) for effect in leave(core, CAROL))


def test_a_waiting_member_is_shown_as_it_will_be() -> None:
    """3.6 waiting: "REST still shows `muted:false`"; nobody hears it, and it hears nobody."""
    core = room()
    effects = join(core, ALICE)
    assert (core.members[ALICE].muted, core.members[ALICE].presence) == (False, Presence.WAITING)
    assert routes(effects) == {}


def test_whoever_is_not_there_does_nothing() -> None:
    """A late leave, key or change of who has gone, or of a room that is over, is nothing: no event twice."""
    core = room()
    join(core, ALICE)
    join(core, BOB)
    assert leave(core, DAVE) == []
    leave(core, BOB)
    assert leave(core, BOB) == []
    assert core.digit(BOB, "1", 3.0) == []
    assert core.speech(BOB, True, 3.0) == []
    with pytest.raises(Refused) as refused:
        core.change(BOB, MemberChange(muted=True), 3.0)
    assert refused.value.reason == "absent"
    core.end(EndReason.REQUESTED, 4.0)
    assert (leave(core, ALICE), core.digit(ALICE, "1", 5.0)) == ([], [])


def test_keys_of_an_invited_callee_are_none_of_the_rooms() -> None:
    core = room()
    invited(core, ALICE)
    assert core.digit(ALICE, "1", 1.0) == []


def test_nobody_joins_twice() -> None:
    """16099: "room in an unexpected state for the operation"; whoever has left may come again."""
    core = room()
    join(core, ALICE)
    join(core, BOB)
    with pytest.raises(Refused) as refused:
        join(core, BOB)
    assert refused.value.reason == "already-in"
    leave(core, BOB)
    join(core, BOB)


def test_audio_of_whoever_leaves_ends() -> None:
    """Wait audio of one that waits, hold audio of one that is held: nothing else."""
    core = room()
    join(core, ALICE)
    assert StopWait(ALICE) in leave(core, ALICE)
    core = room()
    join(core, ALICE)
    join(core, BOB)
    core.change(BOB, MemberChange(held=True), 1.0)
    effects = leave(core, BOB)
    assert StopHold(BOB) in effects
    assert StopWait(BOB) not in effects


def test_other_wait_audio_does_not_end_a_hold() -> None:
    """WaitUrl of one that is held before the start: heard when it is taken back."""
    core = room()
    join(core, ALICE)
    core.change(ALICE, MemberChange(held=True), 1.0)
    other = Wait(Link("http://127.0.0.1/other"))
    assert not any(isinstance(effect, (StopWait, StartWait)) for effect in core.change(ALICE, MemberChange(wait=other), 2.0))
    assert StartWait(ALICE, other) in core.change(ALICE, MemberChange(held=False), 3.0)


def test_ringing_and_answering_are_told_of_those_who_are_called() -> None:
    """P9: "separate `participant-ringing` / `participant-answered` events"; of one that has joined, or left, nothing is told."""
    core = room()
    core.invite(member(ALICE), Wait(), 0.0)
    assert kinds(core.progressed(ALICE, RoomEventKind.RINGING, 1.0)) == [RoomEventKind.RINGING]
    core.early_media(ALICE, 2.0)
    assert kinds(core.progressed(ALICE, RoomEventKind.ANSWERED, 3.0)) == [RoomEventKind.ANSWERED]
    join(core, ALICE, 3.0)
    assert core.progressed(ALICE, RoomEventKind.RINGING, 4.0) == []
    assert core.progressed(BOB, RoomEventKind.RINGING, 4.0) == []
