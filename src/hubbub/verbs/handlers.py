"""What each verb does on a call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hubbub.conference.journal import rendered
from hubbub.conference.room import Room, new_member
from hubbub.conference.state import PRESENT
from hubbub.errors import HubbubError, Refused, ResourceExhausted
from hubbub.events import ActionEvent, CallRecord, LeaveReason, Presence, RecordingStatus
from hubbub.ids import Id
from hubbub.media.client import RATE
from hubbub.verbs import (
    bridging,
    connect,
    detection,
    functions,
    gather,
    record,
    recordings,
    refer,
    request,
    streams,
    taps,
    transcribing,
    waiting,
)
from hubbub.verbs.capture import (
    CloseStream,
    OpenStream,
    PauseRecording,
    Record,
    ResumeRecording,
    StartRecording,
    StopRecording,
    TapLeg,
)
from hubbub.verbs.hearing import StartTranscription, StopTranscription
from hubbub.verbs.held import HoldForFunctions
from hubbub.verbs.model import (
    Answer,
    BridgeTo,
    Connect,
    Detect,
    Echo,
    Followed,
    Gather,
    Hangup,
    JoinRoom,
    LeaveLine,
    Pause,
    PlayAudio,
    PlayBeside,
    Playlist,
    PlayTone,
    Redirect,
    Refer,
    Reject,
    SendDigits,
    SendRequest,
    Speak,
    Stage,
    SuppressNoise,
    Tag,
    TakeFromLine,
    Tell,
    UnwatchKeys,
    WaitInLine,
    WatchKeys,
)
from hubbub.verbs.program import Outcome, Verb
from hubbub.verbs.wire import ROUND, Ear, Mouth, tapped_leg

if TYPE_CHECKING:
    from hubbub.verbs.services import VerbServices
    from hubbub.verbs.session import Session
    from hubbub.verbs.sound import Sound


class CallShell:
    """The stage of a call."""

    def __init__(
        self, session: Session, services: VerbServices, stage: Stage = Stage.CALL, on_leave: Callable[[], None] | None = None
    ) -> None:
        self.stage = stage
        self.on_leave = on_leave
        """What LeaveLine does here."""
        self.session = session
        self.services = services
        self.interrupted: Outcome | None = None
        """How far the verb had come when the call ended or another document took over."""

    @property
    def call(self) -> CallRecord:
        """The facts about the call."""
        return self.session.call.record

    async def perform(self, verb: Verb) -> Outcome:
        """Do a verb to its end."""
        self.interrupted = None
        answering = type(verb) in self.session.dialect.answering and getattr(verb, "answers", True)
        if answering:
            self.session.call.answer()
        if self.session.call.over or (answering and not self.session.call.answered):
            await _over()
        followed: Followed | None = getattr(verb, "followed", None) if type(verb) not in TELL_THEMSELVES else None
        try:
            if followed is not None:
                self.tell(followed, "began")
            outcome = await HANDLERS[type(verb)](self, verb)
            if followed is not None:
                self.tell(followed, "failed" if outcome.kind == "failed" else "ended", reason=outcome.reason, **outcome.details)
            return outcome
        except (HubbubError, OSError, ValueError) as error:
            self.session.report(self.session.dialect.refusal_code("verb-failed"), str(error), level="error", line=verb.at.line)
            if followed is not None:
                self.tell(followed, "failed", reason=str(error))
            return Outcome("failed", str(error))

    def tell(self, followed: Followed, state: str, **details: Any) -> None:
        """Tell whoever follows a verb how it stands."""
        services, record = self.services, self.session.record
        event = ActionEvent(followed.action, state, record, services.clock.now(), followed.name, details)
        services.journal.write([], [event], rendered(lambda: services.render.action_notices(event, followed.link, followed.dialect)))


async def _answer(shell: CallShell, verb: Answer) -> Outcome:
    shell.session.call.limit(None, verb.limit_seconds)
    return Outcome()


async def _hangup(shell: CallShell, verb: Hangup) -> Outcome:
    call = shell.session.call
    if not call.answered and call.record.direction == "inbound":
        call.reject("busy" if verb.reason == "busy" else "declined")
    else:
        call.hangup()
    return await _over()


async def _reject(shell: CallShell, verb: Reject) -> Outcome:
    shell.session.call.reject(verb.reason)
    return await _over()


async def _over() -> Outcome:
    """The call is ending: nothing follows, the session is about to cancel this task."""
    ending: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    return await ending


async def _sound(shell: CallShell, verb: Verb) -> Outcome:
    session = shell.session
    if not session.call.answered and isinstance(verb, PlayTone):  # it rings as it is
        await asyncio.sleep(verb.seconds)
        return Outcome()
    outcome = await shell.services.sound(session.leg, session.record.account, session.dialect).perform(verb)
    if outcome.kind == "failed":
        session.report(session.dialect.refusal_code("audio"), outcome.reason, level="error", line=verb.at.line)
        if session.dialect.audio_failure_ends:
            session.call.fail("unsupported", outcome.reason)
            session.call.hangup()
            return await _over()
    return outcome


async def _play_beside(shell: CallShell, verb: PlayBeside) -> Outcome:
    """In the background: it ends with the call, or with the next."""
    session = shell.session
    sound = shell.services.sound(session.leg, session.record.account, session.dialect)
    session.beside("background", None if verb.link is None else _heard_beside(session, sound, PlayAudio(link=verb.link)))
    return Outcome()


async def _heard_beside(session: Session, sound: Sound, verb: PlayAudio) -> None:
    outcome = await sound.perform(verb)
    if outcome.kind == "failed":
        session.report(session.dialect.refusal_code("audio"), outcome.reason, level="error")


async def _echo(shell: CallShell, verb: Echo) -> Outcome:
    """Alone in a mix it hears nothing of itself: what it says goes out to a file in memory, and comes back from there."""
    leg, media = shell.session.leg, shell.services.media
    ear = Ear(media, tapped_leg(leg, ("inbound",)), RATE)
    mouth = Mouth(media, leg, lambda _message: None)
    try:
        async with asyncio.timeout(verb.seconds):
            while True:
                for _, pcm in ear.read():
                    await mouth.say(len(pcm) / RATE, pcm)
                await asyncio.sleep(ROUND)
    except TimeoutError:
        return Outcome()
    finally:
        mouth.close()
        await ear.close()


async def _send_digits(shell: CallShell, verb: SendDigits) -> Outcome:
    seconds = shell.session.leg.send_digits(verb.digits, tone_ms=verb.tone_ms, gap_ms=verb.gap_ms)
    await asyncio.sleep(seconds)
    return Outcome()


async def _send_request(shell: CallShell, verb: SendRequest) -> Outcome:
    outcome = await request.perform(shell.services, verb)
    if outcome.kind == "failed":
        shell.session.report(shell.session.dialect.refusal_code("verb-failed"), outcome.reason, line=verb.at.line)
    return outcome


async def _tell(shell: CallShell, verb: Tell) -> Outcome:
    shell.services.hub.tell(shell.session.call, "message", "sent", shell.services.clock.now(), event=verb.event)
    return Outcome()


async def _redirect(shell: CallShell, verb: Redirect) -> Outcome:
    return Outcome()


async def _tag(shell: CallShell, verb: Tag) -> Outcome:
    shell.session.call.set_tag(verb.tag)
    return Outcome()


async def _suppress_noise(shell: CallShell, verb: SuppressNoise) -> Outcome:
    shell.session.leg.suppress_noise(verb.on)
    return Outcome(details={"on": verb.on})


async def _watch_keys(shell: CallShell, verb: WatchKeys) -> Outcome:
    shell.session.call.watch_keys(verb.link)
    return Outcome()


async def _unwatch_keys(shell: CallShell, verb: UnwatchKeys) -> Outcome:
    shell.session.call.watch_keys(None)
    return Outcome()


async def _join_room(shell: CallShell, verb: JoinRoom) -> Outcome:
    session = shell.session
    if verb.joining.tag is not None:
        session.call.set_tag(verb.joining.tag)
    try:
        room = enter_room(session, verb, shell.services)
    except Refused as refusal:
        if not verb.refused:  # else its document has said so
            code = session.dialect.refusal_code(refusal.reason)
            session.report(code, str(refusal), level="error", line=verb.at.line)
        return Outcome("refused", refusal.reason)
    left: asyncio.Future[LeaveReason] = asyncio.get_running_loop().create_future()
    session.released_by = left
    if verb.stream is not None:
        shell.services.beside.streams.begin(room, verb.stream, session.record, session.dialect)
    details: dict[str, Any] = {"room": room.record}
    recorded = session.call.recorder.start(verb.recording) if verb.recording is not None else None
    if recorded is not None and recorded.status is not RecordingStatus.FAILED:
        details["recording"] = recorded
    timer = _leave_later(room, session, verb)
    deaf = session.call.hear_keys(room_keys(room, session, leave_on_star=verb.leave_on_star))
    try:
        reason = await left
    except asyncio.CancelledError:
        shell.interrupted = Outcome("left", LeaveReason.REDIRECTED.value, details)
        if session.room is not None:
            session.room.leave(session.call.id, LeaveReason.REDIRECTED, session.call.status)
        raise
    finally:
        session.released_by = None
        session.leg.jitter("adaptive")  # how long packets wait was the room's word
        deaf()
        if recorded is not None:
            session.call.recorder.end(recorded.id)
        if timer is not None:
            timer.cancel()
    return Outcome("left", reason.value, details)


def enter_room(session: Session, verb: JoinRoom, services: VerbServices) -> Room:
    """Bring a session's call into the room that a verb names. Raises Refused."""
    call = session.call
    if verb.refused:
        raise Refused(verb.refused, REFUSALS.get(verb.refused, verb.refused))
    if session.invited_to is not None:
        room, session.invited_to = session.invited_to, None
        invited = room.member(call.id)
        if invited is None or not room.live:
            raise Refused("ended", "the conference ended, or the invitation was taken back, before the call was answered")
        call.leg.jitter(verb.joining.jitter_ms)
        room.join(invited, session, verb.joining.wait)
        return room
    account = services.accounts[call.record.account]
    joining = session.dialect.settled(account, call.record, verb.joining)
    if account.rooms_by_number and not joining.namespace and call.record.direction == "inbound":
        joining = replace(joining, namespace=call.record.callee.value)
    room = open_room(replace(verb, joining=joining), call.record.account, services, session.dialect.room_key(verb))
    try:
        coaching = coached_calls(verb, session)
        now = services.clock.now()
        tagged = verb.joining
        member = new_member(
            room, call.id, tagged, coaching, now, is_coach=bool(verb.coach_ids), goes_on=verb.on_done is not None or session.more_to_do
        )
        session.room = room
        call.leg.jitter(joining.jitter_ms)
        must = verb.coach_must_be_present
        room.join(member, session, verb.joining.wait, coached_must_be_present=must, wished=joining.settings)
    except Refused:
        session.room = None
        services.rooms.discard_if_empty(room)
        raise
    return room


