"""Taking a call from a line: what it hears before it is connected."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.calls.line import Lines, Waiting
from hubbub.clock import ManualClock
from hubbub.events import Link
from hubbub.ids import Id
from hubbub.verbs import waiting as waits
from hubbub.verbs.model import TakeFromLine

CALLER, AGENT = Id("a" * 32), Id("b" * 32)


def a_call(identity: Id) -> Any:
    return SimpleNamespace(id=identity, record=SimpleNamespace(account="dev"), over=False)


class Whispered:
    """The session of the call that waits: hears its document for ever."""

    def __init__(self) -> None:
        self.record: Any = None
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def prelude(self, *_: object) -> bool:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        return True


async def _rings(_shell: object) -> None:
    await asyncio.Event().wait()


def taking(lines: Lines, other: Whispered, waiting: Waiting) -> asyncio.Task[Any]:
    hub = SimpleNamespace(sessions={waiting.call.id: other})
    services = SimpleNamespace(lines=lines, clock=ManualClock(), hub=hub, media=None)
    session = SimpleNamespace(call=a_call(AGENT), record=SimpleNamespace(account="dev"), dialect=None)
    shell = SimpleNamespace(session=session, services=services, interrupted=None)
    verb = TakeFromLine(line="support", ring_seconds=30, document=Link("http://127.0.0.1/whisper"))
    return asyncio.create_task(waits.take(cast(Any, shell), verb))


async def test_who_takes_a_call_that_goes_while_it_hears_its_document_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queue url: what the caller hears before it is connected; one who has hung up, or was given another document, hears no more of it."""
    monkeypatch.setattr(waits, "ring", _rings)
    lines, other = Lines(), Whispered()
    waiting = lines.join(a_call(CALLER), "support", None, 0.0)
    task = taking(lines, other, waiting)
    await other.begun.wait()
    lines.leave(waiting, 1.0)
    outcome = await asyncio.wait_for(task, 5)
    assert (outcome.kind, outcome.reason, outcome.details["bridged"]) == ("failed", "no-answer", False)
    assert other.ended.is_set()


async def test_a_document_ends_when_the_taker_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "ring", _rings)
    lines, other = Lines(), Whispered()
    waiting = lines.join(a_call(CALLER), "support", None, 0.0)
    task = taking(lines, other, waiting)
    await other.begun.wait()
    task.cancel()
    await asyncio.wait([task])
    await asyncio.wait_for(other.ended.wait(), 5)
    assert (task.cancelled(), waiting.over.result(), waiting.on_gone) == (True, "error", None)
