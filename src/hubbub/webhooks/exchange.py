"""What was sent to an application and what it answered, as texts that its owner can read."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from hubbub.events import Exchange
from hubbub.webhooks.notices import Notice
from hubbub.webhooks.redaction import redacted
from hubbub.webhooks.requester import HttpReply, HttpRequest

KEPT = 16_384
"""Characters of a request or of an answer that are kept."""


def of_request(request: HttpRequest, reply: HttpReply | None) -> Exchange:
    """A request with its body, or with its query where it has none."""
    body = request.body if isinstance(request.body, bytes) else b""
    sent = readable(body) or redacted(request.url.partition("#")[0].partition("?")[2])[:KEPT]
    return _answered(sent, reply)


def of_notice(notice: Notice, reply: HttpReply | None) -> Exchange:
    """A notice with its fields."""
    fields = json.dumps(notice.fields) if isinstance(notice.fields, dict) else urlencode(notice.fields)
    return _answered(redacted(fields)[:KEPT], reply)


def readable(body: bytes | None) -> str:
    """The begin of a body, as text without secrets."""
    return redacted((body or b"")[: 2 * KEPT].decode("utf-8", "replace"))[:KEPT]


def _answered(sent: str, reply: HttpReply | None) -> Exchange:
    if reply is None:
        return Exchange(sent)
    headers = "\n".join(f"{name}: {value}" for name, value in reply.headers.items() if name != "set-cookie")
    return Exchange(sent, redacted(headers[: 2 * KEPT])[:KEPT], readable(reply.body))
