"""Recovery: what a crash left open is closed, told, and never mistaken for live (law 4).

"The restarted server … closes rooms with their end events": rooms, calls and recordings were stored with what is needed to tell
about them, so that the notices of their end go out as if the server had ended them itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from hubbub.calls.call import ProgressWish
from hubbub.clock import Clock
from hubbub.conference.effects import Notify
from hubbub.conference.journal import Journal
from hubbub.conference.policy import RecordingWish, RoomSettings
from hubbub.conference.recording import salvaged
from hubbub.conference.rows import brought_back, call_row, from_row, member_row, recording_row, room_row
from hubbub.conference.state import RoomCore
from hubbub.dialects.registry import Renderings
from hubbub.errors import SipError
from hubbub.events import (
    CallEvent,
    CallRecord,
    CallStatus,
    EndReason,
    Event,
    MemberRecord,
    RecordingEvent,
    RecordingRecord,
    RecordingStatus,
    RoomEvent,
    RoomRecord,
    RoomStatus,
)
from hubbub.settings import Route
from hubbub.sip.endpoint import SipEndpoint
from hubbub.storage.store import Change, Condition, Put, Query, Row, Store
from hubbub.tasks import spawn
from hubbub.webhooks.delivery import Notice

log = structlog.get_logger()

LIVE_CALLS = [status.value for status in CallStatus if not status.final]
BYES_A_TURN, TURN_SECONDS = 50, 0.1
OPEN_RECORDINGS = [status.value for status in (RecordingStatus.IN_PROGRESS, RecordingStatus.PAUSED, RecordingStatus.PROCESSING)]


@dataclass
class Closing:
    """What the end of everything that was open comes to."""

    changes: list[Change] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    asked: list[tuple[RoomEvent, RoomSettings]] = field(default_factory=list)
    """Events whose answer a live room would execute: they are told, the answers are not wanted any more."""
    dialogs: list[Mapping[str, Any]] = field(default_factory=list)
    """What the other sides of answered calls still believe in."""
    closed: int = 0


async def recover(
    store: Store,
    journal: Journal,
    renderings: Renderings,
    recordings: Path,
    clock: Clock,
    endpoint: SipEndpoint,
    trunks: Sequence[Route] = (),
) -> tuple[int, Sequence[tuple[RoomEvent, RoomSettings]]]:
    """Close the rooms, members, calls and recordings of a server that is gone.

    `trunks` have the passwords that some ask for. Returns how many rooms and calls there were, and the events that are told by requests
    of their own.
    """
    now, closing = clock.now(), Closing()
    members = await store.find(Query("members", (Condition("active", "=", 1),)))
    for row in await store.find(Query("recordings", (Condition("status", "in", OPEN_RECORDINGS),))):
        _close_recording(row, recordings, now, renderings, closing)
    for row in await store.find(Query("rooms", (Condition("status", "!=", RoomStatus.COMPLETED.value),))):
        _close_room(row, [from_row(MemberRecord, each) for each in members if each["room"] == row["id"]], now, renderings, closing)
    for row in await store.find(Query("calls", (Condition("status", "in", LIVE_CALLS),))):
        _close_call(row, now, renderings, closing)
    if closing.changes:
        await journal.write(closing.changes, closing.events, closing.notices)
    if closing.dialogs:
        spawn(_hang_up(closing.dialogs, endpoint, trunks), "hang-up-recovered")
    return closing.closed, closing.asked


async def _hang_up(dialogs: Sequence[Mapping[str, Any]], endpoint: SipEndpoint, trunks: Sequence[Route]) -> None:
    """Tell phones that hear nothing any more, or ring for nobody (RFC 3261 15, 9); a few at a time, so that no buffer overflows."""
    for count, dialog in enumerate(dialogs, 1):
        try:
            endpoint.abandon(dialog, password_for(dialog, trunks))
        except SipError as error:
            log.warning("dialog_not_ended", error=str(error))
        if count % BYES_A_TURN == 0:
            await asyncio.sleep(TURN_SECONDS)


def password_for(dialog: Mapping[str, Any], trunks: Sequence[Route]) -> str:
    """The password of the trunk that a call went to, if it was called by that trunk's name: names alone may be chosen by strangers."""
    name, host = dialog.get("username", ""), _host(dialog.get("remote", ""))
    return next((trunk.password for trunk in trunks if name and trunk.username == name and _host(trunk.to) == host), "")


def _host(uri: str) -> str:
    """Host and port of a SIP URI, which may stand between angle brackets."""
    return re.split(r"[;>?]", uri.rpartition("@")[2], maxsplit=1)[0].lower()


def _close_room(row: Row, members: list[MemberRecord], now: float, renderings: Renderings, closing: Closing) -> None:
    record, data = from_row(RoomRecord, row), row["data"]
    try:
        settings = brought_back(RoomSettings, data["settings"])
    except (KeyError, ValidationError) as error:
        log.warning("room_end_not_told", room=record.id, error=str(error))
        settings = RoomSettings(record.dialect)
    core = RoomCore.restored(record, settings, members, data.get("number", 0))
    told = [effect.event for effect in core.end(EndReason.SERVER_RESTARTED, now) if isinstance(effect, Notify)]
    closing.changes.append(
        Put(
            "rooms",
            record.id,
            {**room_row(core.room, settings=data.get("settings"), number=core.number), "owner": row["owner"], "epoch": row["epoch"]},
        )
    )
    closing.changes += [Put("members", event.member.id, member_row(event.member)) for event in told if event.member is not None]
    closing.events += told
    closing.notices += [notice for event in told for notice in renderings.room_notices(event, settings)]
    if settings.subscription is not None and settings.subscription.replies:
        closing.asked += [(event, settings) for event in told if event.kind in settings.subscription.events]
    closing.closed += 1


def _close_call(row: Row, now: float, renderings: Renderings, closing: Closing) -> None:
    call, data = from_row(CallRecord, row), row["data"]
    status = CallStatus.COMPLETED if call.answered else CallStatus.FAILED
    record = replace(call, status=status, ended=now, updated=now, cause="error", error="the server was restarted")
    wishes = brought_back(tuple[ProgressWish, ...], data.get("progress", ()))
    wanted = [wish for wish in wishes if "completed" in wish.events]
    event = CallEvent("completed", record, now, data.get("number", -1) + 1 if wanted else None)
    if data.get("dialog") is not None:
        closing.dialogs.append(data["dialog"])
    closing.changes.append(Put("calls", call.id, call_row(record)))
    closing.events.append(event)
    closing.notices += [notice for wish in wanted for notice in renderings.call_notices(event, wish)]
    closing.closed += 1


def _close_recording(row: Row, folder: Path, now: float, renderings: Renderings, closing: Closing) -> None:
    data = row["data"]
    record = salvaged(from_row(RecordingRecord, row), folder, now, data)
    event = RecordingEvent("absent" if record.status is RecordingStatus.ABSENT else "completed", record, now)
    closing.changes.append(Put("recordings", record.id, recording_row(record)))
    closing.events.append(event)
    wish = brought_back(RecordingWish | None, data.get("wish"))
    if wish is not None:
        closing.notices += renderings.recording_notices(event, wish, data["dialect"])
