"""A session: one call and the script that runs on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from hubbub.calls.call import Call
from hubbub.conference.policy import Wait
from hubbub.conference.room import AudioKind, Room
from hubbub.errors import Refused
from hubbub.events import CallRecord, CallStatus, LeaveReason, Problem
from hubbub.ids import Id, new_id
from hubbub.media.client import Leg, Media
from hubbub.media.music import hold_music
from hubbub.speech.machine import Verdict
from hubbub.tasks import spawn
from hubbub.verbs import transcribing
from hubbub.verbs.beside import play_beside
from hubbub.verbs.capture import OpenStream
from hubbub.verbs.detection import detect
from hubbub.verbs.dialect import Dialect, DocumentRequest
from hubbub.verbs.functions import Functions
from hubbub.verbs.handlers import CallShell
from hubbub.verbs.hearing import Detection, StartTranscription
from hubbub.verbs.model import SendDigits, Stage
from hubbub.verbs.program import Outcome, Program
from hubbub.verbs.script import Script, ScriptFailed
from hubbub.verbs.services import VerbServices
from hubbub.verbs.streams import OpenedStream, begin
from hubbub.verbs.transcribing import Transcribing

if TYPE_CHECKING:
    from hubbub.verbs.controls import Control

log = structlog.get_logger()

QUIET_SECONDS = 60.0
"""After so long without a packet its account is told, where its dialect wants that."""
SHORTEST_ROUND = 1.0
"""Seconds between two requests for a wait document that begins again."""

LAST_ROW_SECONDS = 30.0
"""How long a call that is over is kept for readers while the store cannot write."""


class Session:
    """Runs documents on a call; in a room it is the member's host."""

    def __init__(self, call: Call, dialect: Dialect, services: VerbServices, ended: Callable[[Session], None]) -> None:
        self.call = call
        self.dialect = dialect
        self._services = services
        self._ended = ended
        self.room: Room | None = None
        self.invited_to: Room | None = None
        """The room that called it, until it has come."""
        self.released_by: asyncio.Future[LeaveReason] | None = None
        self.on_over: Callable[[], None] | None = None
        """Called when the call has ended, before its script is told."""
        self.streams: dict[Id, OpenedStream] = {}
        """Media streams beside everything else."""
        self.transcriptions: dict[Id, Transcribing] = {}
        self.controls: dict[str, Control] = {}
        """What somebody outside began on the call, by name."""
        self._beside: dict[str, asyncio.Task[None]] = {}
        self.functions: Functions | None = None
        """What may be called on the call now."""
        self._shell = CallShell(self, services)
        self._script = Script(self._shell, dialect, services.accounts[call.record.account], services.documents, services.turns)
        self._task: asyncio.Task[None] | None = None
        call.on_ended = self._call_ended
        if dialect.tells_silence:
            call.leg.quiet_seconds, call.leg.on_silence_of_packets = QUIET_SECONDS, self._quiet

    @property
    def variables(self) -> Mapping[str, Any]:
        """What its documents have set."""
        return self._script.interpreter.variables

    @property
    def more_to_do(self) -> bool:
        """Whether its document goes on after what is being done."""
        return self._script.interpreter.more

    # -- the script --------------------------------------------------------------------------------------------

    def start(self, first: DocumentRequest | Program, *, digits: str = "", detection: Detection | None = None) -> None:
        """Begin with a document, after sending these digits, or when it is known who answered, where that shall be waited for."""
        self._task = asyncio.create_task(self._begin(first, digits, detection), name=f"call-{self.call.id}")

    async def _begin(self, first: DocumentRequest | Program, digits: str, detection: Detection | None) -> None:
        if digits:
            await self._shell.perform(SendDigits(digits=digits))
        elif detection is not None and detection.waits:
            await detect(self, detection)
        elif detection is not None:
            self.detect(detection)
        if isinstance(first, DocumentRequest):
            first = replace(first, call=self.call.record)
        await self._run(first)

    def detect(self, wish: Detection, told: Callable[[Verdict], None] = lambda _verdict: None) -> None:
        """Find out who answered, beside everything else; at the end of the call that is `gone`, and told too."""
        self.beside(f"detect-{new_id()}", self._detect(wish, told))

    async def _detect(self, wish: Detection, told: Callable[[Verdict], None]) -> None:
        try:
            told(await detect(self, wish))
        except asyncio.CancelledError:
            told(Verdict("gone", self.call.record.detection_seconds or 0.0))
            raise

    def attend(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do this instead of running a document; the call ends after it."""
        self._task = asyncio.create_task(self._attend(work), name=f"call-{self.call.id}")

    def lend(self, work: Callable[[], Awaitable[None]], then: Callable[[], DocumentRequest] | None) -> None:
        """Do this instead of what is being done, and go on with another document, or end."""
        previous = self._task
        self._task = asyncio.create_task(self._lent(previous, work, then), name=f"call-{self.call.id}")

    async def _lent(
        self, previous: asyncio.Task[None] | None, work: Callable[[], Awaitable[None]], then: Callable[[], DocumentRequest] | None
    ) -> None:
        await self._leave_off(previous)
        await self._attend(work, hang_up=then is None)
        if then is not None and not self.call.over:
            await self._run(then())

    async def _attend(self, work: Callable[[], Awaitable[None]], *, hang_up: bool = True) -> None:
        try:
            await work()
        except Exception as error:  # a bug must not leave a caller in silence for ever
            log.exception("session_failed", call=self.call.id)
            self.call.fail("error", f"internal error: {error!r}")
            hang_up = True
        if hang_up and not self.call.over:
            self.call.hangup()

    async def prelude(
        self,
        first: DocumentRequest | Program,
        stage: Stage,
        *,
        beside: Callable[[], Mapping[str, Any]] = dict,
        on_leave: Callable[[], None] | None = None,
    ) -> bool:
        """Run a document before the call is connected; False where it cannot be had, which has been reported.

        `beside` gives what each of its requests carries; `on_leave` is what LeaveLine does.
        """
        services = self._services
        shell = CallShell(self, services, stage, on_leave)
        account = services.accounts[self.call.record.account]
        script = Script(shell, self.dialect, account, services.documents, services.turns, beside)
        try:
            await script.run(first)
        except ScriptFailed as error:
            log.info("prelude_failed", call=self.call.id, reason=str(error))
            return False
        return True

    async def send_digits(self, digits: str) -> None:
        """Send keys to the far end."""
        await self._shell.perform(SendDigits(digits=digits))

    def replace(self, first: DocumentRequest | Program) -> None:
        """Another document takes over at once."""
        previous = self._task
        self._task = asyncio.create_task(self._take_over(previous, first), name=f"call-{self.call.id}")

    async def _take_over(self, previous: asyncio.Task[None] | None, first: DocumentRequest | Program) -> None:
        await self._leave_off(previous)
        await self._run(first)

    async def _leave_off(self, previous: asyncio.Task[None] | None) -> None:
        """End what is being done, with the last request that the dialect makes for it."""
        await _cancel(previous)
        if self.invited_to is not None:
            room, self.invited_to = self.invited_to, None
            room.leave(self.call.id, LeaveReason.REDIRECTED, self.call.status)
        elif self.room is not None:  # it came with a bridge that became the room: no verb of its own takes it out
            self.room.leave(self.call.id, LeaveReason.REDIRECTED, self.call.status)
        await self._last_request("replaced")

    async def _run(self, first: DocumentRequest | Program) -> None:
        try:
            await self._script.run(first)
        except ScriptFailed as error:
            await self._fail(error)
        except Exception as error:  # a bug must not leave a caller in silence for ever
            log.exception("session_failed", call=self.call.id)
            self.report(self.dialect.refusal_code("internal"), f"internal error: {error!r}", level="error")
            self.call.fail("error", f"internal error: {error!r}")
        if not self.call.over:
            if not self.call.answered and self.call.record.direction == "inbound":
                self.call.reject("declined")
            else:
                self.call.hangup()

    async def _fail(self, error: ScriptFailed) -> None:
        """Do what the dialect does for a call whose document cannot be had."""
        document = error.kind == "document"
        self.call.fail("invalid-document" if document else "request-failed", str(error))
        try:
            await self._script.run(self.dialect.failure_program("document" if document else "request"))
        except ScriptFailed:  # a failure program asks for nothing
            log.error("failure_program_failed", call=self.call.id)

    async def _last_request(self, kind: str) -> None:
        outcome = self._shell.interrupted
        self._shell.interrupted = None
        details = outcome.details if outcome else {}
        ask = self._script.interpreter.stop(Outcome(kind, outcome.reason if outcome else "", details))
        if ask is not None:
            await asyncio.shield(spawn(self._script.discard(ask)))  # whatever takes over next, this one is made

    def _call_ended(self) -> None:
        """The call is over: leave the room first, so that its reason is the hang-up."""
        if self.on_over is not None:
            self.on_over()
        self.released_by = None  # the script does not go on: it is cancelled below
        if self.call.too_long:
            self.report(self.dialect.refusal_code("call-too-long"), "the call lasted as long as a call may", level="error")
        if self.room is not None:
            reason = LeaveReason.REDIRECTED if self.call.ended_by_request else LeaveReason.HUNG_UP
            self.room.leave(self.call.id, reason, self._status_when_over())
        for stream in self.streams.values():
            stream.stop()
        for control in self.controls.values():
            control.stop()
        for transcription in self.transcriptions.values():
            transcription.stop()
        for task in self._beside.values():
            task.cancel()
        spawn(self._wind_up(self._task))

    def _quiet(self, seconds: float) -> None:
        """Nothing comes from the far end: told once. While it rings, nothing has to."""
        if self.call.answered and not self.call.over:
            self.call.leg.on_silence_of_packets = None
            text = f"no audio has come for {seconds:.0f} s: the far end sends none, or something on the way lets none through"
            self.report(self.dialect.refusal_code("no-audio"), text, level="error")

    def _status_when_over(self) -> CallStatus:
        return self.call.status if self.call.status.final else CallStatus.COMPLETED

    async def _wind_up(self, task: asyncio.Task[None] | None) -> None:
        try:
            await _cancel(task)
            await self._last_request("gone")
            if self.call.written is not None:  # until its last row is committed, readers see the live call
                await asyncio.wait([self.call.written], timeout=LAST_ROW_SECONDS)
        finally:
            self._ended(self)

    def beside(self, place: str, work: Coroutine[Any, Any, None] | None) -> None:
        """Let this go on beside everything else instead of what goes on in its place; the end of the call ends it."""
        previous = self._beside.pop(place, None)
        if previous is not None:
            previous.cancel()
        self._beside = {other: task for other, task in self._beside.items() if not task.done()}
        if work is not None:
            self._beside[place] = spawn(work, f"{place}-{self.call.id}")

    def open_stream(self, verb: OpenStream) -> OpenedStream | None:
        """Carry the call's audio beside everything else, by request; None where that is rejected. Raises Refused (call-over)."""
        self._go_on()
        return begin(self._shell, verb)

    def transcribe(self, verb: StartTranscription) -> Transcribing:
        """Transcribe the call beside everything else, by request. Raises Refused (call-over)."""
        self._go_on()
        return transcribing.begin(self, self._services, verb)

    def _go_on(self) -> None:
        """What begins after the end of the call would be ended by nobody."""
        if self.call.over:
            raise Refused("call-over")

    # -- member host -------------------------------------------------------------------------------------------

    @property
    def services(self) -> VerbServices:
        """What it is done with."""
        return self._services

    @property
    def media(self) -> Media:
        """The media plane that its leg is on."""
        return self._services.media

    @property
    def leg(self) -> Leg:
        """The call's audio."""
        return self.call.leg

    @property
    def call_status(self) -> CallStatus:
        """How the call stands."""
        return self.call.status

    @property
    def record(self) -> CallRecord:
        """The call's facts."""
        return self.call.record

    def start_audio(self, kind: AudioKind, audio: Wait) -> None:
        """Let the call hear wait or hold audio."""
        self.beside(kind, None if audio.silent else self._play_audio(kind, audio))

    def stop_audio(self, kind: AudioKind) -> None:
        """End that audio."""
        self.beside(kind, None)

    def released(self, reason: LeaveReason) -> None:
        """The room let go of the call; one that was invited and has not come is not wanted any more."""
        self.room = None
        if self.invited_to is not None:
            self.call.hangup()
        if self.released_by is not None and not self.released_by.done():
            self.released_by.set_result(reason)

    async def _play_audio(self, kind: AudioKind, audio: Wait) -> None:
        if audio.link is None:
            await self._services.sound(self.leg).play(hold_music(), 0)
            return
        room = self.room
        request = DocumentRequest(audio.link, kind, self.call.record, room.record if room else None)
        dialect = self._services.dialects[audio.dialect] if audio.dialect else self.dialect
        account = self.call.record.account
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            failure = await play_beside(self._services, dialect, account, request, self.leg, lambda: self.call.record)
            if failure or not self._services.accounts[account].loop_wait_audio:
                break
            await asyncio.sleep(max(0.0, began + SHORTEST_ROUND - loop.time()))
        if failure and self._services.accounts[account].fallback_music:
            log.info("fallback_music", call=self.call.id, kind=kind, reason=failure)
            await self._services.sound(self.leg).play(hold_music(), 0)
        elif failure and kind == "wait" and self.room is not None:
            log.info("wait_audio_failed", call=self.call.id, reason=failure)
            self.room.leave(self.call.id, LeaveReason.WALKED_OUT, self.call.status)

    def report(self, code: str, message: str, *, level: str = "warning", line: int | None = None) -> None:
        """Keep a problem of this call for its account to read."""
        problem = Problem(self.record.account, code, "error" if level == "error" else "warning", message, self.call.id, line=line)
        self._services.journal.report(problem, self._services.clock.now())


async def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is None or task is asyncio.current_task():
        return
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
