"""The neutral operation behind the check of documents and URLs, and the check of audio before it is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hubbub.api.lists import windowed
from hubbub.api.request import Asked, Operation
from hubbub.dialects.lint import Finding, lint_document, lint_url
from hubbub.dialects.tables import Page
from hubbub.errors import Refused, RequestFailed
from hubbub.events import CallRecord, CallStatus, Link, Party
from hubbub.ids import Id, new_id
from hubbub.verbs.dialect import DocumentRequest
from hubbub.verbs.model import Stage

EVENTS = {Stage.CALL: "initiate", Stage.BESIDE: "wait", Stage.ANNOUNCEMENT: "announce"}
"""Why a document of a stage is asked for."""


async def check_document(asked: Asked) -> Page:
    """What is wrong with a document, or with what a URL answers now, and what is seldom meant. Nothing of it is done."""
    values, dialects = asked.values, asked.hub.services.dialects
    dialect, stage = values.get("dialect", ""), values.get("stage", Stage.CALL)
    if values.get("url"):
        asks = dialect or asked.face.habits.room_dialect(asked.account) or asked.face.dialect.name
        found = await _answered(asked, Link(values["url"], values.get("method", "POST")), asks, dialect, stage, _nobody(asked, asks))
    elif values.get("document"):
        found = lint_document(values["document"].encode(), dialect, stage=stage, dialects=dialects)
    else:
        raise Refused("bad-parameter", "url or document: say what shall be looked at")
    return windowed(found, asked.window)


async def preflight(asked: Asked, url: str | None, method: str, speaks: str, stage: Stage = Stage.BESIDE, member: Id | None = None) -> None:
    """Ask for audio before it is taken, for accounts that wish it. Raises Refused (bad-room-parameter) where it cannot be had.

    It is asked for as it will be: by a dialect, signed, for a call of the room in the path: the member's where there is one.
    """
    if url is None or not url or not asked.account.preflight_audio:
        return
    call = _call_of(asked, member) or _nobody(asked, speaks)
    found = await _answered(asked, Link(url, method), speaks, speaks, stage, call)
    wrong = next((finding for finding in found if finding.level == "error"), None)
    if wrong is not None:
        raise Refused("bad-room-parameter", f"{url}: {wrong.code}: {wrong.message}")


async def _answered(asked: Asked, link: Link, asks: str, dialect: str, stage: Stage, call: CallRecord) -> list[Finding]:
    """What is wrong with the answer to a request that one dialect makes, read as another."""
    services = asked.hub.services
    room = asked.room if "room" in asked.path else None
    wanted = DocumentRequest(link, EVENTS[stage], call, room.record if room is not None else None, at=services.clock.now())
    try:
        request = services.dialects[asks].document_request(asked.account, wanted)
    except RequestFailed as error:
        return [Finding("error", error.kind, str(error))]
    request = replace(request, cache=None, cookies=None)  # it is asked now, and leaves nothing behind
    return await lint_url(services.requester, request, dialect, stage=stage, dialects=services.dialects)


def _call_of(asked: Asked, member: Id | None) -> CallRecord | None:
    """The member's live call, or that of anybody else in the room."""
    others = asked.room.core.members if asked.room is not None else ()
    found = (asked.hub.calls.get(asked.account.name, each) for each in (member, *others) if each is not None)
    return next((call.record for call in found if call is not None), None)


def _nobody(asked: Asked, speaks: str) -> CallRecord:
    """A call that comes in from nobody: what is asked for before anybody calls is asked for it (RFC 3261, 8.1.1.3)."""
    now = asked.hub.services.clock.now()
    caller = Party("sip", "anonymous", "sip:anonymous@anonymous.invalid")
    callee = Party("sip", "check", f"sip:check@{asked.host}")
    return CallRecord(new_id(), asked.account.name, speaks, "inbound", caller, callee, CallStatus.RINGING, now, now)


OPERATIONS: Mapping[str, Operation] = {operation.__name__: operation for operation in (check_document,)}
