"""The REST face: authentication, ids, paging and errors of 2010-04-01 (5.1 to 5.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from hubbub.conference.roles import with_role
from hubbub.dialects.builders import EVENT_GROUPS, join_room
from hubbub.dialects.habits import Habits
from hubbub.dialects.tables import Compiler, DocumentTable, ErrorRow, Operation, Page, Resource, Window, render
from hubbub.dialects.twiml import announcements, directory, legacy, streams, words
from hubbub.dialects.twiml.credentials import Doors, Keys, NoKeys
from hubbub.dialects.twiml.document import TABLE, valid_label
from hubbub.dialects.twiml.errors import ERRORS
from hubbub.dialects.twiml.face import TwimlDialect
from hubbub.dialects.twiml.nouns import application_party
from hubbub.dialects.twiml.operations import OPERATIONS
from hubbub.dialects.twiml.resources import RESOURCES, MemberView, Shown
from hubbub.errors import DocumentError, Refused
from hubbub.events import Party, RecordingRecord
from hubbub.ids import Id, parse_id
from hubbub.settings import Account, Srtp
from hubbub.verbs.model import JoinRoom, Stage
from hubbub.verbs.program import Position, Program

LARGEST_PAGE = 1000
LARGEST_NUMBER = 10**9
LARGEST_DOCUMENT = 4000
LARGEST_HEADERS = 1024
E164 = re.compile(r"\+[0-9]{1,15}")
SIP_ADDRESS = re.compile(r"sips?:[^\x00-\x20\x7f<>\"@;?]+@[^\x00-\x20\x7f<>\"@?]+")
PAGE_TOKEN = re.compile(r"P[AB]([A-Z]{2}[0-9a-fA-F]{32}|[A-Za-z0-9-]{0,64})")
HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
SUFFIX = ".json"
OTHERS = {
    "number": directory.NUMBER_SID,
    "application": directory.APPLICATION_SID,
    "key": directory.KEY_SID,
    "stream": streams.STREAM_SID,
    "line": words.QUEUE,
    "announcement": announcements.ANNOUNCEMENT,
}


class TwimlHabits(Habits):
    """Habits of this face."""

    owned_callers = True
    current_recording = "Twilio.CURRENT"
    invited_buffer_seconds = 5.0
    """"Ring timeout for REST-added legs 5-600 s, default 60, +5 s" (3.5)."""
    token_path = "/v2/token"
    stops_room_recordings = False
    """ "`stopped` not supported for conferences", and "in the enum" (0.3)."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def admit(self, operation: Operation, authorization: str) -> None:
        """ "Standard keys cannot manage Accounts/Keys" (5.1)."""
        if operation.path.startswith("/Keys") and self._doors.is_key(authorization):
            raise Refused("key-may-not", "keys are managed with the account's own credentials")

    def parameters(self, target: str) -> dict[str, str]:
        """ "Any `?a=b` of the dial target arrives as top-level params" of client and app legs (1.2)."""
        query = target.partition("?")[2] if target.startswith(("client:", "app:")) else ""
        return dict(parse_qsl(query, keep_blank_values=True))

    def token(self, authorization: str, form: Mapping[str, str]) -> dict[str, Any]:
        """OAuth client credentials: a key and its secret, in the form. Raises Refused (unauthenticated, bad-body)."""
        return self._doors.token(form)

    def spelled(self, path: str, resource: Resource | None, body: Any) -> tuple[bytes, str] | None:
        """ "No suffix or `.xml`: legacy XML" (5.1). Tokens are JSON, and so is why there is none (RFC 6749, 5.2)."""
        if path == self.token_path or not legacy.is_wanted(path):
            return None
        return legacy.document(body, resource.list_key if resource is not None else ""), legacy.CONTENT_TYPE


