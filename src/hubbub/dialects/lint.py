"""Lint: a document, or what a URL answered, compiled for its author to read what is wrong with it, and what is seldom meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hubbub.dialects.registry import DEFAULT, Face, all_dialects, guess
from hubbub.errors import ConfigurationError, DocumentError, MediaError, RequestFailed
from hubbub.media.audiofile import decode
from hubbub.verbs.advice import advice_on
from hubbub.verbs.model import Stage
from hubbub.webhooks.requester import HttpReply, HttpRequest, Limits, Requester

LARGEST = 64 << 20
"""Bytes of an answer that is looked at."""
FETCH_SECONDS = 15.0
ADVICE = "advice"
"""The level of what is right, and yet seldom what its author wants."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    level: str
    code: str
    message: str
    line: int | None = None


async def lint_url(requester: Requester, url: str, dialect: str = "", *, method: str = "POST", stage: Stage = Stage.CALL) -> list[Finding]:
    """What is wrong with what a URL answers: unreachable, a status, a type, audio that cannot be read, or the document itself."""
    try:
        body = b"" if method == "POST" else None
        reply = await requester.send(HttpRequest(method=method, url=url, body=body, limits=Limits(total=FETCH_SECONDS), max_body=LARGEST))
    except RequestFailed as error:
        return [Finding("error", error.kind, str(error))]
    return await _findings_of(reply, dialect, stage)


async def _findings_of(reply: HttpReply, dialect: str, stage: Stage) -> list[Finding]:
    audio = reply.content_type.startswith("audio/")
    chosen = _dialects()[dialect or (DEFAULT if audio or reply.status >= 400 else guess(reply.body))]
    failure = chosen.reply_failure(reply)
    if failure is not None:
        return [Finding("error", failure[0], failure[1])]
    if not audio:
        return lint_document(reply.body, dialect, base=reply.url, content_type=reply.content_type, stage=stage)
    try:
        await decode(reply.body, reply.content_type)
    except MediaError as error:
        return [Finding("error", chosen.refusal_code("audio"), str(error))]
    return []


def lint_document(
    body: bytes,
    dialect: str = "",
    *,
    base: str = "http://127.0.0.1/document",
    content_type: str = "text/xml",
    stage: Stage = Stage.CALL,
) -> list[Finding]:
    """What is wrong with a document. Raises ConfigurationError for a dialect that does not exist."""
    dialects = _dialects()
    name = dialect or guess(body)
    if name not in dialects:
        raise ConfigurationError(f"unknown dialect {name!r}; there are: {', '.join(dialects)}")
    try:
        program = dialects[name].compile(body, content_type, base, stage)
    except DocumentError as error:
        return [Finding("error", error.code, error.message, error.line)]
    wrong = [Finding(remark.level, remark.code, remark.message, remark.at.line) for remark in program.remarks]
    return wrong + [Finding(ADVICE, kind, text, at.line) for kind, text, at in advice_on(program)]


def _dialects() -> Mapping[str, Face]:
    return all_dialects("", lambda call: None)
