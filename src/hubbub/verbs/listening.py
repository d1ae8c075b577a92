"""Listening to one side of a leg: when somebody speaks, and what is said."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from hubbub.media.client import Leg, Media, Pcm
from hubbub.speech.recognition import RATE, Recognition, Understood
from hubbub.speech.turns import FRAME_SECONDS, Turn, level_db
from hubbub.verbs.wire import ROUND, Ear, Track, tapped_leg

BEFORE: Final = 25
"""Frames before speech is noticed that belong to it."""


class Listener:
    """One side of a leg, one utterance after the other. MediaError or OSError where it cannot be tapped."""

    def __init__(self, media: Media, leg: Leg, track: Track = "inbound", *, rate: int = RATE) -> None:
        self._ear = Ear(media, tapped_leg(leg, (track,)), rate)
        self._ready: deque[Pcm] = deque()
        self._before: deque[Pcm] = deque(maxlen=BEFORE)
        self.now = 0.0
        """Seconds heard so far."""

    async def began(self, turn: Turn) -> None:
        """Wait until somebody speaks."""
        while turn.heard(level_db(await self.frame()), self.now) != "began":
            pass

    async def understood(
        self,
        turn: Turn,
        recognition: Recognition,
        hints: Sequence[str] = (),
        *,
        on_partial: Callable[[str], None] | None = None,
        patience: float = 0.0,
    ) -> Understood:
        """What is said from the beginning of the turn to its end. RecognitionFailed."""
        async with recognition.listen(hints, on_partial=on_partial, patience=patience) as hearing:
            for frame in self._before:
                hearing.hear(frame)
            change = ""
            while change != "ended":
                frame = await self.frame()
                hearing.hear(frame)
                change = turn.heard(level_db(frame), self.now)
            return await hearing.end()

    async def frame(self) -> Pcm:
        """The next 20 ms."""
        while not self._ready:
            self._ready.extend(pcm for _, pcm in self._ear.read())
            if not self._ready:
                await asyncio.sleep(ROUND)
        frame = self._ready.popleft()
        self.now += FRAME_SECONDS
        self._before.append(frame)
        return frame

    async def close(self) -> None:
        """Listen no more."""
        await self._ear.close()
