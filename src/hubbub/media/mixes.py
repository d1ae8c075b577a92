"""A mix: a sum that legs speak into and hear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.media.control import Control

if TYPE_CHECKING:
    from hubbub.media.playback import Playback


class Mix:
    """A sum of legs and playbacks; what it is for (a room, a bridge) is not known here."""

    def __init__(self, control: Control, worker: int) -> None:
        self.worker = worker
        self.playbacks: set[Playback] = set()
        self.closed = False
        self._control = control
        self.index, self.generation = control.open_mix(worker)

    def close(self) -> None:
        """End the mix: playbacks to it stop, legs that are still in it hear nothing and are heard by nobody."""
        if self.closed:
            return
        self.closed = True
        for playback in list(self.playbacks):
            playback.stop()
        self._control.close_mix(self.index)
