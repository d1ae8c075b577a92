"""A small engine in private memory, for tests that call the compiled functions directly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hubbub.media import block, layout
from hubbub.media.desk import Desk, make_desk
from hubbub.media.layout import Engine, Sizes

SIZES = Sizes(legs=8, players=8, mixes=8, edges=64, rings=8, arena=16000)


@dataclass
class Small:
    """An engine and the desk of the process that serves it."""

    engine: Engine
    desk: Desk

    def add_leg(self, leg: int, *, kind: int = layout.SOCKET, mix: int = -1, payload_type: int = 0, event_type: int = 101) -> None:
        """An active leg that takes packets."""
        block.clear_leg(self.engine, leg)
        self.engine.slots[leg].kind = kind
        link = self.engine.links[leg]
        link.connected = link.receives = link.sends = 1
        link.payload_type, link.event_type = payload_type, event_type
        self.activate(leg, mix)

    def add_player(self, player: int, *, mix: int = -1) -> None:
        """An active source whose frame the test writes."""
        block.clear_slot(self.engine, self.engine.links.size + player)
        self.activate(self.engine.links.size + player, mix)

    def activate(self, slot: int, mix: int) -> None:
        self.engine.slots[slot].mix = mix
        self.engine.slots[slot].state = layout.ACTIVE
        self.desk.active[self.desk.counts[0]] = slot
        self.desk.place[slot] = self.desk.counts[0]
        self.desk.counts[0] += 1

    def add_mix(self, mix: int) -> None:
        block.clear_mix(self.engine, mix)
        self.engine.mixes[mix].state = layout.ACTIVE
        self.desk.mixes[self.desk.counts[1]] = mix
        self.desk.counts[1] += 1

    def events(self) -> list[tuple[int, ...]]:
        """Events that were told and not taken yet."""
        from hubbub.media.rings import take_events

        return list(take_events(self.engine.wires, 0))

    def post(self, *words: int) -> None:
        from hubbub.media.rings import post_command

        assert post_command(self.engine.wires, 0, words)


def small_engine(sizes: Sizes = SIZES) -> Small:
    engine = block.map_engine(sizes)
    engine.ears.first_edge[:] = -1
    return Small(engine, make_desk(sizes))


def tone(frequency: float, count: int, rate: int = 8000, amplitude: float = 8000) -> np.ndarray:
    return np.round(amplitude * np.sin(2 * np.pi * frequency * np.arange(count) / rate)).astype(np.int16)