def open_room(verb: JoinRoom, account: str, services: VerbServices, key: tuple[str, Id | None]) -> Room:
    """The room that a verb names, by name or by the id of a live room."""
    name, identity = key
    if identity is None:
        try:
            return services.rooms.open(account, name, verb.joining)
        except ResourceExhausted as error:
            raise Refused("busy", str(error)) from error
    room = services.rooms.by_id(account, identity)
    if room is None:
        raise Refused("unknown-room", f"no live conference has the id {name}")
    return room


def coached_calls(verb: JoinRoom, session: Session) -> tuple[Id, ...]:
    """The calls that a joining coach will be heard by."""
    found = []
    for text in verb.coach_ids:
        identity = session.dialect.call_id(text)
        if identity is None:
            if verb.coach_must_be_present:
                raise Refused("coach-absent", f"{text!r} is no call")
            continue
        found.append(identity)
    return tuple(found)


def _leave_later(room: Room, session: Session, verb: JoinRoom) -> asyncio.TimerHandle | None:
    if verb.time_limit_seconds is None:
        return None

    def leave() -> None:
        room.leave(session.call.id, LeaveReason.WALKED_OUT, session.call.status)

    return asyncio.get_running_loop().call_later(verb.time_limit_seconds, leave)


def room_keys(room: Room, session: Session, *, leave_on_star: bool) -> Callable[[str], None]:
    """What a member's keys do in its room."""

    def pressed(digit: str) -> None:
        room.digit(session.call.id, digit)
        member = room.member(session.call.id)
        if leave_on_star and digit == "*" and member is not None and member.presence in PRESENT | {Presence.EARLY}:
            room.leave(session.call.id, LeaveReason.WALKED_OUT, session.call.status)

    return pressed


