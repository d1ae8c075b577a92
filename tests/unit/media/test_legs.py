"""Legs that cannot be opened: whatever they have taken so far is given back."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from hubbub.errors import ResourceExhausted
from hubbub.media import layout, messages
from hubbub.media.client import Media
from hubbub.media.control import Control
from hubbub.media.leg import Leg
from hubbub.media.pcmleg import PcmLeg
from hubbub.settings import MediaSettings


async def test_a_leg_without_reports_is_closed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file may be opened any more when its port is open already: port, slot and descriptor come back, and so may a call."""
    media = Media(MediaSettings(legs=8, rtp_ports="42000-42099"), arena_bytes=16000)
    media._started = True

    def full(leg: Leg) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as limited:
        limited.setattr(media._reports, "open", full)
        with pytest.raises(ResourceExhausted, match="Too many open files"):
            media.open_leg()
    (leg,) = media._control.listeners()
    assert isinstance(leg, Leg)
    assert leg.closed
    leg.handle(messages.REMOVED, 0)
    await leg.close()
    assert media._control.legs.used == 0
    assert isinstance(leg.socket, socket.socket)
    assert leg.socket.fileno() == -1
    assert media._control.supervisor._open == {}


def test_a_leg_without_rtp_that_finds_no_slot_keeps_no_ring() -> None:
    control = Control(layout.Sizes(legs=1, players=1, mixes=1, edges=1, rings=4, arena=16000))
    control.legs.take()
    for _ in range(3):
        with pytest.raises(ResourceExhausted, match="media slots"):
            PcmLeg(control)
        assert control.rings.used == 0
    for left in (1, 0):
        while control.rings.size - control.rings.used > left:
            control.rings.take()
        used = control.rings.used
        with pytest.raises(ResourceExhausted, match="audio rings"):
            PcmLeg(control)
        assert control.rings.used == used
