"""Who answered: the wish to find out, from the flat neutral values of rows; shared by dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubbub.dialects.tables import Converter, described, integer
from hubbub.events import Link
from hubbub.speech.machine import Thresholds
from hubbub.verbs.hearing import Detection

DEFAULTS = Thresholds()


def milliseconds(low: int, high: int) -> Converter:
    """Milliseconds within bounds, as seconds."""
    read = integer(low, high)
    return described(lambda value: read(value) / 1000, f"milliseconds, {low} to {high}")


def detection(values: Mapping[str, Any], link: Link | None, *, waits: bool) -> Detection | None:
    """The wish; None without `detect` (whether a machine's greeting is waited out)."""
    if values.get("detect") is None:
        return None

    def value(name: str, default: float | None) -> float | None:
        given = values.get(name)
        return default if given is None else float(given)

    thresholds = Thresholds(
        total_seconds=value("detect_total", DEFAULTS.total_seconds) or DEFAULTS.total_seconds,
        speech_seconds=value("detect_speech", DEFAULTS.speech_seconds) or DEFAULTS.speech_seconds,
        pause_seconds=value("detect_pause", DEFAULTS.pause_seconds) or DEFAULTS.pause_seconds,
        silence_seconds=value("detect_silence", DEFAULTS.silence_seconds) or DEFAULTS.silence_seconds,
        await_end=values["detect"],
        machine_pause_seconds=value("detect_machine_pause", None),
    )
    return Detection(thresholds=thresholds, waits=waits, link=link)


def asked_by_rest(values: Mapping[str, Any], *, always_beside: bool = False) -> Detection | None:
    """The wish of a request; `always_beside`: the call's document never waits for it."""
    link = None
    if values.get("detect_url"):
        fallback = None
        if values.get("detect_fallback_url"):
            credentials = values.get("detect_fallback_username", ""), values.get("detect_fallback_password", "")
            fallback = Link(values["detect_fallback_url"], values.get("detect_fallback_method", "POST"), *credentials)
        credentials = values.get("detect_username", ""), values.get("detect_password", "")
        link = Link(values["detect_url"], values.get("detect_method", "POST"), *credentials, fallback=fallback)
    return detection(values, link, waits=not (always_beside or values.get("detect_beside", False)))
