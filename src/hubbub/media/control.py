"""The server's hand on the loop: indices that are free, commands down, events up to the objects that they concern."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from hubbub.errors import ResourceExhausted
from hubbub.media import block, counters, layout, messages
from hubbub.media.layout import Engine, Sizes
from hubbub.media.moves import Moves
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


@dataclass
class _Tap:
    """A tap, its ring's index, and what it listens to (index, generation)."""

    index: int
    kind: int
    of: tuple[int, int]
    gone: Callable[[int], None]
    worker: int = 0
    moving: bool = False
    closing: bool = False


class Control:
    """Commands, events and indices of all workers. Used from the event loop only."""

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
        self.moves = Moves(self.is_free)
        self._workers = range(sizes.workers)
        self._loads = [0] * sizes.workers
        self._edge_owners: dict[int, Callable[[int], None]] = {}
        self._taps: dict[int, _Tap] = {}
        self._backlogs: list[deque[tuple[int, ...]]] = [deque() for _ in self._workers]
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
            listener.handle(messages.REMOVED if slot < self.sizes.legs else messages.PLAYED, 0)

    def post(self, code: int, slot: int, *words: int) -> None:
        """Post a command about a slot to its worker, as soon as it is at rest."""
        self.moves.at_rest(lambda: self.send(self.worker_of(slot), code, slot, *words), slot)

    def send(self, worker: int, *words: int) -> None:
        """Post a command to a worker; when the ring is full it waits its turn here."""
        backlog = self._backlogs[worker]
        if backlog or not post_command(self.engine.wires, worker, words):
            backlog.append(words)
            if len(backlog) == 1 and self._loop:
                self._loop.call_later(0.02, self._send_backlog, worker)

    def _send_backlog(self, worker: int) -> None:
        backlog = self._backlogs[worker]
        while backlog:
            if not post_command(self.engine.wires, worker, backlog[0]):
                if self._loop:
                    self._loop.call_later(0.02, self._send_backlog, worker)
                return
            backlog.popleft()

    @property
    def tick(self) -> int:
        """The last tick that was done: one clock for all workers, also while one of them is being replaced."""
        return max(int(self.engine.wires[worker].header[counters.H_TICK]) for worker in self._workers)

    # Workers.

    def worker_of(self, slot: int) -> int:
        """Which worker serves a slot."""
        return int(self.engine.slots[slot].worker)

    def least_loaded(self) -> int:
        """The worker with the fewest legs and mixes, a mix counted as the two legs that it will have at least."""
        return min(self._workers, key=lambda worker: self._loads[worker])

    def move(self, slot: int, worker: int, arrived: Callable[[], None]) -> None:
        """Let a leg go on at another worker: REMOVE, and when it is free, ADD with its taps; then `arrived` is called."""
        generation = int(self.engine.slots[slot].generation)
        for tap in self._taps.values():
            if tap.kind != layout.TAP_MIX and tap.of == (slot, generation) and not tap.closing:
                tap.moving = True

        def arrive() -> None:
            self._place(slot, worker)
            self.engine.ears[slot].first_edge = -1
            self.send(worker, messages.ADD, slot, generation, -1)
            for tap in self._taps.values():
                if tap.moving and tap.of == (slot, generation):
                    tap.moving = False
                    self._send_tap(tap, goes_on=True)
            self.moves.arrived(slot)
            arrived()

        self.send(self.worker_of(slot), messages.REMOVE, slot, generation, 1)
        self.moves.begin(slot, arrive)

    def move_player(self, slot: int, generation: int, arrive: Callable[[], None]) -> None:
        """Take a player from its worker as it stands: `arrive` is called when it can be added again."""
        self.send(self.worker_of(slot), messages.REMOVE, slot, generation, 1)
        self.moves.begin(slot, arrive)

    def _place(self, slot: int, worker: int) -> None:
        """Write a free slot's worker, and bring its place in the matrix to that of birth."""
        if slot < self.sizes.legs:
            self._loads[self.worker_of(slot)] -= 1
            self._loads[worker] += 1
        record = self.engine.slots[slot]
        record.worker = worker
        record.mix = record.next_mix = -1
        record.speak = record.speak_to = record.hear = record.hear_to = record.moving = 0

    def place_player(self, slot: int, worker: int) -> None:
        """Write which worker is to serve a free player."""
        self.engine.slots[slot].worker = worker

    # Slots.

    def claim(self, slot: int, listener: Listener, worker: int) -> int:
        """Begin a new life of a free slot at a worker; returns its generation."""
        record = self.engine.slots[slot]
        record.worker = worker
        if slot < self.sizes.legs:
            self._loads[worker] += 1
        record.generation = (int(record.generation) + 1) & 0x3FFFFFFF
        self._listeners[slot] = (int(record.generation), listener)
        return int(record.generation)

    def listeners(self) -> list[Listener]:
        """The objects whose slots live."""
        return [listener for _, listener in self._listeners.values()]

    def release(self, slot: int) -> None:
        """End a life: the slot's events concern nobody any more."""
        self._listeners.pop(slot, None)
        if slot < self.sizes.legs:
            self._loads[self.worker_of(slot)] -= 1
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
        """Let leg `listener` (slot, generation) hear `source` of the same worker; returns the edge."""
        edge = self.take_edge(gone)
        self.place_edge(edge, listener[0])
        self.send(self.worker_of(listener[0]), messages.EDGE, edge, *source, *listener, gain)
        return edge

    def place_edge(self, edge: int, listener: int) -> None:
        """Write which worker is to serve a free edge: that of its ends."""
        self.engine.edges[edge].worker = self.worker_of(listener)

    def drop_edge(self, edge: int, source: tuple[int, int], listener: tuple[int, int]) -> None:
        """Fade an edge out; its index comes back with the event."""
        if edge in self._edge_owners:
            self.send(int(self.engine.edges[edge].worker), messages.EDGE, edge, *source, *listener, 0)

    # Mixes.

    def open_mix(self, worker: int) -> tuple[int, int]:
        """A fresh mix of a worker: index and generation."""
        mix = self.mixes.take()
        block.clear_mix(self.engine, mix)
        record = self.engine.mixes[mix]
        record.worker = worker
        self._loads[worker] += 2
        record.generation = (int(record.generation) + 1) & 0x3FFFFFFF
        self.send(worker, messages.ADD_MIX, mix)
        return mix, int(record.generation)

    def close_mix(self, mix: int) -> None:
        """End a mix; its index comes back with the event."""
        self.send(int(self.engine.mixes[mix].worker), messages.REMOVE_MIX, mix)

    # Rings and taps.

    def take_ring(self) -> PcmRing:
        """An empty ring."""
        ring = PcmRing(self.engine.rings, self.rings.take())
        ring.reset()
        return ring

    def open_tap(self, ring: PcmRing, kind: int, of: tuple[int, int], gone: Callable[[int], None]) -> None:
        """Let a tap copy `of` (index, generation) into `ring`; `gone` is called when the loop has closed it."""
        self.engine.taps[ring.index].start = -1
        tap = self._taps[ring.index] = _Tap(ring.index, kind, of, gone)
        self._when_still(tap, lambda: self._send_tap(tap, goes_on=False))

    def _when_still(self, tap: _Tap, call: Callable[[], None]) -> None:
        """What a tap listens to may be under way."""
        self.moves.at_rest(call, *([tap.of[0]] if tap.kind != layout.TAP_MIX else []))

    def _send_tap(self, tap: _Tap, *, goes_on: bool) -> None:
        of = self.engine.mixes[tap.of[0]] if tap.kind == layout.TAP_MIX else self.engine.slots[tap.of[0]]
        tap.worker = self.engine.taps[tap.index].worker = int(of.worker)
        self.send(tap.worker, messages.TAP, tap.index, tap.kind, *tap.of, int(goes_on))

    def close_tap(self, ring: PcmRing) -> None:
        """Close a tap."""
        tap = self._taps.get(ring.index)
        if tap is not None:
            self._when_still(tap, lambda: self._send_untap(tap))

    def _send_untap(self, tap: _Tap) -> None:
        tap.closing = True
        self.send(tap.worker, messages.UNTAP, tap.index)

    # Events.

    def _wake(self) -> None:
        try:
            os.eventfd_read(self.supervisor.eventfd)
        except BlockingIOError:
            pass
        while sum(self._take_events(worker) for worker in self._workers):
            pass

    def _take_events(self, worker: int) -> int:
        events = take_events(self.engine.wires, worker)
        for event in events:
            try:
                self._dispatch(*event)
            except Exception:
                log.exception("media_event_failed", media_event=event)
        return len(events)

    def _dispatch(self, code: int, index: int, generation: int, value: int) -> None:
        if code == messages.EDGE_GONE:
            owner = self._edge_owners.pop(index, None)
            if owner:
                self.edges.give(index)
                owner(index)
        elif code == messages.TAP_GONE:
            tap = self._taps.get(index)
            if tap and not tap.moving:
                del self._taps[index]
                tap.gone(index)
        elif code == messages.MIX_GONE:
            self._loads[int(self.engine.mixes[index].worker)] -= 2
            self.mixes.give(index)
        else:
            alive, listener = self._listeners.get(index, (-1, None))
            if listener and alive == generation:
                self._tell(listener, code, index, value)

    def _tell(self, listener: Listener, code: int, slot: int, value: int) -> None:
        """Tell an object what happened to its slot, unless it has only left one worker for another."""
        if code == messages.PLAYED and value != layout.HANDED:
            self.moves.cancel(slot)  # it came to its end before it could go
        if code not in (messages.REMOVED, messages.PLAYED) or not self.moves.left(slot):
            listener.handle(code, value)
