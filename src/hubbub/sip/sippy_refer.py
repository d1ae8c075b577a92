"""How a REFER gets on (RFC 3515 2.4.4): NOTIFY with the first line of a SIP response, sent and read."""

from __future__ import annotations

import re
from typing import Any

from sippy.MsgBody import MsgBody

from hubbub.sip.fields import phrase
from hubbub.sip.sippy_messages import PHRASES, body_of, other_body, value

STATUS_LINE = re.compile(r"\s*SIP/2\.0 +([1-6][0-9]{2})\b")


def notice(code: int, reason: str = "") -> tuple[MsgBody, tuple[tuple[str, str], ...]]:
    """Body and headers of the NOTIFY that tells a status; a final one ends the subscription."""
    state = "terminated;reason=noresource" if code >= 200 else "active;expires=60"
    line = f"SIP/2.0 {code} {phrase(reason) or PHRASES.get(code, 'Unspecified')}\r\n"
    return other_body("message/sipfrag;version=2.0", line), (("Event", "refer"), ("Subscription-State", state))


def read_notice(request: Any) -> tuple[int, bool] | None:
    """The status that a NOTIFY tells (0: none) and whether it is the last word; None where it is about something else."""
    if (value(request, "event", "o") or "").partition(";")[0].strip().lower() != "refer":
        return None
    kind, content = body_of(request)
    found = STATUS_LINE.match(content) if kind == "message/sipfrag" else None
    code = int(found[1]) if found else 0
    return code, code >= 200 or (value(request, "subscription-state") or "").lower().startswith("terminated")
