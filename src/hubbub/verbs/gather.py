"""Gather: digits, or what is said, while prompts play.

Outcome `digits` (with `digits` and `finish`), `speech` (with `speech` and `confidence`), `nothing` (reason `not-understood` where
somebody spoke), `finished-empty`, or `failed` where speech alone was wished and cannot be understood.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from hubbub.errors import HubbubError, MediaError
from hubbub.events import Link
from hubbub.speech.recognition import RecognitionFailed, Understood
from hubbub.speech.turns import Turn
from hubbub.verbs.hearing import Listening, Manner
from hubbub.verbs.listening import Listener
from hubbub.verbs.model import Gather
from hubbub.verbs.program import Outcome

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell


log = structlog.get_logger()


@dataclass(frozen=True)
class _Began:
    """Somebody speaks."""


_Event = str | _Began | Understood | RecognitionFailed
"""A key, or how far listening has come."""


async def perform(shell: CallShell, verb: Gather) -> Outcome:
    """Collect digits until the finishing key, the count, or silence; or speech until a pause."""
    call = shell.session.call
    listening = verb.speech
    if listening is not None:
        try:
            shell.services.recognition.check(listening.language)
        except RecognitionFailed as failure:
            _report(shell, verb, failure)
            if not listening.keys:
                return Outcome("failed", failure.why)
            listening = None
    events: asyncio.Queue[_Event] = asyncio.Queue()
    deaf = call.hear_keys(events.put_nowait, gathers=True) if listening is None or listening.keys else None
    prompts = asyncio.create_task(_prompt(shell, verb))
    collecting = _Collecting(shell, verb, events, prompts, _ears(shell, verb, listening, events))
    try:
        while True:
            outcome = await collecting.run()
            if not collecting.goes_on(outcome):
                return outcome
            collecting.begin_again(_ears(shell, verb, listening, events))
    finally:
        if deaf is not None:
            deaf()
        tasks = [prompts, *collecting.ears_used]
        for task in tasks:
            task.cancel()
        for problem in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(problem, Exception):
                _failed(shell, verb, problem)


def _ears(shell: CallShell, verb: Gather, listening: Listening | None, events: asyncio.Queue[_Event]) -> asyncio.Task[None] | None:
    """Whoever listens to the next thing that is said."""
    return asyncio.create_task(_listen(shell, verb, listening, events)) if listening is not None else None


async def _prompt(shell: CallShell, verb: Gather) -> None:
    sound = shell.services.sound(shell.session.leg, shell.session.record.account, shell.session.dialect)
    for prompt in verb.prompts:
        outcome = await sound.perform(prompt)
        if outcome.kind == "failed":
            code = shell.session.dialect.refusal_code("audio")
            shell.session.report(code, outcome.reason, level="error", line=prompt.at.line)


class _Collecting:
    """What has come, and what ends it."""

    def __init__(
        self,
        shell: CallShell,
        verb: Gather,
        events: asyncio.Queue[_Event],
        prompts: asyncio.Task[None],
        ears: asyncio.Task[None] | None,
    ) -> None:
        self._shell = shell
        self._verb = verb
        self._events = events
        self._prompts = prompts
        self._ears = ears
        self.ears_used = [ears] if ears is not None else []
        self._manner = verb.manner or Manner()
        self._digits = ""
        self._speaking = False
        self._waiting = True
        """Whether nothing has come yet."""

    def goes_on(self, outcome: Outcome) -> bool:
        """Whether there is more to collect after this, which is told."""
        if not self._manner.continuous or outcome.kind not in ("digits", "speech"):
            return False
        self._tell("heard", reason=outcome.reason, **outcome.details)
        return True

    def begin_again(self, ears: asyncio.Task[None] | None) -> None:
        """Collect the next."""
        self._digits, self._speaking, self._ears = "", False, ears
        self.ears_used = [used for used in self.ears_used if not used.done()] + ([ears] if ears is not None else [])

    def _tell(self, state: str, **details: Any) -> None:
        if self._verb.followed is not None:
            self._shell.tell(self._verb.followed, state, **details)

    def _input(self) -> None:
        """Somebody begins."""
        self._waiting = False
        if self._manner.beginning:
            self._tell("input")

    async def run(self) -> Outcome:
        """Until something ends it."""
        while True:
            event = await self._next()
            outcome = self._take(event)
            if outcome is not None:
                return outcome

    def _take(self, event: _Event | None) -> Outcome | None:
        match event:
            case None:
                return self._nothing("")
            case str():
                return self._key(event)
            case _Began() | Understood() | RecognitionFailed() if self._ears is None:
                pass  # what was heard before the key that decided
            case _Began():
                self._speaking = True
                self._input()
                if self._verb.speech is not None and self._verb.speech.stops_prompts:
                    self._prompts.cancel()
            case Understood():
                if not event.text:
                    return self._nothing("not-understood")
                return Outcome("speech", "", {"speech": event.text, "confidence": event.confidence})
            case RecognitionFailed():
                _report(self._shell, self._verb, event)
                self._speaking, self._ears = False, None
                if self._verb.speech is not None and not self._verb.speech.keys:
                    return Outcome("failed", event.why)
        return None

    def _key(self, digit: str) -> Outcome | None:
        verb = self._verb
        self._prompts.cancel()
        if self._ears is not None:  # the first key decides that it is keys
            self._ears.cancel()
            self._ears, self._speaking = None, False
        if not self._digits:
            self._input()
        if digit in verb.finish_on:
            kind = "digits" if self._digits or verb.ask_when_empty else "finished-empty"
            return Outcome(kind, "", {"digits": self._digits, "finish": digit})
        self._digits += digit
        if verb.max_digits is not None and len(self._digits) >= verb.max_digits:
            return Outcome("digits", "", {"digits": self._digits, "finish": ""})
        if self._manner.partial:
            self._tell("partly", digits=self._digits)
        return None

    def _nothing(self, reason: str) -> Outcome:
        kind = "digits" if self._digits or self._verb.ask_when_empty else "nothing"
        return Outcome(kind, reason, {"digits": self._digits, "finish": ""})

    async def _next(self) -> _Event | None:
        """The next that comes; None when nothing does in time after the prompts have ended. Who speaks has the time that it takes."""
        event = asyncio.ensure_future(self._events.get())
        try:
            if self._speaking:
                return await event
            await asyncio.wait({event, self._prompts}, return_when=asyncio.FIRST_COMPLETED)
            if not event.done():
                await asyncio.wait({event}, timeout=await self._patience(event))
            return event.result() if event.done() else None
        finally:
            event.cancel()

    async def _patience(self, event: asyncio.Future[_Event]) -> float | None:
        """Seconds to wait for the next; None: without end. The first may wait until its time limit begins."""
        if self._digits:
            return self._verb.next_timeout
        if not self._waiting:
            return None if self._manner.continuous else self._verb.first_timeout
        if self._manner.timers is not None:
            begun = asyncio.ensure_future(self._manner.timers.begun())
            awaited: set[asyncio.Future[Any]] = {event, begun}
            try:
                await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            finally:
                begun.cancel()
        return self._verb.first_timeout


async def _listen(shell: CallShell, verb: Gather, wish: Listening, events: asyncio.Queue[_Event]) -> None:
    """Wait until somebody speaks, and have understood what is said."""
    try:
        listener = Listener(shell.services.media, shell.session.leg)
    except (HubbubError, OSError) as error:
        events.put_nowait(RecognitionFailed("failed", f"the call cannot be listened to: {error}"))
        return
    try:
        turn = Turn(wish.pause_seconds, wish.most_seconds)
        await listener.began(turn)
        events.put_nowait(_Began())
        partial = _Partial(shell, verb, wish.on_partial) if wish.on_partial is not None or (verb.manner and verb.manner.partial) else None
        events.put_nowait(await listener.understood(turn, shell.services.recognition, wish.hints, on_partial=partial))
    except RecognitionFailed as failure:
        events.put_nowait(failure)
    except MediaError as error:
        events.put_nowait(RecognitionFailed("failed", f"the call cannot be listened to: {error}"))
    except Exception as error:  # a bug must not leave who speaks waiting for ever
        log.exception("listening_failed", call=shell.session.call.id)
        events.put_nowait(RecognitionFailed("failed", f"internal error: {error!r}"))
    finally:
        await listener.close()


class _Partial:
    """Tells the words so far."""

    def __init__(self, shell: CallShell, verb: Gather, link: Link | None) -> None:
        self._shell = shell
        self._verb = verb
        self._link = link
        self._number = 0

    def __call__(self, words: str) -> None:
        if self._link is not None:
            self._shell.session.call.tell("words", self._link, {}, words, self._number)
        if self._verb.followed is not None and self._verb.manner is not None and self._verb.manner.partial:
            self._shell.tell(self._verb.followed, "partly", speech=words, confidence=0.0)
        self._number += 1


def _failed(shell: CallShell, verb: Gather, error: Exception) -> None:
    """A prompt or an ear ended by a bug: what was gathered counts nevertheless."""
    session = shell.session
    log.error("gather_task_failed", call=session.call.id, exc_info=error)
    session.report(session.dialect.refusal_code("internal"), f"internal error: {error!r}", level="error", line=verb.at.line)


def _report(shell: CallShell, verb: Gather, failure: RecognitionFailed) -> None:
    code = shell.session.dialect.refusal_code("recognition")
    shell.session.report(code, f"nobody is understood: {failure}", level="error", line=verb.at.line)
