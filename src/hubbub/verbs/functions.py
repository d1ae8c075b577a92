"""Functions of an application that are called on a live call while a verb holds it; the reply acts on the call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from hubbub.conference.policy import Wait
from hubbub.errors import Refused, RequestFailed
from hubbub.verbs.held import FunctionCall, HoldForFunctions
from hubbub.verbs.program import Outcome
from hubbub.webhooks.requester import HttpReply

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell


@dataclass
class Functions:
    """What can be called while the verb holds the call."""

    shell: CallShell
    verb: HoldForFunctions
    variables: Callable[[], Mapping[str, Any]]
    ended: asyncio.Future[Outcome]
    resting: asyncio.TimerHandle | None = None

    def end(self) -> None:
        """The verb is over: the document goes on."""
        if not self.ended.done():
            self.ended.set_result(Outcome())

    def rest(self, seconds: float) -> None:
        """Answer no calls for a while; the call hears music."""
        self.wake()
        self.resting = asyncio.get_running_loop().call_later(seconds, self.wake)
        self.shell.session.start_audio("hold", Wait())

    def wake(self) -> None:
        """Rest no more."""
        if self.resting is not None:
            self.resting.cancel()
            self.resting = None
            self.shell.session.stop_audio("hold")

    async def call(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the application, and do what it replies; returns the reply. Raises Refused, RequestFailed or DocumentError."""
        if self.resting is not None:
            raise Refused("busy", "the call is on hold")
        services = self.shell.services
        account = services.accounts[self.shell.call.account]
        asked = FunctionCall(name, arguments, dict(self.variables()), services.clock.now())
        asking = await services.turns.take(account.name, partial(self.verb.desk.call, account, self.shell.call, asked))
        if self.ended.done() or self.resting is not None:  # while it waited for its turn
            raise Refused("busy", "the call went on with something else before the application was asked")
        found: HttpReply | RequestFailed | None = None
        if asking.request is not None:
            try:
                found = await services.requester.send(asking.request)
            except RequestFailed as error:
                found = error
        try:
            reaction = await services.turns.take(account.name, partial(asking.reaction, found))
        except RequestFailed as error:
            self._report(str(error))
            raise
        for remark in reaction.remarks:
            self._report(remark.message)
        if self.ended.done():
            raise Refused("busy", "the call went on with something else before the reply came")
        if reaction.program is not None:
            kind = "transferred" if reaction.ends else "interrupted"
            self.ended.set_result(Outcome(kind, "", {"program": reaction.program}))
        elif reaction.ends:
            self.ended.set_result(Outcome())
        return {"reply": reaction.reply, "transferred": reaction.ends, "warnings": [remark.message for remark in reaction.remarks]}

    def _report(self, text: str) -> None:
        session = self.shell.session
        session.report(session.dialect.refusal_code("verb-failed"), text, level="error", line=self.verb.at.line)


async def perform(shell: CallShell, verb: HoldForFunctions) -> Outcome:
    """Hold the call until a function's reply takes it elsewhere, or ends the holding."""
    session = shell.session
    ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    functions = session.functions = Functions(shell, verb, lambda: session.variables, ended)
    try:
        return await ended
    finally:
        functions.wake()
        session.functions = None
