"""Which engine says it: the language decides first, then the gender that the voice's name stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Gender = Literal["female", "male"]
DEFAULT_LANGUAGE: Final = "en-US"

_MALE: Final = frozenset({
    "man", "male", "matthew", "joey", "justin", "kevin", "stephen", "gregory", "patrick", "brian", "arthur", "hans",
    "daniel", "enrique", "sergio", "miguel", "andres", "pedro", "mathieu", "remi", "liam", "giorgio", "adriano",
    "ricardo", "thiago", "cristiano", "ruben", "mads", "jacek", "jan", "karl", "takumi", "russell", "geraint", "maxim",
    "dave", "paul", "simon", "stefan", "bernard", "luca", "jorge", "kenji", "anatoli", "zayd", "burcu",
})  # fmt: skip
_LOCALES: Final[dict[str, str]] = {
    **dict.fromkeys(("amy", "emma", "brian", "arthur", "bridget", "simon"), "en-GB"),
    **dict.fromkeys(("marlene", "vicki", "hans", "daniel", "katrin", "stefan", "hannah"), "de-DE"),
    **dict.fromkeys(("celine", "léa", "lea", "mathieu", "remi", "chantal", "gabrielle", "liam", "jolie", "bernard"), "fr-FR"),
    **dict.fromkeys(("conchita", "lucia", "enrique", "sergio", "mia", "miguel", "penelope", "lupe", "andres", "pedro"), "es-ES"),
    **dict.fromkeys(("esperanza", "violeta", "rosa", "jorge"), "es-ES"),
    **dict.fromkeys(("carla", "bianca", "giorgio", "adriano", "paola", "luca"), "it-IT"),
}
"""Locale of voices that speak another language than American English, for a document that names only the voice."""

PICO: Final[dict[str, str]] = {"en-gb": "en-GB", "de": "de-DE", "es": "es-ES", "fr": "fr-FR", "it": "it-IT"}
_BRITISH: Final = ("en-gb", "en-uk", "en-ie", "en-au", "en-nz", "en-za", "en-in")


@dataclass(frozen=True)
class Candidate:
    """An engine and the locale that it is asked for."""

    engine: str
    language: str


def candidates(voice: str = "", language: str = "", gender: str = "") -> list[Candidate]:
    """The engines to try, best first.

    `voice` may be a kind (`man`, `woman`), or any vendor's voice name, with or without a provider before it and a
    quality behind it (`Provider.Name-Neural`, `Provider.de-DE-Standard-B`); `language` a BCP 47 tag in any spelling.
    """
    name = voice.rpartition(".")[2].lower() if "." in voice else voice.lower()
    tag = (language or _locale_of(name)).replace("_", "-").lower()
    first = name.partition("-")[0]
    male = gender.lower() == "male" or (gender == "" and first in _MALE)
    english = [Candidate("hibari", "en-US"), Candidate("pico", "en-US"), Candidate("joe", "en-US")]
    if tag.startswith(_BRITISH):
        return [Candidate("pico", "en-GB"), *english]
    primary = tag.partition("-")[0]
    if primary in PICO:
        return [Candidate("pico", PICO[primary]), *english]
    if male:
        return [Candidate("joe", "en-US"), Candidate("pico", "en-US"), Candidate("hibari", "en-US")]
    return english


def speaks(language: str) -> bool:
    """Whether some engine has this language; an empty tag is the default language."""
    primary = language.replace("_", "-").lower().partition("-")[0]
    return primary in ("", "en") or primary in PICO


def _locale_of(name: str) -> str:
    match = re.match(r"([a-z]{2,3}-[a-z]{2})(?:-|$)", name)
    if match:
        return match[1]
    return _LOCALES.get(name.partition("-")[0], DEFAULT_LANGUAGE)
