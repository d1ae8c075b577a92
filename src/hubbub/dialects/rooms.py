"""What tables share that are no tables themselves: the defaults of a dialect's rooms, and how ids are spelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hubbub.conference.policy import Jitter, Policy
from hubbub.ids import Id


class Codec(Protocol):
    """How identities are spelled."""

    def write(self, identity: Id) -> str:
        """The spelling of an identity."""

    def read(self, spelled: str) -> Id | None:
        """The identity, or None where this is no such id."""


@dataclass(frozen=True)
class RoomDefaults:
    """What a dialect's rooms have in common."""

    dialect: str
    policy: Policy
    style: str = ""
    coach_must_be_present: bool = True
    longest_name: int = 128
    tells_end_besides: bool = False
    """Whether who asked for the end of a recording alone is told it beside who follows the recording, not in place of it."""
    bad_name: str = ""
    """Code of a name that is empty or too long."""
    jitter: Jitter = "adaptive"
    """How long packets wait where a leg does not say: as little as the network allows, where the dialect has no word for it."""


NO_ROOMS = RoomDefaults("", Policy())
"""Of a dialect that makes none by a table."""
