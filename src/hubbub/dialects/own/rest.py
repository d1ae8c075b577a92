"""The face of hubbub's own REST: credentials of any vendor's face, the admin token, or a grant; JSON; ids of any spelling."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from hubbub.conference.roles import with_role
from hubbub.dialects.builders import join_room
from hubbub.dialects.bxml.document import ROOM as BXML_ROOM
from hubbub.dialects.bxml.document import TABLE as BXML_TABLE
from hubbub.dialects.cxml.document import TABLE as CXML_TABLE
from hubbub.dialects.habits import Habits
from hubbub.dialects.own.grants import Grant, Grants
from hubbub.dialects.own.operations import OPERATIONS, SPELLED, STATUSES
from hubbub.dialects.own.resources import RESOURCES
from hubbub.dialects.plain import PlainRest
from hubbub.dialects.rooms import RoomDefaults
from hubbub.dialects.swml.document import TABLE as SWML_TABLE
from hubbub.dialects.swml.joining import ROOM as SWML_ROOM
from hubbub.dialects.tables import Compiler, DocumentTable, Operation, Page, Resource, Window, render
from hubbub.dialects.twiml import TwimlDialect
from hubbub.dialects.twiml.document import TABLE, valid_label
from hubbub.dialects.twiml.rest import TwimlRest
from hubbub.errors import Refused
from hubbub.events import Party, RecordingRecord
from hubbub.ids import Id, parse_id
from hubbub.settings import Account, Srtp
from hubbub.verbs.model import JoinRoom, Stage
from hubbub.verbs.program import Position, Program

ROOMS: Mapping[str, tuple[DocumentTable, RoomDefaults]] = {
    "twiml": (TABLE, TABLE.rooms),
    "cxml": (CXML_TABLE, CXML_TABLE.rooms),
    "bxml": (BXML_TABLE, BXML_ROOM),
    "swml": (SWML_TABLE, SWML_ROOM),
}
"""What rooms of each dialect are like."""
SPEAKS = {"twilio": "twiml", "signalwire": "cxml", "bandwidth": "bxml"}
"""What rooms speak that an account makes here, by the first of its faces."""
LARGEST_PAGE, USUAL_PAGE = 1000, 50
ME = "me"
"""The account of a path, where a grant says which."""
CONTROL = "/control"


class OwnHabits(Habits):
    """Habits of this face."""

    common_media = False
    speaks_as_rooms_do = True
    callbacks_change_alone = True

    def __init__(self, grants: Grants) -> None:
        self.grants = grants

    def admit(self, operation: Operation, authorization: str) -> None:
        """A grant is good for its own call only, and its own call is changed with a grant only."""
        if (self.grant_of(authorization) is not None) != (operation.path == CONTROL):
            raise Refused("forbidden", f"{CONTROL} is for grants, and nothing else is")

    def granted(self, authorization: str) -> Mapping[str, Any]:
        """The grant that these credentials are."""
        grant = self.grant_of(authorization)
        return {} if grant is None else {"grant": grant}

    def room_dialect(self, account: Account) -> str:
        """That of the account's first face."""
        return next((SPEAKS[face] for face in account.faces if face in SPEAKS), "")

    def grant(self, account: Account, call: Id, may: frozenset[str], seconds: int) -> Grant:
        """A token that is good for a few changes of one call."""
        return self.grants.write(account, call, may, seconds)

    def grant_of(self, authorization: str) -> Grant | None:
        """The grant behind an Authorization header, if it is one."""
        scheme, _, token = authorization.partition(" ")
        return self.grants.read(token.strip()) if scheme.lower() == "bearer" else None


