"""The hub: what can be asked of calls and rooms, whoever asks (a SIP peer, REST, a document)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from hubbub.calls.call import Call, ProgressWish
from hubbub.calls.calls import Calls
from hubbub.calls.departures import Departures
from hubbub.calls.directory import ApplicationRecord, Directory, NumberRecord, routed
from hubbub.calls.inside import InsideCall
from hubbub.conference.journal import rendered
from hubbub.conference.policy import Joining, RoomSettings
from hubbub.conference.room import Room, new_member
from hubbub.conference.rooms import Rooms
from hubbub.errors import Refused
from hubbub.events import ActionEvent, CallStatus, LeaveReason, Link, Problem, RoomEventKind
from hubbub.ids import Id
from hubbub.settings import Account, Number, RoomLimits
from hubbub.sip.endpoint import SipCall
from hubbub.verbs.dialect import Dialect, DocumentRequest
from hubbub.verbs.handlers import open_room
from hubbub.verbs.model import JoinRoom
from hubbub.verbs.outgoing import OutgoingCall
from hubbub.verbs.program import Program
from hubbub.verbs.services import VerbServices
from hubbub.verbs.session import Session
from hubbub.verbs.transfer import Transfers

log = structlog.get_logger()
INSIDE_CODECS = ("L16/16000",)
"""Between two ends on one machine nothing need be saved."""
MOST_HOPS = 10
"""Applications that call each other in a circle come to an end."""
MOST_INSIDE = 20
"""Calls to applications that live at a time because of one call from outside: applications that multiply come to an end as well."""
CROWDED = "the account has as many calls as it may have at a time"
Departing = tuple[Call, Callable[[], None]]


class Hub:
    """All sessions of this server."""

    def __init__(
        self, services: VerbServices, calls: Calls, rooms: Rooms, directory: Directory, defaults: Joining, limits: RoomLimits = RoomLimits()
    ) -> None:
        self.services = services
        services.hub = self
        services.journal.on_problem = self._problem
        self.calls = calls
        self.rooms = rooms
        self.directory = directory
        self.sessions: dict[Id, Session] = {}
        self._defaults = defaults
        self.transfers = Transfers()
        self.limits = limits
        """Of rooms."""
        self._departures: dict[str, Departures[Departing]] = {}

    # -- calls -------------------------------------------------------------------------------------------------

    def incoming(self, sip: SipCall, number: Number, account: Account, entry: NumberRecord | None = None) -> None:
        """A call has arrived: ring, and ask its application what to do. One too many of its account is refused in silence."""
        if account.suspended:
            self._turn_away(account, number, "account-inactive-inbound", f"a call for {sip.to_user or number.number} was not taken")
            sip.reject(403, "Forbidden")
            return
        if self._crowded(account, self.services.dialects[number.dialect]):
            self._turn_away(account, number, "too-many-calls", CROWDED)
            sip.reject(503, "Service Unavailable", {"Retry-After": "10"})
            return
        call = self.calls.incoming(sip, number, account)
        more = {"number": entry.id, "application": entry.application} if entry is not None else {}
        if call is not None:
            self._begin(call, sip, number, more)

    def _turn_away(self, account: Account, number: Number, reason: str, text: str) -> None:
        """Keep for its account that a call was not taken."""
        code = self.services.dialects[number.dialect].refusal_code(reason)
        self.services.journal.report(Problem(account.name, code, "error", text), self.services.clock.now())

    def _begin(self, call: Call, sip: SipCall, number: Number, extra: Mapping[str, Any]) -> None:
        """Ring, and ask for the first document."""
        call.record = replace(call.record, extra={name: value for name, value in extra.items() if value})
        if number.status_callback:
            link = Link(number.status_callback, number.status_callback_method, number.username, number.password)
            call.progress = (ProgressWish(link),)
        session = self._adopt(call)
        sip.ring()
        call.save()
        fallback = Link(number.fallback_url, number.fallback_method, number.username, number.password) if number.fallback_url else None
        first = Link(number.url, number.method, number.username, number.password, fallback=fallback)
        session.start(DocumentRequest(first, "initiate", call.record))

    def incoming_to_room(self, sip: SipCall, number: Number, account: Account, room: str) -> None:
        """A call has arrived that goes straight into a room: the development defaults."""
        call = self.calls.incoming(sip, number, account)
        if call is not None:
            session = self._adopt(call)
            call.save()
            session.start(Program({"main": (JoinRoom(room=room, joining=self._defaults),)}))

    def place(self, account: Account, dialect: Dialect, wish: OutgoingCall, first: Link | Program) -> tuple[Call, Callable[[], None]]:
        """Prepare an outgoing call that runs a document when it is answered. The second value dials, or lets it wait for its turn.

        Raises Refused (queue-full, too-many-calls), and what dialling raises.
        """
        line = self._line(account, dialect)
        if line is not None:
            line.check()
        call, send = self._prepare(account, dialect, wish)
        session = self.sessions[call.id]

        def answered() -> None:
            begin = first if isinstance(first, Program) else DocumentRequest(first, "answer", call.record)
            if isinstance(begin, Program):
                self.services.documents.remarks(begin, account, call.record)
            session.start(begin, digits=wish.digits, detection=wish.detection)

        call.on_answered = answered
        return call, send if line is None else partial(self._wait, line, call, send, wish.priority)

    def waiting(self, account: Account, dialect: Dialect) -> tuple[int, int]:
        """Calls that wait to be sent, and how many may."""
        line = self._line(account, dialect)
        if line is not None:
            return len(line), line.most
        queued = sum(1 for call in self.calls if call.record.account == account.name and call.status is CallStatus.QUEUED)
        return queued, self.calls.capacity

    def _line(self, account: Account, dialect: Dialect) -> Departures[Departing] | None:
        """Where calls of an account wait to be sent; None where they are sent at once."""
        limits = dialect.call_limits(account)
        return self._departures.setdefault(account.name, Departures(limits.per_second)) if limits.per_second else None

    def _crowded(self, account: Account, dialect: Dialect) -> bool:
        most = dialect.call_limits(account).at_a_time
        return most > 0 and sum(1 for call in self.calls if call.record.account == account.name and not call.over) >= most

    def _wait(self, line: Departures[Departing], call: Call, send: Callable[[], None], priority: int) -> None:
        waits = len(line) > 0
        line.add((call, send), priority)
        if not waits:
            self._depart(line)

    def _depart(self, line: Departures[Departing]) -> None:
        now = self.services.clock.monotonic()
        for _call, send in line.due(now, lambda waiting: waiting[0].over):
            send()
        seconds = line.wait(now)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._depart, line)

    def dial(self, parent: Session, wish: OutgoingCall) -> tuple[Session, Callable[[], None]]:
        """Prepare a call to be connected with another, whose dialect and account it has. The second value dials.

        Raises Refused (too-many-calls), and what dialling raises.
        """
        account = self.services.accounts[parent.record.account]
        call, send = self._prepare(account, parent.dialect, replace(wish, parent=parent.call.id))
        return self.sessions[call.id], send

    def invite(
        self, account: Account, dialect: Dialect, wish: OutgoingCall, verb: JoinRoom, coaching: tuple[Id, ...], *, early_media: bool
    ) -> tuple[Call, Room, Callable[[], None]]:
        """Call somebody into a room: the place is taken now, the member joins when it answers. Raises Refused (too-many-calls …)."""
        opening = replace(verb, joining=dialect.settled(account, None, verb.joining))
        room = open_room(opening, account.name, self.services, dialect.room_key(verb))
        try:
            call, send = self.invite_to(
                room, account, dialect, wish, verb, coaching, early_media=early_media, wished=opening.joining.settings
            )
        except Exception:
            self.rooms.discard_if_empty(room)
            raise
        return call, room, send

    def invite_to(
        self,
        room: Room,
        account: Account,
        dialect: Dialect,
        wish: OutgoingCall,
        verb: JoinRoom,
        coaching: tuple[Id, ...],
        *,
        early_media: bool = False,
        wished: RoomSettings | None = None,
    ) -> tuple[Call, Callable[[], None]]:
        """Call somebody into a room that is there. The second value dials."""
        if verb.refused:
            raise Refused(verb.refused)
        call, send = self._prepare(account, dialect, wish)
        session = self.sessions[call.id]
        member = new_member(
            room, call.id, verb.joining, coaching, self.services.clock.now(), is_coach=bool(coaching), goes_on=verb.on_done is not None
        )
        session.room = session.invited_to = room
        try:
            room.invite(replace(member, queue_seconds=0.0), session, verb.joining.wait, wished)
        except Refused:
            session.room = session.invited_to = None
            call.hangup()
            raise
        call.on_ringing = lambda: room.progressed(call.id, RoomEventKind.RINGING)

        def answered() -> None:
            room.progressed(call.id, RoomEventKind.ANSWERED)
            session.start(Program({"main": (verb,)}), detection=wish.detection)

        call.on_answered = answered
        if early_media:
            call.on_early_media = lambda: room.early_media(call.id) if room.live else None
        return call, send

    def redirect(self, call: Call, first: Link | Program, *, unanswered: bool = False) -> None:
        """Another document takes over a live call; one that is coming in also before it is answered, where `unanswered` allows it.

        Raises Refused (call-over).
        """
        session = self.sessions.get(call.id)
        early = unanswered and call.record.direction == "inbound"
        if session is None or call.over or not (call.answered or early):
            raise Refused("call-over")
        session.replace(first if isinstance(first, Program) else DocumentRequest(first, "redirect", call.record))

    def end(self, call: Call) -> None:
        """End a call by request."""
        call.ended_by_request = True
        call.hangup()

    def remove(self, room: Room, call: Id) -> None:
        """Take a member out of its room; its call goes on with its own document. Raises Refused (absent)."""
        member = room.member(call)
        if member is None:
            raise Refused("absent")
        session = self.sessions.get(call)
        room.leave(call, LeaveReason.REMOVED, session.call.status if session else CallStatus.COMPLETED)

    def tell(self, call: Call, action: str, state: str, now: float, **details: Any) -> None:
        """Tell whoever follows a call of something that was done on it, beside how it gets on."""
        event = ActionEvent(action, state, call.record, now, details=details)
        render = self.services.render
        notices = [notice for wish in call.progress for notice in rendered(partial(render.action_notices, event, wish.link))]
        self.services.journal.write([], [event], notices)

    def _problem(self, problem: Problem, now: float) -> None:
        """Whoever follows a call is told what goes wrong with its documents."""
        call = self.calls.get(problem.account, problem.call) if problem.call is not None else None
        if call is not None and call.progress:
            self.tell(call, "warning", problem.code, now, message=problem.message, level=problem.level, line=problem.line)

    # -- inside ------------------------------------------------------------------------------------------------

    def _application(self, account: Account, wish: OutgoingCall) -> ApplicationRecord | None:
        """Whom a call to an application reaches; None for any other call. Raises Refused (bad-application)."""
        if wish.callee.kind != "application":
            return None
        found = self.directory.get(ApplicationRecord, account.name, Id(wish.callee.value))
        if found is None or not found.url:
            raise Refused("bad-application", "there is no such application, or it has no URL")
        if wish.hops >= MOST_HOPS:
            raise Refused("bad-application", f"the call came through {MOST_HOPS} applications already")
        if wish.outermost is not None and self._inside(wish.outermost) >= MOST_INSIDE:
            raise Refused("bad-application", f"{MOST_INSIDE} calls to applications have come of one call already")
        return found

    def _inside(self, outermost: Id) -> int:
        """How many live calls to applications a call from outside has led to; each has two ends and counts once."""
        kin = (call for call in self.calls if call.record.extra.get("outermost") == outermost and not call.over)
        return sum(1 for call in kin if call.record.direction != "inbound")

    def _enter(self, application: ApplicationRecord, account: Account, wish: OutgoingCall, outer: Call, end: InsideCall) -> None:
        """The other end of a call to an application: an incoming call that its documents answer."""
        number = routed(application)
        if not wish.beyond_limits and self._crowded(account, self.services.dialects[number.dialect]):
            self._turn_away(account, number, "too-many-calls", CROWDED)
            end.reject(503, "Service Unavailable")
            return
        call = self.calls.entering(end, number, account, outer.record.caller, wish.reaches_as or outer.record.callee)
        if call is not None:
            more = {"application": application.id, "parameters": dict(wish.parameters), "hops": wish.hops + 1}
            self._begin(call, end, number, {**more, "outermost": wish.outermost or outer.id})

    def _prepare(self, account: Account, dialect: Dialect, wish: OutgoingCall) -> tuple[Call, Callable[[], None]]:
        if account.suspended:
            raise Refused("account-inactive", "the account is suspended")
        if not wish.beyond_limits and self._crowded(account, dialect):
            raise Refused("too-many-calls", CROWDED)
        application = self._application(account, wish)
        call, send = self.calls.place(
            account,
            dialect.name,
            callee=wish.callee,
            caller=wish.caller,
            progress=wish.progress,
            ring_seconds=wish.ring_seconds,
            silent_seconds=wish.silent_seconds,
            total_seconds=wish.total_seconds,
            sip_username=wish.sip_username,
            sip_password=wish.sip_password,
            headers=wish.headers,
            private=wish.private,
            tag=wish.tag,
            parent=wish.parent,
            srtp=wish.srtp,
            enter=partial(self._enter, application, account, wish) if application is not None else None,
        )
        more = {"application": wish.application, "parameters": dict(wish.parameters)}
        if application is not None:
            more["outermost"] = wish.outermost
        extra = {**wish.extra, **{name: value for name, value in more.items() if value}}
        if extra:
            call.record = replace(call.record, extra=extra)
            call.save()
        call.record_on_answer = wish.recording
        call.negotiation.offered = wish.codecs if application is None else INSIDE_CODECS
        self._adopt(call, dialect)
        return call, send

    def _adopt(self, call: Call, dialect: Dialect | None = None) -> Session:
        chosen = dialect or self.services.dialects[call.record.dialect]
        call.longest_seconds = chosen.longest_call(self.services.accounts[call.record.account])
        session = Session(call, chosen, self.services, self._ended)
        self.sessions[call.id] = session
        return session

    def _ended(self, session: Session) -> None:
        self.sessions.pop(session.call.id, None)
        self.calls.forget(session.call)
        self.services.requester.forget(session.call.id)
