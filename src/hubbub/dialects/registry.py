"""All dialects, and what renders events in the right one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from hubbub.calls.call import ProgressWish
from hubbub.conference.policy import Policy, RecordingWish, RoomSettings
from hubbub.dialects.bxml import BxmlDialect
from hubbub.dialects.bxml import account as bxml_account
from hubbub.dialects.bxml.rest import BxmlRest
from hubbub.dialects.cxml import CxmlDialect
from hubbub.dialects.cxml.rest import CompatibleRest, CxmlRest
from hubbub.dialects.own import OwnRest
from hubbub.dialects.swml import SwmlDialect
from hubbub.dialects.swml.rest import CallingRest, CallLogsRest, RelayRest, RoomLogsRest
from hubbub.dialects.twiml import TwimlDialect
from hubbub.dialects.twiml.beyond import USUAL_CAPACITY, sized, sized_operations
from hubbub.dialects.twiml.credentials import Keys
from hubbub.dialects.twiml.insights import InsightsRest
from hubbub.dialects.twiml.rest import TwimlRest
from hubbub.errors import ConfigurationError
from hubbub.events import ActionEvent, CallEvent, CallRecord, Link, RecordingEvent, RoomEvent
from hubbub.ids import Id
from hubbub.mistakes import meant
from hubbub.settings import Account, Number, Settings
from hubbub.verbs.dialect import Dialect
from hubbub.webhooks.delivery import Notice
from hubbub.webhooks.requester import HttpRequest, Limits

STORAGE_LIMITS = Limits(total=300.0, retries=2, retry_on=frozenset({"connect", "timeout", "5xx"}))
DEFAULT = "twiml"
"""The dialect of rooms that no document made: the built-in development defaults."""
DEFAULT_SETTINGS = RoomSettings(DEFAULT, Policy(minimum_to_start=2, capacity=250))

FACES: Mapping[str, tuple[str, ...]] = {
    "twilio": ("sid", "token"),
    "signalwire": ("project", "token"),
    "bandwidth": ("account", "username", "password", "application"),
}
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "twilio": ("secondary_token", "parent", "shared_key", "shared_key_secret"),
    "signalwire": ("signing_key",),
    "bandwidth": bxml_account.OPTIONAL,
}
CHECKS: Mapping[str, Callable[[str, Mapping[str, str]], None]] = {"bandwidth": bxml_account.check}
FACE_OF = {"twiml": "twilio", "cxml": "signalwire", "swml": "signalwire", "bxml": "bandwidth"}


class Face(Dialect, Protocol):
    """A dialect with its notices."""

    def room_notices(self, account: Account, event: RoomEvent, settings: RoomSettings) -> Sequence[Notice]:
        """Notices of a room event."""

    def call_notices(self, account: Account, event: CallEvent, wish: ProgressWish) -> Sequence[Notice]:
        """Notices of a call event."""

    def recording_notices(self, account: Account, event: RecordingEvent, wish: RecordingWish) -> Sequence[Notice]:
        """Notices of a recording event."""

    def action_notices(self, account: Account, event: ActionEvent, link: Link) -> Sequence[Notice]:
        """Notices of what is done on a call."""

    def prepare(self, account: Account, notice: Notice) -> HttpRequest:
        """The HTTP request of a notice, signed."""

    def notice_failure(self, notice: Notice, status: int | None, kind: str) -> tuple[str, str]:
        """Code and level of a notice that was not accepted."""


def all_dialects(
    public_url: str, find_call: Callable[[Id], CallRecord | None], accounts: Sequence[Account] = (), most: int = USUAL_CAPACITY
) -> dict[str, Face]:
    """Every dialect that is built, by name; `most`: members of a room, where its dialect has a bound."""
    documents, compatible = TwimlDialect(public_url, find_call), CxmlDialect(public_url, find_call)
    if most != USUAL_CAPACITY:
        documents.table, compatible.table = sized(documents.table, most), sized(compatible.table, most)
    return {
        "twiml": documents,
        "cxml": compatible,
        "bxml": BxmlDialect(public_url, find_call),
        "swml": SwmlDialect(public_url, accounts, find_call),
    }


def rest_faces(
    public_url: str,
    accounts: Sequence[Account],
    now: Callable[[], float],
    keys: Keys | None = None,
    admin: str = "",
    most: int = USUAL_CAPACITY,
) -> list[TwimlRest | BxmlRest | RelayRest | OwnRest]:
    """Every REST face that is built; `now` dates tokens, `keys` finds API keys, `admin` is the operator's token, `most` as above."""
    scripts = SwmlDialect(public_url, accounts)
    compatible = CxmlDialect(public_url)  # its paths are asked first: they are the narrower ones
    vendors: list[TwimlRest | BxmlRest | RelayRest] = [
        CompatibleRest(compatible, accounts),
        RoomLogsRest(scripts, accounts),
        CallLogsRest(scripts, accounts),
        CxmlRest(compatible, accounts),
        TwimlRest(TwimlDialect(public_url), accounts, keys, now),
        InsightsRest(TwimlDialect(public_url), accounts, keys, now),
        BxmlRest(BxmlDialect(public_url), accounts, now),
    ]
    for face in vendors if most != USUAL_CAPACITY else ():
        if isinstance(face, TwimlRest):
            face.operations, face.table = sized_operations(face.operations, most), sized(face.table, most)
    return [*vendors, OwnRest(public_url, accounts, vendors, now, admin)]


