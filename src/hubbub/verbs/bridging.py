"""BridgeTo: connect two calls that are there already.

Outcome `done` after they were connected, else `failed` with reason `unknown` (no such call) or `error`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubbub.calls.bridge import Bridge, BridgeEnd
from hubbub.errors import HubbubError
from hubbub.verbs.dialect import DocumentRequest
from hubbub.verbs.model import BridgeTo
from hubbub.verbs.program import Outcome

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell
    from hubbub.verbs.session import Session

PATIENCE = 20.0
"""Seconds within which a call has left off what it was doing, the last request for that included."""


async def perform(shell: CallShell, verb: BridgeTo) -> Outcome:
    """Take the other call from whatever it is doing, and talk until they part."""
    session, services = shell.session, shell.services
    identity = session.dialect.call_id(verb.target)
    other = services.hub.sessions.get(identity) if identity is not None else None
    if other is None or other is session or other.record.account != session.record.account or other.call.over:
        code = session.dialect.refusal_code("unknown-call")
        session.report(code, f"there is no call {verb.target!r} to bridge with", level="error", line=verb.at.line)
        return Outcome("failed", "unknown")
    session.call.answer()
    meeting = Meeting(session, other)
    try:
        bridge = await meeting.begin(verb)
        if bridge is None:
            return Outcome("failed", "unknown")
        await bridge.parted(session.call)
        return Outcome()
    except (HubbubError, TimeoutError) as error:
        session.report(session.dialect.refusal_code("busy"), f"no bridge: {error}", level="error", line=verb.at.line)
        return Outcome("failed", "error")
    finally:
        meeting.end()


class Meeting:
    """Two calls that are being bridged: the first asks for it, the second is taken from what it does."""

    def __init__(self, first: Session, second: Session) -> None:
        self._first = first
        self._second = second
        self._there: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._parted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._bridge: Bridge | None = None

    async def begin(self, verb: BridgeTo) -> Bridge | None:
        """Bridge them as soon as the second is free; None when it went before that."""
        second, link = self._second, verb.on_target_done
        second.on_over = self._gone
        second.lend(self._attended, None if link is None else lambda: DocumentRequest(link, "bridged", second.record))
        if not await asyncio.wait_for(self._there, PATIENCE):
            return None
        self._bridge = Bridge(self._first.media, self._first.call, second.call)
        self._bridge.join()
        self._bridge.over.add_done_callback(self._over)
        return self._bridge

    def _over(self, why: asyncio.Future[BridgeEnd]) -> None:
        """A bridge that became a room is each one's own affair from then on."""
        if why.result() == "handed-over" and not self._parted.done():
            self._parted.set_result(None)

    def end(self) -> None:
        """The first has gone on, whatever the reason: the second goes on too."""
        if self._bridge is not None:
            self._bridge.end("first-left")
        self._second.on_over = None
        if not self._parted.done():
            self._parted.set_result(None)

    async def _attended(self) -> None:
        self._second.on_over = self._gone  # whoever had it before has let go
        self._second.call.answer()
        if not self._there.done():
            self._there.set_result(True)
        try:
            await asyncio.shield(self._parted)
            if self._bridge is not None and self._bridge.handed_over:
                await self._bridge.parted(self._second.call)
        except asyncio.CancelledError:
            self._gone()
            raise

    def _gone(self) -> None:
        """The second hung up, or was given another document."""
        if not self._there.done():
            self._there.set_result(False)
        if self._bridge is not None:
            self._bridge.end("second-left")
