"""Audio beside a call: wait, hold and announcement documents, and the queue of a room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from hubbub.conference.room import Room
from hubbub.errors import DocumentError, RequestFailed
from hubbub.events import CallRecord, Link, Problem, RoomEvent, RoomEventKind, RoomRecord
from hubbub.ids import Id
from hubbub.media.client import Leg, Mix
from hubbub.verbs.dialect import Dialect, DocumentRequest
from hubbub.verbs.model import (
    Outcome,
    PauseRecording,
    Program,
    ResumeRecording,
    Stage,
    StartRecording,
    StopRecording,
    Verb,
)
from hubbub.verbs.script import Script, ScriptFailed
from hubbub.verbs.services import VerbServices

log = structlog.get_logger()


class BesideShell:
    """A stage on which only audio can be made: for one leg, or for a whole room."""

    stage = Stage.BESIDE

    def __init__(self, services: VerbServices, target: Leg | Mix, call: Callable[[], CallRecord | None]) -> None:
        self._sound = services.sound(target)
        self._call = call
        self.heard = 0

    @property
    def call(self) -> CallRecord | None:
        """The call it belongs to."""
        return self._call()

    async def perform(self, verb: Verb) -> Outcome:
        """Play."""
        outcome = await self._sound.perform(verb)
        if outcome.kind == "failed":
            log.info("beside_audio_failed", reason=outcome.reason)
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
) -> str:
    """Run a wait, hold or announcement document; return why it failed, or nothing."""
    shell = BesideShell(services, target, call)
    script = Script(shell, dialect, services.accounts[account], services.documents)
    try:
        await script.run(request)
    except ScriptFailed as error:
        return str(error)
    return ""


@dataclass
class _Queue:
    """What waits in one room."""

    events: asyncio.Queue[RoomEvent | DocumentRequest] = field(default_factory=asyncio.Queue)
    programs: asyncio.Queue[Program] = field(default_factory=asyncio.Queue)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class RoomStage:
    """Runs documents in rooms: announcements, and replies to a room's webhooks in order of their arrival."""

    def __init__(self, services: VerbServices) -> None:
        self._services = services
        self._queues: dict[Id, _Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def announce(self, room: Room, link: Link, call: Id | None, done: Callable[[str], None]) -> None:
        """Play a document to the room or to one member."""
        host = room.host(call) if call is not None else None
        target = host.leg if host is not None else room.mix
        live = self._services.calls.get(room.record.account, call) if call is not None else None
        record = live.record if live is not None else self._witness(room)
        request = DocumentRequest(link, "announce", record, room.record)
        dialect = self._services.dialects[room.record.dialect]

        async def play() -> None:
            done(await play_beside(self._services, dialect, room.record.account, request, target, lambda: record))

        self._spawn(play())

    def room_event(self, room: Room, event: RoomEvent) -> None:
        """Ask the application what the room shall do about an event; one request in flight per room."""
        self._queue(room).events.put_nowait(event)

    def room_request(self, room: Room, request: DocumentRequest) -> None:
        """Ask for a document that the room shall execute."""
        self._queue(room).events.put_nowait(request)

    def room_program(self, room: Room, program: Program) -> None:
        """Append a program to what the room executes."""
        self._queue(room).programs.put_nowait(program)

    def room_closed(self, room: Room) -> None:
        """The room is over: what waits to be played is dropped, what happened is still told."""
        queue = self._queues.get(room.id)
        if queue is not None and len(queue.tasks) > 1:
            queue.tasks[1].cancel()

    async def stop(self) -> None:
        """End everything."""
        tasks = [*self._tasks, *(task for queue in self._queues.values() for task in queue.tasks)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- inside ------------------------------------------------------------------------------------------------

    def _spawn(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
            queue.tasks.append(asyncio.create_task(self._ask(room, queue)))
            queue.tasks.append(asyncio.create_task(self._execute(room, queue)))
        return queue

    async def _ask(self, room: Room, queue: _Queue) -> None:
        """Send one request after the other; queue each answer."""
        dialect = self._services.dialects[room.record.dialect]
        account = self._services.accounts[room.record.account]
        while True:
            item = await queue.events.get()
            await self._settled(room)
            if isinstance(item, DocumentRequest):
                http = dialect.document_request(account, item)
            else:
                http = dialect.room_reply_request(account, item, room.settings)
            try:
                reply = await self._services.requester.send(http)
                failure = dialect.reply_failure(reply)
                if failure is not None:
                    self._problem(room.record, *failure, http.url)
                elif reply.body.strip() and room.live:
                    program = dialect.compile(reply.body, reply.content_type, reply.url, Stage.ROOM)
                    self._services.documents.remarks(program, account, None, room.id)
                    queue.programs.put_nowait(program)
            except RequestFailed as error:
                self._problem(room.record, dialect.request_failure_code(error.kind), str(error), http.url)
            except DocumentError as error:
                self._problem(room.record, error.code, str(error), http.url, error.line)
            if isinstance(item, RoomEvent) and item.kind is RoomEventKind.ENDED:
                self._queues.pop(room.id, None)
                return

    async def _settled(self, room: Room) -> None:
        """A request follows the commit of what it tells (law 4); while storage fails it goes all the same."""
        try:
            await room.settled()
        except Exception as error:
            log.warning("room_event_not_stored", room=room.id, error=str(error))

    def _problem(self, room: RoomRecord, code: str, message: str, url: str, line: int | None = None) -> None:
        problem = Problem(room.account, code, "error", message, None, room.id, url, line=line)
        self._services.journal.report(problem, self._services.clock.now())

    async def _execute(self, room: Room, queue: _Queue) -> None:
        """Do one verb after the other; a failing one is skipped."""
        shell = RoomShell(self._services, room)
        while room.live:
            program = await queue.programs.get()
            for step in program.main:
                if not room.live:
                    return
                outcome = await shell.perform(step)  # type: ignore[arg-type]
                if outcome.kind == "failed":
                    self._problem(room.record, "room-verb-failed", outcome.reason, program.base)


class RoomShell:
    """The stage that a whole room hears."""

    stage = Stage.ROOM
    call: CallRecord | None = None

    def __init__(self, services: VerbServices, room: Room) -> None:
        self._room = room
        self._sound = services.sound(room.mix)

    async def perform(self, verb: Verb) -> Outcome:
        """Play to the room, or act on its recording."""
        match verb:
            case StartRecording():
                self._room.start_recording(verb.notices, trim=False)
            case StopRecording():
                self._room.recorder.stop(self._room.record)
            case PauseRecording():
                self._room.recorder.pause(keep_silence=False)
            case ResumeRecording():
                self._room.recorder.resume()
            case _:
                return await self._sound.perform(verb)
        return Outcome()
