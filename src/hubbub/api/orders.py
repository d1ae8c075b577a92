"""Orders for recordings, from the flat values that parameters give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubbub.conference.policy import RecordingOrder, RecordingWish
from hubbub.events import Link, RecordingSource


def leg_order(values: Mapping[str, Any], dialect: str, source: RecordingSource) -> RecordingOrder:
    """What is to be recorded of a leg. Silence at the ends is cut from a call that is recorded from its answer, unless otherwise asked."""
    return RecordingOrder(
        source,
        dialect,
        track=values.get("recording_track", "both"),
        channels=values.get("recording_channels", 1),
        trim=values.get("recording_trim", source == "outgoing"),
        wish=told_to(values),
    )


def room_order(values: Mapping[str, Any], dialect: str) -> RecordingOrder:
    """What is to be recorded of a room."""
    return RecordingOrder(
        "room-request",
        dialect,
        trim=values.get("recording_trim", False),
        wish=told_to(values),
        per_speaker=values.get("recording_per_speaker", False),
    )


def told_to(values: Mapping[str, Any]) -> RecordingWish | None:
    """Who wants to know about a recording."""
    if not values.get("recording_to"):
        return None
    link = Link(values["recording_to"], values.get("recording_by", "POST"))
    return RecordingWish(link, values.get("recording_told") or frozenset({"completed"}))
