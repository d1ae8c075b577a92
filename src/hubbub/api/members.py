"""The neutral operations behind REST for members of rooms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hubbub.api.calls import committed, outgoing, within_capacity
from hubbub.api.checks import preflight
from hubbub.api.lists import page_of, stored, windowed
from hubbub.api.request import Asked, Operation
from hubbub.api.rooms import live_room, needed_room
from hubbub.conference.journal import within
from hubbub.conference.policy import Wait
from hubbub.conference.room import Room
from hubbub.conference.state import MemberChange
from hubbub.dialects.tables import Page
from hubbub.errors import Refused
from hubbub.events import CallStatus, Link, MemberRecord, RoomRecord
from hubbub.ids import Id
from hubbub.storage.store import Condition
from hubbub.verbs.model import Stage
from hubbub.verbs.outgoing import OutgoingCall


async def create_member(asked: Asked) -> tuple[MemberRecord, CallStatus]:
    """Call somebody into a room."""
    spelled = asked.path["room"]
    if asked.face.identity("room", spelled) is not None and live_room(asked) is None:
        raise Refused("room-not-live")
    verb = asked.face.join(asked.values, spelled)
    coaching = _coaching(asked, verb.coach_ids)
    call, room, send = within_capacity(
        lambda: asked.hub.invite(
            asked.account,
            asked.face.dialect,
            _invited(asked, outgoing(asked)),
            verb,
            coaching,
            early_media=asked.values.get("early_media", True),
        )
    )
    member = room.member(call.id)
    assert member is not None
    await committed(call, within(call.written), room.settled())
    status = call.status
    send()
    return member, status


def _invited(asked: Asked, wish: OutgoingCall) -> OutgoingCall:
    """A member rings a little longer, and never waits for who answered to be found out. Raises Refused (detection-untold)."""
    detection = wish.detection
    if detection is not None and detection.link is None:
        raise Refused("detection-untold", "nobody would be told who answered")
    beside = replace(detection, waits=False) if detection is not None else None
    return replace(wish, ring_seconds=wish.ring_seconds + asked.face.habits.invited_buffer_seconds, detection=beside)


async def list_members(asked: Asked) -> Page:
    """Active members of a room; none of one that is over."""
    room = live_room(asked)
    if asked.values.get("everybody"):
        return await _everybody(asked, room.record.id if room is not None else asked.identity("room"))
    if room is None:
        await stored(asked, "rooms", RoomRecord, asked.identity("room"))
        return Page((), asked.window.number, asked.window.size, more=False)
    wanted = {"muted": "muted", "held": "held", "coaching": "is_coach"}
    found = [
        (member, _status_of(asked, member))
        for member in sorted(room.core.members.values(), key=lambda m: m.created or m.joined, reverse=True)
        if all(getattr(member, field) == asked.values[name] for name, field in wanted.items() if name in asked.values)
    ]
    return windowed(found, asked.window, lambda item: item[0].call)


async def _everybody(asked: Asked, room: Id) -> Page:
    """All who ever were in a room, also of one that is over; how a call stands is what it was when it left."""
    await stored(asked, "rooms", RoomRecord, room)
    page = await page_of(asked, "members", MemberRecord, (Condition("room", "=", room),))
    return replace(page, items=tuple((member, member.call_status or _status_of(asked, member)) for member in page.items))


async def fetch_member(asked: Asked) -> tuple[MemberRecord, CallStatus]:
    """One active member, by call or by label."""
    member = the_member(asked, needed_room(asked))
    return member, _status_of(asked, member)


async def update_member(asked: Asked) -> tuple[MemberRecord, CallStatus]:
    """Change a member, or announce something to it alone."""
    values = asked.values
    speaks, call = asked.speaks(needed_room(asked)), the_member(asked, needed_room(asked)).call
    await preflight(asked, values.get("hold_url"), values.get("hold_method", "GET"), speaks, member=call)
    await preflight(asked, values.get("wait_url"), values.get("wait_method", "POST"), speaks, member=call)
    await preflight(asked, values.get("announce_url"), values.get("announce_method", "POST"), speaks, Stage.ANNOUNCEMENT, call)
    room = needed_room(asked)  # whoever left while URLs were looked at is looked for in vain
    member = the_member(asked, room)
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
        hold_audio=_audio(asked.speaks(room), values.get("hold_url"), values.get("hold_method", "GET")),
        beep_on_exit=values.get("beep_on_exit"),
        end_on_exit=None if member.held and asked.account.held_keep_end_on_exit else values.get("end_on_exit"),
        wait=_audio(asked.speaks(room), values.get("wait_url"), values.get("wait_method", "POST")),
        coaching=coaching,
    )
    room.change(member.call, change)
    if values.get("announce_url"):
        link = Link(values["announce_url"], values.get("announce_method", "POST"))
        room.announce(link, member.call, dialect=asked.speaks(room))
    await room.settled()
    changed = room.member(member.call) or member
    return changed, _status_of(asked, changed)


def _audio(speaks: str, url: str | None, method: str) -> Wait | None:
    """Wait or hold audio that was asked for: its document speaks the dialect of whoever asks, not of the leg."""
    return Wait(Link(url, method), dialect=speaks) if url else None


async def remove_member(asked: Asked) -> None:
    """Take a member out of its room."""
    room = needed_room(asked)
    asked.hub.remove(room, the_member(asked, room).call)
    await room.settled()


def the_member(asked: Asked, room: Room) -> MemberRecord:
    """The member of a path: by call, or by label. Raises Refused (not-found)."""
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


OPERATIONS: Mapping[str, Operation] = {
    operation.__name__: operation for operation in (create_member, list_members, fetch_member, update_member, remove_member)
}
