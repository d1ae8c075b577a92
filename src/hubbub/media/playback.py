"""What is played: clips in the shared arena, streams through a ring, and their playbacks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from hubbub.media import block, layout, messages
from hubbub.media.control import Control
from hubbub.media.layout import RATE, UNITY
from hubbub.media.rings import PcmRing

log = structlog.get_logger()

Pcm = NDArray[np.int16]
"""Mono, 16 000 Hz."""


@dataclass(frozen=True, eq=False)
class Clip:
    """Sound that is there as a whole. The same array, played to many, is stored once; it must not be changed while it plays."""

    pcm: Pcm
    loops: int = 1
    """How often it is played; 0 is for ever."""


class Stream:
    """Sound that comes as it goes: pieces of any length, taken a few seconds ahead."""

    def __init__(self, pcm: AsyncIterator[Pcm]) -> None:
        self.pcm = pcm


Source = Clip | Stream


class Arena:
    """Clips in shared memory: first fit, counted references."""

    def __init__(self, memory: layout.Array) -> None:
        self._memory = memory
        self._free: list[tuple[int, int]] = [(0, len(memory))]
        self._stored: dict[int, tuple[Pcm, int, int]] = {}

    def hold(self, pcm: Pcm) -> int | None:
        """Store an array, or count one more holder; its offset, or None when there is no room."""
        key = id(pcm)
        if key in self._stored:
            kept, offset, holders = self._stored[key]
            self._stored[key] = (kept, offset, holders + 1)
            return offset
        for place, (offset, length) in enumerate(self._free):
            if length >= len(pcm):
                self._free[place : place + 1] = [(offset + len(pcm), length - len(pcm))] if length > len(pcm) else []
                self._memory[offset : offset + len(pcm)] = pcm
                self._stored[key] = (pcm, offset, 1)
                return offset
        return None

    def release(self, pcm: Pcm) -> None:
        """Count one holder less; the last one frees the room."""
        kept, offset, holders = self._stored[id(pcm)]
        if holders > 1:
            self._stored[id(pcm)] = (kept, offset, holders - 1)
            return
        del self._stored[id(pcm)]
        merged: list[tuple[int, int]] = []
        for start, length in sorted([*self._free, (offset, len(kept))]):
            if merged and merged[-1][0] + merged[-1][1] == start:
                merged[-1] = (merged[-1][0], merged[-1][1] + length)
            else:
                merged.append((start, length))
        self._free = merged

    @property
    def stored(self) -> int:
        """Samples in use."""
        return len(self._memory) - sum(length for _, length in self._free)


@dataclass(frozen=True)
class Target:
    """Where a playback goes: a mix (perhaps not to one leg of it), or one leg. Legs are (slot, generation)."""

    mix: int = -1
    worker: int = 0
    """The mix's."""
    leg: tuple[int, int] | None = None
    besides: tuple[int, int] | None = None


async def _repeated(clip: Clip) -> AsyncIterator[Pcm]:
    """A clip that is too long for the arena, in pieces."""
    played = 0
    while clip.loops == 0 or played < clip.loops:
        for start in range(0, len(clip.pcm), RATE):
            yield clip.pcm[start : start + RATE]
        played += 1


