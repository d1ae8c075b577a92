"""A dialog as JSON: kept with its call, so that a server that comes back after a crash can end what it no longer carries.

Only BYE is sent in a dialog that was brought back. Its CSeq leaps over whatever was sent since it was kept: numbers must grow and
need not be contiguous (RFC 3261 12.2.2). Of a call that still rings its INVITE is kept as it was sent: CANCEL must have its branch (9.1).
Passwords are not kept, only whose they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sippy.SipAddress import SipAddress
from sippy.SipRoute import SipRoute

from hubbub.errors import SipError
from hubbub.sip.fields import text, wire
from hubbub.sip.sippy_dialog import Dialog, Sent
from hubbub.sip.sippy_loop import Transactions, parse_message
from hubbub.sip.sippy_messages import url_of

LEAP = 1000
"""More than the requests that one call ever sends."""


def kept_dialog(dialog: Dialog) -> dict[str, Any]:
    """What RFC 3261 12 calls the state of a dialog, as JSON."""
    return {
        "call_id": text(dialog.call_id),
        "local_tag": dialog.local_tag,
        "remote_tag": text(dialog.remote_tag or ""),
        "local": text(str(dialog.local)),
        "remote": text(str(dialog.remote)),
        "target": text(str(dialog.target)),
        "routes": [text(str(route.getUri())) for route in dialog.routes],
        "next_hop": list(dialog.next_hop) if dialog.next_hop else None,
        "cseq": dialog.cseq_out,
        "username": dialog.username,
    }


def kept_invite(dialog: Dialog, sent: Sent) -> dict[str, Any]:
    """The dialog that may come of an INVITE without a final answer, and the INVITE, as JSON."""
    return {**kept_dialog(dialog), "invite": text(sent.transaction.data), "sent_to": list(sent.transaction.address)}


def brought_back_invite(kept: Mapping[str, Any]) -> Any:
    """The INVITE that `kept_invite` wrote. Raises SipError (481) when it cannot be read."""
    try:
        request = parse_message(wire(kept["invite"]))
        request.setTarget(((str(kept["sent_to"][0]), int(kept["sent_to"][1])), "udp"))
        return request
    except Exception as error:  # sippy raises anything
        raise SipError(481, f"a kept INVITE cannot be read: {error}") from error


def brought_back_dialog(kept: Mapping[str, Any], transactions: Transactions, password: str = "") -> Dialog:
    """The dialog that `kept_dialog` wrote. Raises SipError (481) when it cannot be read."""
    try:
        hop = kept["next_hop"]
        return Dialog(
            transactions,
            call_id=wire(kept["call_id"]),
            local_tag=kept["local_tag"],
            local=SipAddress(wire(kept["local"])),
            remote=SipAddress(wire(kept["remote"])),
            target=url_of(kept["target"]),
            remote_tag=wire(kept["remote_tag"]) or None,
            routes=[SipRoute(address=SipAddress(wire(route))) for route in kept["routes"]],
            next_hop=(str(hop[0]), int(hop[1])) if hop else None,
            cseq_out=int(kept["cseq"]) + LEAP,
            username=kept.get("username", ""),
            password=password,
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SipError(481, f"a kept dialog cannot be read: {error}") from error
