"""The REST faces of this dialect: Calling (4) and logs (2.7). Accounts are known by their credentials alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from hubbub.dialects.cxml import CxmlDialect
from hubbub.dialects.cxml.rest import CxmlRest
from hubbub.dialects.cxml.words import CXML
from hubbub.dialects.habits import Habits
from hubbub.dialects.plain import PlainRest
from hubbub.dialects.swml import orders
from hubbub.dialects.swml.callbacks import IDS
from hubbub.dialects.swml.commands import COMMANDS, UNSUPPORTED
from hubbub.dialects.swml.connecting import NUMBER, SIP
from hubbub.dialects.swml.face import SwmlDialect
from hubbub.dialects.swml.logs import CALL_LOGS, LOG_RESOURCES, ROOM_LOGS
from hubbub.dialects.tables import ErrorRow, Operation, Page, Resource, Window, render
from hubbub.dialects.twiml.callbacks import recording_url
from hubbub.errors import Refused
from hubbub.events import Party, RecordingRecord
from hubbub.ids import Id
from hubbub.settings import Account
from hubbub.verbs.model import JoinRoom, Stage
from hubbub.verbs.program import Program

ERRORS: Mapping[str, ErrorRow] = {
    "malformed": ErrorRow(400, "error", "Bad Request"),
    "unauthenticated": ErrorRow(401, "error", "Unauthorized"),
    "forbidden": ErrorRow(401, "error", "Unauthorized"),
    "not-found": ErrorRow(404, "error", "Not Found"),
    "method": ErrorRow(404, "error", "Not Found"),
    "too-many": ErrorRow(429, "error", "Too Many Requests"),
    "internal": ErrorRow(500, "error", "Internal Server Error"),
    "storage": ErrorRow(503, "error", "Service Unavailable"),
    "busy": ErrorRow(503, "error", "Service Unavailable"),
}
"""Refusals that are told in a word, under that key; every other is 422 with a list of what is wrong."""
CODES: Mapping[str, str] = {
    "missing": "missing_required_parameter",
    "to-missing": "missing_required_parameter",
    "from-missing": "missing_required_parameter",
    "bad-parameter": "invalid_parameter",
    "page-size": "invalid_parameter",
    "unknown-parameter": "unknown_parameter",
    "unknown-command": "unknown_command",
    "unsupported": "unsupported",
}
"""What is wrong, in a word; every other refusal is its own word."""
DETAILS = "https://developer.signalwire.com/rest/overview/error-codes#"
LARGEST_PAGE = 1000
LARGEST_NUMBER = 10**9


@dataclass(frozen=True)
class Shown:
    """A thing, and what shows it needs to know beside it."""

    thing: Any
    account: Account
    public_url: str

    @property
    def project(self) -> str:
        """The account's project."""
        return CXML.account_sid(self.account)

    def media(self, recording: RecordingRecord) -> str:
        """Where a recording is heard."""
        return recording_url(recording.id, self.account, self.public_url, CXML) + ".wav"


class RelayHabits(Habits):
    """Habits of these faces."""

    common_media = False
    request_id = "x-request-id"
    callbacks_change_alone = True


class CallingHabits(RelayHabits):
    """Commands are completed by what they order."""

    def completed(self, operation: Operation, values: dict[str, Any], account: Account) -> dict[str, Any]:
        """The values with the document, the sounds, the program that a command orders. Raises Refused."""
        return orders.completed(operation.command, values)


