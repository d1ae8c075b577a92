"""Callers arrive: the first waits with music, the next ones start the conference."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from hubbub.demo.acts import Scene
from hubbub.demo.application import MUSIC
from hubbub.demo.stage import PATIENCE, Stage


async def _first_caller(stage: Stage) -> None:
    alice = stage.callers["alice"]
    stage.place("alice", "calling")
    begun = time.monotonic()
    call = await alice.dial(stage.server)
    await call.wait_answered()
    stage.check("answered", True, f"after {time.monotonic() - begun:.2f} s, {call.codec}")
    stage.place("alice", "greeted")
    http = stage.application.http
    await stage.expect("asked", http.wait_for("/voice", timeout=PATIENCE), lambda request: f"{request.method} {request.path}")
    await stage.hears_words("greeted", "alice", stage.greeting, begun)
    stage.place("alice", "waiting")
    joined = await stage.told("joined", "joined", "alice")
    stage.room = stage.application.field(joined, "room") if joined else ""
    await stage.expect("fetched", http.wait_for(MUSIC, timeout=PATIENCE))
    await stage.hears_music("music", "alice")


async def _others(stage: Stage) -> None:
    for name in ("bob", "carol"):
        stage.place(name, "calling")
        await stage.callers[name].dial(stage.server)
        await asyncio.sleep(0.4)
        stage.place(name, "greeted")
    for name in ("bob", "carol"):
        call = stage.callers[name].call
        assert call is not None
        await call.wait_answered()
    stage.check("answered", True)
    await stage.told("joined", "joined", "carol")
    started = await stage.told("started", "started")
    stage.moments["started"] = started.arrived if started else time.monotonic()
    for name in ("alice", "bob", "carol"):
        stage.place(name, "in the room")
    await asyncio.gather(
        stage.hears_exactly("matrix", {"alice": {"bob", "carol"}, "bob": {"alice", "carol"}, "carol": {"alice", "bob"}}),
        stage.hears_no_music("quiet", ("alice", "bob", "carol")),
    )


SCENES: Final = (
    Scene(
        "Alice calls, and nobody is there yet",
        {
            "answered": "the call is answered",
            "asked": "the server asked the application what to do",
            "greeted": "Alice hears the greeting of that document",
            "joined": "webhook: she has joined",
            "fetched": "the waiting document and its music are fetched",
            "music": "Alice hears that music",
        },
        _first_caller,
    ),
    Scene(
        "Bob and Carol call: the conference starts",
        {
            "answered": "both calls are answered",
            "joined": "webhook: they have joined",
            "started": "webhook: the conference has started",
            "matrix": "each hears exactly the two others",
            "quiet": "the music has ended",
        },
        _others,
    ),
)