class OwnRest(PlainRest):
    """REST of no dialect, for all of them."""

    base = "/hubbub/accounts/{account}"
    operations: tuple[Operation, ...] = OPERATIONS
    resources: Mapping[str, Resource] = RESOURCES

    def __init__(
        self, public_url: str, accounts: Sequence[Account], faces: Sequence[Any], now: Callable[[], float], admin: str = ""
    ) -> None:
        self.dialect = TwimlDialect(public_url)
        self._faces = faces
        self._admin = admin
        self._accounts = {name: account for account in accounts for name in _names(account)}
        self._own = OwnHabits(Grants(accounts, now))
        self.habits: Habits = self._own
        self._words = TwimlRest(self.dialect, accounts)

    # -- who asks ----------------------------------------------------------------------------------------------

    def authenticate(self, authorization: str, account: str) -> Account:
        """The account that a request may act on. Raises Refused (unauthenticated, forbidden)."""
        grant = self._own.grant_of(authorization)
        if grant is not None:
            if account != ME and (account not in self._accounts or self._accounts[account].name != grant.account):
                raise Refused("forbidden", "the token is another account's")
            return self._accounts[grant.account]
        wanted = self._accounts.get(account)
        if wanted is not None and self._is_admin(authorization):
            return wanted
        good = self._good_for(authorization)
        if wanted is not None and wanted.name in good:
            return wanted
        if good:
            raise Refused("forbidden", "the credentials are another account's")
        raise Refused("unauthenticated", "credentials of the account are needed, or a token that has not expired")

    def _is_admin(self, authorization: str) -> bool:
        return bool(self._admin) and hmac.compare_digest(authorization.encode(), f"Bearer {self._admin}".encode())

    def _good_for(self, authorization: str) -> frozenset[str]:
        """Names of the accounts that any vendor's face takes these credentials for."""
        return frozenset().union(*(face.accounts_of(authorization) for face in self._faces))

    def accounts_of(self, authorization: str) -> frozenset[str]:
        """None: grants and the operator's token are no account's credentials, and the others are its vendors'."""
        return frozenset()

    def owner(self, account: str) -> Account:
        """Nothing is open to everybody. Raises Refused."""
        raise Refused("unauthenticated")

    # -- ids and things ----------------------------------------------------------------------------------------

    def identity(self, kind: str, spelled: str) -> Id | None:
        """The identity that a path names, as any dialect spells it; None where it is none (a name or label, perhaps)."""
        found = SPELLED.fullmatch(spelled)
        return parse_id(found[1].replace("-", "").lower()) if found else None

    def party(self, spelled: str, host: str) -> Party:
        """`to` and `from`: a number in E.164, `client:NAME`, or a SIP URI. Raises Refused (invalid-target)."""
        return self._words.party(spelled, host)

    def srtp(self, spelled: str) -> Srtp | None:
        """How much a call to a target is to be encrypted, where it says so."""
        return self._words.srtp(spelled)

    def headers(self, spelled: str) -> Mapping[str, str]:
        """The SIP headers that a target asks for. Raises Refused."""
        return self._words.headers(spelled)

    def check_media(self, recording: RecordingRecord, query: Mapping[str, str]) -> None:
        """Media is not served here."""

    def join(self, values: Mapping[str, Any], room: str) -> JoinRoom:
        """How somebody joins, or a room is made. Raises Refused (invalid-label, bad-parameter)."""
        table, defaults = ROOMS[values.get("dialect", "twiml")]
        if not valid_label(values.get("label", "")):
            raise Refused("invalid-label", "a label has at most 128 characters, is no call's id, and holds no slash")
        wanted = {**with_role(values, values.get("role", "")), "room": room}
        if wanted.get("status_url") and not wanted.get("status_events"):
            raise Refused("bad-parameter", "status_events says what status_url is told")
        return join_room(Compiler(table, "", Stage.CALL), defaults, wanted, Position())

    def program(self, document: str, stage: Stage = Stage.CALL) -> Program:
        """No documents are run here. Raises Refused."""
        raise Refused("bad-parameter")

    # -- answers -----------------------------------------------------------------------------------------------

    def show(self, resource: str, thing: Any, account: Account, *, created: bool = False) -> dict[str, Any]:
        """One thing as JSON."""
        return render(self.resources[resource].fields, thing, keep_none=True)

    def show_page(self, resource: str, page: Page, account: Account, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """A page, and how to get the next one."""
        items = [self.show(resource, thing, account) for thing in page.items]
        more = f"{path}?page={page.number + 1}&size={page.size}" if page.more else None
        return {self.resources[resource].list_key: items, "next": more and quote(more, safe="/?=&%")}

    def window(self, query: Mapping[str, str]) -> Window:
        """The page that a query asks for. Raises Refused (bad-parameter)."""
        number, size = query.get("page", "0"), query.get("size", str(USUAL_PAGE))
        if not (re.fullmatch("[0-9]{1,9}", number) and re.fullmatch("[0-9]{1,4}", size) and 1 <= int(size) <= LARGEST_PAGE):
            raise Refused("bad-parameter", f"page is a whole number from 0, size one from 1 to {LARGEST_PAGE}")
        return Window(int(number), int(size))

    def error(self, refusal: Refused, path: str) -> tuple[int, dict[str, Any]]:
        """Status and body of a refusal."""
        return STATUSES.get(refusal.reason, 400), {"error": refusal.reason, "message": str(refusal)}


def _names(account: Account) -> list[str]:
    """What a path may call an account."""
    return [account.name, *_public_names(account)]


def _public_names(account: Account) -> list[str]:
    """The ids that its faces have for it."""
    keys = ("sid", "project", "account")
    return [values[key] for values in account.faces.values() for key in keys if values.get(key)]
