"""The REST face of v2: authentication, ids, bodies, paging and errors (1.2, 6.1, 6.8, 6.9)."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from hubbub.dialects.bxml import account as accounts
from hubbub.dialects.bxml import callbacks, machine, tokens
from hubbub.dialects.bxml.errors import ERRORS, what
from hubbub.dialects.bxml.face import BxmlDialect
from hubbub.dialects.bxml.operations import OPERATIONS, XML
from hubbub.dialects.bxml.resources import RESOURCES, Shown
from hubbub.dialects.bxml.rows import told_in_clear
from hubbub.dialects.habits import Habits, Pairs
from hubbub.dialects.plain import PlainRest
from hubbub.dialects.readers import read_json
from hubbub.dialects.tables import ErrorRow, Operation, Page, Resource, Window, render
from hubbub.errors import DocumentError, Refused
from hubbub.events import Party, RecordingRecord
from hubbub.ids import Id
from hubbub.settings import Account
from hubbub.verbs.model import JoinRoom, Stage
from hubbub.verbs.program import Program

E164 = re.compile(r"\+[1-9][0-9]{1,14}")
SIP_ADDRESS = re.compile(r"sips?:[^\x00-\x20\x7f<>\"@;?]+@[^\x00-\x20\x7f<>\"@?]+")
SHOWING_DELETED = frozenset(
    {"list_recordings", "fetch_recording", "inspect_recording", "inspect_recordings", "inspect_all_recordings", "forget_recording"}
)
"""A recording whose media were deleted is still shown, as `deleted`, until it is deleted itself."""
PAGE = 1000
RING_SECONDS = 30.0
LOWEST = 5
"""Priority of a call that asks for none."""
LARGEST_PAGE = 10_000
KINDS = {
    "call": callbacks.CALL,
    "room": callbacks.CONFERENCE,
    "member": callbacks.CALL,
    "recording": callbacks.RECORDING,
    "live": callbacks.TRANSCRIPT,
}


class BxmlHabits(Habits):
    """JSON and XML bodies, `Link` headers, tokens."""

    content_type = "application/json;charset=UTF-8"
    own_bodies = True
    common_media = False
    token_path = "/api/v1/oauth2/token"
    newest_first = False
    unanswered_redirect = True

    def __init__(self, known: Sequence[Account], now: Callable[[], float]) -> None:
        self._known = known
        self._now = now

    def shown_days(self, table: str, account: Account) -> float | None:
        """ "Call info 7 days after hangup (404 / empty list afterwards); recordings and transcripts 30 days" (1.4)."""
        days = {"calls": accounts.options(account).call_days, "recordings": accounts.options(account).recording_days}.get(table)
        return days or None

    def read_body(self, operation: Operation, content_type: str, body: bytes) -> Pairs:
        """JSON, or a document. Raises Refused (media-type, bad-body)."""
        kind = content_type.partition(";")[0].strip().lower()
        if operation.body == XML:
            if kind not in ("application/xml", "text/xml", ""):
                raise Refused("media-type", content_type)
            return [("bxml", body.decode("utf-8", "replace"))]
        if not body.strip():
            return []
        if kind not in ("application/json", ""):
            raise Refused("media-type", content_type)
        try:
            given = read_json(body)
        except (ValueError, RecursionError) as error:
            raise Refused("bad-body", str(error)) from error
        if not isinstance(given, dict):
            raise Refused("bad-body")
        return flattened(given)

    def completed(self, operation: Operation, values: dict[str, Any], account: Account) -> dict[str, Any]:
        """What several parameters must be together (6.2, 6.3, 6.5)."""
        if operation.shows == "created-call":
            _check_creation(values, account)
            values = machine.completed(values)
            limits = {"ring_seconds": RING_SECONDS, "silent_seconds": accounts.options(account).silent_seconds}
            return {**limits, **values, "extra": {**values.get("extra", {}), "asked": _echo(values, account)}}
        if operation.does in ("update_call", "steer_room") and operation.body != XML:
            over = values.get("status") == "completed"
            if not over and not values.get("url"):
                raise Refused("redirect-missing")
            if over and values.get("url"):
                raise Refused("redirect-needless")
        if operation.does in SHOWING_DELETED:
            return {**values, "deleted_too": True}
        if operation.does == "steer_recording" and "recording_state" not in values:
            raise Refused("bad-body")
        return values

    def page_headers(self, page: Page, url: str) -> dict[str, str]:
        """`Link` to the next page, with the filters of this one."""
        if not page.more:
            return {}
        split = urlsplit(url)
        kept = [(name, value) for name, value in parse_qsl(split.query) if name != "pageToken"]
        query = urlencode([*kept, ("pageToken", _page_token(page.number + 1, page.size))])
        return {"Link": f'<{urlunsplit(split._replace(query=query))}>; rel="next"'}

    def created_headers(self, shown: Mapping[str, Any]) -> dict[str, str]:
        """`Location` of a new call."""
        return {"Location": shown["callUrl"]}

    def media_type(self, kind: str) -> str:
        """`audio/vnd.wave` or `audio/mpeg` (6.1)."""
        return "audio/mpeg" if kind == "mp3" else "audio/vnd.wave"

    def token(self, authorization: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Client credentials for a bearer token (1.2). Raises Refused (unauthenticated, bad-body)."""
        given = tokens.basic(authorization)
        if given == ("", ""):
            given = form.get("client_id", ""), form.get("client_secret", "")
        owner = None
        for account in self._known:
            if tokens.same(given, accounts.client(account)):
                owner = account
        if owner is None:
            raise Refused("unauthenticated")
        if form.get("grant_type") != "client_credentials":
            raise Refused("bad-body")
        return {"access_token": tokens.write(owner, self._now()), "token_type": "Bearer", "expires_in": tokens.SECONDS}


