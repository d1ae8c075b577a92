"""Refer: the far end is asked by SIP (REFER, RFC 3515) to call somebody else in place of this call.

Outcome `done` when the new call was answered, else `failed`; reason `completed`, `refused` (the REFER was), `busy`, `no-answer`,
`failed` (the new call was), `unknown` (nothing final was told in time). Details: `refer_code`, the status of the REFER; `notify_code`, the
newest status that was told of the new call; both absent where there was none. When the far end hangs up before the last word, or another
document takes over, the reason is `canceled`. The call goes on whatever happens, unless the verb says otherwise.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hubbub.errors import SipError
from hubbub.verbs.model import Refer
from hubbub.verbs.program import Outcome

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell

REASONS = {486: "busy", 600: "busy", 408: "no-answer", 480: "no-answer", 487: "no-answer"}
"""What a final status of the new call amounts to; another one above 299 is `failed`."""


class Referral:
    """A REFER under way: what was said about it so far."""

    def __init__(self) -> None:
        self.refer_code: int | None = None
        self.notify_code: int | None = None
        self.over = asyncio.get_running_loop().create_future()

    def told(self, code: int, last: bool) -> None:
        """A NOTIFY came."""
        self.notify_code = code or self.notify_code
        if last and not self.over.done():
            self.over.set_result(None)

    def outcome(self, reason: str = "") -> Outcome:
        """How it went; `reason` where that is known otherwise than by what the far end told."""
        found = reason or self._reason()
        details: dict[str, Any] = {"refer_code": self.refer_code, "notify_code": self.notify_code}
        return Outcome("done" if found == "completed" else "failed", found, details)

    def _reason(self) -> str:
        code = self.notify_code
        if self.refer_code is not None and self.refer_code >= 300:
            return "refused"
        if code is None or code < 200:
            return "unknown"
        return "completed" if code < 300 else REASONS.get(code, "failed")


async def perform(shell: CallShell, verb: Refer) -> Outcome:
    """Send the REFER, and wait for the last word about the new call."""
    call = shell.session.call
    if verb.tag is not None:
        call.set_tag(verb.tag)
    if verb.only_inbound and call.record.direction != "inbound":
        _report(shell, verb, "only a call that came in is handed over")
        return Referral().outcome("refused")
    call.answer()
    if call.sip is None or call.over:
        await asyncio.get_running_loop().create_future()  # the call is ending: the session is about to cancel this
    referral = Referral()
    try:
        outcome = await _referred(shell, verb, referral)
    except asyncio.CancelledError:
        shell.interrupted = referral.outcome("canceled")
        raise
    finally:
        if call.sip is not None:
            call.sip.on_referral = None
    if outcome.kind == "done" and verb.hang_up:
        call.hangup()
    return outcome


async def _referred(shell: CallShell, verb: Refer, referral: Referral) -> Outcome:
    sip = shell.session.call.sip
    assert sip is not None
    sip.on_referral = referral.told
    try:
        referral.refer_code = await sip.refer(verb.uri)
    except (SipError, ValueError) as error:
        referral.refer_code = error.code if isinstance(error, SipError) else None
        _report(shell, verb, f"the REFER could not be sent: {error}")
        return referral.outcome("refused")
    if referral.refer_code >= 300:
        _report(shell, verb, f"the REFER was answered {referral.refer_code}")
        return referral.outcome()
    await asyncio.wait([referral.over], timeout=verb.patience_seconds)
    outcome = referral.outcome()
    if outcome.kind == "failed":
        _report(shell, verb, f"the far end could not be transferred: {referral.notify_code or 'it told nothing'}")
    return outcome


def _report(shell: CallShell, verb: Refer, message: str) -> None:
    session = shell.session
    session.report(session.dialect.refusal_code("refer-failed"), message, line=verb.at.line)
