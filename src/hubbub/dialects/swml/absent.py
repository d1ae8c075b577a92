"""DOCUMENT: methods of services that are not here. They fail when they are reached, their result says so, and the script goes on."""

from __future__ import annotations

from hubbub.dialects.swml.document import METHODS
from hubbub.dialects.tables import Element

FAILS = "fails with `method_execute_failed`"
ABSENT = {
    "ai_sidecar": "no model listens here",
    "execute_rpc": "calls are commanded by the Calling REST API",
    "join_room": "video rooms are out of scope; join_conference joins rooms of audio",
    "live_translate": "no translator is installed",
    "pay": "no payment provider is connected",
    "receive_fax": "faxes are not received here",
    "send_fax": "faxes are not sent here",
    "send_sms": "text messages are not sent here",
}
for _name, _why in ABSENT.items():
    METHODS.setdefault(_name, Element(_name, None, why=f"{FAILS}: {_why}"))
