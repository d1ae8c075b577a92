"""Check: a document compiled for its author to read what is wrong with it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from hubbub.dialects.registry import DEFAULT, all_dialects, guess
from hubbub.errors import ConfigurationError, DocumentError, MediaError, RequestFailed
from hubbub.media.audiofile import decode
from hubbub.verbs.model import Stage
from hubbub.webhooks.requester import HttpReply, HttpRequest, Limits, Requester

LARGEST = 64 << 20
"""Bytes of an answer that is looked at."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    level: str
    code: str
    message: str
    line: int | None = None


FETCH_SECONDS = 15.0


async def check_url(url: str, dialect: str = "", *, method: str = "POST") -> list[Finding]:
    """What is wrong with what a URL answers: unreachable, a status, a type, audio that cannot be read, or the document itself."""
    requester = Requester((ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")))
    await requester.start()
    try:
        body = b"" if method == "POST" else None
        reply = await requester.send(HttpRequest(method=method, url=url, body=body, limits=Limits(total=FETCH_SECONDS), max_body=LARGEST))
    except RequestFailed as error:
        return [Finding("error", error.kind, str(error))]
    finally:
        await requester.stop()
    return await _findings_of(reply, dialect)


async def _findings_of(reply: HttpReply, dialect: str) -> list[Finding]:
    audio = reply.content_type.startswith("audio/")
    chosen = all_dialects("", lambda call: None)[dialect or (DEFAULT if audio or reply.status >= 400 else guess(reply.body))]
    failure = chosen.reply_failure(reply)
    if failure is not None:
        return [Finding("error", failure[0], failure[1])]
    if not audio:
        return check_document(reply.body, dialect, base=reply.url, content_type=reply.content_type)
    try:
        await decode(reply.body, reply.content_type)
    except MediaError as error:
        return [Finding("error", chosen.refusal_code("audio"), str(error))]
    return []


def check_document(
    body: bytes, dialect: str = "", *, base: str = "http://127.0.0.1/document", content_type: str = "text/xml"
) -> list[Finding]:
    """What is wrong with a document. Raises ConfigurationError for a dialect that does not exist."""
    dialects = all_dialects("", lambda call: None)
    name = dialect or guess(body)
    if name not in dialects:
        raise ConfigurationError(f"unknown dialect {name!r}; there are: {', '.join(dialects)}")
    try:
        program = dialects[name].compile(body, content_type, base, Stage.CALL)
    except DocumentError as error:
        return [Finding("error", error.code, error.message, error.line)]
    return [Finding(remark.level, remark.code, remark.message, remark.at.line) for remark in program.remarks]