class TwimlRest:
    """REST of this dialect."""

    base = f"/{words.API_VERSION}/Accounts/{{account}}"
    suffixes: tuple[str, ...] = (SUFFIX, ".xml", "")
    operations: tuple[Operation, ...] = OPERATIONS
    resources: Mapping[str, Resource] = RESOURCES
    errors: Mapping[str, ErrorRow] = ERRORS
    json_bodies = False
    public_media = False
    table: DocumentTable = TABLE

    def __init__(
        self, dialect: TwimlDialect, accounts: Sequence[Account], keys: Keys | None = None, now: Callable[[], float] = lambda: 0.0
    ) -> None:
        self.dialect = dialect
        self._doors = Doors(dialect.words, accounts, keys or NoKeys(), now)
        self.habits: Habits = self._habits(self._doors)

    def _habits(self, doors: Doors) -> Habits:
        """What this face does otherwise than most."""
        return TwimlHabits(doors)

    # -- who asks ----------------------------------------------------------------------------------------------

    def owner(self, account: str) -> Account:
        """The account of a path that is open to everybody. Raises Refused (not-found)."""
        found = self._doors.by_sid.get(account)
        if found is None:
            raise Refused("not-found")
        return found

    def authenticate(self, authorization: str, account: str) -> Account:
        """The account that a request may act on. Raises Refused (unauthenticated, forbidden)."""
        owner = self.account_of(authorization)
        wanted = self._doors.by_sid.get(account)
        if wanted is None or (wanted is not owner and self._parent(wanted) is not owner):
            raise Refused("forbidden")
        return wanted

    def account_of(self, authorization: str) -> Account:
        """The account whose credentials, key or access token these are. Raises Refused (unauthenticated)."""
        return self._doors.account_of(authorization)

    def accounts_of(self, authorization: str) -> frozenset[str]:
        """Names of the accounts that these credentials may act on."""
        try:
            owner = self.account_of(authorization)
        except Refused:
            return frozenset()
        return frozenset(found.name for found in self._doors.by_sid.values() if found is owner or self._parent(found) is owner)

    def _parent(self, account: Account) -> Account | None:
        """Its "credentials may act on subaccount paths"."""
        return self._doors.by_sid.get(account.faces[self.dialect.words.face].get("parent", "-"))

    challenge = 'Basic realm="hubbub API"'

    # -- ids and things ----------------------------------------------------------------------------------------

    def identity(self, kind: str, spelled: str) -> Id | None:
        """The identity that a path names; None where it is no such id (a name or label, perhaps)."""
        spell = self.dialect.words
        own = {"call": spell.call, "room": spell.conference, "member": spell.call, "recording": spell.recording}
        codecs = {**own, "notification": spell.notification, "transcript": spell.transcript, "live": spell.live_transcript, **OTHERS}
        return codecs[kind].read(spelled)

    def party(self, spelled: str, host: str) -> Party:
        """`To` and `From`: a number, `client:NAME`, or a SIP URI. Raises Refused (invalid-target)."""
        address, _, _query = spelled.strip().partition("?")
        application = application_party(address[4:]) if address.startswith("app:") else None
        if application is not None:
            return application
        if address.startswith("client:") and address[7:]:
            return Party("phone", address[7:], f"sip:{quote(address[7:])}@{host}")
        if SIP_ADDRESS.fullmatch(address) and len(address) <= 1024:
            return Party("sip", address.partition(":")[2].partition("@")[0], address)
        digits = address.replace(" ", "").replace("-", "").replace("(", "").replace(")", "")
        if E164.fullmatch(digits):
            return Party("number", digits, f"sip:{digits}@{host}")
        if re.fullmatch(r"\+?[0-9]+", digits, re.ASCII):
            raise Refused("not-a-number", f"{spelled!r} is not in E.164: + and at most 15 digits")
        raise Refused("invalid-target", f"{spelled!r} is no E.164 number, client:, sip: or app: address")

    def srtp(self, spelled: str) -> Srtp | None:
        """`;secure=true` behind a SIP address."""
        return words.srtp_of(spelled.strip())

    def headers(self, spelled: str) -> Mapping[str, str]:
        """The parameters behind the `?` of a target as SIP headers: `X-…`. Raises Refused."""
        if spelled.startswith("app:"):
            return {}  # there is no SIP on the way
        pairs = parse_qsl(spelled.partition("?")[2], keep_blank_values=True)
        named = {name if name.lower().startswith("x-") else f"X-{name}": value for name, value in pairs}
        if len(spelled.partition("?")[2]) > LARGEST_HEADERS:
            raise Refused("long-headers", f"the headers of a SIP URI have at most {LARGEST_HEADERS} characters")
        for name, value in named.items():
            if not HEADER_NAME.fullmatch(name):
                raise Refused("bad-header-name", f"{name[:100]!r} may hold letters, digits and -")
            if not value.isprintable():
                raise Refused("bad-header-value", f"the value of {name!r} holds characters that cannot be sent")
        return named

    def check_media(self, recording: RecordingRecord, query: Mapping[str, str]) -> None:
        """`RequestedChannels`: "2 not available: 400". Raises Refused (one-channel)."""
        if query.get("RequestedChannels", "1") not in (("1", "2") if recording.channels == 2 else ("1",)):
            raise Refused("one-channel")

    def join(self, values: Mapping[str, Any], room: str) -> JoinRoom:
        """How a participant created by REST joins. Raises Refused (bad-room-parameter, invalid-label)."""
        label = values.get("label", "")
        if not valid_label(label):
            raise Refused("invalid-label")
        if not 1 <= len(room) <= self.table.rooms.longest_name:
            raise Refused("bad-room-parameter", f"the name of a conference has 1 to {self.table.rooms.longest_name} characters")
        coach = values.get("coach")
        if values.get("coaching") and not coach:
            raise Refused("bad-room-parameter", "Coaching=true requires CallSidToCoach")
        wanted = {**REST_DEFAULTS, **with_role(values, values.get("role", "")), "room": room, "coach": (coach,) if coach else ()}
        if wanted.get("status_url") and not wanted.get("status_events"):
            wanted["status_events"] = START_AND_END
        return join_room(Compiler(self.table, "", Stage.CALL), self.table.rooms, wanted, Position())

    def program(self, document: str, stage: Stage = Stage.CALL) -> Program:
        """A document given as text. Raises Refused (bad-document)."""
        if len(document) > LARGEST_DOCUMENT:
            raise Refused("document-too-long", f"Twiml has at most {LARGEST_DOCUMENT} characters")
        try:
            return self.dialect.compile(document.encode(), "text/xml", "", stage)
        except DocumentError as error:
            raise Refused("bad-document", str(error)) from error

    # -- answers -----------------------------------------------------------------------------------------------

    def show(self, resource: str, thing: Any, account: Account, *, created: bool = False) -> dict[str, Any]:
        """One thing as JSON."""
        if resource == "member" and isinstance(thing, tuple):
            thing = MemberView(*thing)
        if resource == "opened-room":
            thing = thing[0]
        shown = Shown(thing, account, self.dialect.public_url, created, self.dialect.words)
        return render(self.resources[resource].fields, shown, keep_none=True)

    def show_page(self, resource: str, page: Page, account: Account, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """A page of a list with its links (5.3)."""
        items = [self.show(resource, thing, account) for thing in page.items]
        filters = {name: value for name, value in query.items() if name not in ("Page", "PageToken", "PageSize")}
        first = page.number * page.size
        sid = items[-1].get("sid", items[-1].get("call_sid")) if items else ""
        begin = items[0].get("sid", items[0].get("call_sid")) if items else ""

        def uri(number: int, token: str = "") -> str:
            more = {"PageToken": token} if token else {}
            return f"{path}?{urlencode({**filters, 'PageSize': page.size, 'Page': number, **more})}"

        return {
            self.resources[resource].list_key: items,
            "first_page_uri": uri(0),
            "next_page_uri": uri(page.number + 1, f"PA{sid}") if page.more else None,
            "previous_page_uri": uri(page.number - 1, f"PB{begin}") if page.number else None,
            "page": page.number,
            "page_size": page.size,
            "start": first if items else 0,
            "end": first + len(items) - 1 if items else 0,
            "uri": uri(page.number),
        }

    def window(self, query: Mapping[str, str]) -> Window:
        """The page that a query asks for. Raises Refused (page-size, page-token)."""
        try:
            number, size = int(query.get("Page") or 0), int(query.get("PageSize") or 50)
        except ValueError:
            raise Refused("page-size") from None
        if not 1 <= size <= LARGEST_PAGE or not 0 <= number <= LARGEST_NUMBER:
            raise Refused("page-size")
        token = query.get("PageToken", "")
        if token and not PAGE_TOKEN.fullmatch(token):
            raise Refused("page-token")
        seen = parse_id(token[-32:].lower())
        return Window(number, size, *((seen, None) if token.startswith("PA") else (None, seen)))

    def error(self, refusal: Refused, path: str) -> tuple[int, dict[str, Any]]:
        """Status and body of a refusal (5.2)."""
        row = self.errors.get(refusal.reason, ErrorRow(400, "20001", "{detail}"))
        message = row.message.format(detail=refusal, path=path)
        body: dict[str, Any] = {
            "code": int(row.code),
            "message": message,
            "more_info": f"{self.dialect.words.errors}{row.code}",
            "status": row.status,
        }
        if row.status == 401:
            body["detail"] = "Your AccountSid or AuthToken was incorrect."
        return row.status, body


REST_DEFAULTS: Mapping[str, Any] = {"beep": "both"}
START_AND_END = EVENT_GROUPS["start"] | EVENT_GROUPS["end"]
