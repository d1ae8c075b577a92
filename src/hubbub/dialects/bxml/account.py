"""What an account's face may say beside its credentials: limits of rooms, time limits of webhooks, an OAuth2 client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hubbub.dialects.tables import decimal, integer
from hubbub.errors import ConfigurationError
from hubbub.settings import Account

FACE = "bandwidth"
READERS = {"room_capacity": integer(1, 10_000), "room_hours": decimal(0.001, 8760), "callback_timeout": decimal(1, 25)}
READERS |= {"calls_per_second": decimal(0, 10_000), "concurrent_calls": integer(0, 1_000_000)}
READERS |= {"silent_seconds": decimal(1, 300)}
READERS |= {"call_days": decimal(0, 36_500), "recording_days": decimal(0, 36_500)}
OPTIONAL = (*READERS, "client_id", "client_secret")


@dataclass(frozen=True)
class Options:
    """An account's choices. Defaults are the vendor's limits (1.4): 20 calls and 24 hours a room, 15 s a webhook."""

    room_capacity: int = 20
    room_hours: float = 24.0
    callback_timeout: float = 15.0
    calls_per_second: float = 0.0
    """Calls by REST are sent so fast, more wait; 0: at once."""
    concurrent_calls: int = 0
    """So many live calls the account may have when it asks for one more; 0: as many as there is room for."""
    silent_seconds: float = 30.0
    """Within which an outgoing call must ring: "no ringing within 30 s: cancelled whatever `callTimeout` says" (2.2)."""
    call_days: float = 7.0
    """For how long REST shows a call that is over; 0: for ever."""
    recording_days: float = 30.0
    """For how long REST shows a recording; 0: for ever."""


def face(account: Account, key: str) -> str:
    """A value of the account's face."""
    return account.faces.get(FACE, {}).get(key, "")


def options(account: Account) -> Options:
    """The account's choices; they were checked when the server started."""
    given = account.faces.get(FACE, {})
    return Options(**{name: read(given[name]) for name, read in READERS.items() if given.get(name)})


def client(account: Account) -> tuple[str, str]:
    """The OAuth2 client; one that is not configured is the user of Basic authentication."""
    return face(account, "client_id") or face(account, "username"), face(account, "client_secret") or face(account, "password")


def check(account: str, values: Mapping[str, str]) -> None:
    """Refuse what is no limit. Raises ConfigurationError."""
    for name, read in READERS.items():
        try:
            if values.get(name):
                read(values[name])
        except ValueError as error:
            raise ConfigurationError(f"accounts.{account}.{FACE}.{name}: {error}") from error
    if bool(values.get("client_id")) != bool(values.get("client_secret")):
        raise ConfigurationError(f"accounts.{account}.{FACE}: client_id and client_secret go together")
