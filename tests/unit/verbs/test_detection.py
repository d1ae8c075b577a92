"""Who answered, found out beside everything else: what becomes of it when the caller hangs up first."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from hubbub.events import Link
from hubbub.verbs import detection as module
from hubbub.verbs.hearing import Detection
from hubbub.verbs.model import Detect, Followed
from hubbub.verbs.session import Session


class SilentListener:
    """Nothing is heard, for ever."""

    open = 0
    now = 1.5

    def __init__(self, *_args: Any, **_rest: Any) -> None:
        type(self).open += 1

    async def frame(self) -> Any:
        await asyncio.Event().wait()

    async def close(self) -> None:
        type(self).open -= 1


async def test_the_caller_hangs_up_first(monkeypatch: Any) -> None:
    """The task ends with the call, its file is closed, and whoever follows it is told that nobody knows."""
    monkeypatch.setattr(module, "Listener", SilentListener)
    record = SimpleNamespace(account="dev", detection_seconds=0.0)

    def answered_by(who: str, seconds: float) -> None:
        record.detection_seconds = seconds

    call = SimpleNamespace(
        id="1",
        record=record,
        leg=None,
        over=False,
        too_long=False,
        written=None,
        on_ended=None,
        answered_by=answered_by,
        tell=lambda *_args: None,
    )
    ended = asyncio.Event()
    services = SimpleNamespace(accounts={"dev": None}, documents=None, turns=None, media=None)
    session = Session(
        cast(Any, call), cast(Any, SimpleNamespace(outcomes={}, tells_silence=False)), cast(Any, services), lambda _session: ended.set()
    )
    told: list[Any] = []
    shell = SimpleNamespace(session=session, tell=lambda followed, state, **details: told.append((state, details)))
    followed = Followed(Link("http://there"), "detection", "1")
    await module.perform(cast(Any, shell), Detect(detection=Detection(waits=False), followed=followed))
    while not SilentListener.open:
        await asyncio.sleep(0)
    session._call_ended()
    async with asyncio.timeout(10):
        await ended.wait()
        while not told:
            await asyncio.sleep(0)
    assert told == [("ended", {"by": "gone", "seconds": 1.5})]
    assert SilentListener.open == 0
