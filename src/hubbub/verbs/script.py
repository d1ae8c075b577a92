"""A script: programs running on a stage, one document after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from hubbub.errors import DocumentError, RequestFailed
from hubbub.events import CallRecord
from hubbub.sandbox.turns import Turns
from hubbub.settings import Account
from hubbub.verbs.dialect import Dialect, DocumentRequest
from hubbub.verbs.documents import Documents
from hubbub.verbs.interpreter import Ask, Bind, Command, Finished, Interpreter, Run
from hubbub.verbs.model import Redirect, Stage
from hubbub.verbs.program import Outcome, Program, Verb


class StageShell(Protocol):
    """Where a script's verbs are done."""

    stage: Stage

    @property
    def call(self) -> CallRecord | None:
        """The call that the script belongs to, as it is now."""

    async def perform(self, verb: Verb) -> Outcome:
        """Do a verb to its end. When the task is cancelled: end it at once and leave everything as it was before."""


BURST = 10
BURST_SECONDS = 10.0
"""A script may ask for ten documents at once and then for one a second: one that only redirects is no attack on its application."""


class ScriptFailed(Exception):
    """A document that the script needs cannot be had; `kind` says whether the request or the document failed."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Script:
    """Runs on one stage; survives document changes with its variables."""

    def __init__(
        self,
        shell: StageShell,
        dialect: Dialect,
        account: Account,
        documents: Documents,
        turns: Turns,
        beside: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._shell = shell
        self._dialect = dialect
        self._account = account
        self._documents = documents
        self._turns = turns
        self._beside = beside
        """What each request carries beside its own parameters, asked for when it is made."""
        self.interpreter = Interpreter(dialect.outcomes)
        self.interpreter.facts = lambda: dialect.facts(account, shell.call)
        self._asked: deque[float] = deque(maxlen=BURST)

    async def run(self, first: DocumentRequest | Program) -> None:
        """Run until the program's end. Raises ScriptFailed when a document it needs cannot be had."""
        try:
            await self._run(first)
        except DocumentError as error:  # a step that is bound late was wrong
            raise ScriptFailed("document", str(error)) from error

    async def _run(self, first: DocumentRequest | Program) -> None:
        program = first if isinstance(first, Program) else await self.fetch(first)
        command: Command | None = self.interpreter.load(program)
        while command is not None:
            self._tell(program.base)
            match command:
                case Run(generation, verb):
                    outcome = await self._shell.perform(verb)
                    command = self.interpreter.ended(generation, outcome)
                case Ask(generation):
                    command = self.interpreter.load(await self.fetch(self.request(command)), generation)
                case Bind(generation, template, scope):
                    steps = await self._turns.take(self._account.name, partial(template.bind, scope))
                    command = self.interpreter.bound(generation, steps)
                case Finished():
                    return

    def _tell(self, base: str) -> None:
        """Keep what the interpreter has to say to the author."""
        remarks = tuple(self.interpreter.remarks)
        if remarks:
            self.interpreter.remarks.clear()
            self._documents.remarks(Program({}, base, remarks), self._account, self._shell.call)

    def request(self, ask: Ask) -> DocumentRequest:
        """The request behind an Ask."""
        event = "redirect" if isinstance(ask.verb, Redirect) else _event_name(ask.verb)
        return DocumentRequest(ask.link, event, self._shell.call, fields=ask.fields, variables=self.interpreter.variables)

    async def fetch(self, request: DocumentRequest) -> Program:
        """The program behind a request. Raises ScriptFailed."""
        await self._pace()
        request = replace(request, fields={**self._beside(), **request.fields})
        try:
            return await self._documents.fetch(self._dialect, self._account, request, self._shell.stage)
        except RequestFailed as error:
            raise ScriptFailed("request", str(error)) from error
        except DocumentError as error:
            raise ScriptFailed("document", str(error)) from error

    async def _pace(self) -> None:
        loop = asyncio.get_running_loop()
        if len(self._asked) == BURST:
            await asyncio.sleep(self._asked[0] + BURST_SECONDS - loop.time())
        self._asked.append(loop.time())

    async def discard(self, ask: Ask) -> None:
        """Make a request whose answer does not matter."""
        await self._documents.discard(self._dialect, self._account, self.request(ask))


def _event_name(verb: Verb) -> str:
    return f"action-{type(verb).__name__.lower()}"
