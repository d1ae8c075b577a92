"""How dialects spell identities."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from hubbub.ids import Id, parse_id


@dataclass(frozen=True)
class Prefixed:
    """Ids spelled as two letters and 32 hex digits."""

    prefix: str

    def write(self, identity: Id) -> str:
        """The spelling of an identity."""
        return self.prefix + identity

    def read(self, spelled: str) -> Id | None:
        """The identity, or None where this is no such id."""
        if not spelled.startswith(self.prefix):
            return None
        return parse_id(spelled[len(self.prefix) :].lower())


@dataclass(frozen=True)
class Uuid:
    """Ids spelled as a UUID."""

    def write(self, identity: Id) -> str:
        """The spelling of an identity."""
        return str(uuid.UUID(identity))

    def read(self, spelled: str) -> Id | None:
        """The identity, or None where this is no such id."""
        try:
            return Id(uuid.UUID(spelled).hex)
        except ValueError:
            return None


@dataclass(frozen=True)
class HashedUuid:
    """Ids spelled as a prefix, 8 hex digits derived from the identity, and a UUID."""

    prefix: str

    def write(self, identity: Id) -> str:
        """The spelling of an identity."""
        return f"{self.prefix}{_fold(identity)}-{uuid.UUID(identity)}"

    def read(self, spelled: str) -> Id | None:
        """The identity, or None where this is no such id."""
        rest = spelled[len(self.prefix) :]
        if not spelled.startswith(self.prefix) or len(rest) != 45 or rest[8] != "-":
            return None
        identity = Uuid().read(rest[9:])
        return identity if identity is not None and _fold(identity) == rest[:8] else None


def _fold(identity: Id) -> str:
    """The four 32-bit words of an identity, folded into one."""
    folded = 0
    for start in range(0, 32, 8):
        folded ^= int(identity[start : start + 8], 16)
    return f"{folded:08x}"
