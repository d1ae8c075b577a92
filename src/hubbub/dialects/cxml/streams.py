"""DOCUMENT: media streams with this dialect's attributes: of a call, and inside `<Conference>` of a whole room (1.3, 1.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hubbub.dialects.builders import link
from hubbub.dialects.cxml.talk import CODECS, RelayTalk, codec, wire
from hubbub.dialects.tables import Attr, Compiler, Element, Node, lenient_boolean, text
from hubbub.dialects.twiml import document as twiml
from hubbub.dialects.twiml import streams
from hubbub.events import Link
from hubbub.verbs.capture import OpenStream
from hubbub.verbs.model import JoinRoom
from hubbub.verbs.program import Step, Verb

OWN = frozenset({"connectorName", "audioFormat", "sampleRate"})
STREAM = (
    *(replace(row, code="31922") if row.name == "url" else row for row in streams.STREAM if row.name not in OWN),
    Attr("codec", "codec", codec, CODECS[0], "31922"),
    Attr("realtime", None, lenient_boolean, why="sound is sent as it comes"),
    Attr("authBearerToken", "token", text, ""),
)
ROOM_STREAM = (
    *STREAM,
    Attr("bidir", "both_ways", lenient_boolean, True, why="whether the room hears the far side"),
    Attr("streamStartConferenceOnEnter", None, lenient_boolean, why="a stream is no participant: it starts no conference"),
    Attr("streamSslValidateCertificate", None, lenient_boolean, why="certificates are validated always"),
)
"""One track: the sum of the room."""


def _opened(compiler: Compiler, node: Node, values: Mapping[str, Any], **more: Any) -> OpenStream | None:
    if not values["url"]:
        return None
    given = [child.attributes for child in node.children if child.name == "Parameter"]
    return OpenStream(
        url=values["url"],
        name=values["name"],
        parameters={parameter.get("name", ""): parameter.get("value", "") for parameter in given},
        speaks=RelayTalk,
        password=values["token"],
        notices=link(compiler, values["notices"], values["notices_method"]),
        rate=wire(values["codec"]).rate,
        codec=values["codec"],
        at=node.at,
        **more,
    )


def _connect(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Verb]:
    """`<Connect>` with a `<Stream>`: both ways, until the far side closes."""
    done: Link | None = link(compiler, values["action"], values["method"])
    inside = [child for child in node.children if child.name == "Stream"]
    made = [_opened(compiler, each, compiler.values(STREAM, each), waits=True, both_ways=True, on_done=done) for each in inside]
    return [verb for verb in made if verb is not None]


def _started(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb | None:
    return _opened(compiler, node, values, tracks=values["tracks"], only_name=bool(values["name"]))


def dial(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step] | None:
    """`<Dial>`: its `<Conference>` may be streamed, by a `<Stream>` inside or by `streamUrl`."""
    steps = twiml.dial(compiler, node, values)
    conference = next((child for child in node.children if child.name == "Conference"), None)
    if steps is None or conference is None:
        return steps
    inside = next((child for child in conference.children if child.name == "Stream"), None)
    if inside is None and conference.attributes.get("streamUrl"):
        inside = Node("Stream", {"url": conference.attributes["streamUrl"]}, conference.at)
    if inside is None:
        return steps
    given = compiler.values(ROOM_STREAM, inside)
    stream = _opened(compiler, inside, given, both_ways=given["both_ways"])
    return [replace(step, stream=stream) if isinstance(step, JoinRoom) else step for step in steps]


CHILDREN = ("Parameter",)
CONNECT = Element("Connect", _connect, streams.CONNECT, children=("Stream",))
NESTED: Mapping[str, Element] = {
    **streams.NESTED,
    "Connect/Stream": Element("Stream", None, STREAM, children=CHILDREN, why="made by what stands around it"),
    "Start/Stream": Element("Stream", _started, STREAM, children=CHILDREN),
    "Conference/Stream": Element("Stream", None, ROOM_STREAM, children=CHILDREN, why="made by what stands around it"),
}
