"""DOCUMENT: the TwiML table with this dialect's attributes, limits and codes (1.3 to 1.5, 1.10)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hubbub.conference.policy import Policy
from hubbub.dialects.rooms import RoomDefaults
from hubbub.dialects.tables import NOT_BUILT, Attr, Element, boolean, integer, lenient_boolean, text
from hubbub.dialects.twiml import document as twiml

ROOM = RoomDefaults("cxml", Policy(minimum_to_start=2, capacity=250), longest_name=64, bad_name="20002")
PUSHED = f"{NOT_BUILT}: recordings are fetched, not pushed"
STORAGE = tuple(Attr(name, None, why=PUSHED) for name in ("recordingStorageUrl", "recordingStorageUrlMethod"))


def changed(rows: Iterable[Attr], *rows_here: Attr) -> tuple[Attr, ...]:
    """Rows with those of the same name replaced and the others appended; booleans are read without regard to case."""
    found = {row.name: replace(row, read=lenient_boolean) if row.read is boolean else row for row in rows}
    return tuple((found | {row.name: row for row in rows_here}).values())


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
    Attr("streamUrl", None, why=f"{NOT_BUILT}: audio streams of a room"),
)

DIAL = changed(
    twiml.DIAL,
    Attr("callerName", None, why="a conference is not called"),
    *STORAGE,
)

ELEMENTS = {
    **{name: replace(element, attributes=changed(element.attributes)) for name, element in twiml.TABLE.elements.items()},
    "Dial": replace(twiml.TABLE.elements["Dial"], attributes=DIAL),
    **{name: Element(name, None, why=NOT_BUILT, children=("*",)) for name in ("Denoise", "Sms", "Pay")},
}

TABLE = replace(
    twiml.TABLE,
    elements=ELEMENTS,
    nested={**twiml.TABLE.nested, "Dial/Conference": Element("Conference", None, CONFERENCE, why="made by what stands around it")},
    rooms=ROOM,
)
