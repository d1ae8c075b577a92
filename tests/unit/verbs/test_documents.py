"""Documents: every failure to get one is told (law 6)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.facts import ACCOUNT, CALL

from hubbub.clock import ManualClock
from hubbub.dialects.twiml import TwimlDialect
from hubbub.errors import RequestFailed
from hubbub.events import Link, Problem
from hubbub.verbs.dialect import DocumentRequest
from hubbub.verbs.documents import Documents
from hubbub.verbs.model import Stage


class Journal:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def report(self, problem: Problem, now: float) -> None:
        """Keep it."""
        self.problems.append(problem)


@pytest.mark.parametrize("url", ["http://[x", "/relative/without/base", "ftp://x/y", "http://a:99999999/"])
async def test_a_url_that_cannot_be_requested_is_told(url: str) -> None:
    """ "bad URL 11100": a relative action in a document given as text, for example."""
    journal: Any = Journal()
    requester: Any = None
    documents = Documents(requester, journal, ManualClock())
    with pytest.raises(RequestFailed):
        await documents.fetch(TwimlDialect("http://hubbub.test"), ACCOUNT, DocumentRequest(Link(url), "action", CALL), Stage.CALL)
    (problem,) = journal.problems
    assert (problem.code, problem.level, problem.call, problem.url) == ("11100", "error", CALL.id, url)
