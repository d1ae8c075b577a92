"""Speech to text: what callers say, understood by recognition processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Literal

import structlog

from hubbub.speech.listener import HEAD
from hubbub.speech.recogniser import RATE, Pcm, Understood, installed

log = structlog.get_logger()

PATIENCE: Final = 120.0
"""Seconds for an answer of a recognition process; one that takes longer is replaced."""
LONGEST_REPLY: Final = 1 << 20
Why = Literal["absent", "language", "busy", "failed"]

__all__ = ["RATE", "Hearing", "Recognition", "RecognitionFailed", "Understood"]


class RecognitionFailed(Exception):
    """Nothing can be understood. `why`: `absent` (no recogniser), `language` (not known), `busy` (all listen), `failed`."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why = why


class _Process:
    """A recognition process; used for one utterance at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._killed = False

    @classmethod
    async def start(cls) -> _Process:
        """A new one; it loads its model while sound already comes."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hubbub.speech.listener",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=LONGEST_REPLY,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C in a terminal is the server's business
        )
        return cls(process)

    @property
    def alive(self) -> bool:
        """Whether it can be used."""
        return not self._killed and self._process.returncode is None

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """Send a message; one to a process that died is lost, which its reader sees."""
        assert self._process.stdin is not None
        if self.alive and not self._process.stdin.is_closing():
            self._process.stdin.write(HEAD.pack(kind, len(body)) + body)

    async def reply(self) -> dict[str, Any]:
        """The next reply. RecognitionFailed where the process died, or takes too long."""
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE)
            return dict(json.loads(line))
        except (TimeoutError, OSError, ValueError) as error:
            self.kill()
            raise RecognitionFailed("failed", "the recogniser died or takes too long") from error

    def kill(self) -> None:
        """End it."""
        self._killed = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def gone(self) -> None:
        """Wait until it is."""
        await self._process.wait()


class Hearing:
    """One utterance that is being listened to."""

    def __init__(self, process: _Process, hints: Sequence[str], on_partial: Callable[[str], None] | None) -> None:
        self._process = process
        self._on_partial = on_partial
        process.send(b"B", json.dumps({"hints": list(hints), "partial": on_partial is not None}).encode())
        self._final: asyncio.Task[Understood] = asyncio.create_task(self._read())
        self.ended = False

    def hear(self, pcm: Pcm) -> None:
        """Sound of it: 16 kHz, mono."""
        if len(pcm):
            self._process.send(b"A", pcm.astype("<i2").tobytes())

    async def end(self) -> Understood:
        """That was all of it: what was said. RecognitionFailed where the recogniser failed."""
        self._process.send(b"E")
        try:
            return await asyncio.shield(self._final)
        finally:
            self.ended = self._final.done() and not self._final.cancelled()

    async def _read(self) -> Understood:
        while True:
            reply = await self._process.reply()
            if "partial" in reply:
                if self._on_partial is not None:
                    self._on_partial(str(reply["partial"]))
            elif "error" in reply:
                raise RecognitionFailed("failed", str(reply["error"]))
            else:
                return Understood(str(reply["text"]), float(reply["confidence"]))

    async def close(self) -> None:
        """Stop listening; a process in the middle of something is not used again."""
        if not self.ended:
            self._final.cancel()
            self._process.kill()
        await asyncio.gather(self._final, return_exceptions=True)


class Recognition:
    """At most `most` recognition processes; each is started when it is needed and kept."""

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._free = asyncio.Semaphore(max(0, most))

    @property
    def available(self) -> bool:
        """Whether there is a recogniser."""
        return self._most > 0 and installed()

    def check(self, language: str = "") -> None:
        """RecognitionFailed where there is no recogniser, or none for that language (a BCP 47 tag in any spelling)."""
        if not self.available:
            raise RecognitionFailed("absent", "no recogniser is installed (pip install 'hubbub[recognition]')")
        if language.replace("_", "-").lower().partition("-")[0] not in ("", "en", "auto"):
            raise RecognitionFailed("language", f"speech in {language[:20]!r} is not recognised: the recogniser knows English")

    @contextlib.asynccontextmanager
    async def listen(
        self, hints: Sequence[str] = (), *, on_partial: Callable[[str], None] | None = None, patience: float = 0.0
    ) -> AsyncIterator[Hearing]:
        """Listen to one utterance. RecognitionFailed when all recognisers stay busy for `patience` seconds."""
        self.check()
        if patience or self._free.locked():
            try:
                await asyncio.wait_for(self._free.acquire(), max(patience, 0.05))
            except TimeoutError as error:
                raise RecognitionFailed("busy", f"all {self._most} recognisers are listening") from error
        else:
            await self._free.acquire()
        try:
            process = await self._process()
            hearing = Hearing(process, hints, on_partial)
            try:
                yield hearing
            finally:
                await hearing.close()
                self._give_back(process)
        finally:
            self._free.release()

    async def understand(self, pcm: Pcm, hints: Sequence[str] = (), *, patience: float = 600.0) -> Understood:
        """What is said in a piece of sound; waits for a recogniser."""
        async with self.listen(hints, patience=patience) as hearing:
            hearing.hear(pcm)
            return await hearing.end()

    async def _process(self) -> _Process:
        while self._idle:
            process = self._idle.pop()
            if process.alive:
                return process
            self._all.discard(process)
        try:
            process = await _Process.start()
        except OSError as error:
            raise RecognitionFailed("failed", f"no recognition process can be started: {error}") from error
        self._all.add(process)
        return process

    def _give_back(self, process: _Process) -> None:
        if process.alive:
            self._idle.append(process)
        else:
            self._all.discard(process)

    async def close(self) -> None:
        """End all of them."""
        for process in self._all:
            process.kill()
        await asyncio.gather(*(process.gone() for process in self._all), return_exceptions=True)
        self._all.clear()
        self._idle.clear()
