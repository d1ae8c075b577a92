"""Rooms: the conference core bound to media, storage and events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import structlog

from hubbub.clock import Clock
from hubbub.conference import effects as do
from hubbub.conference.effects import Audio, Effect
from hubbub.conference.journal import Journal, Renderer, Written, rendered, within
from hubbub.conference.policy import Joining, RecordingOrder, RecordingWish, RoomSettings, Subscription, Wait
from hubbub.conference.recording import RATE, Capturing, Recorded, Recorder, RecordingServices
from hubbub.conference.rows import kept, member_row, room_row
from hubbub.conference.state import MemberChange, RoomCore
from hubbub.conference.tracks import SpeakerTracks
from hubbub.errors import HubbubError, Refused
from hubbub.events import (
    CallStatus,
    EndReason,
    LeaveReason,
    Link,
    MemberRecord,
    Presence,
    Problem,
    RoomEvent,
    RoomEventKind,
    RoomRecord,
    RoomStatus,
)
from hubbub.ids import Id, new_id
from hubbub.media.client import Clip, Leg, Media, Mix, Tap
from hubbub.media.tones import DTMF, beep_enter, beep_exit, dtmf
from hubbub.storage.store import Change, Put
from hubbub.tasks import spawn

log = structlog.get_logger()

OWNER = "local"
"""The owner of every room while there is one node; stable, so that a restarted server owns its own past."""
AudioKind = Literal["wait", "hold"]


class MemberHost(Protocol):
    """The call of a member, as its room sees it."""

    @property
    def leg(self) -> Leg:
        """Its audio."""

    @property
    def call_status(self) -> CallStatus:
        """How its call stands."""

    def start_audio(self, kind: AudioKind, audio: Wait) -> None:
        """Let it hear wait or hold audio."""

    def stop_audio(self, kind: AudioKind) -> None:
        """End that audio."""

    def released(self, reason: LeaveReason) -> None:
        """It is out of the room: go on with its own document."""


class Beside(Protocol):
    """What runs documents in a room's audio; verbs and dialects live above this layer."""

    def announce(self, room: Room, link: Link, call: Id | None, dialect: str, done: Callable[[str], None]) -> Id:
        """Play a document of that dialect to the room or to one member; `done` gets why it failed, or nothing."""

    def member_left(self, room: Room, call: Id) -> None:
        """End what is announced to that member alone."""

    def room_event(self, room: Room, event: RoomEvent) -> None:
        """A notice whose answer is executed in the room is due."""

    def room_closed(self, room: Room) -> None:
        """Drop what still waits to be played in it."""


@dataclass(frozen=True)
class RoomServices:
    """What every room needs."""

    media: Media
    journal: Journal
    render: Renderer
    clock: Clock
    recordings: Path
    beside: Beside


