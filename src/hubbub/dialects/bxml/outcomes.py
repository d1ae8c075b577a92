"""OUTCOMES: which verb asks its URL for the next document, and what that request carries (2.3, 5.3).

Without the URL execution falls through to the next verb; after a hang-up nothing is asked: `disconnect` tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubbub.verbs.capture import Record
from hubbub.verbs.dialect import OutcomeRule
from hubbub.verbs.model import BridgeTo, Connect, Gather, Refer
from hubbub.verbs.program import Outcome, Verb


def _gathered(outcome: Outcome) -> dict[str, Any]:
    """Keys, or what was said."""
    said = {"speech": outcome["speech"], "confidence": outcome["confidence"]} if outcome.kind == "speech" else {}
    return {"digits": outcome["digits"] or "", "finish": outcome["finish"] or "", **said}


OUTCOMES: Mapping[type[Verb], OutcomeRule] = {
    Connect: OutcomeRule(
        fields=lambda outcome: {"child": outcome["child"], "status": outcome["status"] or "", "refused": outcome["refused"]}
    ),
    BridgeTo: OutcomeRule(fields=lambda outcome: {"cause": outcome.reason}),
    Refer: OutcomeRule(
        asks=lambda outcome: outcome.kind == "failed",
        fields=lambda outcome: {"refer_code": outcome["refer_code"], "notify_code": outcome["notify_code"]},
    ),
    Gather: OutcomeRule(fields=_gathered),
    Record: OutcomeRule(asks=lambda outcome: outcome.kind == "done", fields=lambda outcome: {"recording": outcome["recording"]}),
}
