"""What an INVITE says of where its call comes from, and what is passed on with a call that goes out.

User-to-User (RFC 7433), Diversion (RFC 5806), Identity with a PASSporT (RFC 8224, 8225), `verstat` (TS 24.229 7.2A.20).
Pure functions of header texts; what cannot be read is as if it were not there.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Literal

from hubbub.calls.dialer import split_uri
from hubbub.events import Party

KEPT = frozenset({"user-to-user", "diversion", "identity", "p-asserted-identity", "p-attestation-indicator", "p-origination-id"})
Treatment = Literal["none", "propagate", "stack"]
_PARAMETER = re.compile(r";\s*([A-Za-z0-9-]+)\s*=\s*(?:\"([^\"]*)\"|([^;,\s<>]+))")
_ENTRY = re.compile(r"\s*(?:\"[^\"]*\"\s*|[^<,;]*)<([^>]*)>([^,]*)")


def kept(*headers: Mapping[str, str]) -> dict[str, str]:
    """What a call keeps of its headers."""
    return {name.lower(): value for given in headers for name, value in given.items() if name.lower() in KEPT}


def parameters(text: str) -> dict[str, str]:
    """The `;name=value` parameters of a header value, names in lower case."""
    return {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(text)}


def diversion(headers: Mapping[str, str]) -> dict[str, str] | None:
    """The newest diversion: its parameters, and under `from` the user part of the address that was diverted."""
    entry = _ENTRY.match(headers.get("diversion", ""))
    if entry is None:
        return None
    user, host = split_uri(entry[1])
    return {**parameters(entry[2]), "from": user or host}


def verstat(headers: Mapping[str, str], caller: Party) -> str | None:
    """What the verification of the caller gave, as the last network says."""
    for text in (headers.get("p-asserted-identity", ""), caller.uri):
        found = parameters(text).get("verstat")
        if found:
            return found
    return None


def passport_token(headers: Mapping[str, str]) -> str:
    """The PASSporT of an Identity header as it came, without the parameters of the header; empty where there is none."""
    return headers.get("identity", "").partition(";")[0].strip()


def passport(headers: Mapping[str, str]) -> Mapping[str, str]:
    """`attest` and `origid` of the caller's PASSporT, or of the headers that some networks put in its place."""
    found = {"attest": headers.get("p-attestation-indicator", ""), "origid": headers.get("p-origination-id", "")}
    pieces = passport_token(headers).split(".")
    if len(pieces) == 3:
        try:
            claims = json.loads(base64.urlsafe_b64decode(pieces[1] + "=" * (-len(pieces[1]) % 4)))
        except (binascii.Error, ValueError, RecursionError):
            claims = None
        if isinstance(claims, dict):
            found |= {name: claims[name] for name in found if isinstance(claims.get(name), str)}
    return {name: value for name, value in found.items() if value}


def passed_on(headers: Mapping[str, str], callee: Party, treatment: Treatment, reason: str, host: str) -> dict[str, str]:
    """The Diversion header of a call that follows another: `propagate` keeps what that one came with, `stack` puts its callee on top."""
    before = headers.get("diversion", "")
    if treatment == "none":
        return {}
    entries = [before] if before else []
    if treatment == "stack":
        address = callee.uri or f"sip:{callee.value}@{host}"
        entries.insert(0, f"<{address.partition(';')[0]}>;reason={reason};counter=1")
    return {"Diversion": ", ".join(entries)} if entries else {}
