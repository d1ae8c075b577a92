"""Split marked-up text into what is said and where it pauses.

The engines must not see markup: one reads the tags aloud, another takes some as commands. So every tag is handled
here (W3C SSML 1.1, the part that the specifications list) and what cannot be spoken differently is spoken plainly.
The splitter never fails: text that is no markup, such as `3 < 4`, passes through.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Final

MAX_BREAK: Final = 10.0
"""Longest pause of one `break`, seconds (the limit that every vendor documents)."""
MAX_SILENCE: Final = 300.0
"""Longest time that the pauses of one text may take together, seconds: 409 of ten seconds fit into a text, and fill 800 MB."""

_STRENGTHS: Final = {"none": 0.0, "x-weak": 0.0, "weak": 0.25, "medium": 0.5, "strong": 0.75, "x-strong": 1.0}
_PARAGRAPH: Final = 0.6
_SENTENCE: Final = 0.3

# A tag is only taken for one when it looks like XML: `<b then c>` in plain text does not.
_TAG: Final = re.compile(
    r"<!--.*?-->|<\?.*?\?>|<(?P<close>/)?(?P<name>[A-Za-z][\w:.-]*)(?P<attributes>(?:\s+[\w:.-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)\s*(?P<empty>/)?>",
    re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(r"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Spoken:
    """Text to say; `language` and `voice` are empty unless an element inside names another one."""

    text: str
    language: str = ""
    voice: str = ""


@dataclass(frozen=True)
class Pause:
    """Silence, in seconds."""

    seconds: float


Piece = Spoken | Pause


@dataclass
class _Element:
    name: str
    attributes: dict[str, str]


class _Splitter:
    """The state while going through one text: open elements, and what is collected."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.open: list[_Element] = []

    def text(self, raw: str) -> None:
        if any(element.name == "sub" and element.attributes.get("alias") for element in self.open):
            return  # the alias was said in its place
        if any(element.name in ("desc", "metadata", "meta") for element in self.open):
            return
        text = html.unescape(raw)
        for element in self.open:
            if element.name == "say-as":
                text = _said_as(text, element.attributes.get("interpret-as", ""))
        self._say(text)

    def _say(self, text: str) -> None:
        language = voice = ""
        for element in self.open:
            if element.name in ("lang", "speak", "voice", "p", "s"):
                language = element.attributes.get("xml:lang", language)
            if element.name == "voice":
                voice = element.attributes.get("name", voice)
        last = self.pieces[-1] if self.pieces else None
        if isinstance(last, Spoken) and (last.language, last.voice) == (language, voice):
            self.pieces[-1] = Spoken(last.text + text, language, voice)
        else:
            self.pieces.append(Spoken(text, language, voice))

    def begin(self, element: _Element, empty: bool) -> None:
        if element.name == "break":
            self.pause(_break_seconds(element.attributes))
        elif element.name == "sub" and element.attributes.get("alias"):
            self._say(html.unescape(element.attributes["alias"]))
        if not empty:
            self.open.append(element)

    def end(self, name: str) -> None:
        for index in range(len(self.open) - 1, -1, -1):
            if self.open[index].name == name:
                del self.open[index:]
                break
        if name in ("p", "s"):
            self.pause(_PARAGRAPH if name == "p" else _SENTENCE)

    def pause(self, seconds: float) -> None:
        if seconds > 0:
            self.pieces.append(Pause(seconds))


def split(text: str) -> list[Piece]:
    """The pieces of `text` in order: adjacent text joined, blank text dropped, the pause after a last sentence left out."""
    splitter = _Splitter()
    position = 0
    for match in _TAG.finditer(text):
        if match.start() > position:
            splitter.text(text[position : match.start()])
        position = match.end()
        name = match["name"]
        if name is None:
            continue  # a comment or a processing instruction
        if match["close"]:
            splitter.end(name)
        else:
            splitter.begin(_Element(name, _attributes(match["attributes"])), bool(match["empty"]))
    if position < len(text):
        splitter.text(text[position:])
    return _bounded(_tidy(splitter.pieces))


def _bounded(pieces: list[Piece]) -> list[Piece]:
    """The pieces; pauses beyond the longest time are left out."""
    left, kept = MAX_SILENCE, list[Piece]()
    for piece in pieces:
        if isinstance(piece, Pause):
            piece = Pause(min(piece.seconds, left))
            left -= piece.seconds
            if piece.seconds <= 0.0:
                continue
        last = kept[-1] if kept else None
        if isinstance(piece, Spoken) and isinstance(last, Spoken) and (piece.language, piece.voice) == (last.language, last.voice):
            kept[-1] = Spoken(f"{last.text} {piece.text}", last.language, last.voice)
        else:
            kept.append(piece)
    return kept


def _attributes(source: str) -> dict[str, str]:
    return {name: double or single for name, double, single in _ATTRIBUTE.findall(source)}


def _tidy(pieces: list[Piece]) -> list[Piece]:
    tidy: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Spoken):
            text = " ".join(piece.text.split())
            if text:
                tidy.append(Spoken(text, piece.language, piece.voice))
        elif tidy and isinstance(tidy[-1], Pause):
            # The end of a sentence inside the end of a paragraph is one pause, two breaks are two.
            last = tidy[-1].seconds
            ends = {_SENTENCE, _PARAGRAPH}
            tidy[-1] = Pause(max(last, piece.seconds) if {last, piece.seconds} & ends else last + piece.seconds)
        else:
            tidy.append(piece)
    while tidy and isinstance(tidy[-1], Pause) and tidy[-1].seconds in (_SENTENCE, _PARAGRAPH):
        tidy.pop()
    return tidy


def _break_seconds(attributes: dict[str, str]) -> float:
    """SSML 1.1 §3.2.3: `time` wins over `strength`; neither means medium."""
    time = attributes.get("time", "").strip().lower()
    match = re.fullmatch(r"\+?(\d+(?:\.\d*)?|\.\d+)(ms|s)", time)
    if match:
        seconds = float(match[1]) / (1000 if match[2] == "ms" else 1)
        return min(seconds, MAX_BREAK)
    return _STRENGTHS.get(attributes.get("strength", "medium").lower(), _STRENGTHS["medium"])


def _said_as(text: str, kind: str) -> str:
    """SSML say-as (W3C note): letters and digits one by one; all else is left to the engine's own reading."""
    kind = kind.lower()
    if kind in ("characters", "spell-out", "verbatim"):
        return " " + ", ".join(_character(letter) for letter in text if not letter.isspace()) + " "
    if kind in ("digits", "telephone"):
        groups = re.findall(r"\d+|[^\W\d_]+", text)
        return " " + ", ".join(" ".join(_character(letter) if letter.isdigit() else letter for letter in group) for group in groups) + " "
    if kind in ("expletive", "bleep"):
        return " beep "
    return text


def _character(letter: str) -> str:
    # Written out, because engines read "4-2" as a subtraction or a range; other languages read the digit itself well.
    return letter.upper() if not (letter.isdigit() and letter.isascii()) else _DIGITS[int(letter)]
