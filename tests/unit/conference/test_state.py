"""The conference core: each test quotes the rule that it holds."""

from __future__ import annotations

import pytest

from hubbub.conference.effects import (
    Audio,
    Beep,
    BeginRecording,
    Close,
    Effect,
    Notify,
    Release,
    Route,
    StartHold,
    StartWait,
    StopHold,
    StopWait,
)
from hubbub.conference.policy import Policy, RoomSettings, Subscription, Wait
from hubbub.conference.state import MemberChange, RoomCore
from hubbub.errors import Refused
from hubbub.events import (
    CallStatus,
    EndReason,
    LeaveReason,
    Link,
    MemberRecord,
    Presence,
    RoomEventKind,
    RoomRecord,
    RoomStatus,
)
from hubbub.ids import Id

ALICE, BOB, CAROL, DAVE = (Id(letter * 32) for letter in "abcd")
EVERYTHING = Subscription(Link("http://127.0.0.1/events"), frozenset(RoomEventKind))


def room(policy: Policy = Policy(), **settings: object) -> RoomCore:
    wanted = {"subscription": EVERYTHING, **settings}
    record = RoomRecord(Id("0" * 32), "dev", "twiml", "standup", RoomStatus.INIT, 0.0, 0.0)
    return RoomCore(record, RoomSettings("twiml", policy, **wanted))  # type: ignore[arg-type]


def member(call: Id, **more: object) -> MemberRecord:
    return MemberRecord(Id(call[::-1]), call, Id("0" * 32), "dev", Presence.WAITING, 0.0, 0.0, **more)  # type: ignore[arg-type]


def join(core: RoomCore, call: Id, now: float = 0.0, **more: object) -> list[Effect]:
    return core.join(member(call, **more), Wait(), now)


def leave(core: RoomCore, call: Id, reason: LeaveReason = LeaveReason.HUNG_UP, now: float = 9.0) -> list[Effect]:
    return core.leave(call, reason, now, CallStatus.COMPLETED)


def kinds(effects: list[Effect]) -> list[RoomEventKind]:
    return [effect.event.kind for effect in effects if isinstance(effect, Notify)]


def routes(effects: list[Effect]) -> dict[Id, Audio]:
    return {effect.call: effect.audio for effect in effects if isinstance(effect, Route)}


NORMAL = Audio(speak=True, hear=True)
LISTENING = Audio(speak=False, hear=True)
NOTHING = Audio(speak=False, hear=False)


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


def test_invited_member_counts_for_start_only_when_it_is_there() -> None:
    core = room()
    core.invite(member(ALICE), Wait(), 0.0)
    join(core, BOB)
    assert core.room.status is RoomStatus.INIT
    join(core, ALICE)
    assert core.room.status is RoomStatus.IN_PROGRESS


def test_early_media_lets_the_room_hear_the_callee() -> None:
    """3.1: "count a leg from early media only when EarlyMedia=true"; the leg is heard and hears nothing."""
    core = room()
    core.invite(member(ALICE), Wait(), 0.0)
    join(core, BOB)
    effects = core.early_media(ALICE, 1.0)
    assert core.room.status is RoomStatus.IN_PROGRESS
    assert routes(effects)[ALICE] == Audio(speak=True, hear=False)


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


def test_a_waiting_member_is_shown_as_it_will_be() -> None:
    """3.6 waiting: "REST still shows `muted:false`"; nobody hears it, and it hears nobody."""
    core = room()
    effects = join(core, ALICE)
    assert (core.members[ALICE].muted, core.members[ALICE].presence) == (False, Presence.WAITING)
    assert routes(effects) == {}


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
