"""The neutral operations behind REST: calls, rooms, members, recordings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from hubbub.api.face import RestFace
from hubbub.api.orders import leg_order
from hubbub.calls.call import Call, ProgressWish
from hubbub.calls.directory import ApplicationRecord
from hubbub.conference.journal import within
from hubbub.conference.policy import Wait
from hubbub.conference.recording import Recorder
from hubbub.conference.room import Room
from hubbub.conference.rows import Record, from_row
from hubbub.conference.state import MemberChange
from hubbub.dialects.tables import Between, Page, Window
from hubbub.errors import MediaError, Refused, ResourceExhausted, StorageUnavailable
from hubbub.events import CallRecord, CallStatus, EndReason, Link, MemberRecord, RecordingRecord, RecordingStatus, RoomRecord, RoomStatus
from hubbub.ids import Id
from hubbub.settings import Account
from hubbub.storage.changes import Table
from hubbub.storage.store import Condition, Delete, Query, Store
from hubbub.verbs.hub import Hub
from hubbub.verbs.model import Program
from hubbub.verbs.outgoing import OutgoingCall

Prepared = TypeVar("Prepared")


@dataclass(frozen=True)
class Asked:
    """A request to REST, read and authenticated."""

    hub: Hub
    store: Store
    account: Account
    face: RestFace
    path: Mapping[str, str]
    values: Mapping[str, Any]
    window: Window
    host: str
    notes: list[tuple[str, str]]
    """What its account should know although it is no error: a neutral reason, and words."""

    def note(self, reason: str, text: str) -> None:
        """Keep what its account should know; a strict account is refused instead. Raises Refused."""
        if self.account.strict:
            raise Refused(reason, text)
        self.notes.append((reason, text))

    def identity(self, kind: str) -> Id:
        """The identity in the path. Raises Refused (not-found)."""
        found = self.face.identity(kind, self.path[kind])
        if found is None:
            raise Refused("not-found")
        return found


Operation = Callable[[Asked], Awaitable[Any]]


# -- calls -----------------------------------------------------------------------------------------------------


async def create_call(asked: Asked) -> CallRecord:
    """Call somebody and run a document when it answers."""
    asked = _with_application(asked)
    values = asked.values
    if not values.get("url") and not values.get("document"):
        raise Refused("url-missing")
    first = _document(asked)
    call, send = _busy(lambda: asked.hub.place(asked.account, asked.face.dialect, _outgoing(asked), first))
    await _committed(call, within(call.written))
    record = call.record
    send()
    return record


def _with_application(asked: Asked) -> Asked:
    """An application that is named decides all the URLs. Raises Refused (bad-application)."""
    wanted = asked.values.get("application")
    if wanted is None:
        return asked
    found = asked.hub.directory.get(ApplicationRecord, asked.account.name, wanted)
    if found is None:
        raise Refused("bad-application", "there is no such application")
    names = {"url": "url", "method": "method", "fallback_url": "fallback_url", "fallback_method": "fallback_method"}
    names |= {"status_url": "progress_url", "status_method": "progress_method"}
    ours = {name: value for name, value in asked.values.items() if name not in names.values() and name != "document"}
    return replace(asked, values={**ours, **{to: value for name, to in names.items() if (value := getattr(found, name))}})


async def _committed(call: Call, *waits: Awaitable[None]) -> None:
    """Wait until a new call is committed; one that cannot be stored is not made."""
    try:
        await asyncio.gather(*waits)
    except StorageUnavailable:
        call.hangup()
        raise


async def fetch_call(asked: Asked) -> CallRecord:
    """One call, live or over."""
    return await _call(asked, asked.identity("call"))


async def list_calls(asked: Asked) -> Page:
    """Calls, newest first."""
    return await _page(asked, "calls", CallRecord, filters(asked, "callee", "caller", "parent", "status"))


async def update_call(asked: Asked) -> CallRecord:
    """Give a live call another document, or end it."""
    identity = asked.identity("call")
    call = asked.hub.calls.get(asked.account.name, identity)
    if call is None:
        await _call(asked, identity)  # unknown is 404, over is 400
        raise Refused("call-over")
    wanted = asked.values.get("status")
    if wanted == "canceled" and call.answered:
        raise Refused("bad-parameter", "only a queued or ringing call can be canceled")
    if wanted is not None:
        asked.hub.end(call)
        await asyncio.sleep(0)  # its end is told by the next turn of the loop
    elif asked.values.get("url") or asked.values.get("document"):
        asked.hub.redirect(call, _document(asked), unanswered=asked.face.habits.unanswered_redirect)
        call.progress = _progress(asked) or call.progress
    if asked.values.get("tag") is not None and not call.over:
        call.set_tag(asked.values["tag"])
    if asked.values.get("total_seconds") is not None:
        call.limit(None, float(asked.values["total_seconds"]))
    await within(call.written)
    return call.record


async def delete_call(asked: Asked) -> None:
    """Forget a call that is over."""
    identity = asked.identity("call")
    if asked.hub.calls.get(asked.account.name, identity) is not None:
        raise Refused("call-live")
    await _call(asked, identity)
    await asked.store.commit(Delete("calls", identity))


async def _call(asked: Asked, identity: Id) -> CallRecord:
    live = asked.hub.calls.get(asked.account.name, identity)
    return live.record if live is not None else await _stored(asked, "calls", CallRecord, identity)


def _outgoing(asked: Asked) -> OutgoingCall:
    values = asked.values
    if not values.get("to"):
        raise Refused("to-missing")
    if not values.get("from"):
        raise Refused("from-missing")
    if values.get("sip_username") and not values.get("sip_password"):
        raise Refused("no-sip-password")
    try:
        caller = asked.face.party(values["from"], asked.host)
    except Refused as refusal:
        raise Refused("invalid-caller", str(refusal)) from refusal
    return OutgoingCall(
        callee=asked.face.party(values["to"], asked.host),
        caller=replace(caller, display=values.get("display", "")),
        progress=_progress(asked),
        ring_seconds=float(values.get("ring_seconds", 60)),
        total_seconds=values.get("total_seconds"),
        sip_username=values.get("sip_username", ""),
        sip_password=values.get("sip_password", ""),
        headers=asked.face.headers(values["to"]),
        digits=values.get("digits", ""),
        application=values.get("application"),
        tag=values.get("tag", ""),
        extra=values.get("extra", {}),
        recording=leg_order(values, asked.face.dialect.name, "outgoing") if values.get("recorded") else None,
    )


def _progress(asked: Asked) -> tuple[ProgressWish, ...]:
    """Who wants to know how the call gets on; an event that does not exist silences all of them, and is noted."""
    values = asked.values
    events = values.get("progress_events", frozenset({"completed"}))
    if not events:
        asked.note("bad-progress-event", "an event of the status callback does not exist: nothing is sent")
    if not events or not values.get("progress_url"):
        return ()
    link = Link(values["progress_url"], values.get("progress_method", "POST"), values.get("username", ""), values.get("password", ""))
    return (ProgressWish(link, events),)


def _document(asked: Asked) -> Link | Program:
    values = asked.values
    if not values.get("url"):
        return asked.face.program(values["document"])
    if values.get("document"):
        asked.note("two-documents", "a URL and a document were given: the URL wins")
    return link_of(values, values["url"], values.get("method", "POST"))


def link_of(values: Mapping[str, Any], url: str, method: str) -> Link:
    """A URL that was asked for, with its credentials, and with the one to be asked when it fails."""
    fallback = None
    if values.get("fallback_url"):
        credentials = values.get("fallback_username", ""), values.get("fallback_password", "")
        fallback = Link(values["fallback_url"], values.get("fallback_method", "POST"), *credentials)
    return Link(url, method, values.get("username", ""), values.get("password", ""), fallback=fallback)


# -- rooms -----------------------------------------------------------------------------------------------------


async def list_rooms(asked: Asked) -> Page:
    """Rooms, newest first."""
    return await _page(asked, "rooms", RoomRecord, filters(asked, "name", "status"))


async def fetch_room(asked: Asked) -> RoomRecord:
    """One room: by id, or by its name while it lives."""
    live = _live_room(asked)
    return live.record if live is not None else await _stored(asked, "rooms", RoomRecord, asked.identity("room"))


async def update_room(asked: Asked) -> RoomRecord:
    """End a room, or announce something in it. Ending an ended room changes nothing."""
    room = _live_room(asked)
    values = asked.values
    if room is None:
        record = await _stored(asked, "rooms", RoomRecord, asked.identity("room"))
        if values.get("announce_url"):
            raise Refused("not-bridged")
        return record
    if values.get("announce_url"):
        if room.record.status is RoomStatus.INIT:
            raise Refused("not-bridged", "nobody hears an announcement before the conference has started")
        link = Link(values["announce_url"], values.get("announce_method", "POST"))
        room.announce(link, dialect=asked.face.dialect.name)
    if values.get("status") == "completed":
        room.end(EndReason.REQUESTED)
    await room.settled()
    return room.record


def _live_room(asked: Asked) -> Room | None:
    spelled = asked.path["room"]
    identity = asked.face.identity("room", spelled)
    if identity is not None:
        return asked.hub.rooms.by_id(asked.account.name, identity)
    return asked.hub.rooms.by_name(asked.account.name, spelled)


def _needed_room(asked: Asked) -> Room:
    room = _live_room(asked)
    if room is None:
        raise Refused("not-found")
    return room


# -- members ---------------------------------------------------------------------------------------------------


async def create_member(asked: Asked) -> tuple[MemberRecord, CallStatus]:
    """Call somebody into a room."""
    spelled = asked.path["room"]
    if asked.face.identity("room", spelled) is not None and _live_room(asked) is None:
        raise Refused("room-not-live")
    verb = asked.face.join(asked.values, spelled)
    coaching = _coaching(asked, verb.coach_ids)
    call, room, send = _busy(
        lambda: asked.hub.invite(
            asked.account,
            asked.face.dialect,
            _outgoing(asked),
            verb,
            coaching,
            early_media=asked.values.get("early_media", True),
        )
    )
    member = room.member(call.id)
    assert member is not None
    await _committed(call, within(call.written), room.settled())
    status = call.status
    send()
    return member, status


async def list_members(asked: Asked) -> Page:
    """Active members of a room; none of one that is over."""
    room = _live_room(asked)
    if asked.values.get("everybody"):
        return await _everybody(asked, room.record.id if room is not None else asked.identity("room"))
    if room is None:
        await _stored(asked, "rooms", RoomRecord, asked.identity("room"))
        return Page((), asked.window.number, asked.window.size, more=False)
    wanted = {"muted": "muted", "held": "held", "coaching": "is_coach"}
    found = [
        (member, _status_of(asked, member))
        for member in sorted(room.core.members.values(), key=lambda m: m.joined, reverse=True)
        if all(getattr(member, field) == asked.values[name] for name, field in wanted.items() if name in asked.values)
    ]
    return windowed(found, asked.window)


async def _everybody(asked: Asked, room: Id) -> Page:
    """All who ever were in a room, also of one that is over; how a call stands is what it was when it left."""
    await _stored(asked, "rooms", RoomRecord, room)
    page = await _page(asked, "members", MemberRecord, (Condition("room", "=", room),))
    return replace(page, items=tuple((member, member.call_status or _status_of(asked, member)) for member in page.items))


async def fetch_member(asked: Asked) -> tuple[MemberRecord, CallStatus]:
    """One active member, by call or by label."""
    member = _member(asked, _needed_room(asked))
    return member, _status_of(asked, member)


async def update_member(asked: Asked) -> tuple[MemberRecord, CallStatus]:
    """Change a member, or announce something to it alone."""
    room = _needed_room(asked)
    member = _member(asked, room)
    values = asked.values
    if values.get("announce_url") and member.held and values.get("held") is not False:
        raise Refused("announce-held")
    coaching: tuple[Id, ...] | None = None
    if values.get("coaching") is False:
        coaching = ()
    elif values.get("coach") or values.get("coaching"):
        coaching = _coaching(asked, (values["coach"],)) if values.get("coach") else member.coaching
        if not coaching:
            raise Refused("bad-room-parameter", "Coaching=true requires CallSidToCoach")
    change = MemberChange(
        muted=values.get("muted"),
        held=values.get("held"),
        hold_audio=_audio(asked, values.get("hold_url"), values.get("hold_method", "GET")),
        beep_on_exit=values.get("beep_on_exit"),
        end_on_exit=None if member.held and asked.account.held_keep_end_on_exit else values.get("end_on_exit"),
        wait=_audio(asked, values.get("wait_url"), values.get("wait_method", "POST")),
        coaching=coaching,
    )
    room.change(member.call, change)
    if values.get("announce_url"):
        link = Link(values["announce_url"], values.get("announce_method", "POST"))
        room.announce(link, member.call, dialect=asked.face.dialect.name)
    await room.settled()
    changed = room.member(member.call) or member
    return changed, _status_of(asked, changed)


def _audio(asked: Asked, url: str | None, method: str) -> Wait | None:
    """Wait or hold audio that was asked for: its document speaks the dialect of whoever asks, not of the leg."""
    return Wait(Link(url, method), dialect=asked.face.dialect.name) if url else None


async def remove_member(asked: Asked) -> None:
    """Take a member out of its room."""
    room = _needed_room(asked)
    asked.hub.remove(room, _member(asked, room).call)
    await room.settled()


def _member(asked: Asked, room: Room) -> MemberRecord:
    spelled = asked.path["member"]
    identity = asked.face.identity("member", spelled)
    member = (room.member(identity) if identity is not None else None) or room.core.find(spelled)
    if member is None:
        raise Refused("not-found")
    return member


def _status_of(asked: Asked, member: MemberRecord) -> CallStatus:
    call = asked.hub.calls.get(asked.account.name, member.call)
    return call.status if call is not None else CallStatus.COMPLETED


def _coaching(asked: Asked, spelled: Sequence[str]) -> tuple[Id, ...]:
    found = []
    for text in spelled:
        identity = asked.face.identity("call", text)
        if identity is None:
            raise Refused("coach-absent", f"{text!r} is no call")
        found.append(identity)
    return tuple(found)


# -- recordings ------------------------------------------------------------------------------------------------


def recorder_of(asked: Asked) -> Recorder | None:
    """What records the live room or call of a path."""
    if "room" in asked.path:
        room = _live_room(asked)
        return room.recorder if room is not None else None
    call = asked.hub.calls.get(asked.account.name, asked.identity("call")) if "call" in asked.path else None
    return call.recorder if call is not None else None


def current_recording(asked: Asked) -> Id:
    """The only recording under way. Raises Refused (not-found, no-recording, several-recordings)."""
    recorder = recorder_of(asked)
    if recorder is None:
        raise Refused("not-found")
    return recorder.chosen(None)


async def list_recordings(asked: Asked) -> Page:
    """Recordings of a room, of a call, or of the account."""
    where = filters(asked, "call", "room")
    if not asked.values.get("deleted_too"):
        where += (Condition("status", "!=", RecordingStatus.DELETED.value),)
    if "room" in asked.path:
        where += (Condition("room", "=", (await fetch_room(asked)).id),)
    elif "call" in asked.path:
        where += (Condition("call", "=", (await fetch_call(asked)).id), Condition("room", "is null"))
    return await _page(asked, "recordings", RecordingRecord, where)


async def fetch_recording(asked: Asked) -> RecordingRecord:
    """One recording; the only one under way, where the path says so. Raises Refused."""
    current = asked.face.habits.current_recording
    wanted = current_recording(asked) if current and asked.path["recording"] == current else asked.identity("recording")
    recording = await _stored(asked, "recordings", RecordingRecord, wanted)
    if recording.status is RecordingStatus.DELETED and not asked.values.get("deleted_too"):
        raise Refused("not-found")
    if "room" in asked.path and recording.room != (await fetch_room(asked)).id:
        raise Refused("not-found")
    if "call" in asked.path and (recording.call != asked.identity("call") or recording.room is not None):
        raise Refused("not-found")
    return recording


# -- inside ----------------------------------------------------------------------------------------------------


def _busy(work: Callable[[], Prepared]) -> Prepared:
    try:
        return work()
    except (ResourceExhausted, MediaError) as error:
        raise Refused("busy", str(error)) from error


async def _stored(asked: Asked, table: Table, kind: type[Record], identity: Id) -> Record:
    row = await asked.store.get(table, identity)
    if row is None or row["account"] != asked.account.name:
        raise Refused("not-found")
    return from_row(kind, row)


async def _page(asked: Asked, table: Table, kind: type[Record], where: tuple[Condition, ...]) -> Page:
    window = asked.window
    direction: Literal["asc", "desc"] = "desc" if asked.face.habits.newest_first else "asc"
    query = Query(
        table,
        (Condition("account", "=", asked.account.name), *where),
        (("created", direction), ("id", direction)),
        window.size + 1,
        window.number * window.size,
    )
    rows = await asked.store.find(query)
    items = tuple(from_row(kind, row) for row in rows[: window.size])
    return Page(items, window.number, window.size, len(rows) > window.size)


def windowed(found: Sequence[Any], window: Window) -> Page:
    """The part of a list that is asked for."""
    first = window.number * window.size
    return Page(tuple(found[first : first + window.size]), window.number, window.size, len(found) > first + window.size)


def filters(asked: Asked, *columns: str) -> tuple[Condition, ...]:
    """Conditions for the filters that were given: equal columns, and bounds on times."""
    where: tuple[Condition, ...] = ()
    for name, value in asked.values.items():
        if isinstance(value, Between):
            column = name.rstrip("<>")
            if value.op == "=":
                where += (Condition(column, ">=", value.low), Condition(column, "<", value.high))
            else:  # on or before, on or after that day
                where += (Condition(column, "<", value.high) if value.op == "<" else Condition(column, ">=", value.low),)
        elif isinstance(value, Mapping):
            where += tuple(Condition(column, "=", wanted) for column, wanted in value.items())
        elif name in columns:
            where += (Condition(name, "=", value),)
    return where


OPERATIONS: Mapping[str, Operation] = {
    operation.__name__: operation
    for operation in (
        create_call,
        fetch_call,
        list_calls,
        update_call,
        delete_call,
        list_rooms,
        fetch_room,
        update_room,
        create_member,
        list_members,
        fetch_member,
        update_member,
        remove_member,
        list_recordings,
        fetch_recording,
    )
}