class RelayRest(PlainRest):
    """What these faces have in common."""

    base = ""
    operations: tuple[Operation, ...] = ()
    habits: Habits = RelayHabits()
    resources: Mapping[str, Resource] = LOG_RESOURCES

    def __init__(self, dialect: SwmlDialect, accounts: Sequence[Account]) -> None:
        self.dialect = dialect
        self._doors = CxmlRest(CxmlDialect(dialect.public_url), accounts)

    def authenticate(self, authorization: str, account: str) -> Account:
        """The account of the credentials. Raises Refused (unauthenticated)."""
        return self._doors.account_of(authorization)

    def accounts_of(self, authorization: str) -> frozenset[str]:
        """Names of the accounts that these credentials may act on."""
        return self._doors.accounts_of(authorization)

    def owner(self, account: str) -> Account:
        """Nothing here is open to everybody."""
        raise Refused("not-found")

    def identity(self, kind: str, spelled: str) -> Id | None:
        """The identity that a path or a command names; a call may be spelled as the compatible dialects do. Raises Refused (not-found)."""
        found = self.dialect.call_id(spelled) if kind == "call" else IDS.read(spelled)
        if found is None:
            raise Refused("not-found")
        return found

    def party(self, spelled: str, host: str) -> Party:
        """A number, `sip:`, `client:NAME`, `verto:NAME@…`, or the address of a subscriber. Raises Refused (invalid-target)."""
        given = spelled.strip()
        kind, _, rest = given.partition(":")
        if SIP.fullmatch(given) and len(given) <= 1024:
            return Party("sip", rest.partition("@")[0], given)
        if NUMBER.fullmatch(given):
            return Party("number", given, f"sip:{given}@{host}")
        name = rest.partition("@")[0] if kind in ("client", "verto") else given.rpartition("/")[2] if given.startswith("/") else ""
        if name and name.isprintable():
            return Party("phone", name, f"sip:{quote(name)}@{host}")
        raise orders.wrong(f"{given[:100]!r} is no number, SIP address, client or address", "to", "invalid-target")

    def check_media(self, recording: RecordingRecord, query: Mapping[str, str]) -> None:
        """There are no media here."""
        raise Refused("not-found")

    def join(self, values: Mapping[str, Any], room: str) -> JoinRoom:
        """Nobody is invited here."""
        raise Refused("not-found")

    def program(self, document: Any, stage: Stage = Stage.CALL) -> Program:
        """A script, as an object or as text. Raises Refused (bad-document)."""
        return orders.program_of(document)

    def show(self, resource: str, thing: Any, account: Account, *, created: bool = False) -> dict[str, Any]:
        """One thing as JSON; a call together with the control that was begun on it."""
        call, control = thing if isinstance(thing, tuple) else (thing, None)
        shown = render(self.resources[resource].fields, Shown(call, account, self.dialect.public_url), keep_none=True)
        return shown if control is None else {**shown, "control_id": control}

    def show_page(self, resource: str, page: Page, account: Account, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """A page with its links (2.7)."""
        filters = {name: value for name, value in query.items() if name not in ("page_number", "page_token", "page_size")}

        def link(number: int) -> str:
            token = {"page_token": f"{'PA' if number > page.number else 'PB'}{number}"} if number != page.number else {}
            return f"{path}?{urlencode({**filters, 'page_size': page.size, 'page_number': number, **token})}"

        links = {"self": link(page.number), "first": f"{path}?{urlencode({**filters, 'page_size': page.size, 'page_number': 0})}"}
        links |= {"next": link(page.number + 1)} if page.more else {}
        links |= {"prev": link(page.number - 1)} if page.number else {}
        return {"links": links, "data": [self.show(resource, thing, account) for thing in page.items]}

    def window(self, query: Mapping[str, str]) -> Window:
        """The page that a query asks for. Raises Refused (page-size)."""
        try:
            number, size = int(query.get("page_number") or 0), int(query.get("page_size") or 50)
        except ValueError:
            raise Refused("page-size", "must be whole numbers", where="page_size") from None
        if not 1 <= size <= LARGEST_PAGE or not 0 <= number <= LARGEST_NUMBER:
            raise Refused("page-size", f"page_size is 1 to {LARGEST_PAGE}", where="page_size")
        return Window(number, size)

    def error(self, refusal: Refused, path: str) -> tuple[int, dict[str, Any]]:
        """Status and body of a refusal (4)."""
        row = ERRORS.get(refusal.reason)
        if row is not None:
            return row.status, {row.code: row.message}
        code = CODES.get(refusal.reason, refusal.reason.replace("-", "_"))
        wrong = {"type": "validation_error", "code": code, "message": str(refusal), "attribute": refusal.where or None}
        return 422, {"errors": [{**wrong, "url": f"{DETAILS}{code}"}]}


class CallingRest(RelayRest):
    """Commands to calls."""

    base = "/api/calling"
    operations = tuple(COMMANDS)
    habits: Habits = CallingHabits()
    unsupported = UNSUPPORTED
    """Commands that are known and cannot be obeyed, and why."""
    aliases: Mapping[str, str] = {"calling.dial": "dial", "calling.update": "update"}
    """What remote procedures call them."""


class RoomLogsRest(RelayRest):
    """The log of conferences."""

    base = "/api/logs"
    operations = ROOM_LOGS


class CallLogsRest(RelayRest):
    """The log of calls."""

    base = "/api/voice"
    operations = CALL_LOGS
