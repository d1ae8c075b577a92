"""The journal: what happened, written in order, one transaction each (law 4).

State, event and what must be sent are committed together. While the store cannot write, entries queue in memory,
bounded, and are written as soon as it can again; audio never waits for any of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from hubbub.errors import StorageUnavailable
from hubbub.events import ActionEvent, CallEvent, Event, Link, Problem, RecordingEvent, RoomEvent, RoomEventKind
from hubbub.ids import new_id
from hubbub.storage.store import Append, Change, Enqueue, Store
from hubbub.storage.writer import Counts
from hubbub.webhooks.delivery import Notice
from hubbub.webhooks.redaction import redacted

if TYPE_CHECKING:
    from hubbub.conference.policy import RecordingWish, RoomSettings

log = structlog.get_logger()

Written = asyncio.Future[Counts]
"""Ends when a transaction is committed."""


class Renderer(Protocol):
    """Turns what happened into the notices that somebody asked for (the dialects' CALLBACKS)."""

    def room_notices(self, event: RoomEvent, settings: RoomSettings) -> Sequence[Notice]:
        """Notices of a room event."""

    def recording_notices(self, event: RecordingEvent, wish: RecordingWish, dialect: str) -> Sequence[Notice]:
        """Notices of a recording event."""

    def action_notices(self, event: ActionEvent, link: Link, dialect: str = "") -> Sequence[Notice]:
        """Notices of what is done on a call, in a dialect of its own or in that of the call."""

    def refusal_code(self, dialect: str, reason: str) -> str:
        """A dialect's own code for a neutral refusal."""


class Journal:
    """Writes what happened strictly in the order in which it was given.

    `committed(events, notices)` is called after each commit: with the events, and whether notices wait to be delivered.
    """

    def __init__(self, store: Store, *, committed: Callable[[Sequence[Event], bool], None]) -> None:
        self._store = store
        self._committed = committed
        self._last: asyncio.Future[Counts] | None = None
        self.on_problem: Callable[[Problem, float], None] | None = None
        """Called with each problem that is kept."""
        self.lost = 0
        """Entries that the full queue of a failing store did not take."""

    @property
    def healthy(self) -> bool:
        """Whether entries reach the store."""
        return self._store.healthy

    def write(self, changes: Sequence[Change], events: Sequence[Event] = (), notices: Sequence[Notice] = ()) -> Written:
        """Queue one transaction; the future ends when it is committed, however long the store is in trouble."""
        rows = (_event_row(event) for event in events)
        try:
            written = self._store.post(*changes, *rows, *(Enqueue(notice) for notice in notices))
        except StorageUnavailable as error:
            self.lost += 1
            log.error("journal_entry_lost", error=str(error))
            written = asyncio.get_running_loop().create_future()
            written.set_exception(error)
            written.exception()  # it is logged: nobody has to ask
            return written
        written.add_done_callback(lambda future: self._told(future, events, bool(notices)))
        self._last = written
        return written

    def report(self, problem: Problem, now: float) -> None:
        """Keep a problem for its account to read, without secrets, and log it (law 6)."""
        problem = _without_secrets(problem)
        log.warning("problem", code=problem.code, account=problem.account, call=problem.call, room=problem.room, text=problem.message)
        self.write([Append("notifications", problem_row(problem, now))])
        if self.on_problem is not None:
            self.on_problem(problem, now)

    async def caught_up(self, seconds: float = 1.0) -> None:
        """Wait until what happened so far is committed: a document is asked for after that (law 4). A store in trouble holds nobody up."""
        if self.healthy and self._last is not None and not self._last.done():
            await asyncio.wait([self._last], timeout=seconds)

    async def settled(self, seconds: float = 5.0) -> None:
        """Wait until everything queued so far is committed, but no longer than `seconds`."""
        if self._last is not None:
            await asyncio.wait([self._last], timeout=seconds)

    def _told(self, future: Written, events: Sequence[Event], notices: bool) -> None:
        if not future.cancelled() and future.exception() is None:
            self._committed(events, notices)


def _event_row(event: Event) -> Append:
    if isinstance(event, RoomEvent):
        room, call, account = event.room.id, event.call, event.room.account
        kind = f"room.{event.kind.value}"
    elif isinstance(event, CallEvent):
        room, call, account, kind = None, event.call.id, event.call.account, f"call.{event.kind}"
    elif isinstance(event, ActionEvent):
        room, call, account, kind = None, event.call.id, event.call.account, f"action.{event.action}"
    else:
        room, call, account = event.recording.room, event.recording.call, event.recording.account
        kind = f"recording.{event.kind}"
    return Append("events", {"account": account, "room": room, "call": call, "type": kind, "at": event.at, "data": _facts(event)})


def _facts(event: Event) -> dict[str, Any]:
    """What is told of an event beside what it is about."""
    if isinstance(event, CallEvent):
        call = event.call
        told = {"number": event.number, "status": call.status.value, "caller": call.caller.value, "callee": call.callee.value}
        return {**told, **event.facts}
    if isinstance(event, ActionEvent):
        return {"state": event.state, "name": event.name, "details": _plain(event.details)}
    if isinstance(event, RecordingEvent):
        return {"recording": event.recording.id, "status": event.recording.status.value, "seconds": event.recording.seconds}
    facts: dict[str, Any] = {
        "number": event.number,
        "name": event.room.name,
        "size": event.room.size,
        "detail": event.detail,
        "url": event.url,
    }
    member = event.member
    if member is not None:
        facts |= {"label": member.label, "muted": member.muted, "held": member.held, "coaching": list(member.coaching)}
    reason = event.room.end_reason if event.kind is RoomEventKind.ENDED else member.leave_reason if member is not None else None
    return {**facts, "reason": reason.value if reason is not None else None}


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    """What of an action's details is plain data."""
    return {name: value for name, value in details.items() if isinstance(value, (str, int, float, bool, list, dict))}


def problem_row(problem: Problem, now: float) -> dict[str, object]:
    """Columns of table `notifications`."""
    return {
        "id": new_id(),
        "account": problem.account,
        "call": problem.call,
        "room": problem.room,
        "level": problem.level,
        "code": problem.code,
        "created": now,
        "data": {
            "message": problem.message,
            "url": problem.url,
            "method": problem.method,
            "line": problem.line,
            **({"exchange": asdict(problem.exchange)} if problem.exchange is not None else {}),
        },
    }


def rendered(make: Callable[[], Sequence[Notice]]) -> list[Notice]:
    """Notices; a bug in rendering costs them, and is logged: the state that they tell of is written all the same."""
    try:
        return list(make())
    except Exception:
        log.exception("notice_not_rendered")
        return []


async def within(written: Written | None, seconds: float = 5.0) -> None:
    """Wait for a commit, but not for ever: a store that cannot write is an error the asker must see (StorageUnavailable)."""
    if written is None:
        return
    try:
        await asyncio.wait_for(asyncio.shield(written), seconds)
    except TimeoutError as error:
        raise StorageUnavailable("the database cannot be written now") from error


def _without_secrets(problem: Problem) -> Problem:
    return replace(problem, message=redacted(problem.message), url=redacted(problem.url))
