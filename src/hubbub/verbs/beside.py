"""Audio beside a call: wait, hold and announcement documents, and the queue of a room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from hubbub.conference.policy import RoomSettings
from hubbub.conference.room import Room
from hubbub.errors import DocumentError, Refused, RequestFailed
from hubbub.events import CallRecord, Link, Problem, RoomEvent, RoomEventKind, RoomRecord
from hubbub.ids import Id, new_id
from hubbub.media.client import Leg, Mix
from hubbub.tasks import spawn
from hubbub.verbs.capture import PauseRecording, ResumeRecording, StartRecording, StopRecording
from hubbub.verbs.dialect import Dialect, DocumentRequest
from hubbub.verbs.model import Stage
from hubbub.verbs.program import Outcome, Program, Verb
from hubbub.verbs.recordings import act_on
from hubbub.verbs.roomstreams import RoomStreams
from hubbub.verbs.script import Script, ScriptFailed
from hubbub.verbs.services import VerbServices
from hubbub.webhooks.requester import HttpReply, HttpRequest

log = structlog.get_logger()


class BesideShell:
    """A stage on which only audio can be made: for one leg, or for a whole room."""

    def __init__(
        self,
        services: VerbServices,
        account: str,
        dialect: Dialect,
        target: Leg | Mix,
        call: Callable[[], CallRecord | None],
        stage: Stage,
        failed: Callable[[str], None],
    ) -> None:
        self.stage = stage
        self._sound = services.sound(target, account, dialect)
        self._call = call
        self._failed = failed
        self.heard = 0
        self.failure = ""
        """Why something could not be heard, at last."""

    @property
    def call(self) -> CallRecord | None:
        """The call it belongs to."""
        return self._call()

    async def perform(self, verb: Verb) -> Outcome:
        """Play."""
        outcome = await self._sound.perform(verb)
        if outcome.kind == "failed":
            self.failure = outcome.reason
            self._failed(outcome.reason)
        else:
            self.heard += 1
        return outcome


async def play_beside(
    services: VerbServices,
    dialect: Dialect,
    account: str,
    request: DocumentRequest,
    target: Leg | Mix,
    call: Callable[[], CallRecord | None],
    stage: Stage = Stage.BESIDE,
) -> str:
    """Run a wait, hold or announcement document; return why nothing of it could be heard, or nothing."""

    def failed(reason: str) -> None:
        record, room = call(), request.room.id if request.room else None
        code = dialect.refusal_code("audio")
        problem = Problem(account, code, "error", f"{request.event}: {reason}", record.id if record else None, room, request.link.url)
        services.journal.report(problem, services.clock.now())

    shell = BesideShell(services, account, dialect, target, call, stage, failed)
    script = Script(shell, dialect, services.accounts[account], services.documents, services.turns)
    try:
        await script.run(request)
    except ScriptFailed as error:
        return str(error)
    return "" if shell.heard else shell.failure


@dataclass(frozen=True)
class _Ask:
    """A request whose answer the room executes: made as soon as it is known what it says, sent when its turn comes."""

    requests: tuple[HttpRequest, ...]
    """The second is tried where the first fails."""
    dialect: str = ""
    """What the answer speaks."""
    last: bool = False


@dataclass
class _Queue:
    """What waits in one room."""

    asks: asyncio.Queue[_Ask] = field(default_factory=asyncio.Queue)
    programs: asyncio.Queue[Program] = field(default_factory=asyncio.Queue)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


@dataclass
class Announcement:
    """A document that is being played to a room or to one of its members."""

    id: Id
    room: Id
    call: Id | None
    url: str
    started: float
    stopped: str = ""
    """Why it was stopped, if it was."""
    task: asyncio.Task[None] | None = None

    def stop(self, reason: str) -> None:
        """End it now: it is told as failed, with this reason."""
        self.stopped = reason
        if self.task is not None:
            self.task.cancel()


class RoomStage:
    """Runs documents in rooms: announcements, and replies to a room's webhooks in order of their arrival."""

    def __init__(self, services: VerbServices) -> None:
        self._services = services
        self._queues: dict[Id, _Queue] = {}
        self._announcements: dict[Id, Announcement] = {}
        self.streams = RoomStreams(services)

    def announcements(self, room: Id) -> list[Announcement]:
        """What is being played in a room, oldest first."""
        return [announcement for announcement in self._announcements.values() if announcement.room == room]

    def announce(self, room: Room, link: Link, call: Id | None, dialect: str, done: Callable[[str], None]) -> Id:
        """Play a document to the room or to one member; the identity of the announcement.

        Raises Refused (ended, absent): what was meant for one who has left is heard by nobody.
        """
        if not room.live:
            raise Refused("ended", "the conference has ended")
        target = room.mix if call is None else _leg_of(room, call)
        live = self._services.calls.get(room.record.account, call) if call is not None else None
        record = live.record if live is not None else self._witness(room)
        request = DocumentRequest(link, "announce", record, room.record)
        speaks = self._services.dialects[dialect]

        async def play() -> None:
            failure = "the participant left"
            try:
                failure = await play_beside(
                    self._services, speaks, room.record.account, request, target, lambda: record, Stage.ANNOUNCEMENT
                )
            except Exception as error:
                failure = f"internal error: {error!r}"
                raise
            finally:
                done(announcement.stopped or failure)

        announcement = Announcement(new_id(), room.id, call, link.url, self._services.clock.now())
        self._announcements[announcement.id] = announcement
        announcement.task = spawn(play(), f"announce-{room.id}")
        announcement.task.add_done_callback(lambda _ended: self._announcements.pop(announcement.id, None))
        return announcement.id

    def member_left(self, room: Room, call: Id) -> None:
        """What is announced to that member alone ends: it hears something else now."""
        for announcement in self.announcements(room.id):
            if announcement.call == call:
                announcement.stop("the participant left")

    def room_event(self, room: Room, event: RoomEvent) -> None:
        """Ask the application what the room shall do about an event; one request in flight per room."""
        requests = event_requests(self._services, event, room.settings)
        self._queue(room).asks.put_nowait(_Ask(requests, room.record.dialect, event.kind is RoomEventKind.ENDED))

    def room_request(self, room: Room, request: DocumentRequest, speaks: str) -> None:
        """Ask for a document of that dialect, which the room shall execute."""
        dialect, account = self._services.dialects[speaks], self._services.accounts[room.record.account]
        request = replace(request, at=self._services.clock.now(), timeout=room.settings.timeout)
        links = [link for link in (request.link, request.link.fallback) if link is not None]
        requests = tuple(dialect.document_request(account, replace(request, link=link)) for link in links)
        self._queue(room).asks.put_nowait(_Ask(requests, speaks))

    def room_program(self, room: Room, program: Program) -> None:
        """Append a program to what the room executes."""
        self._queue(room).programs.put_nowait(program)

    def room_closed(self, room: Room) -> None:
        """The room is over: what waits to be played is dropped, what happened is still told."""
        subscription = room.settings.subscription
        if room.id in self._queues and not (subscription and subscription.replies and RoomEventKind.ENDED in subscription.events):
            self._queues[room.id].asks.put_nowait(_Ask((), last=True))  # nobody is told of its end: this ends the queue
        for announcement in self.announcements(room.id):
            announcement.stop("the conference ended")
        self.streams.close(room.id)
        queue = self._queues.get(room.id)
        if queue is not None and len(queue.tasks) > 1:
            queue.tasks[1].cancel()

    async def tell(self, events: Sequence[tuple[RoomEvent, RoomSettings]]) -> None:
        """Tell events of rooms that are over; their answers are not wanted."""
        for event, settings in events:
            await send_first(
                self._services, event.room, event_requests(self._services, event, settings), self._services.dialects[event.room.dialect]
            )

    async def stop(self) -> None:
        """End everything."""
        tasks = [
            *(a.task for a in self._announcements.values() if a.task is not None),
            *(task for queue in self._queues.values() for task in queue.tasks),
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- inside ------------------------------------------------------------------------------------------------

    def _witness(self, room: Room) -> CallRecord | None:
        for call in room.core.members:
            live = self._services.calls.get(room.record.account, call)
            if live is not None:
                return live.record
        return None

    def _queue(self, room: Room) -> _Queue:
        queue = self._queues.get(room.id)
        if queue is None:
            queue = self._queues[room.id] = _Queue()
            queue.tasks.append(spawn(self._ask(room, queue), f"ask-{room.id}"))
            queue.tasks.append(spawn(self._execute(room, queue), f"execute-{room.id}"))
        return queue

    async def _ask(self, room: Room, queue: _Queue) -> None:
        """Send one request after the other; queue each answer."""
        while True:
            ask = await queue.asks.get()
            await self._services.journal.caught_up()
            try:
                program = await self._answer(room, ask)
            except Exception as error:  # a bug must cost its answer, not the events that follow
                log.exception("room_reply_failed", room=room.id)
                self._problem(room.record, "internal", f"internal error: {error!r}", ask.requests[0].url if ask.requests else "")
            else:
                if program is not None and room.live:
                    queue.programs.put_nowait(program)
            if ask.last:
                self._queues.pop(room.id, None)
                return

    async def _answer(self, room: Room, ask: _Ask) -> Program | None:
        """The program that a request was answered with, if any."""
        dialect = self._services.dialects[ask.dialect or room.record.dialect]
        reply = await send_first(self._services, room.record, ask.requests, dialect)
        if reply is None or not reply.body.strip() or not room.live:
            return None
        try:
            program = dialect.compile(reply.body, reply.content_type, reply.url, Stage.ROOM)
        except DocumentError as error:
            self._problem(room.record, error.code, str(error), reply.url, error.line)
            return None
        self._services.documents.remarks(program, self._services.accounts[room.record.account], None, room.id)
        return program

    def _problem(self, room: RoomRecord, code: str, message: str, url: str, line: int | None = None) -> None:
        problem = Problem(room.account, code, "error", message, None, room.id, url, line=line)
        self._services.journal.report(problem, self._services.clock.now())

    async def _execute(self, room: Room, queue: _Queue) -> None:
        """Do one verb after the other; a failing one is skipped."""
        shell = RoomShell(self._services, room)
        code = self._services.dialects[room.record.dialect].refusal_code("audio")
        while room.live:
            program = await queue.programs.get()
            shell.dialect = program.dialect
            for step in program.main:
                if not room.live:
                    return
                try:
                    outcome = await shell.perform(step)  # type: ignore[arg-type]
                except Exception as error:  # the next verb is played all the same
                    log.exception("room_verb_failed", room=room.id)
                    outcome = Outcome("failed", f"internal error: {error!r}")
                if outcome.kind == "failed":
                    self._problem(room.record, code, outcome.reason, program.base)


def _leg_of(room: Room, call: Id) -> Leg:
    host = room.host(call)
    if host is None:
        raise Refused("absent", "the participant has left")
    return host.leg


def event_requests(services: VerbServices, event: RoomEvent, settings: RoomSettings) -> tuple[HttpRequest, ...]:
    """What tells a room's event to its application, as it is now; the second request is for the fallback URL."""
    dialect, account = services.dialects[event.room.dialect], services.accounts[event.room.account]
    assert settings.subscription is not None
    link = settings.subscription.link
    links = [link] if link.fallback is None else [link, link.fallback]
    subscriptions = [replace(settings.subscription, link=each) for each in links]
    return tuple(dialect.room_reply_request(account, event, replace(settings, subscription=each)) for each in subscriptions)


async def send_first(services: VerbServices, room: RoomRecord, requests: tuple[HttpRequest, ...], dialect: Dialect) -> HttpReply | None:
    """Send a request, and the next where it fails; the first good reply, or None. Each failure is reported."""
    for http in requests:
        try:
            reply = await services.requester.send(http)
            failure = dialect.reply_failure(reply)
        except RequestFailed as error:
            failure = dialect.request_failure_code(error.kind), str(error)
        if failure is None:
            return reply
        problem = Problem(room.account, failure[0], "error", failure[1], None, room.id, http.url, http.method)
        services.journal.report(problem, services.clock.now())
    return None


class RoomShell:
    """The stage that a whole room hears."""

    stage = Stage.ROOM
    call: CallRecord | None = None

    def __init__(self, services: VerbServices, room: Room) -> None:
        self._room = room
        self._sound = services.sound(room.mix, room.record.account)
        self.dialect = ""
        """What the document speaks that is being executed; empty: what the room speaks."""

    async def perform(self, verb: Verb) -> Outcome:
        """Play to the room, or act on its recording."""
        match verb:
            case StartRecording():
                self._room.start_recording(verb.notices, trim=False, name=verb.name, dialect=self.dialect)
            case StopRecording() | PauseRecording() | ResumeRecording():
                act_on(self._room.recorder, verb)
            case _:
                return await self._sound.perform(verb)
        return Outcome()
