"""Spellings that all tables of this dialect share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from hubbub.dialects.ids import Prefixed
from hubbub.dialects.rooms import Codec
from hubbub.events import CallStatus, EndReason, LeaveReason, Party, RoomEventKind
from hubbub.settings import Account, Srtp

API_VERSION = "2010-04-01"
CALL, CONFERENCE, RECORDING, NOTIFICATION = Prefixed("CA"), Prefixed("CF"), Prefixed("RE"), Prefixed("NO")
QUEUE = Prefixed("QU")
TRANSCRIPT, LIVE_TRANSCRIPT = Prefixed("TR"), Prefixed("GT")


def srtp_of(uri: str) -> Srtp | None:
    """ "Append the secure=true parameter to your SIP URI for outbound calls": then no audio goes unencrypted."""
    parameters = uri.partition("?")[0].lower().split(";")[1:]
    return "require" if "secure=true" in parameters else None


@dataclass(frozen=True)
class Words:
    """What tables of this kind spell differently from dialect to dialect: ids, accounts, paths."""

    face: str = "twilio"
    """The account's table of credentials."""
    sid: str = "sid"
    """The key of the account's id in it."""
    keys: tuple[str, ...] = ("token",)
    """Keys of the secret that signs; the first that is set counts."""
    call: Codec = field(default=CALL)
    conference: Codec = field(default=CONFERENCE)
    recording: Codec = field(default=RECORDING)
    notification: Codec = field(default=NOTIFICATION)
    transcript: Codec = field(default=TRANSCRIPT)
    live_transcript: Codec = field(default=LIVE_TRANSCRIPT)
    path: str = f"/{API_VERSION}/Accounts"
    """Where `uri` values begin."""
    errors: str = "https://www.twilio.com/docs/errors/"
    """What `more_info` begins with."""

    def account_sid(self, account: Account) -> str:
        """The account's id; empty where it has no face here."""
        return account.faces.get(self.face, {}).get(self.sid, "")

    def auth_token(self, account: Account) -> str:
        """The secret that authenticates."""
        return account.faces.get(self.face, {}).get("token", "")

    def tokens(self, account: Account) -> tuple[str, ...]:
        """All secrets that authenticate: the one that signs, and beside it the one that takes its place (or did)."""
        found = account.faces.get(self.face, {})
        return tuple(token for key in ("token", "secondary_token") if (token := found.get(key, "")))

    def signing_key(self, account: Account) -> str:
        """The secret that signs."""
        found = account.faces.get(self.face, {})
        return next((found[key] for key in self.keys if found.get(key)), "")


TWIML = Words()

RECORDING_SOURCES: Mapping[str, str] = {
    "room": "Conference",
    "room-request": "StartConferenceRecordingAPI",
    "verb": "RecordVerb",
    "dial": "DialVerb",
    "outgoing": "OutboundAPI",
    "request": "StartCallRecordingAPI",
    "document": "StartCallRecordingAPI",
}

DIRECTIONS = {"inbound": "inbound", "outbound-api": "outbound-api", "outbound-dial": "outbound-dial"}

LEAVE_REASONS = {
    LeaveReason.HUNG_UP: "participant_hung_up",
    LeaveReason.WALKED_OUT: "participant_hung_up",
    LeaveReason.REDIRECTED: "participant_updated_via_api",
    LeaveReason.REMOVED: "participant_updated_via_api",
    LeaveReason.MODERATOR_ENDED: "moderator_ended_conference",
    LeaveReason.REQUEST_ENDED: "conference_ended_via_api",
    LeaveReason.ADD_FAILED: "participant_add_failed",
    LeaveReason.SERVER_RESTARTED: "conference_ended_via_api",
}

END_REASONS = {
    EndReason.LAST_LEFT: "last-participant-left",
    EndReason.LAST_REMOVED: "last-participant-kicked",
    EndReason.MODERATOR_LEFT: "participant-with-end-conference-on-exit-left",
    EndReason.MODERATOR_REMOVED: "participant-with-end-conference-on-exit-kicked",
    EndReason.REQUESTED: "conference-ended-via-api",
    EndReason.TOO_OLD: "conference-ended-via-api",
    EndReason.SERVER_RESTARTED: "conference-ended-via-api",
}

END_TEXTS = {
    EndReason.LAST_LEFT: "The last participant left the conference",
    EndReason.LAST_REMOVED: "The last participant was removed from the conference",
    EndReason.MODERATOR_LEFT: "A participant whose exit ends the conference left",
    EndReason.MODERATOR_REMOVED: "A participant whose exit ends the conference was removed",
    EndReason.REQUESTED: "The conference was ended by an API request",
    EndReason.TOO_OLD: "The conference reached its greatest age",
    EndReason.SERVER_RESTARTED: "The server was restarted",
}

ROOM_EVENTS = {
    RoomEventKind.STARTED: "conference-start",
    RoomEventKind.ENDED: "conference-end",
    RoomEventKind.RINGING: "participant-ringing",
    RoomEventKind.ANSWERED: "participant-answered",
    RoomEventKind.JOINED: "participant-join",
    RoomEventKind.LEFT: "participant-leave",
    RoomEventKind.MUTED: "participant-mute",
    RoomEventKind.UNMUTED: "participant-unmute",
    RoomEventKind.HELD: "participant-hold",
    RoomEventKind.UNHELD: "participant-unhold",
    RoomEventKind.MODIFIED: "participant-modify",
    RoomEventKind.SPEECH_STARTED: "participant-speech-start",
    RoomEventKind.SPEECH_STOPPED: "participant-speech-stop",
    RoomEventKind.DIGIT: "participant-dtmf",
    RoomEventKind.ANNOUNCEMENT_ENDED: "announcement-end",
    RoomEventKind.ANNOUNCEMENT_FAILED: "announcement-fail",
}


def account_sid(account: Account) -> str:
    """The account's SID; empty where it has no face here."""
    return TWIML.account_sid(account)


def auth_token(account: Account) -> str:
    """The secret that signs and authenticates."""
    return TWIML.auth_token(account)


def address(party: Party) -> str:
    """A party as `From` and `To` spell it: E.164, `client:NAME`, or the SIP URI."""
    if party.kind == "phone":
        return f"client:{party.value}"
    return party.value if party.kind == "number" else party.uri


def date(seconds: float | None) -> str | None:
    """RFC 2822 in UTC."""
    return None if seconds is None else format_datetime(datetime.fromtimestamp(int(seconds), UTC))


def flag(value: bool) -> str:
    """Booleans in webhooks."""
    return "true" if value else "false"


def webhook_status(status: CallStatus) -> str:
    """`CallStatus` of a webhook."""
    return status.value


def rest_status(status: CallStatus) -> str:
    """`status` of REST, which does not know `initiated`."""
    return "queued" if status is CallStatus.INITIATED else status.value
