"""Spellings: plain UUIDs, the project's credentials, the vendor's base path (1.1, 2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from hubbub.dialects.ids import Prefixed, Uuid
from hubbub.dialects.twiml.words import API_VERSION, Words
from hubbub.ids import Id


@dataclass(frozen=True)
class Loose:
    """Ids written as a UUID; the two letters and 32 digits of the compatible dialect are read too ("any opaque string in paths")."""

    prefix: str

    def write(self, identity: Id) -> str:
        """The spelling of an identity."""
        return Uuid().write(identity)

    def read(self, spelled: str) -> Id | None:
        """The identity, or None where this is no such id."""
        dashed = len(spelled) == 36 and spelled.count("-") == 4
        return Uuid().read(spelled) if dashed else Prefixed(self.prefix).read(spelled)


BASE = f"/api/laml/{API_VERSION}/Accounts"
CXML = Words(
    face="signalwire",
    sid="project",
    keys=("signing_key", "token"),
    call=Loose("CA"),
    conference=Loose("CF"),
    recording=Loose("RE"),
    notification=Loose("NO"),
    transcript=Loose("TR"),
    live_transcript=Loose("GT"),
    path=BASE,
    errors="https://developer.signalwire.com/compatibility-api/errors/",
)
