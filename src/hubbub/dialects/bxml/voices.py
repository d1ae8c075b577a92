"""Voices by locale and gender (3.1). A document that names another is invalid."""

from __future__ import annotations

from collections.abc import Mapping

SPEAKERS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en_US": (("susan", "julie", "kate", "ruth"), ("dave", "paul", "stephen")),
    "en_UK": (("bridget",), ("simon",)),
    "en_GB": (("bridget",), ("simon",)),
    "de": (("katrin",), ("stefan",)),
    "de_DE": (("katrin",), ("stefan",)),
    "fr": (("jolie",), ("bernard",)),
    "fr_FR": (("jolie",), ("bernard",)),
    "fr_CA": (("gabrielle",), ("liam",)),
    "it": (("paola",), ("luca",)),
    "it_IT": (("paola",), ("luca",)),
    "es": (("esperanza", "violeta"), ("jorge",)),
    "es_ES": (("esperanza", "violeta"), ("jorge",)),
    "es_MX": (("rosa",), ("jorge",)),
    "es_US": (("lupe",), ("pedro",)),
    "ja": (("masako",), ("kenji",)),
    "ja_JP": (("masako",), ("kenji",)),
    "ru": (("nadiya",), ("anatoli",)),
    "ru_RU": (("nadiya",), ("anatoli",)),
    "arb": (("zeina",), ()),
    "cmn_CN": (("zhiyu",), ()),
}
"""Female and male speakers; the first is the default of its locale. Regions are accepted beside bare languages."""
LOCALES = {name.lower(): name for name in SPEAKERS}
VOICES: Mapping[str, tuple[str, str]] = {
    voice: (locale, gender)
    for locale, genders in reversed(list(SPEAKERS.items()))
    for gender, voices in zip(("female", "male"), genders, strict=True)
    for voice in voices
}
"""Locale and gender of each voice."""


def locale(value: str) -> str:
    """A locale of the table, with `_` or `-`."""
    found = LOCALES.get(value.replace("-", "_").lower())
    if found is None:
        raise ValueError("must be one of " + ", ".join(SPEAKERS))
    return found


def voice(value: str) -> str:
    """A voice of the table."""
    if value.lower() not in VOICES:
        raise ValueError("must be one of " + ", ".join(sorted(VOICES)))
    return value.lower()


def chosen(name: str, locale_name: str, gender: str) -> tuple[str, str, str]:
    """Voice, language tag and gender: a voice "overrides the next two"; without one the first of locale and gender speaks."""
    if name:
        locale_name, gender = VOICES[name]
    else:
        female, male = SPEAKERS[locale_name]
        speakers = male if gender == "male" and male else female
        name = speakers[0]
    return name, ("en-GB" if locale_name == "en_UK" else locale_name.replace("_", "-")), gender