class Playback:
    """A source that is being played.

    `done` becomes True when it has played to its end, False when it was stopped or its target went away; `on_end` is called only in the
    first case.
    """

    def __init__(self, control: Control, arena: Arena, source: Source, target: Target, on_end: Callable[[], None] | None) -> None:
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._control = control
        self._arena = arena
        self._target = target
        self._on_end = on_end
        self._held: Pcm | None = None
        self._ring: PcmRing | None = None
        self._feeder: asyncio.Task[None] | None = None
        self._added = False
        self._stopping = False
        self._closed: Callable[[], None] | None = None
        self._final = 0.0
        self._slot = control.players.take()
        self._generation = control.claim(self._slot, self, target.worker)
        try:
            self._prepare(source)
        except BaseException:
            control.release(self._slot)
            raise

    def _prepare(self, source: Source) -> None:
        engine = self._control.engine
        block.clear_slot(engine, self._slot)
        slot = engine.slots[self._slot]
        record = engine.players[self._slot - self._control.sizes.legs]
        record.position = record.played = record.stopping = record.underruns = 0
        if self._target.leg is None:
            slot.mix = self._target.mix
            slot.speak_to = UNITY
        if isinstance(source, Clip):
            pcm = source.pcm
            if pcm.dtype != np.int16 or pcm.ndim != 1:
                raise TypeError("a clip is mono int16")
            if len(pcm) == 0:
                asyncio.get_running_loop().call_soon(self._finish, True)
                return
            offset = self._arena.hold(pcm)
            if offset is not None:
                self._held = pcm
                slot.kind = layout.CLIP
                record.offset, record.length, record.loops = offset, len(pcm), source.loops
                self._add()
                return
            source = Stream(_repeated(source))
        self._ring = self._control.take_ring()
        slot.kind = layout.PCM_RING
        slot.ring = self._ring.index
        self._feeder = asyncio.get_running_loop().create_task(self._feed(source.pcm))

    def _add(self) -> None:
        """Tell the loop, as soon as the leg that it concerns is at rest."""
        self._added = True
        self._control.moves.at_rest(self._send, *self._legs())

    def _legs(self) -> list[int]:
        return [leg[0] for leg in (self._target.leg, self._target.besides) if leg is not None]

    def _send(self) -> None:
        """From now on the slot's fields are the loop's own."""
        control, target = self._control, self._target
        edge, listener, gain = -1, (0, 0), UNITY
        worker = target.worker
        if target.leg is not None:
            worker, listener = control.worker_of(target.leg[0]), target.leg
        elif target.besides is not None and control.worker_of(target.besides[0]) == worker:
            listener, gain = target.besides, layout.APART
        if listener[1]:
            edge = control.take_edge(lambda _: None)
            control.place_edge(edge, listener[0])
        control.place_player(self._slot, worker)
        control.send(worker, messages.ADD, self._slot, self._generation, edge, *listener, gain)

    def follow(self) -> None:
        """The leg that hears it goes to another worker: it goes along, from where it is."""
        if self._added and not self._stopping and not self.done.done() and self._target.leg is not None:
            self._control.move_player(self._slot, self._generation, lambda: self._control.moves.at_rest(self._go_on, *self._legs()))

    def _go_on(self) -> None:
        if not self.done.done():
            self._send()
            self._control.moves.arrived(self._slot)

    async def _feed(self, pieces: AsyncIterator[Pcm]) -> None:
        """Keep the ring filled; a failing source ends the playback."""
        assert self._ring is not None
        try:
            async for piece in pieces:
                start = 0
                while start < len(piece):
                    start += self._ring.write(piece[start:])
                    if not self._added:
                        self._add()
                    if start < len(piece):
                        await asyncio.sleep(0.25)
        except Exception:
            log.exception("media_stream_failed")
            self._stopping = True
        finally:
            close: Any = getattr(pieces, "aclose", None)
            if close:
                with contextlib.suppress(Exception):
                    await close()
            if not self.done.done():  # else the ring may already be somebody else's
                self._ring.end()
                if not self._added:
                    self._finish(not self._stopping)

    def when_closed(self, call: Callable[[], None]) -> None:
        """Let the owner know when the playback is over."""
        self._closed = call

    @property
    def position(self) -> float:
        """Seconds that were played."""
        if self.done.done():
            return self._final
        return int(self._control.engine.players[self._slot - self._control.sizes.legs].played) / RATE

    def stop(self) -> None:
        """Fade out within a frame and end."""
        if self._stopping or self.done.done():
            return
        self._stopping = True
        if self._feeder:
            self._feeder.cancel()
        if self._added:
            post = self._control.post
            self._control.moves.at_rest(lambda: post(messages.STOP, self._slot, self._generation), *self._legs())
        else:
            asyncio.get_running_loop().call_soon(self._finish, False)

    def handle(self, code: int, value: int) -> None:
        """The loop says that it is over."""
        if code == messages.PLAYED:
            self._finish(value == 1)

    def _finish(self, complete: bool) -> None:
        if self.done.done():
            return
        self._final = self.position
        if self._feeder and not self._feeder.done():
            self._feeder.cancel()
        if self._held is not None:
            self._arena.release(self._held)
        if self._ring is not None:
            self._control.rings.give(self._ring.index)
        self._control.release(self._slot)
        self.done.set_result(complete and not self._stopping)
        if self._closed:
            self._closed()
        if self.done.result() and self._on_end:
            self._on_end()
