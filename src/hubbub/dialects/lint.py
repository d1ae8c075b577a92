"""Lint: a document, or what a URL answered, compiled for its author to read what is wrong with it, and what is seldom meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hubbub.dialects.registry import DEFAULT, all_dialects, guess
from hubbub.errors import ConfigurationError, DocumentError, MediaError, RequestFailed
from hubbub.media.audiofile import decode
from hubbub.verbs.advice import advice_on
from hubbub.verbs.dialect import Dialect
from hubbub.verbs.model import Stage
from hubbub.webhooks.requester import HttpReply, HttpRequest, Requester

ADVICE = "advice"
"""The level of what is right, and yet seldom what its author wants."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    level: str
    code: str
    message: str
    line: int | None = None


async def lint_url(
    requester: Requester,
    request: HttpRequest,
    dialect: str = "",
    *,
    stage: Stage = Stage.CALL,
    dialects: Mapping[str, Dialect] | None = None,
) -> list[Finding]:
    """What is wrong with what a URL answers: unreachable, a status, a type, audio that cannot be read, or the document itself.

    No dialect: the one that the answer looks like. `dialects` are the server's, with its bounds, where one asks.
    """
    try:
        reply = await requester.send(request)
    except RequestFailed as error:
        return [Finding("error", error.kind, str(error))]
    return await _findings_of(reply, dialect, stage, dialects or _dialects())


async def _findings_of(reply: HttpReply, dialect: str, stage: Stage, dialects: Mapping[str, Dialect]) -> list[Finding]:
    audio = reply.content_type.startswith("audio/")
    name = dialect or (DEFAULT if audio or reply.status >= 400 else guess(reply.body))
    chosen = dialects[name]
    failure = chosen.reply_failure(reply)
    if failure is not None:
        return [Finding("error", failure[0], failure[1])]
    if not audio:
        return lint_document(reply.body, name, base=reply.url, content_type=reply.content_type, stage=stage, dialects=dialects)
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
    dialects: Mapping[str, Dialect] | None = None,
) -> list[Finding]:
    """What is wrong with a document. Raises ConfigurationError for a dialect that does not exist."""
    dialects = dialects or _dialects()
    name = dialect or guess(body)
    if name not in dialects:
        raise ConfigurationError(f"unknown dialect {name!r}; there are: {', '.join(dialects)}")
    try:
        program = dialects[name].compile(body, content_type, base, stage)
    except DocumentError as error:
        return [Finding("error", error.code, error.message, error.line)]
    wrong = [Finding(remark.level, remark.code, remark.message, remark.at.line) for remark in program.remarks]
    return wrong + [Finding(ADVICE, kind, text, at.line) for kind, text, at in advice_on(program)]


def _dialects() -> Mapping[str, Dialect]:
    return all_dialects("", lambda call: None)
