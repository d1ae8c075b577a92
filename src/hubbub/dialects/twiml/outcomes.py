"""OUTCOMES: what is requested after a verb, and with which parameters (1.6, 1.9, 3.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubbub.dialects.twiml.speech import understood
from hubbub.verbs.capture import Record
from hubbub.verbs.dialect import OutcomeRule
from hubbub.verbs.model import (
    Connect,
    Gather,
    JoinRoom,
    Refer,
    TakeFromLine,
    WaitInLine,
)
from hubbub.verbs.program import Outcome, Verb


def _left_room(outcome: Outcome) -> dict[str, Any]:
    """`answered` after a stay of any length; `failed` when the leg never was in the room."""
    joined = outcome["room"] is not None
    return {
        "DialCallStatus": "answered" if joined else "failed",
        "DialBridged": "true" if joined else "false",
        "dial_recording": outcome["recording"],
        "conference": outcome["room"],
    }


def _connected(outcome: Outcome) -> dict[str, Any]:
    """How a `<Dial>` of others went (1.9); what SIP said of the one it is about is told too."""
    child = outcome["child"]
    seconds = outcome["seconds"]
    found: dict[str, Any] = {
        "DialCallStatus": outcome["status"] or "canceled",
        "dialled": child,
        "DialCallDuration": None if seconds is None else str(round(seconds)),
        "DialBridged": "true" if outcome["bridged"] else "false",
        "dial_recording": outcome["recording"],
        "ReferTransferTarget": outcome["refer_to"],
    }
    if child is not None and child.callee.kind == "sip":
        found |= {"DialSipCallId": child.sip_call_id or None, "DialSipResponseCode": child.sip_code or (200 if child.answered else None)}
        found |= {f"DialSipHeader_{name}": value for name, value in (outcome["headers"] or {}).items()}
    return found


QUEUE_RESULTS = {
    "bridged": "bridged",
    "leave": "leave",
    "full": "queue-full",
    "replaced": "redirected",
    "replaced-while-bridged": "redirected-from-bridged",
    "hangup": "hangup",
}


def _waited(outcome: Outcome) -> dict[str, Any]:
    """Why and after how long a call left its queue."""
    return {
        "QueueResult": QUEUE_RESULTS.get(outcome["result"] or "", "error"),
        "line": outcome["line"],
        "QueueTime": str(round(outcome["seconds"] or 0)),
    }


REFERRED = {"completed": "in-progress", "refused": "failed"}


def _referred(outcome: Outcome) -> dict[str, Any]:
    """The status of the new call, as the far end told it; absent where it told nothing."""
    told = outcome["notify_code"]
    status: str | None = REFERRED.get(outcome.reason, outcome.reason)
    if status == "unknown":
        status = "ringing" if told is not None and told > 100 else None
    return {"ReferCallStatus": status, "ReferSipResponseCode": outcome["refer_code"], "NotifySipResponseCode": told}


def _gathered(outcome: Outcome) -> dict[str, str]:
    """Keys, or what was said."""
    if outcome.kind == "speech":
        return understood(outcome["speech"], outcome["confidence"])
    return {"Digits": outcome["digits"] or "", "FinishedOnKey": outcome["finish"] or ""}


OUTCOMES: Mapping[type[Verb], OutcomeRule] = {
    JoinRoom: OutcomeRule(
        # 16025: a label that is taken goes on with the next verb, whatever the action says.
        asks=lambda outcome: not (outcome.kind == "refused" and outcome.reason == "label-taken"),
        fields=_left_room,
        asks_when_replaced=True,
        asks_when_gone=True,
    ),
    Connect: OutcomeRule(fields=_connected, asks_when_replaced=True, asks_when_gone=True),
    TakeFromLine: OutcomeRule(fields=_connected, asks_when_replaced=True, asks_when_gone=True),
    Refer: OutcomeRule(fields=_referred, asks_when_gone=True),
    WaitInLine: OutcomeRule(fields=_waited, asks_when_replaced=True, asks_when_gone=True),
    Gather: OutcomeRule(asks=lambda outcome: outcome.kind in ("digits", "speech"), fields=_gathered),
    Record: OutcomeRule(
        asks=lambda outcome: outcome["recording"] is not None,
        fields=lambda outcome: {"recording": outcome["recording"], "Digits": _finish(outcome)},
        asks_when_gone=True,
    ),
}


def _finish(outcome: Outcome) -> str:
    """The key that ended a recording, or `hangup`."""
    finish = str(outcome["finish"] or "")
    return finish if finish == "hangup" or len(finish) == 1 else ""
