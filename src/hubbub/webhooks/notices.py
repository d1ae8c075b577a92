"""A notice: a request that tells an application what happened, kept until it is delivered or given up. A value, and JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hubbub.ids import Id

Fields = tuple[tuple[str, str], ...] | dict[str, Any]


@dataclass(frozen=True)
class Notice:
    """What to tell, to whom. `face` is the dialect that renders and signs it when it is sent; `lane` keeps its place in line."""

    id: Id
    lane: str
    account: str
    face: str
    method: str
    url: str
    fields: Fields
    kind: Literal["form", "json", "file"] = "form"
    """`file`: `fields` holds `file`, a path below the folder of recordings; its bytes are the body."""
    call: Id | None = None
    room: Id | None = None
    event: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def to_data(self) -> dict[str, Any]:
        """JSON-able values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Notice:
        """The notice that `to_data` wrote, also after a trip through JSON. Raises KeyError or TypeError for what is none."""
        values = {name: data[name] for name in cls.__dataclass_fields__}
        if not isinstance(values["fields"], dict):
            values["fields"] = tuple((str(name), str(value)) for name, value in values["fields"])
        return cls(**values)


def lane_of(place: str, url: str) -> str:
    """The lane of a room's or call's notices to a URL: "one lane per (room or call, URL)" (design, law 4)."""
    return f"{place} {url.partition('#')[0]}"


def receiver_of(lane: str) -> str:
    """The receiver behind a lane: scheme and authority of its URL; empty when it names none."""
    place, separator, rest = lane.partition("://")
    if not separator:
        return ""
    return place.rpartition(" ")[2] + separator + re.split(r"[/?]", rest, maxsplit=1)[0].rpartition("@")[2]
