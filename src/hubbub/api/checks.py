"""The neutral operation behind the check of documents and URLs, and the check of audio before it is taken."""

from __future__ import annotations

from collections.abc import Mapping

from hubbub.api.lists import windowed
from hubbub.api.request import Asked, Operation
from hubbub.dialects.lint import lint_document, lint_url
from hubbub.dialects.tables import Page
from hubbub.errors import Refused
from hubbub.verbs.model import Stage


async def check_document(asked: Asked) -> Page:
    """What is wrong with a document, or with what a URL answers now, and what is seldom meant. Nothing of it is done."""
    values = asked.values
    dialect = values.get("dialect", "")
    if values.get("url"):
        requester, stage = asked.hub.services.requester, values.get("stage", Stage.CALL)
        found = await lint_url(requester, values["url"], dialect, method=values.get("method", "POST"), stage=stage)
    elif values.get("document"):
        found = lint_document(values["document"].encode(), dialect, stage=values.get("stage", Stage.CALL))
    else:
        raise Refused("bad-parameter", "url or document: say what shall be looked at")
    return windowed(found, asked.window)


async def preflight(asked: Asked, url: str | None, method: str, speaks: str, stage: Stage = Stage.BESIDE) -> None:
    """Ask for audio before it is taken, for accounts that wish it. Raises Refused (bad-room-parameter) where it cannot be had."""
    if url is None or not url or not asked.account.preflight_audio:
        return
    found = await lint_url(asked.hub.services.requester, url, speaks, method=method, stage=stage)
    wrong = next((finding for finding in found if finding.level == "error"), None)
    if wrong is not None:
        raise Refused("bad-room-parameter", f"{url}: {wrong.code}: {wrong.message}")


OPERATIONS: Mapping[str, Operation] = {operation.__name__: operation for operation in (check_document,)}
