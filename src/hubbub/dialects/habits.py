"""What a dialect's REST does otherwise than most: bodies, links, tokens. A face has one `habits`; these are the common ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubbub.dialects.tables import Operation, Page, Resource
from hubbub.errors import Refused
from hubbub.ids import Id
from hubbub.settings import Account

Pairs = list[tuple[str, str]]


class Habits:
    """The common habits: forms in, pages with their links inside, media beside the recordings, no tokens."""

    content_type = "application/json"
    own_bodies = False
    """Whether `read_body` reads bodies, instead of the common reader of forms."""
    common_media = True
    """Whether the audio of a recording is where its description is, without a suffix, as `.wav` or as `.mp3`."""
    current_recording = ""
    """What stands in a path for the only recording under way."""
    token_path = ""
    """Where tokens are to be had; empty: nowhere."""
    newest_first = True
    """How lists are ordered."""
    owned_callers = False
    """Whether numbers are called from numbers of the account only."""
    invited_buffer_seconds = 0.0
    """How much longer an invited member rings than was asked for."""
    request_id = ""
    """The header in which every answer has an identity of its own; empty: none."""
    stops_room_recordings = True
    """Whether its vendor would stop the recording of a room when it is asked to."""
    unanswered_redirect = False
    """Whether an incoming call may be given another document before it is answered."""

    speaks_as_rooms_do = False
    """Whether documents that are asked for a room speak what that speaks, and not the face's own dialect."""
    callbacks_change_alone = False
    """Whether who follows a live call is changed also where it is given no document."""

    def granted(self, authorization: str) -> Mapping[str, Any]:
        """Values that credentials bring with them."""
        return {}

    def room_dialect(self, account: Account) -> str:
        """What a room speaks that is made by REST; empty: what the face speaks."""
        return ""

    def grant(self, account: Account, call: Id, may: frozenset[str], seconds: int) -> Any:
        """A token that is good for a few changes of one call. Raises Refused."""
        raise Refused("method")

    def shown_days(self, table: str, account: Account) -> float | None:
        """For how long after its last change a thing of a table is shown; None: for ever."""
        return None

    def admit(self, operation: Operation, authorization: str) -> None:
        """Whether these credentials, which are good, are good for this too. Raises Refused."""

    def read_body(self, operation: Operation, content_type: str, body: bytes) -> Pairs:
        """Parameters from a body. Raises Refused."""
        raise Refused("bad-parameter")

    def completed(self, operation: Operation, values: dict[str, Any], account: Account) -> dict[str, Any]:
        """The values with what the face adds to them; all of them together may be wrong. Raises Refused."""
        return values

    def page_headers(self, page: Page, url: str) -> dict[str, str]:
        """Headers of a page, which was asked for by this URL."""
        return {}

    def created_headers(self, shown: Mapping[str, Any]) -> dict[str, str]:
        """Headers that answer a creation."""
        return {}

    def media_type(self, kind: str) -> str:
        """What a recording's file is called."""
        return "audio/x-wav"

    def parameters(self, target: str) -> dict[str, str]:
        """What a target gives to every request of its call."""
        return {}

    def spelled(self, path: str, resource: Resource | None, body: Any) -> tuple[bytes, str] | None:
        """An answer in another form than JSON, where its path asks for one: bytes and their type. No resource: an error."""
        return None

    def token(self, authorization: str, form: Mapping[str, str]) -> dict[str, Any]:
        """A token for credentials. Raises Refused (unauthenticated)."""
        raise Refused("unauthenticated")
