"""Transcription of a call while it goes on: what either side says, told utterance by utterance, beside everything else.

Told to its `link`: `started`, `content` (for each utterance, and with `partial` for the words so far), `failed` with `error`, and
`stopped` at the end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hubbub.errors import HubbubError
from hubbub.ids import Id, new_id
from hubbub.speech.recognition import RecognitionFailed
from hubbub.speech.turns import Turn
from hubbub.verbs.hearing import StartTranscription, StopTranscription
from hubbub.verbs.listening import Listener
from hubbub.verbs.program import Outcome
from hubbub.verbs.wire import Track

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell
    from hubbub.verbs.services import VerbServices
    from hubbub.verbs.session import Session

MOST_SECONDS: Final = 20.0
"""An utterance is at most so long: what is longer is told in pieces."""
MOST_UTTERANCES: Final = 10_000
"""That are kept for whoever is told all of it."""
PATIENCE: Final = 30.0
"""Seconds that an utterance waits for a recogniser."""


@dataclass
class Transcribing:
    """A transcription that goes on, or went on."""

    session: Session
    services: VerbServices
    verb: StartTranscription
    begun: float
    id: Id = field(default_factory=new_id)
    stopped: bool = False
    task: asyncio.Task[None] | None = None
    tell: Callable[..., None] | None = None
    """Tells whoever follows it."""
    _number: int = 0
    _said: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_UTTERANCES))

    @property
    def call(self) -> Id:
        """The call that is transcribed."""
        return self.session.call.id

    @property
    def name(self) -> str:
        """What its document calls it."""
        return self.verb.name

    @property
    def live(self) -> bool:
        """Whether it goes on."""
        return not self.stopped

    def stop(self) -> None:
        """End it."""
        self.stopped = True
        if self.task is not None:
            self.task.cancel()

    async def run(self) -> None:
        """Until it is stopped, or cannot go on."""
        self._tell("started")
        try:
            self.services.recognition.check(self.verb.language)
            async with asyncio.TaskGroup() as group:
                for track in self.verb.tracks:
                    group.create_task(self._track(track))
        except* (RecognitionFailed, HubbubError, OSError) as failures:
            error = str(failures.exceptions[0])
            code = self.session.dialect.refusal_code("recognition")
            self.session.report(code, f"the call is not transcribed: {error}", level="error", line=self.verb.at.line)
            self._tell("failed", error=error)
        finally:
            self.stopped = True
            self._tell("stopped", text="\n".join(self._said) or None, seconds=self.services.clock.now() - self.begun)

    async def _track(self, track: Track) -> None:
        listener = Listener(self.services.media, self.session.leg, track)
        try:
            while True:
                turn = Turn(self.verb.pause_seconds, MOST_SECONDS)
                await listener.began(turn)
                partial = (lambda words: self._content(track, words, 0.0, final=False)) if self.verb.partial else None
                found = await listener.understood(turn, self.services.recognition, self.verb.hints, on_partial=partial, patience=PATIENCE)
                if found.text:
                    self._content(track, found.text, found.confidence, final=True)
        finally:
            await asyncio.shield(listener.close())

    def _content(self, track: Track, text: str, confidence: float, *, final: bool) -> None:
        if final:
            self._said.append(text)
        self._tell("content", track=track, text=text, confidence=round(confidence, 4), final=final)

    def _tell(self, state: str, **more: Any) -> None:
        self._number += 1
        facts = {
            "state": state,
            "transcription": self.id,
            "name": self.verb.name,
            "tracks": list(self.verb.tracks),
            "begun": self.begun,
            "labels": dict(self.verb.labels),
            **more,
        }
        self.session.call.tell("transcription", self.verb.link, facts, number=self._number)
        if self.tell is not None and self.verb.followed is not None:
            self.tell(self.verb.followed, state, **more)


def begin(session: Session, services: VerbServices, verb: StartTranscription, tell: Callable[..., None] | None = None) -> Transcribing:
    """Begin to transcribe a call."""
    begun = Transcribing(session, services, verb, services.clock.now(), tell=tell)
    session.transcriptions = {each.id: each for each in (*session.transcriptions.values(), begun) if each.live}
    begun.task = asyncio.create_task(begun.run(), name=f"transcription-{begun.id}")
    return begun


async def perform(shell: CallShell, verb: StartTranscription) -> Outcome:
    """Begin, and go on at once."""
    return Outcome(details={"transcription": begin(shell.session, shell.services, verb, shell.tell).id})


async def stop(shell: CallShell, verb: StopTranscription) -> Outcome:
    """End the transcription of that name; all for the empty name."""
    for each in tuple(shell.session.transcriptions.values()):
        if verb.name in ("", each.name):
            each.stop()
    return Outcome()
