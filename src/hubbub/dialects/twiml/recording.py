"""DOCUMENT: recordings of a leg beside everything else, by `<Start>` and `<Stop>` (1.6, 8.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubbub.dialects.builders import recording_wish
from hubbub.dialects.tables import NOT_BUILT, Attr, Compiler, Element, Node, choice, mapping, method, url, words
from hubbub.dialects.twiml import live
from hubbub.verbs.capture import StartRecording, StopRecording
from hubbub.verbs.program import Step

EVENTS = words(
    {name: frozenset({name}) for name in ("started", "in-progress", "paused", "resumed", "stopped", "completed", "failed", "absent")}
)
TRIM = mapping({"trim-silence": True, "do-not-trim": False})
TRACK = choice("inbound", "outbound", "both")
CHANNELS = mapping({"mono": 1, "dual": 2})
STARTED = (
    Attr("recordingStatusCallback", "recording_url", url, None, "13256"),
    Attr("recordingStatusCallbackMethod", "recording_method", method, "POST", "13256"),
    Attr("recordingStatusCallbackEvent", "recording_events", EVENTS, None, "13621"),
    Attr("trim", "trim", TRIM, False, "13239"),
    Attr("track", "track", TRACK, "both"),
    Attr("channels", "channels", CHANNELS, 1),
    Attr("recordingConfigurationId", None, why="names a storage set-up that exists in the cloud only"),
)
"""Attributes of `<Recording>` in `<Start>`."""


def _start(compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    wish = recording_wish(compiler, values)
    return StartRecording(notices=wish, track=values["track"], channels=values["channels"], trim=values["trim"], at=node.at)


def _stop(_compiler: Compiler, node: Node, _values: dict[str, Any]) -> Step:
    return StopRecording(at=node.at)


def around(compiler: Compiler, node: Node, _values: dict[str, Any]) -> Sequence[Step]:
    """`<Start>` or `<Stop>`: what stands in it is done at once, and goes on beside what follows."""
    return [step for child in node.children for step in compiler.nested(node, child)]


OTHERS = ("Stream", "Siprec", "Transcription")
NOT_HERE = tuple(Attr(name, None, why="nothing here asks for it") for name in ("action", "method"))
START = Element("Start", around, NOT_HERE, children=("Recording", *OTHERS))
STOP = Element("Stop", around, children=("Recording", *OTHERS))
NESTED: Mapping[str, Element] = {
    "Start/Recording": Element("Recording", _start, STARTED),
    "Stop/Recording": Element("Recording", _stop, why="all recordings of the leg end"),
    **{f"{outer}/{name}": Element(name, None, why=NOT_BUILT, children=("*",)) for outer in ("Start", "Stop") for name in OTHERS},
    **live.NESTED,
}
