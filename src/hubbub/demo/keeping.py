"""After the show, with `--keep`: two callers go on talking, and you are told how to join and steer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from hubbub.demo.callers import Caller
from hubbub.demo.cast import NUMBER
from hubbub.demo.stage import PATIENCE, Stage

_PAUSE = 3.0


async def keep(stage: Stage, console: Console) -> None:
    """Until cancelled."""
    known = len(stage.application.http.requests())
    callers = [stage.callers[name] for name in ("alice", "bob")]
    for caller in callers:
        call = await caller.dial(stage.server)
        await call.wait_answered()
    is_start = stage.application.events("started")
    started = await stage.application.http.wait_for("/events", lambda told: told.number > known and is_start(told), timeout=PATIENCE)
    _explain(stage, stage.application.field(started, "room"), console)
    await _talk(callers)


def _explain(stage: Stage, room: str, console: Console) -> None:
    lines = [
        "The server stays up until Ctrl-C; Alice and Bob have called again and are talking. Join them:",
        f"  softphone   dial {stage.server.uri(NUMBER)} (UDP, no registration, G.711; from this machine)",
        f"  or          dial any other number or name at {stage.server.sip[0]}:{stage.server.sip[1]}: the same application answers",
        "Look and steer from another terminal:",
        f"  conferences   {stage.rest.command('rooms')}",
        f"  participants  {stage.rest.command('members', room=room)}",
        f"  mute Bob      {stage.rest.command('mute', room=room, member='bob')}",
        f"  and back      {stage.rest.command('unmute', room=room, member='bob')}",
        f"  server's log  {stage.server.log_file}",
    ]
    console.print(Text("\n" + "\n".join(lines)), soft_wrap=True)


async def _talk(callers: Iterable[Caller]) -> None:
    while True:
        for caller in callers:
            if caller.on_the_phone:
                await caller.say(caller.lines[0])
            await asyncio.sleep(_PAUSE)
