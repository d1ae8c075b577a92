"""DOCUMENT: the TwiML table with this dialect's attributes, limits and codes (1.3 to 1.5, 1.10)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hubbub.conference.policy import Policy
from hubbub.dialects.cxml import streams
from hubbub.dialects.rooms import RoomDefaults
from hubbub.dialects.tables import (
    Attr,
    Compiler,
    Element,
    Node,
    boolean,
    choice,
    described,
    integer,
    lenient_boolean,
    matching,
    method,
    text,
    url,
)
from hubbub.dialects.twiml import document as twiml
from hubbub.verbs.model import Echo, SuppressNoise
from hubbub.verbs.program import Verb

POLICY = Policy(minimum_to_start=2, capacity=250, recorded_by_any=True)
ROOM = RoomDefaults("cxml", POLICY, longest_name=64, bad_name="20002", jitter=60, tells_end_besides=True)
PUT_THERE = "the sound is sent there, as the body of the request, when it is whole"
PUTTING = choice("POST", "PUT", post="POST", put="PUT")
STORAGE = (
    Attr("recordingStorageUrl", "dial_storage_url", url, None, "21402", why=PUT_THERE),
    Attr("recordingStorageUrlMethod", "dial_storage_method", PUTTING, "POST", "13221"),
)


def changed(rows: Iterable[Attr], *rows_here: Attr) -> tuple[Attr, ...]:
    """Rows with those of the same name replaced and the others appended, booleans and methods read as here."""
    found = {row.name: _here(row) for row in rows}
    return tuple((found | {row.name: row for row in rows_here}).values())


def _here(row: Attr) -> Attr:
    """A row of the compatible dialect: booleans without regard to case, "13221 method not GET/POST" (1.10)."""
    if row.read is boolean:
        return replace(row, read=lenient_boolean)
    return replace(row, code="13221") if row.read is method else row


def _play(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb | None:
    """`<Play>`: "21455 Play URL invalid" (1.10)."""
    return twiml.play(compiler, node, values, "21455")


def _element(element: Element) -> Element:
    """An element of the compatible dialect, as it is here."""
    build = _play if element.build is twiml.play else element.build
    return replace(element, build=build, attributes=changed(element.attributes))


CONFERENCE = changed(
    twiml.CONFERENCE,
    Attr("maxParticipants", "max_members", integer(2, 100_000), None, "16002"),
    Attr("region", "region", text, "", why="reported back; mixing is local"),
    Attr("trim", "trim", twiml.TRIM, True, "13699"),
    Attr(
        "recordingStatusCallbackEvent",
        "recording_events",
        twiml.RECORDING_EVENTS,
        frozenset({"completed", "failed"}),
        "13621",
    ),
    Attr("streamUrl", "stream_url", text, "", why="as a `<Stream>` inside it with this URL"),
)

DIAL = changed(
    twiml.DIAL,
    Attr("callerName", "caller_name", matching(r".{0,70}", "has at most 70 characters"), "", "13214", why="a conference is not called"),
    *STORAGE,
)

SIP = Attr("sessionTimeout", None, integer(0), why="session timers are configured")


def _longest(value: str) -> int:
    """ "maxLength (0⇒3600)"."""
    return SECONDS(value) or 3600


SECONDS = integer(0, 86400)
AGENTS = {
    "VirtualAgent": "no agents are connected here; SWML's ai holds a call for its functions",
    "AI": "no model answers documents here; SWML's ai holds a call for its functions",
    "Room": "video rooms are out of scope",
}
RECORD = changed(
    twiml.RECORD,
    Attr("maxLength", "max_seconds", described(_longest, "Whole seconds from 0 to 86400; 0 is 3600"), 3600, "13612"),
    Attr("storageUrl", "storage_url", url, None, "21402", why=PUT_THERE),
    Attr("storageUrlMethod", "storage_method", PUTTING, "POST", "13221"),
)


def _echo(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """The caller hears itself."""
    return Echo(seconds=values["seconds"], at=node.at)


def _denoise(compiler: Compiler, node: Node, _values: dict[str, Any]) -> Verb | None:
    """`<Denoise>`: "text `on`/`off`" (1.3); anything else is told and changes nothing."""
    word = node.text.strip().lower()
    if word not in ("on", "off"):
        compiler.object(compiler.table.bad_value, f"<Denoise> holds on or off, not {node.text[:40]!r}", node.at)
        return None
    return SuppressNoise(on=word == "on", at=node.at)


ELEMENTS = {
    **{name: _element(element) for name, element in twiml.TABLE.elements.items()},
    "Dial": replace(twiml.TABLE.elements["Dial"], build=streams.dial, attributes=DIAL),
    "Record": replace(twiml.TABLE.elements["Record"], attributes=RECORD),
    "Connect": streams.CONNECT,
    "Echo": Element("Echo", _echo, (Attr("timeout", "seconds", integer(5, 120), 60),)),
    "Denoise": Element("Denoise", _denoise, why="`on` or `off` inside it: what the caller says is cleaned of noise"),
}

TABLE = replace(
    twiml.TABLE,
    elements=ELEMENTS,
    nested={
        **{name: _element(element) for name, element in twiml.TABLE.nested.items()},
        "Dial/Sip": replace(sip := _element(twiml.TABLE.nested["Dial/Sip"]), attributes=(*sip.attributes, SIP)),
        **streams.NESTED,
        "Dial/Conference": Element("Conference", None, CONFERENCE, children=("Stream",), why="made by what stands around it"),
        "Dial/Verto": Element("Verto", None, why="browsers are called by SIP"),
        **{f"Connect/{name}": Element(name, None, why=why) for name, why in AGENTS.items()},
    },
    rooms=ROOM,
    unsupported="13750",
)
