"""OUTCOMES: what is requested after a verb, and with which parameters (1.6, 1.9, 3.4)."""

from __future__ import annotations

from collections.abc import Mapping

from hubbub.verbs.dialect import OutcomeRule
from hubbub.verbs.model import Gather, JoinRoom, Outcome, Record, Verb


def _left_room(outcome: Outcome) -> dict[str, str]:
    """`answered` after a stay of any length; `failed` when the leg never was in the room."""
    joined = outcome["room"] is not None
    return {"DialCallStatus": "answered" if joined else "failed", "DialBridged": "true" if joined else "false"}


def _digits(outcome: Outcome) -> dict[str, str]:
    return {"Digits": outcome["digits"] or "", "FinishedOnKey": outcome["finish"] or ""}


OUTCOMES: Mapping[type[Verb], OutcomeRule] = {
    JoinRoom: OutcomeRule(
        # 16025: a label that is taken goes on with the next verb, whatever the action says.
        asks=lambda outcome: not (outcome.kind == "refused" and outcome.reason == "label-taken"),
        fields=_left_room,
        asks_when_replaced=True,
        asks_when_gone=True,
    ),
    Gather: OutcomeRule(asks=lambda outcome: outcome.kind == "digits", fields=_digits),
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