class Room:
    """One conference room that can be heard."""

    def __init__(self, core: RoomCore, services: RoomServices, closed: Callable[[Room], None], mix: Mix | None = None) -> None:
        self.core = core
        self.mix: Mix = mix or services.media.open_mix()
        self._mix_lent = mix is not None
        self.watchers: set[Callable[[RoomEvent], None]] = set()
        """Told of each event when it has been written and everybody who was released goes on."""
        self._services = services
        self._closed = closed
        self._hosts: dict[Id, MemberHost] = {}
        self._written: Written | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._settings_kept = kept(RoomSettings, core.settings)
        self._speaking: set[Id] = set()
        self._tracks: list[SpeakerTracks] = []
        self._latest: Id | None = None
        """The call that something was told of last."""
        recorded = Recorded(self.record.account, self._capture, self._witness, self.id, self.record.name, self.record.tag, self._size)
        kit = RecordingServices(services.media, services.journal, services.render, services.clock, services.recordings)
        self.recorder = Recorder(recorded, kit)
        self._watch_age()

    # -- facts -------------------------------------------------------------------------------------------------

    @property
    def id(self) -> Id:
        """Its identity."""
        return self.core.room.id

    @property
    def record(self) -> RoomRecord:
        """Its facts."""
        return self.core.room

    @property
    def settings(self) -> RoomSettings:
        """What its creator decided."""
        return self.core.settings

    @property
    def live(self) -> bool:
        """Whether it is not over."""
        return self.core.room.status is not RoomStatus.COMPLETED

    def member(self, call: Id) -> MemberRecord | None:
        """The facts about one active member."""
        return self.core.members.get(call)

    def host(self, call: Id) -> MemberHost | None:
        """The call behind a member."""
        return self._hosts.get(call)

    async def settled(self) -> None:
        """Wait until what happened is committed; StorageUnavailable when it cannot be."""
        if self._written is not None:
            await within(self._written)

    # -- inputs ------------------------------------------------------------------------------------------------

    def open(self, keep_seconds: float) -> None:
        """It was made by request: it waits so long for the first who comes."""
        self._perform(self.core.open(self._now(), keep_seconds))
        self._watch_age()

    def subscribe(self, subscription: Subscription | None) -> None:
        """Tell somebody else, or other things, from now on."""
        self.core.subscribe(subscription)
        self._settings_kept = kept(RoomSettings, self.core.settings)
        self._perform(())

    def progressed(self, call: Id, kind: RoomEventKind) -> None:
        """A call into the room rings, or was answered."""
        if self.live:
            self._perform(self.core.progressed(call, kind, self._now()))

    def invite(self, member: MemberRecord, host: MemberHost, wait: Wait, wished: RoomSettings | None = None) -> None:
        """Reserve a place for a call that is being made. Raises Refused."""
        effects = self.core.invite(member, wait, self._now(), wished)
        self._settings_kept = kept(RoomSettings, self.core.settings)
        self._hosts[member.call] = host
        self._perform(effects, touched=(member.call,))

    def join(
        self,
        member: MemberRecord,
        host: MemberHost,
        wait: Wait,
        *,
        coached_must_be_present: bool = True,
        wished: RoomSettings | None = None,
    ) -> None:
        """Bring a member in. Raises Refused."""
        effects = self.core.join(member, wait, self._now(), coached_must_be_present=coached_must_be_present, wished=wished)
        self._settings_kept = kept(RoomSettings, self.core.settings)
        self._hosts[member.call] = host
        host.leg.on_speech = lambda started: self._speech(member.call, started)
        self._perform(effects, touched=(member.call,))

    def early_media(self, call: Id) -> None:
        """Let the room hear a callee that has not answered."""
        self._perform(self.core.early_media(call, self._now()), touched=(call,))

    def leave(self, call: Id, reason: LeaveReason, call_status: CallStatus) -> None:
        """Take a member out."""
        before = self.core.members.get(call)
        self._perform(self.core.leave(call, reason, self._now(), call_status), left=(before,) if before else ())

    def change(self, call: Id, change: MemberChange) -> None:
        """Change a member. Raises Refused."""
        self._perform(self.core.change(call, change, self._now()), touched=(call,))

    def digit(self, call: Id, digit: str) -> None:
        """A member pressed a key."""
        if self.settings.policy.keys_heard and call in self._speaking and digit in DTMF:
            self._play_besides(Clip(dtmf(digit)), call)
        self._perform(self.core.digit(call, digit, self._now()))

    def end(self, reason: EndReason) -> None:
        """End the room."""
        everybody = tuple(self.core.members.values())
        self._perform(self.core.end(reason, self._now()), left=everybody)

    def announce(self, link: Link, call: Id | None = None, *, dialect: str = "") -> Id:
        """Play a document to all, or to one member only; it speaks `dialect`, or else that of the room. The announcement's identity.

        Raises Refused (ended, absent).
        """

        def done(failure: str) -> None:
            if self.live:
                self._perform(self.core.announced(call, link.url, failure, self._now()))

        return self._services.beside.announce(self, link, call, dialect or self.record.dialect, done)

    def start_recording(self, wish: RecordingWish | None, *, trim: bool, name: str = "", dialect: str = "") -> None:
        """Record the room, unless it is being recorded; whoever wishes to know is told in `dialect`, or else in that of the room."""
        if not self.recorder.active:
            self.recorder.start(RecordingOrder("room", dialect or self.record.dialect, trim=trim, wish=wish, name=name))

    def _capture(self, path: Path, order: RecordingOrder) -> tuple[Capturing, int]:
        if not order.per_speaker:
            return self._services.media.record(path, [Tap("mix", self.mix)], rate=RATE), 1
        tracks = SpeakerTracks(path, self._services.media, RATE, self._track_failed)
        self._tracks = [known for known in self._tracks if known.live] + [tracks]
        for call in self._speaking:
            self._follow(call, tracks)
        return tracks, 1

    def _follow(self, call: Id, *tracks: SpeakerTracks) -> None:
        """Let recordings of speakers know whether a member can be heard."""
        member, host = self.core.members.get(call), self._hosts.get(call)
        for each in tracks:
            if member is None or host is None:
                each.left(call)
            else:
                each.follow(call, member.label, host.leg, speaks=call in self._speaking)

    def _track_failed(self, why: str) -> None:
        services, record = self._services, self.record
        code = services.render.refusal_code(record.dialect, "recording-failed")
        services.journal.report(Problem(record.account, code, "error", why, None, record.id), self._now())

    def _size(self) -> int:
        return self.record.size

    def _witness(self) -> Id | None:
        return next((member.call for member in self.core.members.values() if member.presence is Presence.MIXED), None)

    # -- effects -----------------------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._services.clock.now()

    def _speech(self, call: Id, started: bool) -> None:
        self._perform(self.core.speech(call, started, self._now()))

    def _perform(self, effects: Sequence[Effect], touched: tuple[Id, ...] = (), left: tuple[MemberRecord, ...] = ()) -> None:
        """Do what the core says: audio first, then what must be written, then whoever is released goes on."""
        events: list[RoomEvent] = []
        released: list[tuple[MemberHost, LeaveReason]] = []
        gone: dict[Id, MemberRecord] = {}
        closing = False
        beeps: list[do.Beep] = []
        for effect in effects:
            match effect:
                case do.Route(call, audio):
                    self._route(call, audio)
                case do.StartWait(call, wait):
                    self._hosts[call].start_audio("wait", wait)
                case do.StopWait(call):
                    self._hosts[call].stop_audio("wait")
                case do.StartHold(call, audio_wish):
                    self._hosts[call].start_audio("hold", audio_wish)
                case do.StopHold(call):
                    self._hosts[call].stop_audio("hold")
                case do.Beep():
                    beeps.append(effect)
                case do.BeginRecording():
                    self.start_recording(self.settings.recording, trim=self.settings.trim)
                case do.Release(call, reason):
                    released.append((self._hosts.pop(call), reason))
                    self._services.beside.member_left(self, call)
                case do.Notify(event):
                    events.append(self._known_of(event))
                    if event.member is not None and event.member.presence is Presence.LEFT:
                        gone[event.member.call] = event.member
                case do.Close():
                    closing = True
        for beep in beeps:  # when everybody is where the mix is
            self._beep(beep)
        self._write(events, touched, self._departed(left, gone))
        if closing:
            self._close()
        for host, reason in released:
            host.released(reason)
        for event in events:
            for told in tuple(self.watchers):
                told(event)

    def _known_of(self, event: RoomEvent) -> RoomEvent:
        """An event with what the room knows beside its rules."""
        self._latest = event.call or self._witness() or self._latest
        recording = self.recorder.so_far if event.kind is RoomEventKind.ENDED else None
        return replace(event, witness=self._latest, recording=recording)

    def _departed(self, left: tuple[MemberRecord, ...], gone: dict[Id, MemberRecord]) -> list[MemberRecord]:
        now = self._now()
        silent = [replace(m, presence=Presence.LEFT, left=now, updated=now) for m in left if m.call not in gone]
        return [*gone.values(), *(m for m in silent if m.call not in self.core.members)]

    def _route(self, call: Id, audio: Audio) -> None:
        leg = self._hosts[call].leg
        leg.route(self.mix, speak=audio.speak, hear=audio.hear)
        leg.whisper([self._hosts[target].leg for target in audio.whisper if target in self._hosts])
        (self._speaking.add if audio.speak else self._speaking.discard)(call)
        self._follow(call, *self._tracks)
        if not (audio.speak or audio.hear or audio.whisper) and call not in self.core.members:
            leg.on_speech = None
            leg.route(None, speak=False, hear=False)

    def _beep(self, beep: do.Beep) -> None:
        """Heard by all others: whoever comes or goes knows it."""
        self._play_besides(Clip(beep_enter() if beep.entering else beep_exit()), beep.call)

    def _play_besides(self, sound: Clip, call: Id) -> None:
        """Let all hear it but this member."""
        host = self._hosts.get(call)
        try:
            self._services.media.play(sound, self.mix, besides=host.leg if host else None)
        except HubbubError as error:  # a short sound is not worth a member
            log.warning("sound_not_played", room=self.id, error=str(error))

    def _write(self, events: list[RoomEvent], touched: tuple[Id, ...], departed: list[MemberRecord]) -> None:
        services = self._services
        present = {event.member.call for event in events if event.member} | set(touched)
        members = [self.core.members[call] for call in present if call in self.core.members]
        row = room_row(self.record, settings=self._settings_kept, number=self.core.number)
        changes: list[Change] = [Put("rooms", self.id, {**row, **self._ownership()})]
        changes += [Put("members", member.id, member_row(member)) for member in (*members, *departed)]
        notices = [notice for event in events for notice in rendered(partial(services.render.room_notices, event, self.settings))]
        self._written = services.journal.write(changes, events, notices)
        subscription = self.settings.subscription
        if subscription is not None and subscription.replies:
            for event in events:
                if event.kind in subscription.events:
                    services.beside.room_event(self, event)

    def _ownership(self) -> dict[str, Any]:
        return {"owner": OWNER, "epoch": 1, "lease": 0.0}

    def discard(self) -> None:
        """It was opened for a join that was then refused: nobody has ever heard of it. A mix that was there before it stays."""
        self._stop_timer()
        if not self._mix_lent:
            self.mix.close()

    def _watch_age(self) -> None:
        """Look again when the room may be too old, or may have waited long enough for the first who comes."""
        self._stop_timer()
        due = self.core.due()
        self._timer = None if due is None else asyncio.get_running_loop().call_later(max(0.0, due - self._now()), self._aged)

    def _aged(self) -> None:
        self._perform(self.core.expire(self._now()), left=tuple(self.core.members.values()))
        self._watch_age()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _close(self) -> None:
        self._stop_timer()
        self._services.beside.room_closed(self)
        self._closed(self)
        log.info("room_closed", room=self.id, name=self.record.name, reason=self.record.end_reason)
        spawn(self._drain())

    async def _drain(self) -> None:
        """Finish the recording before the mix goes: its last frames are still in the ring."""
        await self.recorder.finish_all()
        self.mix.close()


def new_member(
    room: Room, call: Id, joining: Joining, coaching: tuple[Id, ...], now: float, *, is_coach: bool, goes_on: bool = True
) -> MemberRecord:
    """The record of a call that wants to join."""
    return MemberRecord(
        id=new_id(),
        call=call,
        room=room.id,
        account=room.record.account,
        presence=Presence.WAITING,
        joined=now,
        updated=now,
        label=joining.label,
        tag=joining.tag or "",
        muted=joining.muted,
        held=joining.held,
        coaching=coaching,
        is_coach=is_coach,
        start_on_enter=joining.start_on_enter,
        end_on_exit=joining.end_on_exit,
        beep_on_enter=joining.beep_on_enter,
        beep_on_exit=joining.beep_on_exit,
        created=now,
        goes_on=goes_on,
        jitter_ms=joining.jitter_ms,
    )


__all__ = ["Beside", "MemberHost", "Refused", "Room", "RoomServices", "new_member"]
