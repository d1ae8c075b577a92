"""REQUESTS: how a webhook leaves: encoded, signed, with which limits (1.3, 1.4, 6.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from hubbub.dialects.tables import Compiler, Node
from hubbub.dialects.twiml import words
from hubbub.events import Link
from hubbub.settings import Account
from hubbub.webhooks.addresses import with_query
from hubbub.webhooks.requester import HttpReply, HttpRequest, Limits
from hubbub.webhooks.signatures import hmac_sha1_form, hmac_sha256_form

USER_AGENT = "TwilioProxy/1.1"
DEFAULT_LIMITS = Limits(connect=5.0, total=15.0, retries=1, retry_on=frozenset({"connect"}))
RETRY_WORDS = {"4xx": {"4xx"}, "5xx": {"5xx"}, "ct": {"connect"}, "rt": {"timeout"}, "all": {"connect", "timeout", "4xx", "5xx"}}
MILLISECONDS = {"ct": ("connect", 100, 10_000), "rt": ("first_byte", 100, 15_000), "tt": ("total", 100, 15_000)}

FAILURE_CODES = {
    "connect_timeout": "11201",
    "refused": "11202",
    "network": "11205",
    "timeout": "11200",
    "status": "11200",
    "dns": "11210",
    "bad_url": "11100",
    "blocked": "11100",
    "tls": "11220",
    "tls_name": "11235",
    "tls_expired": "11236",
    "tls_chain": "11237",
    "protocol": "11206",
    "too_large": "11750",
    "redirects": "11215",
    "given_up": "15002",
}
LARGEST_DOCUMENT = 65_536
LARGEST_AUDIO = 64 << 20
"""Bytes of audio that is answered instead of a document: an hour of 8 kHz WAV."""
DOCUMENT_TYPES = frozenset({"text/xml", "application/xml", "text/html", "text/plain"})


Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Envelope:
    """How the forms of a dialect leave: in whose name, with which limits, signed by what."""

    agent: str
    form: str
    """The content type of a form."""
    limits: Callable[[str, bool], Limits]
    """By the fragment of the URL, and whether it is a notice."""
    sign: Callable[[Account, str, Fields, bytes], Mapping[str, str]]
    """The headers that sign a URL with the fields of a form, whose body is given too."""
    attempts: str = ""
    """The header that is the same in all attempts of one webhook; empty: the vendor has none."""
    redirects: int = 10
    cached: bool = False
    """Whether documents are used again as long as they say they may be."""


def http_request(
    envelope: Envelope,
    account: Account,
    link: Link,
    fields: Fields,
    *,
    cookies: str | None = None,
    token: str = "",
    notice: bool = False,
) -> HttpRequest:
    """A form (POST) or a query (GET), signed. `token` marks the attempts of one webhook; what a `notice` is answered is not used again."""
    url, _, fragment = link.url.partition("#")
    headers = {"User-Agent": envelope.agent, "Accept": "*/*"}
    if token and envelope.attempts:
        headers[envelope.attempts] = token
    body = b""
    signed: Fields = ()
    if link.method == "GET":
        url = with_query(url, fields)
    else:
        headers["Content-Type"] = envelope.form
        body = urlencode(fields).encode("ascii")
        signed = fields
    return HttpRequest(
        method=link.method,
        url=url,
        headers={**headers, **envelope.sign(account, url, signed, body)},
        body=body or None,
        limits=envelope.limits(fragment, notice),
        username=link.username,
        password=link.password,
        max_redirects=envelope.redirects,
        max_body=LARGEST_AUDIO,
        cookies=cookies,
        cache=account.name if envelope.cached and not notice else None,
    )


def signature(account: Account, url: str, fields: Fields, _body: bytes) -> dict[str, str]:
    """The headers that sign a request: HMAC-SHA1 with the account's token or, where it has a shared key, HMAC-SHA256 with that (6.2)."""
    face = account.faces.get("twilio", {})
    secret = face.get("shared_key_secret", "")
    if not secret:
        return {"X-Twilio-Signature": hmac_sha1_form(words.auth_token(account), url, fields)}
    return {
        "X-Twilio-Signature": hmac_sha256_form(secret, url, fields),
        "X-Twilio-Webhooks-Signature-Settings": f"key={face.get('shared_key', 'shared')},algorithm=HMAC_SHA256",
    }


EDGES = frozenset({"ashburn", "dublin", "frankfurt", "sao-paulo", "singapore", "sydney", "tokyo", "umatilla", "roaming"})


def override_faults(fragment: str) -> list[tuple[str, str]]:
    """Codes and words for connection overrides that mean nothing (1.4); edges are accepted and ignored."""
    values: Mapping[str, str] = dict(parse_qsl(fragment))
    faults = []
    for edge in filter(None, values.get("e", "").split(",")):
        if edge.removesuffix("-ix") not in EDGES:
            faults.append(("11240", f"edge location {edge[:40]!r} is invalid"))
        elif edge.endswith("-ix"):
            faults.append(("11242", f"{edge!r}: there are no private interconnections here"))
    named = [word for word in values.get("rp", "").split(",") if word]
    faults += [("11243", f"retry policy {word[:40]!r} is none of {', '.join(RETRY_WORDS)}") for word in named if word not in RETRY_WORDS]
    return faults


