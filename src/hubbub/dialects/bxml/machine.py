"""Who answered: parameters of createCall, and what is told (5.3, 6.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hubbub.dialects.tables import Converter, Param, lenient_boolean, mapping

VALUES: Mapping[str, str] = {
    "human": "human",
    "machine": "answering-machine",
    "machine-silence": "answering-machine",
    "machine-other": "answering-machine",
    "machine-beep": "tone-detected",
    "fax": "tone-detected",
    "silence": "silence",
    "timeout": "timeout",
    "gone": "error",
}
DEFAULTS = {
    "detect": False,
    "detect_total": 15.0,
    "detect_silence": 10.0,
    "detect_speech": 10.0,
    "detect_pause": 5.0,
    "detect_beside": True,
}
"""`mode` async, `detectionTimeout` 15, `silenceTimeout` 10, `speechThreshold` 10, `speechEndThreshold` 5, `delayResult` false."""


def params(seconds: Converter, web_url: Converter, verb: Converter, secret: Converter) -> tuple[Param, ...]:
    """The object `machineDetection`; any of its properties asks for detection."""
    rows: tuple[tuple[str, str, Converter], ...] = (
        ("mode", "detect_beside", mapping({"async": True, "sync": False})),
        ("detectionTimeout", "detect_total", seconds),
        ("silenceTimeout", "detect_silence", seconds),
        ("speechThreshold", "detect_speech", seconds),
        ("speechEndThreshold", "detect_pause", seconds),
        ("machineSpeechEndThreshold", "detect_machine_pause", seconds),
        ("delayResult", "detect", lenient_boolean),
        ("callbackUrl", "detect_url", web_url),
        ("callbackMethod", "detect_method", verb),
        ("fallbackUrl", "detect_fallback_url", web_url),
        ("fallbackMethod", "detect_fallback_method", verb),
        ("username", "detect_username", secret),
        ("password", "detect_password", secret),
        ("fallbackUsername", "detect_fallback_username", secret),
        ("fallbackPassword", "detect_fallback_password", secret),
    )
    return tuple(Param(f"machineDetection.{name}", to, read) for name, to, read in rows)


def completed(values: dict[str, Any]) -> dict[str, Any]:
    """With the vendor's defaults, where detection is asked for; a `sync` result goes with the answer event alone."""
    if not any(name.startswith("detect_") or name == "detect" for name in values):
        return values
    found = {**DEFAULTS, **values}
    return found if found["detect_beside"] else {name: value for name, value in found.items() if name != "detect_url"}


def result(by: str, seconds: float, duration: Callable[[float], str]) -> dict[str, str] | None:
    """`machineDetectionResult`; None where nobody tried to find out."""
    return {"value": VALUES.get(by, "error"), "duration": duration(seconds)} if by else None