REFUSALS = {
    "invalid-name": "the name of the conference is empty or too long",
    "invalid-label": "the participant's label is too long or looks like an id",
}

TELL_THEMSELVES: frozenset[type[Verb]] = frozenset({WaitInLine, Detect, StartTranscription})
"""Verbs whose handlers tell how they get on."""

Handler = Callable[[CallShell, Any], Awaitable[Outcome]]

HANDLERS: dict[type[Verb], Handler] = {
    Answer: _answer,
    Hangup: _hangup,
    Reject: _reject,
    Speak: _sound,
    PlayAudio: _sound,
    PlayTone: _sound,
    Playlist: _sound,
    PlayBeside: _play_beside,
    Pause: _sound,
    SendDigits: _send_digits,
    Echo: _echo,
    Detect: detection.perform,
    Redirect: _redirect,
    Tag: _tag,
    SuppressNoise: _suppress_noise,
    WatchKeys: _watch_keys,
    UnwatchKeys: _unwatch_keys,
    JoinRoom: _join_room,
    Gather: gather.perform,
    StartTranscription: transcribing.perform,
    StopTranscription: transcribing.stop,
    Record: record.perform,
    Connect: connect.perform,
    OpenStream: streams.perform,
    CloseStream: streams.stop,
    TapLeg: taps.perform,
    BridgeTo: bridging.perform,
    Refer: refer.perform,
    WaitInLine: waiting.perform,
    LeaveLine: waiting.leave,
    TakeFromLine: waiting.take,
    SendRequest: _send_request,
    Tell: _tell,
    HoldForFunctions: functions.perform,
    StartRecording: recordings.start,
    StopRecording: recordings.act,
    PauseRecording: recordings.act,
    ResumeRecording: recordings.act,
}
