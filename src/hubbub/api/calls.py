"""The neutral operations behind REST for calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from hubbub.api.lists import filters, page_of, stored
from hubbub.api.orders import leg_order
from hubbub.api.request import Asked, Operation
from hubbub.calls.call import Call, ProgressWish
from hubbub.calls.directory import ApplicationRecord
from hubbub.conference.journal import within
from hubbub.dialects.machines import asked_by_rest
from hubbub.dialects.tables import Page
from hubbub.errors import MediaError, Refused, ResourceExhausted
from hubbub.events import CallRecord, Link, Party
from hubbub.ids import Id
from hubbub.storage.store import Delete
from hubbub.verbs.outgoing import OutgoingCall
from hubbub.verbs.program import Program

Prepared = TypeVar("Prepared")


async def create_call(asked: Asked) -> CallRecord:
    """Call somebody and run a document when it answers."""
    asked = with_application(asked)
    values = asked.values
    if not values.get("url") and not values.get("document"):
        raise Refused("url-missing")
    first = document_of(asked)
    call, send = within_capacity(lambda: asked.hub.place(asked.account, asked.face.dialect, outgoing(asked), first))
    await committed(call, within(call.written))
    record = call.record
    send()
    return record


def with_application(asked: Asked) -> Asked:
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


async def committed(call: Call, *waits: Awaitable[None]) -> None:
    """Wait until a new call is committed; one that cannot be stored is not made."""
    try:
        await asyncio.gather(*waits)
    except Exception:
        call.hangup()
        raise


async def fetch_call(asked: Asked) -> CallRecord:
    """One call, live or over."""
    return await _call(asked, asked.identity("call"))


async def list_calls(asked: Asked) -> Page:
    """Calls, newest first."""
    return await page_of(asked, "calls", CallRecord, filters(asked, "callee", "caller", "parent", "status"))


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
    alone_too = asked.account.callbacks_change_alone or asked.face.habits.callbacks_change_alone
    if not (alone_too and asked.values.get("progress_url")):
        _note_odd_change(asked)
    if wanted is not None:
        asked.hub.end(call)
        await asyncio.sleep(0)  # its end is told by the next turn of the loop
    elif asked.values.get("url") or asked.values.get("document"):
        asked.hub.redirect(call, document_of(asked), unanswered=asked.face.habits.unanswered_redirect)
    if not call.over and (alone_too or asked.values.get("url") or asked.values.get("document")):
        wishes = progress_wishes(asked)
        if wishes:
            call.progress = wishes
            call.save()
    if asked.values.get("tag") is not None and not call.over:
        call.set_tag(asked.values["tag"])
    if asked.values.get("total_seconds") is not None:
        call.limit(None, float(asked.values["total_seconds"]))
    await within(call.written)
    return call.record


def _note_odd_change(asked: Asked) -> None:
    """Note an update that changes nothing, or that ends the call and has a document for it. Raises Refused for a strict account."""
    values = asked.values
    document = values.get("url") or values.get("document")
    if values.get("status") is not None and document:
        asked.note("bad-parameter", "the call is to end and was given a document: the document is not run")
    if values.get("status") is None and not document and values.get("tag") is None and values.get("total_seconds") is None:
        asked.note("bad-parameter", "neither a document nor a status: the call goes on as it is")


async def delete_call(asked: Asked) -> None:
    """Forget a call that is over."""
    identity = asked.identity("call")
    if asked.hub.calls.get(asked.account.name, identity) is not None:
        raise Refused("call-live")
    await _call(asked, identity)
    await asked.store.commit(Delete("calls", identity))


async def known_call(asked: Asked) -> CallRecord:
    """A call that is known, also where its face shows it no more: what was recorded of it may be shown for longer."""
    return await _call(asked, asked.identity("call"), ever=True)


async def _call(asked: Asked, identity: Id, *, ever: bool = False) -> CallRecord:
    live = asked.hub.calls.get(asked.account.name, identity)
    return live.record if live is not None else await stored(asked, "calls", CallRecord, identity, ever=ever)


def outgoing(asked: Asked) -> OutgoingCall:
    """The call that is asked for. Raises Refused."""
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
    callee = asked.face.party(values["to"], asked.host)
    if asked.face.habits.owned_callers:
        _check_caller(asked, caller, callee)
    return OutgoingCall(
        callee=callee,
        caller=replace(caller, display=values.get("display", "")),
        progress=progress_wishes(asked),
        ring_seconds=float(values.get("ring_seconds", 60)),
        silent_seconds=values.get("silent_seconds"),
        total_seconds=values.get("total_seconds"),
        sip_username=values.get("sip_username", ""),
        sip_password=values.get("sip_password", ""),
        parameters=asked.face.habits.parameters(values["to"]),
        headers={**asked.face.headers(values["to"]), **values.get("headers", {})},
        srtp=asked.face.srtp(values["to"]),
        private=values.get("private", False),
        priority=int(values.get("priority", 5)),
        digits=values.get("digits", ""),
        application=values.get("application"),
        tag=values.get("tag", ""),
        extra=values.get("extra", {}),
        recording=leg_order(values, asked.face.dialect.name, "outgoing") if values.get("recorded") else None,
        detection=None if values.get("digits") else asked_by_rest(values),
    )


def _check_caller(asked: Asked, caller: Party, callee: Party) -> None:
    """Note a caller that the vendor would not let call; a strict account is refused. Raises Refused."""
    if caller.kind == "number":
        owner = asked.hub.directory.answering(caller.value)
        if owner is None or owner.account != asked.account.name:
            asked.note("caller-not-owned", f"{caller.value} is no number of this account")
    elif callee.kind == "number":
        asked.note("invalid-caller", f"a number is called from a number, not from {caller.value!r}")


def progress_wishes(asked: Asked) -> tuple[ProgressWish, ...]:
    """Who wants to know how the call gets on; an event that does not exist silences all of them, and is noted."""
    values = asked.values
    events = values.get("progress_events", frozenset({"completed"}))
    if not events:
        asked.note("bad-progress-event", "an event of the status callback does not exist: nothing is sent")
    if not events or not values.get("progress_url"):
        return ()
    link = Link(values["progress_url"], values.get("progress_method", "POST"), values.get("username", ""), values.get("password", ""))
    return (ProgressWish(link, events),)


def document_of(asked: Asked) -> Link | Program:
    """What a call shall run: a document, or where it is to be had. Raises Refused."""
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


def within_capacity(work: Callable[[], Prepared]) -> Prepared:
    """Do this, unless there is no room for it. Raises Refused (busy)."""
    try:
        return work()
    except (ResourceExhausted, MediaError) as error:
        raise Refused("busy", str(error)) from error


OPERATIONS: Mapping[str, Operation] = {
    operation.__name__: operation for operation in (create_call, fetch_call, list_calls, update_call, delete_call)
}
