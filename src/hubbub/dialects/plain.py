"""What the REST faces have in common that take and give JSON: no suffixes, nothing without credentials, targets that ask for nothing."""

from __future__ import annotations

from collections.abc import Mapping

from hubbub.settings import Srtp


class PlainRest:
    """The common part of such a face."""

    suffixes: tuple[str, ...] = ("",)
    json_bodies = True
    public_media = False
    challenge = 'Basic realm="hubbub API"'

    def srtp(self, spelled: str) -> Srtp | None:
        """No target says so itself."""
        return None

    def headers(self, spelled: str) -> Mapping[str, str]:
        """A target asks for none. Raises Refused."""
        return {}
