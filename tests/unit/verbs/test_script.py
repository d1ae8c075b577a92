"""Scripts: documents one after the other, at a pace that is no attack on their application."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hubbub.events import Link
from hubbub.sandbox.turns import Turns
from hubbub.settings import Account
from hubbub.verbs.dialect import DocumentRequest
from hubbub.verbs.model import Redirect, Stage
from hubbub.verbs.program import Outcome, Program, Verb
from hubbub.verbs.script import BURST, Script

LINK = Link("http://127.0.0.1/again")


class Shell:
    """A stage on which every verb is over at once."""

    stage = Stage.CALL
    call = None

    async def perform(self, verb: Verb) -> Outcome:
        return Outcome()


class Again:
    """Documents that only redirect; counts how often they are asked for."""

    asked = 0

    async def fetch(self, *_: Any) -> Program:
        self.asked += 1
        return Program({"main": (Redirect(link=LINK),)})


class Vocabulary:
    """A dialect without rules."""

    def __init__(self) -> None:
        self.outcomes: dict[type[Verb], Any] = {}


async def test_ten_documents_at_once_and_then_one_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """`<Redirect/>` of a document to itself goes on as long as the call, without hammering its application."""
    waits: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            enough.set()
            await asyncio.Event().wait()

    monkeypatch.setattr("hubbub.verbs.script.asyncio.sleep", sleep)
    documents = Again()
    script = Script(Shell(), Vocabulary(), Account(name="dev"), documents, Turns())  # type: ignore[arg-type]
    task = asyncio.create_task(script.run(DocumentRequest(LINK, "answer")))
    await enough.wait()
    task.cancel()
    assert documents.asked == BURST + 2
    assert all(9.0 < seconds <= 10.0 for seconds in waits)
