"""Hold of a call that talks with another."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from hubbub.api import controls


async def test_hold_ends_with_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other side hangs up: the document goes on without music."""
    over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    heard: list[str] = []
    bridge = SimpleNamespace(over=over, hold=lambda _call, *, held: heard.append(f"held {held}"))
    session = SimpleNamespace(
        room=None,
        record=None,
        call=SimpleNamespace(bridge=bridge),
        start_audio=lambda kind, _: heard.append(f"start {kind}"),
        stop_audio=lambda kind: heard.append(f"stop {kind}"),
    )

    async def live(_: Any) -> Any:
        return session

    monkeypatch.setattr(controls, "live_session", live)
    asked: Any = SimpleNamespace(values={"held": True})
    await controls.hold_call(asked)
    assert heard == ["held True", "start hold"]
    over.set_result("hang-up")
    await asyncio.sleep(0)
    assert heard[2:] == ["stop hold"]
