"""Rows of this dialect that its vendor has not: each without effect unless it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hubbub.conference.roles import ROLES
from hubbub.dialects.builders import EVENT_GROUPS
from hubbub.dialects.tables import Attr, Converter, DocumentTable, Operation, Param, allowed, boolean, choice, integer, matching, words

BEYOND = "beyond the vendor"
NAMESPACE = matching(r"[^/\x00-\x1f]{0,128}", "has at most 128 characters and no slash")
ALONE = f"{BEYOND}: a conference of its own, also where one of that name is under way; others find it by its SID"
MANY = f"{BEYOND}: conferences of different namespaces may have the same name"
ENDS = f"{BEYOND}: the conference ends when one participant is left"

ROLE = f"{BEYOND}: what the flags are that are not given: see docs/beyond.md"
CONFERENCE = (
    Attr("role", "role", choice(*ROLES), "", "16002", why=ROLE),
    Attr("endConferenceWhenAlone", "end_when_alone", boolean, False, "16002", why=ENDS),
    Attr("namespace", "namespace", NAMESPACE, "", "16002", why=MANY),
    Attr("unique", "alone", boolean, False, "16002", why=ALONE),
)


def member(truth: Converter) -> tuple[Param, ...]:
    """What participants that are made by REST may be told besides."""
    return (
        Param("EndConferenceWhenAlone", "end_when_alone", truth, why=ENDS),
        Param("Role", "role", choice(*ROLES), "bad-room-parameter", why=ROLE),
        Param("ConferenceNamespace", "namespace", NAMESPACE, "bad-room-parameter", why=MANY),
        Param("UniqueConference", "alone", truth, "bad-room-parameter", why=ALONE),
    )


def room_status(url: Callable[[str], str], method: Converter) -> tuple[Param, ...]:
    """Who is told what happens in a live conference, from now on."""

    def cleared(value: str) -> str:
        """An absolute http or https URL, or nothing."""
        return url(value) if value else value

    return (
        Param("StatusCallback", "status_url", cleared, "bad-room-parameter", clears=True, why=f"{BEYOND}: who is told from now on"),
        Param("StatusCallbackMethod", "status_method", method, "bad-room-parameter", why=BEYOND),
        Param("StatusCallbackEvent", "status_events", words(EVENT_GROUPS), "bad-room-parameter", many=True, why=BEYOND),
    )


USUAL_CAPACITY = 250


def sized(table: DocumentTable, most: int) -> DocumentTable:
    """The table for conferences of so many: what one has that is told no number, and what a document may ask for where it was bounded."""
    noun = table.nested["Dial/Conference"]
    bound = integer(1, most)
    rows = tuple(
        replace(row, read=bound) if row.to == "max_members" and allowed(row.read) == allowed(integer(1, USUAL_CAPACITY)) else row
        for row in noun.attributes
    )
    rooms = replace(table.rooms, policy=replace(table.rooms.policy, capacity=most))
    return replace(table, rooms=rooms, nested={**table.nested, "Dial/Conference": replace(noun, attributes=rows)})


def sized_operations(operations: tuple[Operation, ...], most: int) -> tuple[Operation, ...]:
    """The same for REST."""
    usual = allowed(integer(2, USUAL_CAPACITY))

    def changed(param: Param) -> Param:
        return replace(param, read=integer(2, most)) if param.to == "max_members" and allowed(param.read) == usual else param

    return tuple(replace(operation, params=tuple(changed(param) for param in operation.params)) for operation in operations)


def create_room(url: Callable[[str], str], method: Converter, truth: Converter) -> Operation:
    """A conference that is there before anybody comes."""
    rows = (
        Param("FriendlyName", "name", matching(r".{1,128}", "has 1 to 128 characters"), "bad-room-parameter"),
        Param("MaxParticipants", "max_members", integer(2, 250), "bad-room-parameter"),
        *(Param(row.name, row.to, row.read, row.error, row.many) for row in room_status(url, method)),
        *(Param(row.name, row.to, row.read, row.error) for row in member(truth) if row.to != "role"),
    )
    return Operation("POST", "/Conferences", "create_room", "opened-room", rows, 201)
