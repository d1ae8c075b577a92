"""Waiting in a line, and taking a call from it.

Outcome of waiting: `done` with details `result` (`bridged`, `leave`, `full`, `timeout`, `replaced`, `replaced-while-bridged`, `hangup`),
`line` (its id), `seconds` (in the line). Outcome of taking: as of Connect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from hubbub.calls.bridge import Bridge, BridgeEnd
from hubbub.calls.line import LinePlace, Waiting
from hubbub.errors import HubbubError, Refused
from hubbub.events import CallRecord, CallStatus, Link, RecordingRecord, RecordingStatus
from hubbub.media.music import hold_music
from hubbub.tasks import spawn
from hubbub.verbs.connect import ring
from hubbub.verbs.dialect import DocumentRequest
from hubbub.verbs.model import LeaveLine, Stage, TakeFromLine, WaitInLine
from hubbub.verbs.program import Outcome

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell
    from hubbub.verbs.services import VerbServices

log = structlog.get_logger()


async def perform(shell: CallShell, verb: WaitInLine) -> Outcome:
    """Wait until somebody takes the call, or it leaves."""
    session, services = shell.session, shell.services
    lines, now = services.lines, services.clock.now
    try:
        waiting = lines.join(session.call, verb.line, verb.capacity, now())
    except Refused as refusal:
        session.report(session.dialect.refusal_code(refusal.reason), str(refusal), level="error", line=verb.at.line)
        return Outcome("refused", refusal.reason, {"result": "full", "line": None, "seconds": 0.0})
    _follow(shell, verb, waiting, "began")
    result = "error"
    audio = spawn(_wait_audio(shell, verb, waiting), f"line-{session.call.id}")

    def taken() -> None:
        audio.cancel()
        _follow(shell, verb, waiting, "taken")

    waiting.on_taken = taken
    patience = asyncio.get_running_loop().call_later(verb.most_seconds, _lose_patience, waiting) if verb.most_seconds else None
    try:
        result = await waiting.over
    except asyncio.CancelledError:
        result = "hangup" if session.call.over else "replaced-while-bridged" if waiting.taken_at else "replaced"
        shell.interrupted = _waited(waiting, result, now())
        raise
    finally:
        audio.cancel()
        if patience is not None:
            patience.cancel()
        place = lines.place(waiting, now())
        lines.leave(waiting, now())
        _follow(shell, verb, waiting, "ended", result=result, place=place)
    return _waited(waiting, result, now())


def _lose_patience(waiting: Waiting) -> None:
    """It has waited long enough, and nobody has taken it."""
    if waiting.taken_at is None:
        waiting.release("timeout")


def _follow(shell: CallShell, verb: WaitInLine, waiting: Waiting, state: str, **details: Any) -> None:
    """Tell whoever follows the wait how it stands."""
    if verb.followed is not None:
        place = {"place": shell.services.lines.place(waiting, shell.services.clock.now())}
        shell.tell(verb.followed, state, **{**place, "since": waiting.since, "taken_at": waiting.taken_at, **details})


def _waited(waiting: Waiting, result: str, now: float) -> Outcome:
    seconds = (waiting.taken_at or now) - waiting.since
    return Outcome("done", result, {"result": result, "line": waiting.line.id, "seconds": seconds})


async def _wait_audio(shell: CallShell, verb: WaitInLine, waiting: Waiting) -> None:
    """Music, or the wait document again and again."""
    session = shell.session
    if verb.wait.silent:
        return
    if verb.wait.link is not None:
        heard = True
        while heard and not waiting.over.done():
            began = asyncio.get_running_loop().time()
            request = DocumentRequest(verb.wait.link, "line", session.record)
            heard = await session.prelude(request, Stage.LINE, beside=lambda: _place_fields(shell, waiting), on_leave=waiting.leave)
            if asyncio.get_running_loop().time() - began < SHORTEST_LOOP_SECONDS:
                await asyncio.sleep(SHORTEST_LOOP_SECONDS)
    try:
        await shell.services.sound(session.leg).play(hold_music(), 0)
    except HubbubError as error:
        log.info("line_music_not_heard", call=session.call.id, reason=str(error))


SHORTEST_LOOP_SECONDS = 1.0


def _place_fields(shell: CallShell, waiting: Waiting) -> Mapping[str, LinePlace]:
    return {"place": shell.services.lines.place(waiting, shell.services.clock.now())}


async def leave(shell: CallShell, verb: LeaveLine) -> Outcome:
    """Leave the line, where the call is in one."""
    if shell.on_leave is not None:
        shell.on_leave()
    return Outcome()


async def take(shell: CallShell, verb: TakeFromLine) -> Outcome:
    """Connect the call that has waited longest."""
    session, services = shell.session, shell.services
    line = services.lines.find(session.record.account, verb.line)
    if line is None:
        session.report(session.dialect.refusal_code("unknown-line"), f"no line is called {verb.line!r}", level="error", line=verb.at.line)
        return _taken(None, CallStatus.FAILED, None)
    ringing = spawn(ring(shell), f"ring-{session.call.id}")
    bridge: Bridge | None = None
    waiting: Waiting | None = None
    recorded: RecordingRecord | None = None
    try:
        async with asyncio.timeout(verb.ring_seconds):
            waiting = await services.lines.next(line, services.clock.now)
        if verb.document is not None:
            await _greet(services, waiting, verb.document)
        ringing.cancel()
        if waiting.gone:
            return _taken(waiting, CallStatus.NO_ANSWER, None)
        bridge = Bridge(services.media, session.call, waiting.call)
        waiting.on_gone = lambda: bridge.end("second-left") if bridge is not None else None
        bridge.over.add_done_callback(partial(_each_for_itself, bridge, waiting))
        bridge.join(leave_on_star=verb.leave_on_star, time_limit_seconds=verb.time_limit_seconds)
        if verb.recording is not None:
            recorded = session.call.recorder.start(verb.recording)
        await bridge.parted(session.call)
        return _taken(waiting, CallStatus.COMPLETED, services.clock.now(), recorded)
    except TimeoutError:
        return _taken(None, CallStatus.NO_ANSWER, None)
    except HubbubError as error:
        session.report(session.dialect.refusal_code("busy"), f"no bridge: {error}", level="error", line=verb.at.line)
        return _taken(waiting, CallStatus.FAILED, None)
    except asyncio.CancelledError:
        status = CallStatus.COMPLETED if bridge else CallStatus.CANCELED
        shell.interrupted = _taken(waiting, status, services.clock.now() if bridge else None, recorded)
        raise
    finally:
        ringing.cancel()
        if recorded is not None:
            session.call.recorder.end(recorded.id)
        if bridge is not None:
            bridge.end("first-left")
        if waiting is not None and not (bridge is not None and bridge.handed_over):
            waiting.release("bridged" if bridge is not None else "error")


def _each_for_itself(bridge: Bridge, waiting: Waiting, _over: asyncio.Future[BridgeEnd]) -> None:
    """A bridge that became a room: the one who waited goes on when it leaves that, whatever the taker does."""
    stay = bridge.stay(waiting.call)
    if stay is not None:
        stay.add_done_callback(lambda _: waiting.release("bridged"))


async def _greet(services: VerbServices, waiting: Waiting, link: Link) -> None:
    """Let the call hear a document before it is connected, for as long as it is there."""
    other = services.hub.sessions[waiting.call.id]
    place = services.lines.place(waiting, services.clock.now())
    request = DocumentRequest(link, "callee", other.record, fields={"place": place})
    heard = asyncio.create_task(other.prelude(request, Stage.CALLEE), name=f"callee-{waiting.call.id}")
    waiting.on_gone = heard.cancel
    try:
        await asyncio.wait([heard])
    finally:
        waiting.on_gone = None
        heard.cancel()
    if not heard.cancelled():
        heard.result()


def _taken(waiting: Waiting | None, status: CallStatus, until: float | None, recorded: RecordingRecord | None = None) -> Outcome:
    child: CallRecord | None = waiting.call.record if waiting is not None else None
    seconds = until - waiting.taken_at if until is not None and waiting is not None and waiting.taken_at is not None else None
    details: dict[str, Any] = {"status": status.value, "child": child, "seconds": seconds, "bridged": until is not None, "headers": {}}
    if recorded is not None and recorded.status is not RecordingStatus.FAILED:
        details["recording"] = recorded
    return Outcome("done" if until is not None else "failed", status.value, details)
