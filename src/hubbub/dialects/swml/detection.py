"""DOCUMENT: detect_machine: a person, a machine or a fax (3.5)."""

from __future__ import annotations

from typing import Any

from hubbub.dialects.swml.document import METHODS, WITH_CALLEE
from hubbub.dialects.swml.sounds import STATUS, follower
from hubbub.dialects.tables import Attr, Compiler, Element, Node, boolean, choice, decimal, integer, matching
from hubbub.speech.machine import Thresholds
from hubbub.verbs.hearing import Detection
from hubbub.verbs.model import Detect
from hubbub.verbs.program import Step


def _detect(compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    thresholds = Thresholds(
        total_seconds=values["timeout"],
        speech_seconds=values["speech"],
        pause_seconds=values["pause"],
        silence_seconds=values["silence"],
        await_end=values["await_end"],
        machine_pause_seconds=values["ready"],
    )
    detection = Detection(thresholds=thresholds, waits=values["waits"])
    return Detect(detection=detection, followed=follower(compiler, values, "detection"), at=node.at)


DETECT = (
    Attr("detect_message_end", "await_end", boolean, False),
    Attr(
        "detectors", None, matching(r"(amd|fax)(\s*,\s*(amd|fax))*", "may hold amd and fax"), why="a fax is told from a person in any case"
    ),
    Attr("end_silence_timeout", "pause", decimal(0), 1.0),
    Attr("initial_timeout", "silence", decimal(0), 4.5),
    Attr("machine_ready_timeout", "ready", decimal(0), None),
    Attr("machine_voice_threshold", "speech", decimal(0), 1.25),
    Attr("machine_words_threshold", None, integer(0), why="a machine is known by how long it speaks"),
    Attr("timeout", "timeout", decimal(0), 30.0),
    Attr("tone", None, choice("CED", "CNG"), why="both tones of a fax are known"),
    Attr("wait", "waits", boolean, True),
    STATUS,
)
METHODS["detect_machine"] = Element("detect_machine", _detect, DETECT, WITH_CALLEE)
