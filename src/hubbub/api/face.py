"""What REST asks of a dialect's face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from hubbub.dialects.habits import Habits
from hubbub.dialects.registry import Face
from hubbub.dialects.tables import Operation, Page, Resource, Window
from hubbub.errors import Refused
from hubbub.events import Party, RecordingRecord
from hubbub.ids import Id
from hubbub.settings import Account, Srtp
from hubbub.verbs.model import JoinRoom, Stage
from hubbub.verbs.program import Program


class RestFace(Protocol):
    """A dialect's REST."""

    base: str
    suffixes: tuple[str, ...]
    """What may stand behind a path."""
    json_bodies: bool
    """Whether parameters may come as a JSON object."""
    public_media: bool
    """Whether recordings are heard without credentials."""
    operations: tuple[Operation, ...]
    resources: Mapping[str, Resource]
    """How things are shown, by what an operation shows."""
    challenge: str
    habits: Habits
    """What it does otherwise than most."""

    @property
    def dialect(self) -> Face:
        """Its vocabulary."""

    def authenticate(self, authorization: str, account: str) -> Account:
        """The account that a request may act on. Raises Refused."""

    def accounts_of(self, authorization: str) -> frozenset[str]:
        """Names of the accounts that these credentials of its vendor may act on; none where nobody has them. Its cost is one judgement."""

    def owner(self, account: str) -> Account:
        """The account of a path that is open to everybody. Raises Refused."""

    def identity(self, kind: str, spelled: str) -> Id | None:
        """The identity that a path names, or None."""

    def party(self, spelled: str, host: str) -> Party:
        """Whom a parameter names. Raises Refused."""

    def srtp(self, spelled: str) -> Srtp | None:
        """How much a call to a target is to be encrypted, where it says so."""

    def headers(self, spelled: str) -> Mapping[str, str]:
        """The SIP headers that a target asks for."""

    def check_media(self, recording: RecordingRecord, query: Mapping[str, str]) -> None:
        """Whether a recording's media can be had as it is asked for. Raises Refused."""

    def join(self, values: Mapping[str, Any], room: str) -> JoinRoom:
        """How a member created by REST joins. Raises Refused."""

    def program(self, document: str, stage: Stage = Stage.CALL) -> Program:
        """A document given as text. Raises Refused."""

    def show(self, resource: str, thing: Any, account: Account, *, created: bool = False) -> dict[str, Any]:
        """One thing as JSON."""

    def show_page(self, resource: str, page: Page, account: Account, path: str, query: Mapping[str, str]) -> Any:
        """A page as JSON."""

    def window(self, query: Mapping[str, str]) -> Window:
        """The page asked for. Raises Refused."""

    def error(self, refusal: Refused, path: str) -> tuple[int, dict[str, Any]]:
        """Status and body of a refusal."""
