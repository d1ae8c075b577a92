"""The server's hand on the loop: indices that are free, commands down, events up to the objects that they concern."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import Protocol

import structlog

from hubbub.errors import ResourceExhausted
from hubbub.media import block, layout
from hubbub.media.layout import Engine, Sizes
from hubbub.media.rings import PcmRing, post_command, take_events
from hubbub.media.supervisor import Supervisor

log = structlog.get_logger()


class Pool:
    """Free indices; the one that was free longest goes first."""

    def __init__(self, name: str, first: int, count: int) -> None:
        self._name = name
        self._free = deque(range(first, first + count))
        self.size = count

    def take(self) -> int:
        """A free index, or ResourceExhausted."""
        if not self._free:
            raise ResourceExhausted(f"no {self._name} left ({self.size} in use)")
        return self._free.popleft()

    def give(self, index: int) -> None:
        """Return an index."""
        self._free.append(index)

    @property
    def used(self) -> int:
        """Indices in use."""
        return self.size - len(self._free)


class Listener(Protocol):
    """An object that a slot's events concern."""

    def handle(self, code: int, value: int) -> None:
        """Take an event of the slot, in the life that belongs to this object."""


class Control:
    """Commands, events and indices of one worker. Used from the event loop only."""

    def __init__(self, sizes: Sizes) -> None:
        self.supervisor = Supervisor(sizes)
        self.engine: Engine = self.supervisor.engine
        self.sizes = sizes
        self.legs = Pool("media slots", 0, sizes.legs)
        self.players = Pool("players", sizes.legs, sizes.players)
        self.mixes = Pool("mixes", 0, sizes.mixes)
        self.edges = Pool("edges", 0, sizes.edges)
        self.rings = Pool("audio rings", 0, sizes.rings)
        self._listeners: dict[int, tuple[int, Listener]] = {}
        self._edge_owners: dict[int, Callable[[int], None]] = {}
        self._tap_owners: dict[int, Callable[[int], None]] = {}
        self._mix_generations: dict[int, int] = {}
        self._backlog: deque[tuple[int, ...]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Start the media processes and listen to their events."""
        self._loop = asyncio.get_running_loop()
        await self.supervisor.start()
        self._loop.add_reader(self.supervisor.eventfd, self._wake)

    async def stop(self) -> None:
        """End the media processes."""
        if self._loop:
            self._loop.remove_reader(self.supervisor.eventfd)
        await self.supervisor.stop()
        # No loop will tell any more: whoever waits for the end of a playback or a leg hears it now.
        for slot, (_, listener) in list(self._listeners.items()):
            self.engine.slots[slot].state = layout.FREE
            listener.handle(layout.REMOVED if slot < self.sizes.legs else layout.PLAYED, 0)

    def post(self, *words: int) -> None:
        """Post a command; when the ring is full it waits its turn here."""
        if self._backlog or not post_command(self.engine.wires, 0, words):
            self._backlog.append(words)
            if len(self._backlog) == 1 and self._loop:
                self._loop.call_later(0.02, self._post_backlog)

    def _post_backlog(self) -> None:
        while self._backlog:
            if not post_command(self.engine.wires, 0, self._backlog[0]):
                if self._loop:
                    self._loop.call_later(0.02, self._post_backlog)
                return
            self._backlog.popleft()

    # Slots.

    def claim(self, slot: int, listener: Listener) -> int:
        """Begin a new life of a free slot; returns its generation."""
        record = self.engine.slots[slot]
        record.generation = (int(record.generation) + 1) & 0x3FFFFFFF
        self._listeners[slot] = (int(record.generation), listener)
        return int(record.generation)

    def listeners(self) -> list[Listener]:
        """The objects whose slots live."""
        return [listener for _, listener in self._listeners.values()]

    def release(self, slot: int) -> None:
        """End a life: the slot's events concern nobody any more."""
        self._listeners.pop(slot, None)
        (self.legs if slot < self.sizes.legs else self.players).give(slot)

    def is_free(self, slot: int) -> bool:
        """Whether the loop has let go of a slot."""
        return int(self.engine.slots[slot].state) == layout.FREE

    # Edges.

    def take_edge(self, gone: Callable[[int], None]) -> int:
        """An index for an edge; `gone` is called when the loop has taken the edge away."""
        edge = self.edges.take()
        self._edge_owners[edge] = gone
        return edge

    def add_edge(self, source: tuple[int, int], listener: tuple[int, int], gain: int, gone: Callable[[int], None]) -> int:
        """Let leg `listener` (slot, generation) hear `source`; returns the edge."""
        edge = self.take_edge(gone)
        self.post(layout.EDGE, edge, *source, *listener, gain)
        return edge

    def drop_edge(self, edge: int, source: tuple[int, int], listener: tuple[int, int]) -> None:
        """Fade an edge out; its index comes back with the event."""
        self.post(layout.EDGE, edge, *source, *listener, 0)

    # Mixes.

    def open_mix(self) -> tuple[int, int]:
        """A fresh mix: index and generation."""
        mix = self.mixes.take()
        block.clear_mix(self.engine, mix)
        record = self.engine.mixes[mix]
        record.generation = (int(record.generation) + 1) & 0x3FFFFFFF
        self.post(layout.ADD_MIX, mix)
        return mix, int(record.generation)

    def close_mix(self, mix: int) -> None:
        """End a mix; its index comes back with the event."""
        self.post(layout.REMOVE_MIX, mix)

    # Rings and taps.

    def take_ring(self) -> PcmRing:
        """An empty ring."""
        ring = PcmRing(self.engine.rings, self.rings.take())
        ring.reset()
        return ring

    def open_tap(self, ring: PcmRing, kind: int, of: tuple[int, int], gone: Callable[[int], None]) -> None:
        """Let a tap copy `of` (index, generation) into `ring`; `gone` is called when the loop has closed it."""
        self.engine.taps[ring.index].start = -1
        self._tap_owners[ring.index] = gone
        self.post(layout.TAP, ring.index, kind, *of)

    def close_tap(self, ring: PcmRing) -> None:
        """Close a tap."""
        self.post(layout.UNTAP, ring.index)

    # Events.

    def _wake(self) -> None:
        try:
            os.eventfd_read(self.supervisor.eventfd)
        except BlockingIOError:
            pass
        while True:
            events = take_events(self.engine.wires, 0)
            for event in events:
                try:
                    self._dispatch(*event)
                except Exception:
                    log.exception("media_event_failed", media_event=event)
            if not events:
                return

    def _dispatch(self, code: int, index: int, generation: int, value: int) -> None:
        if code == layout.EDGE_GONE:
            owner = self._edge_owners.pop(index, None)
            if owner:
                self.edges.give(index)
                owner(index)
        elif code == layout.TAP_GONE:
            owner = self._tap_owners.pop(index, None)
            if owner:
                owner(index)
        elif code == layout.MIX_GONE:
            self.mixes.give(index)
        else:
            alive, listener = self._listeners.get(index, (-1, None))
            if listener and alive == generation:
                listener.handle(code, value)
