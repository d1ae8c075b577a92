"""SendRequest: a request of a script's own to anybody, and its reply as variables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hubbub.errors import RequestFailed
from hubbub.verbs.model import SendRequest
from hubbub.verbs.program import Outcome
from hubbub.webhooks.requester import HttpRequest, Limits

if TYPE_CHECKING:
    from hubbub.verbs.services import VerbServices

LARGEST_REPLY = 65_536


async def perform(services: VerbServices, verb: SendRequest) -> Outcome:
    """Send; Outcome `done` with `url`, `status`, `headers`, `body` and `read` (its value, where it is JSON), or `failed`."""
    body, headers = _content(verb)
    request = HttpRequest(
        method=verb.link.method,
        url=verb.link.url,
        headers={"User-Agent": "hubbub", "Accept": "*/*", **headers, **verb.headers},
        body=body,
        limits=Limits(connect=verb.connect_seconds, total=verb.total_seconds, retries=0),
        auth="preemptive",
        max_body=LARGEST_REPLY,
    )
    await services.journal.caught_up()  # what its variables speak of is there for whoever asks for it (law 4)
    try:
        reply = await services.requester.send(request)
    except RequestFailed as error:
        return Outcome("failed", str(error), {"url": verb.link.url})
    text = reply.body.decode("utf-8", "replace")
    details = {"url": reply.url, "status": reply.status, "headers": dict(reply.headers), "body": text, "read": None}
    if verb.read_reply:
        details["read"] = _read(text)
    return Outcome("done", "", details)


def _content(verb: SendRequest) -> tuple[bytes | None, dict[str, str]]:
    if verb.content is None or verb.content == "":
        return None, {}
    if isinstance(verb.content, str):
        return verb.content.encode(), {"Content-Type": "text/plain; charset=utf-8"}
    return json.dumps(verb.content, ensure_ascii=False).encode(), {"Content-Type": "application/json"}


def _read(text: str) -> Any:
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # what cannot be sent on later is not JSON: NaN, half of a pair
    except (ValueError, RecursionError):
        return None
    return value
