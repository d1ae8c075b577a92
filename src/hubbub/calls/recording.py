"""What a recording of a leg holds: what it says, what it hears, or both."""

from __future__ import annotations

from pathlib import Path

from hubbub.conference.policy import RecordingOrder
from hubbub.conference.recording import RATE, Capturing, Recorded, Recorder, RecordingServices
from hubbub.events import CallRecord
from hubbub.media.client import Leg, Tap


def leg_recorder(call: CallRecord, leg: Leg, services: RecordingServices) -> Recorder:
    """The recorder of a leg; its recordings go on while the leg goes from room to room."""

    def capture(path: Path, order: RecordingOrder) -> tuple[Capturing, int]:
        taps = leg_taps(leg, order)
        mono = len(taps) == 1 or order.channels == 1
        return services.media.record(path, taps, rate=RATE, mono=mono), 1 if mono else len(taps)

    return Recorder(Recorded(call.account, capture, lambda: call.id), services)


def leg_taps(leg: Leg, order: RecordingOrder) -> tuple[Tap, ...]:
    """One side of a leg, or what it says and what it hears, in this order."""
    said, heard = Tap("leg_in", leg), Tap("leg_out", leg)
    return {"inbound": (said,), "outbound": (heard,), "both": (said, heard)}[order.track]
