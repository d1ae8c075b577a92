"""What may be dialled, and where it goes (law 5: nothing unless configuration allows it)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from hubbub.errors import Refused
from hubbub.events import Party
from hubbub.settings import DialSettings, Phone, Srtp

NUMBER = re.compile(r"\+[1-9]\d{1,14}")
_SIP_URI = re.compile(
    r"(?P<scheme>sips?):(?:(?P<user>[^@>]+)@)?(?P<host>\[[^\]]+\]|[^:;?>]+)(?P<port>:\d+)?(?P<params>[^>?]*)(?P<headers>\?.*)?", re.I
)


@dataclass(frozen=True)
class Destination:
    """Where an outgoing call is sent."""

    uri: str
    next_hop: tuple[str, int] | None = None
    username: str = ""
    password: str = ""
    srtp: Srtp = "accept"


def party_of(uri: str, phones: dict[str, Phone], *, account: str, display: str = "") -> Party:
    """Who a SIP URI stands for: a number, a configured phone of the account, or any other SIP address."""
    user, _host = split_uri(uri)
    if NUMBER.fullmatch(user):
        return Party("number", user, uri, display)
    phone = phones.get(user)
    if phone is not None and phone.account == account:
        return Party("phone", user, uri, display)
    return Party("sip", user, uri, display)


def split_uri(uri: str) -> tuple[str, str]:
    """User and `host[:port]` of a SIP URI; empty texts where there are none.

    The host is behind the `@`, whatever stands before it: a user may hold `;`, `?` and `/` (RFC 3261 25.1), parameters hold no `@`.
    """
    match = _SIP_URI.match(uri.strip().lstrip("<"))
    if match is None:
        return "", ""
    return (match["user"] or "").partition(";")[0], match["host"] + (match["port"] or "")


def _leads_elsewhere(uri: str) -> bool:
    """Whether a parameter `maddr`, however it is spelled, or what another reader takes for the host, stands behind the host."""
    match = _SIP_URI.match(uri.strip().lstrip("<"))
    behind = match.string[match.end("host") :] if match is not None else ""
    return "@" in behind or "maddr" in unquote(behind).lower()


def destination(
    party: Party,
    *,
    account: str,
    settings: DialSettings,
    phones: dict[str, Phone],
    contact_of: Callable[[str], str | None],
    next_hop_of: Callable[[str], tuple[str, int] | None],
) -> Destination:
    """Where to send a call for `party`. Raises Refused (not-allowed, no-route, not-registered)."""
    if party.kind == "number":
        return _number(party.value, settings)
    if party.kind == "phone":
        phone = phones.get(party.value)
        if phone is None or phone.account != account:
            raise Refused("not-registered", f"no phone is called {party.value!r}")
        contact = contact_of(party.value)
        if contact is None:
            raise Refused("not-registered", f"the phone {party.value!r} is not registered")
        return Destination(contact, next_hop_of(party.value), srtp=phone.srtp or settings.srtp)
    _user, host = split_uri(party.uri)
    if not host:
        raise Refused("invalid-target", f"{party.uri!r} is not a SIP URI")
    if host not in settings.allow_sip and host.partition(":")[0] not in settings.allow_sip:
        raise Refused("not-allowed", f"SIP host {host!r} is not in dial.allow_sip")
    if _leads_elsewhere(party.uri):
        raise Refused(
            "not-allowed", "the call would go to another host than the one that is allowed: neither maddr nor @ may stand behind it"
        )
    return Destination(party.uri, srtp=settings.srtp)


def _number(number: str, settings: DialSettings) -> Destination:
    if not any(number.startswith(prefix) for prefix in settings.allow_prefixes):
        raise Refused("not-allowed", f"{number} matches no prefix of dial.allow_prefixes")
    routes = [route for route in settings.routes if number.startswith(route.prefix)]
    if not routes:
        raise Refused("no-route", f"no entry of dial.routes takes {number}")
    route = max(routes, key=lambda candidate: len(candidate.prefix))
    return Destination(route.to.format(number=number), username=route.username, password=route.password, srtp=route.srtp or settings.srtp)
