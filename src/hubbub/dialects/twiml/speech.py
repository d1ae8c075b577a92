"""DOCUMENT and CALLBACKS: speech that `<Gather>` listens for (1.6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubbub.dialects.builders import link
from hubbub.dialects.tables import Attr, Compiler, Out, boolean, integer, mapping, matching, method, text, url
from hubbub.verbs.hearing import Listening

AUTO_PAUSE = 1.0
"""Seconds of silence that end speech where `speechTimeout` is `auto`."""
LONGEST = 60
KEYS, SPEECH = frozenset({"keys"}), frozenset({"speech"})
INPUT = mapping({"dtmf": KEYS, "speech": SPEECH, "dtmf speech": KEYS | SPEECH, "speech dtmf": KEYS | SPEECH})
ONE_MODEL = "there is one recogniser with one model"

GATHER = (
    Attr("input", "input", INPUT, KEYS, "13326"),
    Attr("speechTimeout", "speech_pause", matching(r"auto|[0-9]{1,4}", "must be auto or whole seconds"), None, "13327"),
    Attr("maxSpeechTime", "speech_most", integer(1, LONGEST), LONGEST, "13328"),
    Attr("hints", "hints", matching(r".{0,10000}", "has at most 10000 characters"), "", "13330"),
    Attr("language", "speech_language", text, ""),
    Attr("partialResultCallback", "partial_url", url, None, "13329"),
    Attr("partialResultCallbackMethod", "partial_method", method, "POST", "13329"),
    Attr("bargeIn", "barge_in", boolean, True, "13332", why="speech; a key always stops the prompt"),
    Attr("speechModel", None, why=ONE_MODEL),
    Attr("enhanced", None, boolean, code="13334", why=ONE_MODEL),
    Attr("profanityFilter", None, boolean, code="13333", why="words are told as they are understood"),
)


def listening(compiler: Compiler, values: Mapping[str, Any]) -> Listening | None:
    """What `<Gather>` listens for; None where it wants keys only."""
    if "speech" not in values["input"]:
        return None
    pause = values["speech_pause"]
    return Listening(
        language=values["speech_language"],
        hints=phrases(values["hints"]),
        pause_seconds=AUTO_PAUSE if pause == "auto" else float(pause) if pause else values["timeout"],
        most_seconds=float(values["speech_most"]),
        keys="keys" in values["input"],
        stops_prompts=values["barge_in"],
        on_partial=link(compiler, values["partial_url"], values["partial_method"]),
    )


def phrases(hints: str) -> tuple[str, ...]:
    """Phrases between commas; the vendor's classes of words (`$…`) mean nothing to the recogniser."""
    return tuple(phrase for part in hints.split(",") if (phrase := part.strip()) and not phrase.startswith("$"))


def understood(text: str, confidence: float) -> dict[str, str]:
    """What a request tells of speech."""
    return {"SpeechResult": text, "Confidence": str(round(confidence, 4))}


WORDS: tuple[Out, ...] = (
    Out("UnstableSpeechResult", lambda told: told.fact.detail),
    Out("StableSpeechResult", lambda told: ""),
    Out("Stability", lambda told: "0.0"),
    Out("SequenceNumber", lambda told: str(told.fact.number)),
)
"""What `partialResultCallback` gets beside the standard parameters: nothing is stable before the end."""
