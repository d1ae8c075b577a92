"""Connect: call others, and bridge the first who answers.

Outcome `done` or `failed` with details `status` (how the attempt went: `completed` when somebody was connected, else
`busy`, `no-answer`, `failed`, `canceled`), `child` (the record of the call that it is about, if one was made), `seconds` (from
that call's answer), `bridged`, `recording`; `referred` when the callee sent a REFER, with `refer_to`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from hubbub.calls.bridge import Bridge, BridgeEnd
from hubbub.calls.signalled import passed_on
from hubbub.errors import HubbubError, MediaError, Refused, ResourceExhausted
from hubbub.events import CallRecord, CallStatus, Link, RecordingRecord, RecordingStatus
from hubbub.media.tones import ringback
from hubbub.sip.endpoint import SipCall
from hubbub.tasks import spawn
from hubbub.verbs.dialect import DocumentRequest
from hubbub.verbs.hunt import CallOff, Effect, GiveUp, Hunt, Join, Place, Prepare, Ring
from hubbub.verbs.model import Connect, Playlist, Stage, Target
from hubbub.verbs.outgoing import OutgoingCall
from hubbub.verbs.program import Outcome

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell
    from hubbub.verbs.session import Session

log = structlog.get_logger()
ANSWERED = "only a call that is not answered yet is handed on"


async def perform(shell: CallShell, verb: Connect) -> Outcome:
    """Call the targets, connect the first who answers, and stay until they part."""
    call = shell.session.call
    if verb.only_unanswered and call.answered:
        shell.session.report(shell.session.dialect.refusal_code("call-over"), ANSWERED, level="error", line=verb.at.line)
        call.fail("unsupported", ANSWERED)
        call.hangup()
    if not verb.answer_on_bridge:
        call.answer()
    if call.over or (not verb.answer_on_bridge and not call.answered) or (verb.only_unanswered and call.answered):
        await asyncio.get_running_loop().create_future()  # the call is ending: the session is about to cancel this
    connecting = Connecting(shell, verb)
    try:
        return await connecting.run()
    except asyncio.CancelledError:
        shell.interrupted = connecting.outcome(CallStatus.CANCELED)
        raise
    finally:
        connecting.close()


async def ring(shell: CallShell, country: str = "us", instead: Playlist | None = None) -> None:
    """Let a call hear ringing, or something else, until this is cancelled; one whose audio is gone hears nothing any more."""
    try:
        if instead is not None:
            await shell.services.sound(shell.session.leg).perform(instead)
        await shell.services.sound(shell.session.leg).play(ringback(country), 0)
    except HubbubError as error:
        log.info("ringing_not_heard", call=shell.session.call.id, reason=str(error))


class Connecting:
    """One Connect verb that is being done: the hunt bound to calls and audio."""

    def __init__(self, shell: CallShell, verb: Connect) -> None:
        self._shell = shell
        self._services = shell.services
        self._session = shell.session
        self._verb = verb
        self._hunt = Hunt([len(group) for group in verb.groups])
        self._children: dict[Place, Session] = {}
        self._child: CallRecord | None = None
        self._headers: dict[str, str] = {}
        self._recording: RecordingRecord | None = None
        self._refer_to = ""
        self._refused = ""
        """Why somebody could not even be called."""
        self._bridge: Bridge | None = None
        self._done: asyncio.Future[CallStatus] = asyncio.get_running_loop().create_future()
        self._effects: deque[Effect] = deque()
        self._performing = False
        self._ringing: asyncio.Task[None] | None = None

    async def run(self) -> Outcome:
        """From the first INVITE to the end of the bridge."""
        if self._verb.record_ringing:
            self._start_recording()
        self._take(self._hunt.start())
        return self.outcome(await self._done)

    def outcome(self, status: CallStatus) -> Outcome:
        """How it went; `status` where nobody was connected."""
        bridged = self._bridge is not None and self._bridge.joined
        record = self._current()
        final = CallStatus.COMPLETED if bridged else status
        seconds = self._seconds(record)
        details: dict[str, Any] = {"status": final.value, "child": record, "seconds": seconds, "bridged": bridged, "headers": self._headers}
        if self._recording is not None:
            details["recording"] = self._recording
        if self._refused:
            details["refused"] = self._refused
        if self._refer_to:
            return Outcome("referred", final.value, {**details, "refer_to": self._refer_to})
        return Outcome("done" if bridged else "failed", final.value, details)

    def close(self) -> None:
        """Whatever is left of it ends: nobody waits for it any more."""
        self._hunt.stop()
        self._quiet()
        if self._recording is not None:
            self._session.call.recorder.end(self._recording.id)
        if self._bridge is not None:
            self._bridge.end("first-left")
        for place, child in list(self._children.items()):
            if not (self._handed_over and place == self._hunt.joined):  # it is in the room now
                child.call.hangup()

    @property
    def _handed_over(self) -> bool:
        """Whether the bridge has become a room: whoever is in it leaves that by itself."""
        return self._bridge is not None and self._bridge.handed_over

    # -- the hunt ----------------------------------------------------------------------------------------------

    def _take(self, effects: Sequence[Effect]) -> None:
        """Do what the hunt says, in order, also what it says while something is being done."""
        self._effects.extend(effects)
        if self._performing:
            return
        self._performing = True
        try:
            sends: list[Callable[[], None]] = []
            while self._effects:
                self._perform(self._effects.popleft(), sends)
            if sends:
                spawn(self._send(sends), f"dial-{self._session.call.id}")
        finally:
            self._performing = False

    def _perform(self, effect: Effect, sends: list[Callable[[], None]]) -> None:
        match effect:
            case Ring(place):
                send = self._call(place)
                if send is not None:
                    sends.append(send)
            case CallOff(place):
                if place in self._children:
                    self._children[place].call.hangup()
            case Prepare(place):
                self._children[place].attend(partial(self._attended, place))
            case Join(place):
                self._join(place)
            case GiveUp(status, place):
                if place is not None and place in self._children:
                    self._child = self._children[place].record
                if not self._done.done():
                    self._done.set_result(status)

    async def _send(self, sends: Sequence[Callable[[], None]]) -> None:
        """Send the INVITEs once the calls are on record (law 4)."""
        await self._services.journal.caught_up()
        for send in sends:
            send()
        self._ring()

    def _call(self, place: Place) -> Callable[[], None] | None:
        target = self._verb.groups[place[0]][place[1]]
        try:
            child, send = self._services.hub.dial(self._session, self._wish(target))
        except (Refused, ResourceExhausted, MediaError) as error:
            reason = self._refused = error.reason if isinstance(error, Refused) else "busy"
            dialect = self._session.dialect
            self._session.report(dialect.refusal_code(reason), f"{target.callee.value}: {error}", level="error", line=self._verb.at.line)
            self._effects.extend(self._hunt.ended(place, CallStatus.FAILED))
            return None
        self._children[place] = child
        child.on_over = partial(self._ended, place)
        child.call.on_answered = partial(self._answered, place)
        child.call.on_early_media = partial(self._early, place)
        return send

    def _answered(self, place: Place) -> None:
        detection = self._verb.groups[place[0]][place[1]].detection
        if detection is not None:
            self._children[place].detect(detection)
        self._take(self._hunt.answered(place))

    def _wish(self, target: Target) -> OutgoingCall:
        caller = target.caller or self._verb.caller or self._session.record.caller
        return OutgoingCall(
            callee=target.callee,
            caller=replace(caller, display=self._verb.display or caller.display),
            progress=target.progress,
            ring_seconds=target.ring_seconds or self._verb.ring_seconds,
            sip_username=target.username,
            sip_password=target.password,
            codecs=target.codecs,
            srtp=target.srtp,
            headers={**target.headers, **self._diversion()},
            private=self._verb.private,
            beyond_limits=self._verb.only_unanswered,  # it takes the place of the call that it is made for
            tag=target.tag,
            parameters=target.parameters,
            reaches_as=self._session.record.callee if target.copies_callee else None,
            hops=self._session.record.extra.get("hops", 0),
            outermost=self._session.record.extra.get("outermost") or self._session.record.id,
        )

    def _diversion(self) -> dict[str, str]:
        record, verb = self._session.record, self._verb
        host = "{}:{}".format(*self._services.calls.address)
        return passed_on(record.signalled, record.callee, verb.diversion, verb.diversion_reason, host)

    def _ended(self, place: Place) -> None:
        """A child's call is over."""
        child = self._children[place]
        self._child = child.record if self._hunt.joined in (None, place) else self._child
        if self._handed_over:
            return
        if self._bridge is not None and (self._hunt.joined == place or not self._bridge.joined):
            self._bridge.end("second-left")
            self._bridge = self._bridge if self._bridge.joined else None
        self._take(self._hunt.ended(place, child.call.status))

    # -- the one that answered ---------------------------------------------------------------------------------

    async def _attended(self, place: Place) -> None:
        """What the chosen callee does: hear its document, then talk until they part. Its call ends after it."""
        child = self._children[place]
        target = self._verb.groups[place[0]][place[1]]
        try:
            if target.document is not None:
                self._end_early_media()
            if target.digits:
                await child.send_digits(target.digits)
            given = target.document
            document = DocumentRequest(given, "callee", child.record) if isinstance(given, Link) else given
            if document is not None and not await child.prelude(document, Stage.CALLEE):
                return
            self._take(self._hunt.ready(place))
            if self._bridge is not None and self._hunt.joined == place:
                await self._bridge.parted(child.call)
        except asyncio.CancelledError:
            self._let_go(place)
            raise

    def _let_go(self, place: Place) -> None:
        """The callee hung up, or was given another document: it is no part of this any more."""
        child = self._children[place]
        if child.call.over or self._handed_over:
            return
        self._child = child.record
        del self._children[place]
        child.on_over = None
        if self._bridge is not None and self._hunt.joined == place:
            self._bridge.end("second-left")
        self._take(self._hunt.ended(place, CallStatus.NO_ANSWER))

    def _join(self, place: Place) -> None:
        child, verb = self._children[place], self._verb
        self._quiet()
        self._session.call.answer()
        if self._session.call.over:
            return
        self._child = child.record
        self._headers = dict(child.call.sip.headers) if child.call.sip is not None else {}
        try:
            self._bridge = self._bridge or Bridge(self._services.media, self._session.call, child.call)
        except HubbubError as error:
            self._session.report(self._session.dialect.refusal_code("busy"), f"no bridge: {error}", level="error", line=verb.at.line)
            self._done.set_result(CallStatus.FAILED)
            return
        self._bridge.join(leave_on_star=verb.leave_on_star, time_limit_seconds=verb.time_limit_seconds)
        self._bridge.over.add_done_callback(self._parted)
        if child.call.sip is not None:
            child.call.sip.on_refer = self._unwanted if verb.on_referred is None else partial(self._referred, child.call.sip)
        self._start_recording()

    def _start_recording(self) -> None:
        """Record the caller's leg, if that is wished and not done yet."""
        order = self._verb.recording
        if order is not None and self._recording is None:
            started = self._session.call.recorder.start(order)
            self._recording = None if started.status is RecordingStatus.FAILED else started

    def _referred(self, sip: SipCall, target: str) -> bool:
        """The callee wants the caller to go elsewhere: the application says where, once this request is answered."""
        if self._refer_to:
            return False
        self._refer_to = target
        asyncio.get_running_loop().call_soon(self._obey, sip)
        return True

    def _unwanted(self, target: str) -> bool:
        """The callee sent a REFER, and nobody is to be asked about it."""
        code = self._session.dialect.refusal_code("refer-unwanted")
        self._session.report(code, f"the callee asked to transfer the call to {target[:200]}: refused", line=self._verb.at.line)
        return False

    def _obey(self, sip: SipCall) -> None:
        sip.refer_result(200, "OK")
        if self._bridge is not None:
            self._bridge.end("second-left")

    def _parted(self, _over: asyncio.Future[BridgeEnd]) -> None:
        """They have parted, or are in a room now: then this ends when the caller has left that."""
        stay = self._bridge.stay(self._session.call) if self._bridge is not None else None
        if stay is not None:
            stay.add_done_callback(lambda _: self._finish())
        else:
            self._finish()

    def _finish(self) -> None:
        if not self._done.done():
            self._done.set_result(CallStatus.COMPLETED)

    # -- what the caller hears meanwhile -----------------------------------------------------------------------

    def _ring(self) -> None:
        """Let an answered caller hear that it rings."""
        call = self._session.call
        if self._ringing is None and self._bridge is None and not self._hunt.over and call.answered and not call.over:
            self._ringing = spawn(ring(self._shell, self._verb.ring_country, self._verb.ringing), f"ring-{self._session.call.id}")

    def _quiet(self) -> None:
        if self._ringing is not None:
            self._ringing.cancel()
            self._ringing = None

    def _early(self, place: Place) -> None:
        """The far end speaks before it answers: heard when it is the only one that is called."""
        if len(self._verb.groups[place[0]]) > 1 or self._bridge is not None or self._hunt.over or not self._session.call.answered:
            return
        try:
            self._bridge = Bridge(self._services.media, self._session.call, self._children[place].call)
        except HubbubError:
            return  # it is heard when it answers
        self._quiet()
        self._bridge.early()

    def _end_early_media(self) -> None:
        if self._bridge is not None and not self._bridge.joined:
            self._bridge.end("second-left")
            self._bridge = None
            self._ring()

    # -- the outcome -------------------------------------------------------------------------------------------

    def _current(self) -> CallRecord | None:
        """The record of the call that the outcome is about, as it is now."""
        if self._child is None:
            return next((child.record for child in self._children.values()), None)
        live = next((child for child in self._children.values() if child.call.id == self._child.id), None)
        return live.record if live is not None else self._child

    def _seconds(self, record: CallRecord | None) -> float | None:
        if record is None or record.answered is None:
            return None
        return (record.ended or self._services.clock.now()) - record.answered