class BxmlRest(PlainRest):
    """REST of this dialect."""

    base = "/api/v2/accounts/{account}"
    operations: tuple[Operation, ...] = OPERATIONS
    resources: Mapping[str, Resource] = RESOURCES

    def __init__(self, dialect: BxmlDialect, known: Sequence[Account], now: Callable[[], float]) -> None:
        self.dialect = dialect
        self._known = [account for account in known if accounts.face(account, "account")]
        self._now = now
        self.habits: Habits = BxmlHabits(self._known, now)

    # -- who asks ----------------------------------------------------------------------------------------------

    def authenticate(self, authorization: str, account: str) -> Account:
        """The account that a request may act on. Raises Refused.

        "Missing or wrong credentials 401; good credentials but an account in the path that they cannot use: 403 (also for an
        unknown account)" (1.2).
        """
        for found in self._usable(authorization):
            if accounts.face(found, "account") == account:
                return found
        raise Refused("forbidden")

    def accounts_of(self, authorization: str) -> frozenset[str]:
        """Names of the accounts that these credentials may act on."""
        try:
            return frozenset(found.name for found in self._usable(authorization))
        except Refused:
            return frozenset()

    def _usable(self, authorization: str) -> list[Account]:
        if not authorization:
            raise Refused("no-credentials")
        scheme, _, rest = authorization.partition(" ")
        return self._bearer(rest.strip()) if scheme.lower() == "bearer" else self._basic(authorization)

    def _basic(self, authorization: str) -> list[Account]:
        given = tokens.basic(authorization)
        if given == ("", ""):
            raise Refused("bad-credentials")
        keys = ("username", "password")
        found = [known for known in self._known if tokens.same(given, (accounts.face(known, keys[0]), accounts.face(known, keys[1])))]
        if not found:
            raise Refused("unauthenticated")
        return found

    def _bearer(self, token: str) -> list[Account]:
        found = tokens.read(token, self._known, self._now())
        if found is None:
            raise Refused("unauthenticated")
        return [found]

    def owner(self, account: str) -> Account:
        """Nothing is open to everybody. Raises Refused."""
        raise Refused("no-credentials")

    # -- ids and things ----------------------------------------------------------------------------------------

    def identity(self, kind: str, spelled: str) -> Id | None:
        """The identity that a path names."""
        return KINDS[kind].read(spelled)

    def party(self, spelled: str, host: str) -> Party:
        """`to` and `from`: E.164 or a SIP URI. Raises Refused (invalid-target)."""
        address = spelled.strip()
        if SIP_ADDRESS.fullmatch(address) and len(address) <= 1024:
            return Party("sip", address.partition(":")[2].partition("@")[0], address)
        if E164.fullmatch(address):
            return Party("number", address, f"sip:{address}@{host}")
        raise Refused("invalid-target")

    def check_media(self, recording: RecordingRecord, query: Mapping[str, str]) -> None:
        """Media is had as it is."""

    def join(self, values: Mapping[str, Any], room: str) -> JoinRoom:
        """A member cannot be created by this API. Raises Refused."""
        raise Refused("method")

    def program(self, document: str, stage: Stage = Stage.CALL) -> Program:
        """A document given as text, whose URLs must be absolute. Raises Refused (bad-document)."""
        if not document.strip():
            raise Refused("bad-document", "there is no document")
        try:
            return self.dialect.compile(document.encode(), "application/xml", "", stage)
        except DocumentError as error:
            raise Refused("bad-document", str(error)) from error

    # -- answers -----------------------------------------------------------------------------------------------

    def show(self, resource: str, thing: Any, account: Account, *, created: bool = False) -> dict[str, Any]:
        """One thing as JSON."""
        shown = render(self.resources[resource].fields, Shown(thing, account, self.dialect.public_url), keep_none=True)
        return {**thing.extra.get("asked", {}), **shown} if created else shown

    def show_page(self, resource: str, page: Page, account: Account, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """A page is an array; what follows it is in a header."""
        return [self.show(resource, thing, account) for thing in page.items]

    def window(self, query: Mapping[str, str]) -> Window:
        """The page that a query asks for. Raises Refused (bad-parameter)."""
        number, size = 0, PAGE
        given = query.get("pageSize", "")
        if given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= LARGEST_PAGE:
            size = int(given)
        if query.get("pageToken"):
            number, size = _read_token(query["pageToken"])
        return Window(number, size)

    def error(self, refusal: Refused, path: str) -> tuple[int, dict[str, Any]]:
        """Status and body of a refusal (6.9)."""
        row = ERRORS.get(refusal.reason, ErrorRow(400, "validation", "{detail}"))
        detail = str(refusal)
        name, _, rest = detail.partition(": ")
        if refusal.reason == "bad-range":
            detail = f"{name} {rest}"
        elif refusal.reason == "bad-method":
            detail = f"{name.removesuffix('Method')}Url method. {rest}"
        return row.status, {"type": row.code, "description": row.message.format(detail=detail, what=what(path)), "id": None}


def flattened(given: Mapping[str, Any], prefix: str = "") -> Pairs:
    """The members of a JSON object as names and texts: nested names joined by dots, null left out, a list as one text of words."""
    pairs: Pairs = []
    for name, value in given.items():
        if isinstance(value, dict):
            pairs += flattened(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            pairs.append((prefix + name, " ".join(item for item in value if isinstance(item, str))))
        elif value is not None:
            pairs.append((prefix + name, value if isinstance(value, str) else json.dumps(value)))
    return pairs


ECHO = (
    *(("applicationId", "application_id"), ("answerUrl", "url"), ("answerFallbackUrl", "fallback_url")),
    *(("answerFallbackMethod", "fallback_method"), ("username", "username"), ("fallbackUsername", "fallback_username")),
    *(("disconnectUrl", "progress_url"), ("displayName", "display"), ("tag", "tag")),
)


def _echo(values: Mapping[str, Any], account: Account) -> dict[str, Any]:
    """The request, as the answer to a creation repeats it: without passwords, with defaults (6.2)."""
    echo: dict[str, Any] = {name: values[key] for name, key in ECHO if values.get(key)}
    echo |= {name: "*****" for name, key in (("password", "password"), ("fallbackPassword", "fallback_password")) if values.get(key)}
    timeout = values.get("extra", {}).get("timeout", accounts.options(account).callback_timeout)
    return {
        **echo,
        "answerMethod": values.get("method", "POST"),
        "disconnectMethod": values.get("progress_method", "POST"),
        "priority": values.get("priority", LOWEST),
        "callTimeout": values.get("ring_seconds", RING_SECONDS),
        "callbackTimeout": timeout,
    }


def _check_creation(values: Mapping[str, Any], account: Account) -> None:
    if not (values.get("to") and values.get("from") and values.get("url") and values.get("application_id")):
        raise Refused("to-missing")
    if (values.get("username") or values.get("password")) and told_in_clear(values["url"]):
        raise Refused("credentials-in-clear")
    if values["application_id"] != accounts.face(account, "application"):
        raise Refused("application-unknown", values["application_id"])
    if (
        not E164.fullmatch(values["from"])
        and values["from"].lower() not in callbacks.WITHHELD
        and not SIP_ADDRESS.fullmatch(values["from"])
    ):
        raise Refused("invalid-caller")


def _page_token(number: int, size: int) -> str:
    return base64.urlsafe_b64encode(f"{number}.{size}".encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, int]:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, ValueError):
        raise Refused("bad-parameter", "pageToken") from None
    match = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,5})", text)
    if match is None or not 1 <= int(match[2]) <= LARGEST_PAGE:
        raise Refused("bad-parameter", "pageToken")
    return int(match[1]), int(match[2])
