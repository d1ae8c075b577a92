"""Who answered: attributes of the nouns of `<Dial>`, parameters of REST, and what is told (1.8, 4.5, 5.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubbub.dialects.builders import link
from hubbub.dialects.machines import detection, milliseconds
from hubbub.dialects.tables import Attr, Compiler, Converter, Node, Out, Param, integer, mapping, method, url
from hubbub.verbs.hearing import Detection

KINDS = {"Enable": False, "DetectMessageEnd": True}
KIND = mapping(KINDS)
TIMEOUT = integer(3, 60)
SPEECH, PAUSE, SILENCE = milliseconds(1000, 6000), milliseconds(500, 5000), milliseconds(2000, 10_000)
ANSWERED_BY: Mapping[str, str] = {
    "human": "human",
    "fax": "fax",
    "machine": "machine_start",
    "machine-beep": "machine_end_beep",
    "machine-silence": "machine_end_silence",
    "machine-other": "machine_end_other",
}
"""Everything else is `unknown`."""

NOUN = (
    Attr("machineDetection", "detect", KIND, None, "21234"),
    Attr("machineDetectionTimeout", "detect_total", TIMEOUT, None, "21234"),
    Attr("machineDetectionSpeechThreshold", "detect_speech", SPEECH, None, "21234"),
    Attr("machineDetectionSpeechEndThreshold", "detect_pause", PAUSE, None, "21234"),
    Attr("machineDetectionSilenceTimeout", "detect_silence", SILENCE, None, "21234"),
    Attr("amdStatusCallback", "detect_url", url, None, "21234"),
    Attr("amdStatusCallbackMethod", "detect_method", method, "POST", "21234"),
)


def params(kind: Converter = KIND) -> tuple[Param, ...]:
    """Parameters of calls and participants."""
    return (
        Param("MachineDetection", "detect", kind, "bad-machine-detection"),
        Param("MachineDetectionTimeout", "detect_total", TIMEOUT, "bad-machine-detection"),
        Param("MachineDetectionSpeechThreshold", "detect_speech", SPEECH, "bad-machine-detection"),
        Param("MachineDetectionSpeechEndThreshold", "detect_pause", PAUSE, "bad-machine-detection"),
        Param("MachineDetectionSilenceTimeout", "detect_silence", SILENCE, "bad-machine-detection"),
    )


def wished(compiler: Compiler, node: Node, values: Mapping[str, Any]) -> Detection | None:
    """What a noun wishes. 21262: detection of a callee without a callback, which nobody would ever hear of, is not done."""
    if values.get("detect") is None:
        return None
    target = link(compiler, values["detect_url"], values["detect_method"])
    if target is None:
        compiler.object("21262", f"<{node.name} machineDetection> needs amdStatusCallback", node.at, "error")
        return None
    return detection(values, target, waits=False)


def answered_by(neutral: str) -> str | None:
    """Who answered; None where nobody tried to find out."""
    return ANSWERED_BY.get(neutral, "unknown") if neutral else None


def duration(seconds: float) -> str:
    """Milliseconds."""
    return str(round(1000 * seconds))


TOLD: tuple[Out, ...] = (
    Out("CallSid", lambda told: told.words.call.write(told.fact.call.id)),
    Out("AccountSid", lambda told: told.words.account_sid(told.account)),
    Out("AnsweredBy", lambda told: answered_by(told.fact.facts["by"])),
    Out("MachineDetectionDuration", lambda told: duration(told.fact.facts["seconds"])),
)
"""The whole of the callback (4.5)."""
