"""A leg whose sound is PCM in rings, where a caller's is RTP."""

from __future__ import annotations

import contextlib

from hubbub.media import layout
from hubbub.media.control import Control
from hubbub.media.leg import Leg
from hubbub.media.playback import Pcm
from hubbub.media.rings import PcmRing


class PcmLeg(Leg):
    """A leg without RTP: its sound comes from and goes to rings of wide PCM (browsers, streams, bots, other nodes)."""

    def __init__(self, control: Control) -> None:
        with contextlib.ExitStack() as undo:
            self._input: PcmRing = control.take_ring()
            undo.callback(control.rings.give, self._input.index)
            self._output: PcmRing = control.take_ring()
            undo.callback(control.rings.give, self._output.index)
            super().__init__(control, "", range(0), 0, "")
            undo.pop_all()
        control.engine.slots[self.slot].ring = self._input.index
        self._add()
        control.open_tap(self._output, layout.TAP_OUT, self.address, lambda ring: control.rings.give(ring))

    def write(self, pcm: Pcm) -> int:
        """Say something: returns how many samples were taken (the ring holds 4 s)."""
        return self._input.write(pcm)

    def read(self) -> Pcm:
        """What was heard since the last call; older than 4 s is lost."""
        return self._output.read()

    def _released(self) -> None:
        self._control.close_tap(self._output)
        if self._control.is_free(self.slot):
            self._control.rings.give(self._input.index)
        super()._released()