ASKED_AFTERWARDS = {"Gather": "action", "Record": "action"}


def remark_on_urls(compiler: Compiler, node: Node) -> None:
    """Tell the author of a document about URLs that cannot work as they stand (1.4, 1.5).

    A document without a URL of its own (given to REST) cannot hold relative ones, and what asks "the current document" afterwards cannot.
    """
    for name, value in node.attributes.items():
        for code, text in override_faults(value.partition("#")[2]) if name.lower().endswith(("url", "callback", "action")) else ():
            compiler.object(code, f"<{node.name} {name}>: {text}", node.at, "error")
    wanted = ASKED_AFTERWARDS.get(node.name)
    if wanted and not compiler.base and not urlsplit(node.attributes.get(wanted, "")).scheme:
        compiler.object("15004", f"<{node.name}> of a document without a URL needs an absolute {wanted}", node.at, "error")
    for child in node.children:
        remark_on_urls(compiler, child)


WITHOUT_TEXT = frozenset(
    {
        *("Response", "Gather", "Pause", "Record", "Hangup", "Reject", "Leave", "Connect", "Start", "Stop", "Refer", "Echo"),
        *("Stream", "Recording", "Siprec", "Transcription", "Headers", "Header", "Parameter"),
    }
)


def remark_on_text(compiler: Compiler, node: Node) -> None:
    """Tell the author of a document about text that nobody reads, because its element has none."""
    if node.text and node.name in WITHOUT_TEXT:
        compiler.object(compiler.table.unknown, f"the text in <{node.name}> is ignored: {node.text[:40]!r}", node.at)
    for child in node.children:
        remark_on_text(compiler, child)


def timed(limits: Limits, values: Mapping[str, str], bounds: Mapping[str, tuple[str, int, int]]) -> Limits:
    """Limits with those that a URL's fragment names, in milliseconds; a value out of its bounds leaves what there was."""
    for key, (field, low, high) in bounds.items():
        value = values.get(key, "")
        if _number(value) and low <= int(value) <= high:
            changed: dict[str, Any] = {field: int(value) / 1000}
            limits = replace(limits, **changed)
    return limits


def connection_overrides(fragment: str) -> Limits:
    """Limits that a URL's fragment asks for; a bad value leaves the default."""
    values: Mapping[str, str] = dict(parse_qsl(fragment))
    limits = timed(DEFAULT_LIMITS, values, MILLISECONDS)
    if _number(values.get("rc", "")) and int(values["rc"]) <= 5:
        limits = replace(limits, retries=int(values["rc"]))
    named = [word for word in values.get("rp", "").split(",") if word]
    if named and all(word in RETRY_WORDS for word in named):
        limits = replace(limits, retry_on=frozenset().union(*(RETRY_WORDS[word] for word in named)))
    return limits


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


ENVELOPE = Envelope(
    USER_AGENT,
    "application/x-www-form-urlencoded; charset=utf-8",
    lambda fragment, _notice: connection_overrides(fragment),
    signature,
    attempts="I-Twilio-Idempotency-Token",
    cached=True,
)


def reply_failure(reply: HttpReply) -> tuple[str, str] | None:
    """Code and text where an answer is no document (1.3)."""
    if reply.status >= 400:
        return "11200", f"the application answered {reply.status}"
    kind = reply.content_type
    if kind.startswith("audio/"):
        return None
    if len(reply.body) > LARGEST_DOCUMENT:
        return "11750", f"the application answered more than {LARGEST_DOCUMENT} bytes"
    if kind in DOCUMENT_TYPES:
        return None
    return "12300", f"the application answered with content type {kind or 'none'!r}"


def empty_chunks(reply: HttpReply) -> tuple[str, str] | None:
    """Code and text of an answer in chunks that hold nothing (1.3 "empty chunked body 11770")."""
    if reply.status == 200 and not reply.body and reply.headers.get("transfer-encoding", "").lower() == "chunked":
        return "11770", "the application answered in chunks, and there was nothing in them"
    return None


EMPTY = re.compile(rb"\s*(<\?xml[^>]*>)?\s*(<!--.*?-->\s*)*<Response\s*(/>|>\s*</Response\s*>)\s*", re.DOTALL)


def needless_answer(reply: HttpReply) -> tuple[str, str] | None:
    """Code and text of an answer to a callback: "204, or 200 with `text/xml` and an empty `<Response/>`; other bodies" warn (1.3)."""
    if not reply.body.strip() or (reply.content_type in ("text/xml", "application/xml") and EMPTY.fullmatch(reply.body)):
        return None
    kind = reply.content_type or "unknown"
    return "15003", f"the answer ({reply.status}, {kind}) is not read: answer 204, or an empty <Response/> as text/xml"
