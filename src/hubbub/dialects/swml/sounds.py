"""DOCUMENT: play, and what its URLs stand for (3.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubbub.dialects.swml.document import EVERYWHERE, METHODS, SECONDS, listed, wrong
from hubbub.dialects.tables import Attr, Compiler, Element, Node, boolean, decimal, loose_url, text, url
from hubbub.events import Link
from hubbub.verbs.model import (
    Followed,
    Pause,
    PlayAudio,
    Playlist,
    PlayTone,
    Speak,
)
from hubbub.verbs.program import Step, Verb


def follower(compiler: Compiler, values: Mapping[str, Any], action: str, name: str = "") -> Followed | None:
    """Whoever is named by `status_url`."""
    target = values.get("status_url")
    method = values.get("status_method") or "POST"
    return None if not target else Followed(Link(compiler.absolute(target), method), action, name)


def one_sound(compiler: Compiler, item: str, values: Mapping[str, Any], node: Node) -> Verb:
    """What a `play` URL stands for: speech, silence, ringing, or audio."""
    kind, _, rest = item.partition(":")
    gain = values["gain_db"]
    try:
        if kind == "say":
            spoken = {name: values[name] for name in ("voice", "language", "gender")}
            return Speak(text=rest.strip(), **spoken, gain_db=gain, at=node.at)
        if kind == "silence":
            return Pause(seconds=SECONDS(rest.strip() or "1"), at=node.at)
        if kind == "ring":
            seconds, _, country = rest.rpartition(":")
            return PlayTone(kind="ring", seconds=SECONDS(seconds.strip() or "5"), country=country.strip() or "us", gain_db=gain, at=node.at)
        return PlayAudio(link=Link(compiler.absolute(loose_url(item)), "GET"), gain_db=gain, at=node.at)
    except ValueError as error:
        raise wrong("method_parameter_invalid_value", f"{node.at.path}: {item!r} {error}") from error


def all_sounds(compiler: Compiler, values: Mapping[str, Any], node: Node) -> tuple[Verb, ...]:
    """Every sound of a `play`."""
    urls = values["urls"] or [values["url"]]
    if not isinstance(urls, list) or not all(isinstance(item, str) for item in urls):
        raise wrong("method_parameter_invalid_value", f"{node.at.path}/urls: must be a list of texts")
    if not all(urls):
        raise wrong("method_parameter_missing", f"{node.at.path}: needs 'url' or 'urls'")
    return tuple(one_sound(compiler, item, values, node) for item in urls)


def _play(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step]:
    sounds = all_sounds(compiler, values, node)
    followed = follower(compiler, values, "playing")
    return sounds if followed is None else (Playlist(sounds=sounds, followed=followed, at=node.at),)


VOICES = (
    Attr("say_voice", "voice", text, ""),
    Attr("say_language", "language", text, ""),
    Attr("say_gender", "gender", text, ""),
    Attr("volume", "gain_db", decimal(-40, 40), 0.0, why="in decibels; what gets too loud is cut"),
)
STATUS = Attr("status_url", "status_url", url, None)
PLAY = (
    Attr("url", "url", text, ""),
    Attr("urls", "urls", listed, None),
    *VOICES,
    Attr("auto_answer", None, boolean, why="a call is answered when it is to hear something"),
    STATUS,
)
METHODS["play"] = Element("play", _play, PLAY, EVERYWHERE)
