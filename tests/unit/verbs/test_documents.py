"""Documents: every failure to get one is told (law 6)."""

from __future__ import annotations

from typing import Any, cast

import pytest
from tests.support.facts import ACCOUNT, CALL

from hubbub.clock import ManualClock
from hubbub.dialects.twiml import TwimlDialect
from hubbub.errors import RequestFailed
from hubbub.events import Exchange, Link, Problem
from hubbub.verbs.dialect import DocumentRequest
from hubbub.verbs.documents import MOST_REMARKS, Documents
from hubbub.verbs.model import Stage
from hubbub.verbs.program import Program, Remark


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


def test_a_document_of_nothing_but_mistakes_is_told_in_few_words() -> None:
    """What is kept of one document has a bound: the exchange stands with the first remark, errors come before warnings."""
    journal, requester = Journal(), cast(Any, None)
    warnings = tuple(Remark("12200", f"mistake {number}") for number in range(15_000))
    program = Program({}, "http://app.test/", (*warnings, Remark("13223", "an error", level="error")))
    exchange = Exchange("From=alice", "", "<Response/>")
    Documents(requester, cast(Any, journal), ManualClock()).remarks(program, ACCOUNT, CALL, None, exchange, "POST")
    told = journal.problems
    assert len(told) == MOST_REMARKS
    assert [problem.exchange for problem in told] == [exchange, *[None] * (MOST_REMARKS - 1)]
    assert (told[0].code, told[1].message, told[-1].message) == (
        "13223",
        "mistake 0",
        f"mistake {MOST_REMARKS - 2}; {15_001 - MOST_REMARKS} more are not told",
    )
