"""Transcription of a call that goes on: StartTranscription, StopTranscription, what is told, and REST (3, 5.3, 6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubbub.dialects.bxml.rows import CREDENTIALS, ON_CALL, guarded
from hubbub.dialects.tables import NOT_BUILT, Attr, Compiler, Element, Node, lenient_boolean, mapping, matching, method, text, url
from hubbub.events import Link
from hubbub.verbs.hearing import StartTranscription, StopTranscription
from hubbub.verbs.program import Verb

TRACKS: Mapping[str, tuple[str, ...]] = {"inbound": ("inbound",), "outbound": ("outbound",), "both": ("inbound", "outbound")}
START = (
    Attr("name", "name", matching(r".{0,256}", "has at most 256 characters"), ""),
    Attr("tracks", "tracks", mapping(TRACKS), ("inbound",)),
    Attr("transcriptionEventUrl", "event_url", url, None),
    Attr("transcriptionEventMethod", "event_method", method, "POST"),
    *CREDENTIALS,
    Attr("destination", None, matching(r"wss?://[^\s/]+\S*", "must be a ws or wss URL"), why=f"{NOT_BUILT}: text is told by webhooks"),
    Attr("stabilized", None, lenient_boolean, why="utterances are told when they are over"),
    Attr("detectLanguage", None, lenient_boolean, why="the recogniser knows English"),
    Attr("preferredLanguages", None, text, why="the recogniser knows English"),
)
STOP = (Attr("name", "name", text, ""),)
PARAMETER = (
    Attr("name", None, text, why="sent to a `destination` only"),
    Attr("value", None, text, why="sent to a `destination` only"),
)
NOUNS: Mapping[str, Element] = {"StartTranscription/CustomParam": Element("CustomParam", None, PARAMETER)}


def start(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<StartTranscription>`: beside everything else."""
    for child in node.children:
        compiler.values(PARAMETER, child)
    told = None
    if values["event_url"]:
        told = guarded(node, Link(compiler.absolute(values["event_url"]), values["event_method"], values["username"], values["password"]))
    return StartTranscription(name=values["name"], tracks=values["tracks"], link=told, at=node.at)


def stop(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<StopTranscription>`; without a name all end."""
    return StopTranscription(name=values["name"], at=node.at)


ELEMENTS = (
    Element("StartTranscription", start, START, ON_CALL, children=("CustomParam",)),
    Element("StopTranscription", stop, STOP, ON_CALL),
)
