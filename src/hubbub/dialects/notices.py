"""Notices: what an application is told, as each dialect's face makes it and reads it again when it is sent."""

from __future__ import annotations

from typing import Any

from hubbub.events import Link
from hubbub.ids import Id, new_id
from hubbub.settings import Account
from hubbub.webhooks.delivery import Notice, lane_of

FormFields = tuple[tuple[str, str], ...]


def as_notice(
    face: str,
    account: Account,
    link: Link,
    fields: FormFields | dict[str, Any],
    event: str,
    *,
    room: Id | None = None,
    call: Id | None = None,
    timeout: float | None = None,
) -> Notice:
    """A notice of a room, else of a call: pairs are sent as a form, an object as JSON. `timeout` is for a link that names none."""
    return Notice(
        id=new_id(),
        lane=lane_of(str(room or call), link.url),
        account=account.name,
        face=face,
        method=link.method,
        url=link.url,
        fields=fields,
        kind="json" if isinstance(fields, dict) else "form",
        call=call,
        room=room,
        event=event,
        options={"username": link.username, "password": link.password, "timeout": link.timeout or timeout},
    )


def link_of(told: Notice) -> Link:
    """The link that a notice goes to."""
    options = told.options
    return Link(told.url, told.method, options.get("username", ""), options.get("password", ""), options.get("timeout"))