def command_faces(public_url: str, accounts: Sequence[Account]) -> list[CallingRest]:
    """Every REST face whose operations are commands."""
    return [CallingRest(SwmlDialect(public_url, accounts), accounts)]


GUESSED = 4096
"""Bytes of a document by which it is known."""


def guess(body: bytes) -> str:
    """The dialect that a document looks like, by its begin."""
    body = body[:GUESSED]
    if not body.lstrip().startswith(b"<"):
        return "swml"
    packed = b"".join(body.split())
    marks = (b"<Bxml", b"<SpeakSentence", b"<PlayAudio", b"conferenceEventUrl", b"<Response><Conference")
    return "bxml" if any(mark in packed for mark in marks) else "twiml"


def check_accounts(settings: Settings, dialects: Mapping[str, Face]) -> None:
    """Check what stands under an account's faces and what numbers ask for. Raises ConfigurationError."""
    for at, account in enumerate(settings.accounts):
        for face, values in account.faces.items():
            with settings.at("accounts", at, face):
                _check_face(account.name, face, values)
    accounts = {account.name: account for account in settings.accounts}
    for at, number in enumerate(settings.numbers):
        with settings.at("numbers", at, "dialect"):
            _check_dialect(number, dialects, accounts[number.account])


def _check_face(account: str, face: str, values: Mapping[str, str]) -> None:
    if face not in FACES:
        raise ConfigurationError(f"accounts.{account}.{face}: unknown key (faces: {', '.join(FACES)})")
    missing = [key for key in FACES[face] if not values.get(key)]
    known = FACES[face] + OPTIONAL.get(face, ())
    problems = [f"{key} is missing" for key in missing]
    problems += [f"{key} is unknown{meant(key, known)}" for key in values if key not in known]
    if problems:
        raise ConfigurationError(f"accounts.{account}.{face}: {', '.join(problems)}")
    if face in CHECKS:
        CHECKS[face](account, values)


def _check_dialect(number: Number, dialects: Mapping[str, Face], account: Account) -> None:
    if number.dialect not in dialects:
        text = f"numbers: dialect {number.dialect!r} of {number.number} is none of {', '.join(dialects)}"
        raise ConfigurationError(text + meant(number.dialect, dialects))
    needed = FACE_OF[number.dialect]
    if needed not in account.faces:
        raise ConfigurationError(f"accounts.{account.name}: dialect {number.dialect!r} of number {number.number} needs {needed!r}")


class Renderings:
    """Renders each event in the dialect of the thing it happened to."""

    def __init__(self, dialects: Mapping[str, Face], accounts: Mapping[str, Account], recordings: Path = Path()) -> None:
        self._recordings = recordings
        self._dialects = dialects
        self._accounts = accounts

    def room_notices(self, event: RoomEvent, settings: RoomSettings) -> Sequence[Notice]:
        """In the dialect of the room's creator."""
        return self._dialects[settings.dialect].room_notices(self._accounts[event.room.account], event, settings)

    def call_notices(self, event: CallEvent, wish: ProgressWish) -> Sequence[Notice]:
        """In the dialect of the call."""
        return self._dialects[event.call.dialect].call_notices(self._accounts[event.call.account], event, wish)

    def recording_notices(self, event: RecordingEvent, wish: RecordingWish, dialect: str) -> Sequence[Notice]:
        """In the dialect that asked for the recording."""
        return self._dialects[dialect].recording_notices(self._accounts[event.recording.account], event, wish)

    def action_notices(self, event: ActionEvent, link: Link, dialect: str = "") -> Sequence[Notice]:
        """In the dialect of whoever began it, or else of the call."""
        return self._dialects[dialect or event.call.dialect].action_notices(self._accounts[event.call.account], event, link)

    def _with_file(self, notice: Notice) -> HttpRequest:
        """A request whose body is a recording."""
        fields, options = dict(notice.fields), notice.options
        return HttpRequest(
            method=notice.method,
            url=notice.url,
            headers={"Content-Type": "audio/x-wav", "User-Agent": "hubbub"},
            body=self._recordings / fields["file"],
            limits=STORAGE_LIMITS,
            username=options.get("username", ""),
            password=options.get("password", ""),
        )

    def refusal_code(self, dialect: str, reason: str) -> str:
        """A dialect's own code for a neutral refusal."""
        return self._dialects[dialect].refusal_code(reason)

    def prepare(self, notice: Notice, attempt: int) -> HttpRequest:
        """The HTTP request of a notice."""
        if notice.kind == "file":
            return self._with_file(notice)
        return self._dialects[notice.face].prepare(self._accounts[notice.account], notice)
