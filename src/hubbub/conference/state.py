"""The conference core: who is in a room, what each hears, when it starts and ends.

A plain object: `(state, input, now) → effects`. It owns every rule of a room and nothing else: no clock, no socket,
no audio. The shell (`room.py`) does what the effects say, in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hubbub.conference.effects import (
    SILENT,
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
from hubbub.conference.policy import RoomSettings, Subscription, Wait
from hubbub.errors import Refused
from hubbub.events import (
    CallStatus,
    EndReason,
    LeaveReason,
    MemberRecord,
    Presence,
    RoomEvent,
    RoomEventKind,
    RoomRecord,
    RoomStatus,
)
from hubbub.ids import Id

PRESENT = frozenset({Presence.WAITING, Presence.MIXED})
"""Joined and not yet gone: what the start rule, the size and a listing count."""

MODERATOR_REASONS = {LeaveReason.REMOVED: EndReason.MODERATOR_REMOVED}
"""How a room ends when a member with end-on-exit leaves; every other reason is `moderator-left`."""

LAST_REASONS = {LeaveReason.REMOVED: EndReason.LAST_REMOVED}
"""How a room ends when its last member leaves; every other reason is `last-left`."""

FOLLOWING_REASONS = {
    EndReason.MODERATOR_LEFT: LeaveReason.MODERATOR_ENDED,
    EndReason.MODERATOR_REMOVED: LeaveReason.MODERATOR_ENDED,
    EndReason.REQUESTED: LeaveReason.REQUEST_ENDED,
    EndReason.TOO_OLD: LeaveReason.REQUEST_ENDED,
    EndReason.SERVER_RESTARTED: LeaveReason.SERVER_RESTARTED,
}
"""Why the others leave when the room ends."""


@dataclass(frozen=True)
class MemberChange:
    """A request to change a member; None leaves a thing as it is."""

    muted: bool | None = None
    held: bool | None = None
    hold_audio: Wait | None = None
    beep_on_exit: bool | None = None
    end_on_exit: bool | None = None
    wait: Wait | None = None
    coaching: tuple[Id, ...] | None = None
    """The calls to coach; empty stops coaching."""
    coached_must_be_present: bool = True


class RoomCore:
    """One room. Members are addressed by their call."""

    def __init__(self, room: RoomRecord, settings: RoomSettings) -> None:
        self.room = room
        self.settings = settings
        self.members: dict[Id, MemberRecord] = {}
        self._waits: dict[Id, Wait] = {}
        self._hold_audio: dict[Id, Wait] = {}
        self._audio: dict[Id, Audio] = {}
        self._number = 0
        self._recording_begun = False
        self._created = False
        self._kept_until: float | None = None
        """Until when a room that was opened by request waits for the first who comes."""

    @property
    def number(self) -> int:
        """The number of the last event that somebody asked for."""
        return self._number

    @property
    def kept(self) -> bool:
        """Whether it was opened by request and waits for the first who comes."""
        return self._kept_until is not None

    @classmethod
    def restored(cls, room: RoomRecord, settings: RoomSettings, members: Iterable[MemberRecord], number: int) -> RoomCore:
        """A room as it was when its server died: good for one thing, to be ended."""
        core = cls(room, settings)
        core.members = {member.call: member for member in members}
        core._number, core._created = number, True
        return core

    # -- inputs ------------------------------------------------------------------------------------------------

    def open(self, now: float, keep_seconds: float) -> list[Effect]:
        """The room is made before anybody comes: it waits so long for the first."""
        effects: list[Effect] = []
        self._create_if_new(now, effects)
        if not self.members:
            self._kept_until = now + keep_seconds
        return effects

    def expire(self, now: float) -> list[Effect]:
        """End the room if it is too old, or if nobody came while it was kept."""
        due = self.due()
        return self.end(EndReason.TOO_OLD, now) if due is not None and now >= due else []

    def subscribe(self, subscription: Subscription | None) -> None:
        """Somebody else is told what happens from now on, or is told other things."""
        self.settings = replace(self.settings, subscription=subscription)

    def wish(self, wished: RoomSettings) -> None:
        """What a member wishes of the room: where it is, of the first who says so; before the start perhaps that it is recorded."""
        if wished.region and not self.room.region:
            self.room = replace(self.room, region=wished.region)
        may = self.settings.policy.recorded_by_any and self.room.status is RoomStatus.INIT
        if may and wished.record and not self.settings.record:
            self.settings = replace(self.settings, record=True, trim=wished.trim, recording=wished.recording)

    def invite(self, member: MemberRecord, wait: Wait, now: float, wished: RoomSettings | None = None) -> list[Effect]:
        """A member is called by request: its place and label are taken, nobody hears it yet."""
        self._admit(member, coached_must_be_present=True)
        self.wish(wished or self.settings)
        effects: list[Effect] = []
        self._create_if_new(now, effects)
        self._kept_until = None
        self.members[member.call] = replace(member, presence=Presence.INVITED, updated=now)
        self._waits[member.call] = wait
        return effects

    def join(
        self, member: MemberRecord, wait: Wait, now: float, *, coached_must_be_present: bool = True, wished: RoomSettings | None = None
    ) -> list[Effect]:
        """A member comes in: by its own document, or because the invited one answered; `wished` of the room by it.

        Raises Refused (full, label-taken, coach-absent, coach-held, too-many-coaches) and changes nothing.
        """
        invited = self.members.get(member.call)
        if invited is None or invited.presence not in (Presence.INVITED, Presence.EARLY):
            self._admit(member, coached_must_be_present=coached_must_be_present)
        self.wish(wished or self.settings)
        effects: list[Effect] = []
        self._create_if_new(now, effects)
        self._kept_until = None
        presence = Presence.MIXED if self.room.status is RoomStatus.IN_PROGRESS else Presence.WAITING
        self.members[member.call] = replace(member, presence=presence, joined=now, updated=now)
        self._waits[member.call] = wait
        self._resize(now)
        self._notify(RoomEventKind.JOINED, now, effects, member.call)
        if presence is Presence.MIXED:
            if member.beep_on_enter and self.settings.policy.beeps:
                effects.append(Beep(entering=True, call=member.call))
        elif not member.held and not self._may_start():
            effects.append(StartWait(member.call, wait))
        if member.held:
            effects.append(StartHold(member.call, self._hold_wish(member.call)))
        self._start_if_due(now, effects, newcomer=member.call)
        self._begin_recording_if_due(effects)
        self._rewire(effects)
        return effects

    def progressed(self, call: Id, kind: RoomEventKind, now: float) -> list[Effect]:
        """An invited member's call rings, or was answered: it has not joined yet."""
        member = self.members.get(call)
        if member is None or member.presence not in (Presence.INVITED, Presence.EARLY):
            return []
        effects: list[Effect] = []
        self._notify(kind, now, effects, call)
        return effects

    def early_media(self, call: Id, now: float) -> list[Effect]:
        """An invited member's far end sends audio before it answers, and the room asked to hear it."""
        member = self._member(call)
        if member.presence is not Presence.INVITED:
            return []
        self.members[call] = replace(member, presence=Presence.EARLY, updated=now)
        effects: list[Effect] = []
        self._start_if_due(now, effects, newcomer=call)
        self._rewire(effects)
        return effects

    def leave(self, call: Id, reason: LeaveReason, now: float, call_status: CallStatus) -> list[Effect]:
        """A member goes, for whatever reason; the room may end with it."""
        member = self.members.get(call)
        if member is None or self.room.status is RoomStatus.COMPLETED:
            return []
        effects: list[Effect] = []
        ends_room = member.end_on_exit and member.presence in PRESENT
        self._remove(call, reason, now, call_status, effects)
        remaining = [m for m in self.members.values() if m.presence is not Presence.LEFT]
        if ends_room:
            self._end(MODERATOR_REASONS.get(reason, EndReason.MODERATOR_LEFT), now, effects, member)
        elif not remaining or self._alone():
            self._end(LAST_REASONS.get(reason, EndReason.LAST_LEFT), now, effects, member)
        else:
            self._rewire(effects)
        return effects

    def end(self, reason: EndReason, now: float) -> list[Effect]:
        """Everybody leaves; the room is over."""
        if self.room.status is RoomStatus.COMPLETED:
            return []
        effects: list[Effect] = []
        self._end(reason, now, effects, None)
        return effects

    def change(self, call: Id, change: MemberChange, now: float) -> list[Effect]:
        """Change a member. Raises Refused (absent, coach-absent, coach-held, too-many-coaches) and changes nothing."""
        before = self._member(call)
        coaching = before.coaching if change.coaching is None else change.coaching
        if change.coaching:
            self._check_coaching(call, change.coaching, must_be_present=change.coached_must_be_present)
        after = replace(
            before,
            muted=before.muted if change.muted is None else change.muted,
            held=before.held if change.held is None else change.held,
            beep_on_exit=before.beep_on_exit if change.beep_on_exit is None else change.beep_on_exit,
            end_on_exit=before.end_on_exit if change.end_on_exit is None else change.end_on_exit,
            coaching=coaching,
            is_coach=bool(coaching),
        )
        effects: list[Effect] = []
        modified = self._changed_attributes(before, after)
        if change.wait is not None:
            self._waits[call] = change.wait
            modified = True
            if before.presence is Presence.WAITING and not before.held and not after.held:
                effects += [StopWait(call), StartWait(call, change.wait)]
        self._hold_effects(before, after, change.hold_audio, effects)
        if after == before and not modified:
            return effects
        self.members[call] = replace(after, updated=now)
        self._rewire(effects)
        for kind in self._change_events(before, after, modified):
            self._notify(kind, now, effects, call)
        return effects

    def speech(self, call: Id, started: bool, now: float) -> list[Effect]:
        """A member began or ceased to speak."""
        member = self.members.get(call)
        if member is None or member.presence is not Presence.MIXED or member.muted or member.held:
            return []
        effects: list[Effect] = []
        self._notify(RoomEventKind.SPEECH_STARTED if started else RoomEventKind.SPEECH_STOPPED, now, effects, call)
        return effects

    def digit(self, call: Id, digit: str, now: float) -> list[Effect]:
        """A member pressed a key."""
        member = self.members.get(call)
        if member is None or member.presence not in PRESENT:
            return []
        effects: list[Effect] = []
        self._notify(RoomEventKind.DIGIT, now, effects, call, detail=digit)
        return effects

    def announced(self, call: Id | None, url: str, failure: str, now: float) -> list[Effect]:
        """An announcement to the room, or to one member, ended or failed."""
        effects: list[Effect] = []
        kind = RoomEventKind.ANNOUNCEMENT_FAILED if failure else RoomEventKind.ANNOUNCEMENT_ENDED
        self._notify(kind, now, effects, call, url=url, detail=failure)
        return effects

    def due(self) -> float | None:
        """When the room becomes too old, or is given up because nobody came, if it can be."""
        if self.room.status is RoomStatus.COMPLETED:
            return None
        age = self.settings.policy.max_age_seconds
        ends = (self._kept_until, None if age is None else self.room.created + age)
        return min((end for end in ends if end is not None), default=None)

    # -- rules -------------------------------------------------------------------------------------------------

    def find(self, key: str) -> MemberRecord | None:
        """The active member with this label."""
        return next((m for m in self._active() if m.label and m.label == key), None)

    def _active(self) -> Iterable[MemberRecord]:
        return (m for m in self.members.values() if m.presence is not Presence.LEFT)

    def _member(self, call: Id) -> MemberRecord:
        member = self.members.get(call)
        if member is None or member.presence is Presence.LEFT:
            raise Refused("absent", "this call is not in the conference")
        return member

    def _admit(self, member: MemberRecord, *, coached_must_be_present: bool) -> None:
        if self.room.status is RoomStatus.COMPLETED:
            raise Refused("ended", "the conference has ended")
        if member.call in self.members and self.members[member.call].presence is not Presence.LEFT:
            raise Refused("already-in", "this call is in the conference already")
        if member.label and self.find(member.label) is not None:
            raise Refused("label-taken", f"the label {member.label!r} is used by another active participant")
        if len(list(self._active())) >= self.settings.policy.capacity:
            raise Refused("full", f"the conference is full ({self.settings.policy.capacity} participants)")
        if member.is_coach:
            self._check_coaching(member.call, member.coaching, must_be_present=coached_must_be_present)

    def _check_coaching(self, coach: Id, targets: Iterable[Id], *, must_be_present: bool) -> None:
        limit = self.settings.policy.coach_limit
        coaches = [m for m in self._active() if m.is_coach and m.call != coach]
        if limit is not None and len(coaches) >= limit:
            raise Refused("too-many-coaches", "another participant coaches already")
        for target in targets if must_be_present else ():
            coached = self.members.get(target)
            if self.room.status is not RoomStatus.IN_PROGRESS:
                raise Refused("coach-too-early", "nobody can be coached before the conference has started")
            if target == coach or coached is None or coached.presence is not Presence.MIXED:
                raise Refused("coach-absent", "the participant to be coached is not in the conference")
            if coached.held:
                raise Refused("coach-held", "the participant to be coached is on hold")

    def _alone(self) -> bool:
        """Whether the room is to end because of who is left."""
        started = self.room.status is RoomStatus.IN_PROGRESS
        return self.settings.policy.end_when_alone and started and len(list(self._active())) == 1

    def _may_start(self) -> bool:
        present = [m for m in self._active() if m.presence in PRESENT or m.presence is Presence.EARLY]
        return len(present) >= self.settings.policy.minimum_to_start and any(m.start_on_enter for m in present)

    def _audible(self, member: MemberRecord) -> Audio:
        """The audio matrix: what a member sends and hears (the coach's words go to those it coaches only)."""
        if member.presence is Presence.EARLY:
            return Audio(speak=not member.muted, hear=False)
        if member.presence is not Presence.MIXED or member.held:
            return SILENT
        if member.is_coach:
            heard_by = frozenset() if member.muted else frozenset(c for c in member.coaching if self._hears_coach(c))
            return Audio(speak=False, hear=True, whisper=heard_by)
        return Audio(speak=not member.muted, hear=True)

    def _hears_coach(self, call: Id) -> bool:
        member = self.members.get(call)
        return member is not None and member.presence is Presence.MIXED and not member.held

    # -- consequences ------------------------------------------------------------------------------------------

    def _create_if_new(self, now: float, effects: list[Effect]) -> None:
        if not self._created:
            self._created = True
            self._notify(RoomEventKind.CREATED, now, effects)

    def _start_if_due(self, now: float, effects: list[Effect], newcomer: Id) -> None:
        if self.room.status is not RoomStatus.INIT or not self._may_start():
            return
        self.room = replace(self.room, status=RoomStatus.IN_PROGRESS, started=now, updated=now)
        for call, member in self.members.items():
            if member.presence is Presence.WAITING:
                self.members[call] = replace(member, presence=Presence.MIXED, updated=now)
                if call != newcomer:
                    effects.append(StopWait(call))
        self._notify(RoomEventKind.STARTED, now, effects)

    def _begin_recording_if_due(self, effects: list[Effect]) -> None:
        mixed = sum(1 for m in self._active() if m.presence is Presence.MIXED)
        if self.settings.record and not self._recording_begun and mixed >= min(2, self.settings.policy.minimum_to_start):
            self._recording_begun = True
            effects.append(BeginRecording())

    def _remove(self, call: Id, reason: LeaveReason, now: float, call_status: CallStatus, effects: list[Effect]) -> None:
        """Take a member out. One that was invited and never came leaves too: whoever watches the room learns that nobody comes."""
        member = self.members[call]
        came = member.presence in PRESENT
        if not came:
            reason, call_status = LeaveReason.ADD_FAILED, call_status if call_status.final else CallStatus.CANCELED
        if call_status is CallStatus.IN_PROGRESS and not member.goes_on and reason is not LeaveReason.REDIRECTED:
            call_status = CallStatus.COMPLETED  # nothing follows: it is hung up
        if member.presence is Presence.WAITING:
            effects.append(StopWait(call))
        if member.held:
            effects.append(StopHold(call))
        self._audio.pop(call, None)
        effects.append(Route(call, SILENT))
        self.members[call] = replace(member, presence=Presence.LEFT, left=now, updated=now, leave_reason=reason, call_status=call_status)
        self._waits.pop(call, None)
        self._hold_audio.pop(call, None)
        self._resize(now)
        if member.presence is Presence.MIXED and member.beep_on_exit and self.settings.policy.beeps:
            effects.append(Beep(entering=False, call=call))
        self._notify(RoomEventKind.LEFT, now, effects, call)
        effects.append(Release(call, reason))
        del self.members[call]

    def _end(self, reason: EndReason, now: float, effects: list[Effect], by: MemberRecord | None) -> None:
        following = FOLLOWING_REASONS.get(reason, LeaveReason.MODERATOR_ENDED)
        status = CallStatus.COMPLETED if reason is EndReason.SERVER_RESTARTED else CallStatus.IN_PROGRESS
        for member in list(self._active()):
            self._remove(member.call, following, now, status, effects)
        self.room = replace(
            self.room,
            status=RoomStatus.COMPLETED,
            ended=now,
            updated=now,
            end_reason=reason,
            ended_by=by.call if by else None,
            ended_by_label=by.label if by else "",
        )
        self._notify(RoomEventKind.ENDED, now, effects)
        effects.append(Close())

    def _hold_effects(self, before: MemberRecord, after: MemberRecord, wish: Wait | None, effects: list[Effect]) -> None:
        """Hold audio replaces wait audio, and gives way to it again where the room still waits."""
        call, waiting, present = after.call, after.presence is Presence.WAITING, after.presence in PRESENT
        renewed = wish is not None and wish != self._hold_audio.get(call)
        if wish is not None:
            self._hold_audio[call] = wish
        if after.held and present and (not before.held or renewed):
            if waiting and not before.held:
                effects.append(StopWait(call))
            effects.append(StartHold(call, self._hold_wish(call)))
        if before.held and not after.held:
            self._hold_audio.pop(call, None)
            if present:
                effects.append(StopHold(call))
            if waiting:
                effects.append(StartWait(call, self._waits[call]))

    def _hold_wish(self, call: Id) -> Wait:
        return self._hold_audio.get(call, Wait(silent=not self.settings.policy.wait_music))

    @staticmethod
    def _changed_attributes(before: MemberRecord, after: MemberRecord) -> bool:
        names = ("beep_on_exit", "end_on_exit", "coaching", "is_coach")
        return any(getattr(before, name) != getattr(after, name) for name in names)

    @staticmethod
    def _change_events(before: MemberRecord, after: MemberRecord, modified: bool) -> Iterable[RoomEventKind]:
        if after.muted != before.muted:
            yield RoomEventKind.MUTED if after.muted else RoomEventKind.UNMUTED
        if after.held != before.held:
            yield RoomEventKind.HELD if after.held else RoomEventKind.UNHELD
        if modified:
            yield RoomEventKind.MODIFIED

    def _resize(self, now: float) -> None:
        size = sum(1 for m in self._active() if m.presence in PRESENT)
        self.room = replace(self.room, size=size, updated=now)

    def _rewire(self, effects: list[Effect]) -> None:
        """Say what changed in the matrix, and only that."""
        for member in self._active():
            audio = self._audible(member)
            if self._audio.get(member.call, SILENT) != audio:
                self._audio[member.call] = audio
                effects.append(Route(member.call, audio))

    def _notify(
        self, kind: RoomEventKind, now: float, effects: list[Effect], call: Id | None = None, *, url: str = "", detail: str = ""
    ) -> None:
        subscription = self.settings.subscription
        number = None
        if subscription is not None and kind in subscription.events:
            self._number += 1
            number = self._number
        member = self.members.get(call) if call is not None else None
        effects.append(Notify(RoomEvent(kind, self.room, now, member, number, url, detail, call)))
