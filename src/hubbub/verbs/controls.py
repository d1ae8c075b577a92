"""Controls: what somebody outside began on a live call beside its script, under a name by which it is changed and ended.

Sound is played (`Playing`: paused, resumed, louder, ended); anything else is a program of its own (`Doing`: ended). Whoever follows it
is told how it gets on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import structlog

from hubbub.errors import HubbubError
from hubbub.media.client import RATE, Clip, Leg, Pcm, Playback
from hubbub.verbs.handlers import CallShell
from hubbub.verbs.model import Followed, Gather
from hubbub.verbs.program import Program, Verb
from hubbub.verbs.script import Script, ScriptFailed

if TYPE_CHECKING:
    from hubbub.verbs.dialect import Dialect
    from hubbub.verbs.session import Session

log = structlog.get_logger()

OVER: Final = frozenset({"ended", "failed"})


@dataclass(frozen=True)
class Ordered:
    """What is ordered of a control."""

    name: str
    kind: str
    """What it is, as whoever began it says: one name may be given once for each kind."""
    dialect: Dialect
    followed: Followed | None = None


class Control(Protocol):
    """Something under way."""

    order: Ordered

    @property
    def over(self) -> bool:
        """Whether nothing of it is under way."""

    def stop(self) -> None:
        """End it."""


class _Told:
    """What has a state, and tells it: `began`, `paused`, `resumed`, `ended`, `failed`."""

    def __init__(self, session: Session, order: Ordered) -> None:
        self.order = order
        self.state = ""
        self._session = session

    @property
    def over(self) -> bool:
        """Whether nothing of it is under way."""
        return self.state in OVER

    def _tell(self, state: str, **details: Any) -> None:
        if self.state in OVER:
            return
        self.state = state
        if self.order.followed is not None:
            CallShell(self._session, self._session.services).tell(self.order.followed, state, **details)


class Playing(_Told):
    """Sound that is heard beside everything else."""

    def __init__(
        self, session: Session, order: Ordered, sounds: Sequence[Verb], legs: Sequence[Leg], *, loops: int, gain_db: float
    ) -> None:
        super().__init__(session, order)
        self._sounds = sounds
        self._legs = legs
        self._loops = loops
        self._gain = gain_of(gain_db)
        self._tape = Tape()
        self._playbacks: list[Playback] = []
        self._going = asyncio.Event()
        self._going.set()
        self._ended = False
        self.task = asyncio.create_task(self._run(), name=f"control-{order.name}")

    def pause(self) -> None:
        """Stop where it is."""
        if self._going.is_set() and not self.over:
            self._going.clear()
            self._interrupt()
            self._news("paused")

    def resume(self) -> None:
        """Go on where it was."""
        if not self._going.is_set():
            self._going.set()
            self._news("resumed")

    def volume(self, gain_db: float) -> None:
        """Be so much louder, from now on."""
        self._gain = gain_of(gain_db)
        self._interrupt()

    def stop(self) -> None:
        """End it."""
        self._ended = True
        self._going.set()
        self._interrupt()

    def _news(self, state: str) -> None:
        """Tell it, but nothing before it has begun."""
        if self.state:
            self._tell(state)

    def _interrupt(self) -> None:
        for playback in self._playbacks:
            playback.stop()

    async def _run(self) -> None:
        try:
            sound = self._session.services.sound(self._legs[0], self._session.record.account)
            pieces = [await sound.rendered(verb) for verb in self._sounds]
            self._tape = Tape(np.concatenate(pieces) if pieces else np.zeros(0, np.int16), self._loops)
            self._tell("began")
            if not self._going.is_set():
                self._tell("paused")
            while not self._ended and not self._tape.over:
                await self._going.wait()
                await self._play()
        except (HubbubError, ValueError) as error:
            self._session.report(self._session.dialect.refusal_code("audio"), str(error), level="error")
            self._tell("failed", reason=str(error))
        else:
            self._tell("ended")

    async def _play(self) -> None:
        if self._ended or self._tape.over:
            return
        piece, times = self._tape.next()
        clip = Clip(amplified(piece, self._gain), times)
        legs = [leg for leg in self._legs if not leg.closed]
        if not legs:
            self._ended = True
            return
        self._playbacks = []
        try:
            for leg in legs:
                self._playbacks.append(self._session.media.play(clip, leg))
            heard = await self._heard(legs)
        finally:
            self._interrupt()
        self._tape.played(len(piece) * times if heard.done.result() else round(heard.position * RATE))

    async def _heard(self, legs: Sequence[Leg]) -> Playback:
        """The playback that tells how far it came: of the first leg that stays to the end."""
        for leg, playback in zip(legs, self._playbacks, strict=True):
            if await asyncio.shield(playback.done) or not leg.closed:
                return playback
        return self._playbacks[-1]


@dataclass
class Tape:
    """Sound that is played so often (0: for ever), and how far that has come."""

    pcm: Pcm = field(default_factory=lambda: np.zeros(0, np.int16))
    loops: int = 1
    at: int = 0
    """Samples of the present round."""
    rounds: int = 0
    """That are over."""

    @property
    def over(self) -> bool:
        """Whether all of it was played."""
        return not len(self.pcm) or (self.loops != 0 and self.rounds >= self.loops)

    def next(self) -> tuple[Pcm, int]:
        """What is to be played now, and how often (0: for ever)."""
        if self.at:
            return self.pcm[self.at :], 1
        return self.pcm, self.loops - self.rounds if self.loops else 0

    def played(self, samples: int) -> None:
        """So much more was played; a sound that goes on for ever is never played to its end."""
        self.rounds, self.at = self.rounds + (self.at + samples) // len(self.pcm), (self.at + samples) % len(self.pcm)


def gain_of(decibels: float) -> float:
    """What samples are multiplied with."""
    return float(10 ** (decibels / 20))


def amplified(pcm: Pcm, gain: float) -> Pcm:
    """Louder or softer; what does not fit is cut off. The same array where nothing changes."""
    if gain == 1.0:
        return pcm
    return np.asarray(np.clip(np.rint(pcm * gain), -32768, 32767), dtype=np.int16)


class Doing(_Told):
    """A program beside everything else; one that `lasts` is over when `stopper`, a program of its own, was run.

    Verbs that can be followed tell by themselves; of a program without them it is told when it begins and ends.
    """

    def __init__(self, session: Session, order: Ordered, program: Program, *, stopper: Program | None = None) -> None:
        super().__init__(session, order)
        self._program = followed_by(program, order.followed)
        self._silent = self._program is not program
        self._stopper = None if stopper is None else followed_by(stopper, order.followed)
        self.task = asyncio.create_task(self._run(), name=f"control-{order.name}")

    def stop(self) -> None:
        """End it."""
        if self.over:
            return
        if not self.task.done():
            self.task.cancel()
        elif self._session.call.over:  # what was begun ends with the call
            self._progress("ended")
        elif self._stopper is not None:
            self.task = asyncio.create_task(self._stop(self._stopper), name=f"control-{self.order.name}")

    def start_timers(self) -> None:
        """Let gatherings that wait for it begin to count the time."""
        for step in self._program.main:
            if isinstance(step, Gather) and step.manner is not None and step.manner.timers is not None:
                step.manner.timers.start()

    async def _run(self) -> None:
        self._progress("began")
        try:
            results = await self._script(self._program)
        except asyncio.CancelledError:
            self._tell("ended")
            raise
        except ScriptFailed as error:
            self._tell("failed", reason=str(error))
        except Exception as error:
            log.exception("control_failed", control=self.order.name)
            self._tell("failed", reason=str(error))
        else:
            if self._stopper is None:
                self._progress("ended", **results)

    async def _stop(self, stopper: Program) -> None:
        try:
            self._progress("ended", **await self._script(stopper))
        except asyncio.CancelledError:
            self._progress("ended")
            raise
        except ScriptFailed as error:
            log.info("control_not_stopped", control=self.order.name, reason=str(error))
            self._tell("failed", reason=str(error))

    def _progress(self, state: str, **details: Any) -> None:
        if self._silent:
            self.state = state
        else:
            self._tell(state, **details)

    async def _script(self, program: Program) -> Mapping[str, Any]:
        session, services = self._session, self._session.services
        account = services.accounts[session.record.account]
        script = Script(CallShell(session, services), self.order.dialect, account, services.documents, services.turns)
        await script.run(program)
        return script.interpreter.variables


def followed_by(program: Program, followed: Followed | None) -> Program:
    """The program with verbs that tell this follower; the same where none of them can."""
    if followed is None or not any(hasattr(step, "followed") for step in program.main):
        return program
    change: Any = replace
    told = tuple(change(step, followed=followed) if hasattr(step, "followed") else step for step in program.main)
    return replace(program, sections={**program.sections, "main": told})
