"""The INVITE of a call on sippy's transactions, both ways: its states (RFC 3261 13), its end (15), and what is told of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import structlog
from sippy.MsgBody import MsgBody

from hubbub.errors import SipError
from hubbub.sip.endpoint import NO_HEADERS, Address, Callbacks, SipEnd
from hubbub.sip.fields import option_tags, text, wire
from hubbub.sip.sippy_dialog import Dialog, Sent, State
from hubbub.sip.sippy_messages import (
    PHRASES,
    abilities,
    display_of,
    extensions,
    outgoing,
    reply,
    sdp_of,
    signalled,
    uri_text,
    url_of,
    user_of,
    value,
    values,
)
from hubbub.sip.sippy_refresh import Refresh
from hubbub.sip.stored import kept_dialog, kept_invite

if TYPE_CHECKING:
    from hubbub.sip.sippy_endpoint import SippyEndpoint

log = structlog.get_logger()


class Invite(Callbacks):
    """The part of a `SipCall` that is of its INVITE and of its end; `timer` is what refreshes it."""

    def __init__(self, timer: Refresh, endpoint: SippyEndpoint, dialog: Dialog, direction: Literal["in", "out"], source: Address) -> None:
        self._endpoint = endpoint
        self._dialog = dialog
        self._state = State.TRYING
        self._request: Any = None  # inbound: the INVITE
        self._transaction: Any = None  # inbound: of the INVITE
        self._sent: Sent | None = None  # outbound: the INVITE
        self._offering = False  # an offer of ours has no answer yet
        self._bye_after_ack: tuple[tuple[str, str], ...] | None = None
        self._waiting: set[asyncio.Future[Any]] = set()
        self._ack: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._local_sdp: str | None = None
        self._refresh = timer
        self._remote_allow: frozenset[str] = frozenset()
        self.id = dialog.call_id
        self.direction: Literal["in", "out"] = direction
        self.user: str | None = None
        self.source = source
        self.headers: Mapping[str, str] = {}
        self.signalled: Mapping[str, str] = {}
        self.remote_sdp: str | None = None
        sender, receiver = (dialog.remote, dialog.local) if direction == "in" else (dialog.local, dialog.remote)
        self.from_uri, self.to_uri = uri_text(sender), uri_text(receiver)
        self.from_user, self.from_display = user_of(sender.url), display_of(sender)
        self.request_uri = text(str(dialog.target))
        self.to_user = user_of(dialog.target)

    @property
    def ended(self) -> bool:
        """Whether the call is over."""
        return self._state is State.ENDED

    @property
    def dialog(self) -> Mapping[str, Any] | None:
        if self._state in (State.ANSWERED, State.CONFIRMED):
            return kept_dialog(self._dialog)
        return kept_invite(self._dialog, self._sent) if self._sent is not None and not self.ended else None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.direction} {self.id} {self._state.value}>"

    # -- inbound INVITE ------------------------------------------------------------------------------------------------

    def received(self, request: Any, transaction: Any) -> None:
        """Take over an INVITE that passed all gates."""
        self._request, self._transaction = request, transaction
        self.request_uri, self.to_user = text(str(request.getRURI())), user_of(request.getRURI())
        self.headers, self.signalled = extensions(request), signalled(request)
        self.remote_sdp = sdp_of(request)
        self._note_abilities(request)
        transaction.cancel_cb = self._cancelled
        transaction.r487.getHFBody("to").setTag(self._dialog.local_tag)
        self._endpoint.transactions.sendResponse(reply(request, 100), transaction)

    def ring(self, sdp: str | None = None) -> None:
        if self.direction == "in" and self._state in (State.TRYING, State.EARLY):
            self._state = State.EARLY
            self._respond(183 if sdp else 180, sdp=sdp)

    def answer(self, sdp: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        if self.direction != "in" or self._state not in (State.TRYING, State.EARLY):
            log.info("sip_answer_too_late", call=self.id, state=self._state.value)
            return
        self._state = State.ANSWERED
        self._local_sdp = sdp
        self._offering = self.remote_sdp is None
        extra = (*abilities(), *self._refresh.accept(self._request), *outgoing(headers, self.id))
        self._transaction.noack_cb = self._no_ack
        self._respond(200, sdp=sdp, headers=extra, ack_cb=self._acked)

    def reject(self, code: int, reason: str = "", headers: Mapping[str, str] = NO_HEADERS) -> None:
        if self.direction == "in" and self._state in (State.TRYING, State.EARLY):
            code = code if 300 <= code <= 699 else 500
            self._respond(code, reason, headers=outgoing(headers, self.id))
            self._finish(SipEnd(code, reason or PHRASES.get(code, ""), "local", False))

    def redirect(self, uri: str) -> None:
        if self.direction == "in" and self._state in (State.TRYING, State.EARLY):
            self._respond(302, headers=[("Contact", f"<{url_of(uri)}>")])
            self._finish(SipEnd(302, PHRASES[302], "local", False))

    def _respond(self, code: int, reason: str = "", *, sdp: str | None = None, headers: Any = (), ack_cb: Any = None) -> None:
        response = reply(self._request, code, reason, sdp=sdp, headers=headers)
        response.getHFBody("to").setTag(self._dialog.local_tag)
        if code < 300:
            response.appendHeader(self._endpoint.contact_header(self._dialog))
        self._endpoint.transactions.sendResponse(response, self._transaction, ack_cb=ack_cb)

    def _cancelled(self, _: Any, request: Any) -> None:
        """CANCEL, or our Expires ran out; the 487 is sent already."""
        if self._state in (State.TRYING, State.EARLY):
            by: Literal["remote", "error"] = "remote" if request is not None else "error"
            reason = (value(request, "reason") if request is not None else "Request Expired") or "Cancelled"
            self._finish(SipEnd(487, text(reason), by, False))

    def _acked(self, ack: Any) -> None:
        if self._bye_after_ack is not None:
            self._send_bye(self._bye_after_ack)
        if self._state is not State.ANSWERED:
            return
        self._state = State.CONFIRMED
        self._ack.set_result(ack)
        if self._offering:
            self._late_answer(ack)

    def _late_answer(self, ack: Any) -> None:
        """The ACK brings the answer to an offer that our 200 made."""
        self._offering = False
        if self._state is not State.ENDED:
            self.remote_sdp = sdp_of(ack) or self.remote_sdp
            self._tell("on_answer", sdp_of(ack))

    def _no_ack(self) -> None:
        """No ACK in 32 s: the session is ended with BYE (13.3.1.4)."""
        if self._bye_after_ack is not None:
            self._send_bye(self._bye_after_ack)
        elif self._state is not State.ENDED:
            self._send_bye(())
            self._finish(SipEnd(408, "No ACK", "error", True))

    # -- outbound INVITE -----------------------------------------------------------------------------------------------

    def send_invite(self, offer: str, headers: tuple[tuple[str, str], ...]) -> None:
        """Send the INVITE of an outbound call that was not given up meanwhile."""
        if self._state is State.TRYING:
            self._local_sdp = offer
            self._sent = self._dialog.send("INVITE", body=MsgBody(wire(offer)), headers=headers, on_response=self._invite_heard, first=True)

    def fail(self, code: int, reason: str) -> None:
        """The INVITE could not be sent."""
        self._finish(SipEnd(code, reason, "error", False))

    def _invite_heard(self, response: Any, transaction: Any) -> None:
        code, reason = response.getSCode()
        if code == 100:
            return
        if self._state is State.ENDED:
            if 200 <= code < 300:  # it was answered while our CANCEL was on its way
                self._send_bye(())
            return
        if code < 200:
            self._progress(response, code)
        elif code < 300:
            self._answered(response)
        else:
            timed_out = code == 408 and response is transaction.r408
            if timed_out and self._state is State.EARLY and transaction.cancel is not None:
                self._endpoint.transactions.newTransaction(transaction.cancel, userv=transaction.userv)
            headers = extensions(response)
            if code in range(300, 400) and response.countHFs("contact"):
                headers["Contact"] = uri_text(response.getHFBody("contact").getUri())
            self.headers = headers
            self._finish(SipEnd(code, text(reason), "error" if timed_out else "remote", False, headers))

    def _progress(self, response: Any, code: int) -> None:
        self._state = State.EARLY
        if response.getHFBody("to").getTag():
            self._dialog.remote_tag = response.getHFBody("to").getTag()
        sdp = sdp_of(response)
        self.remote_sdp = sdp or self.remote_sdp
        self._tell("on_progress", code, sdp)

    def _answered(self, response: Any) -> None:
        self._state = State.CONFIRMED
        self._note_abilities(response)
        self._refresh.agreed(response)
        self.headers = extensions(response)
        self.remote_sdp = sdp_of(response) or self.remote_sdp
        self._tell("on_answer", self.remote_sdp)

    # -- the end -------------------------------------------------------------------------------------------------------

    def hangup(self, headers: Mapping[str, str] = NO_HEADERS) -> None:
        extra = outgoing(headers, self.id)
        if self._state in (State.TRYING, State.EARLY):
            if self.direction == "in":
                self.reject(603, headers=headers)
                return
            if self._sent is not None:
                self._endpoint.transactions.cancelTransaction(self._sent.transaction)
            self._finish(SipEnd(487, "Cancelled", "local", False))
        elif self._state is State.ANSWERED:
            self._bye_after_ack = extra  # a callee may not send BYE before the ACK (15)
            self._finish(SipEnd(200, "BYE", "local", True))
        elif self._state is State.CONFIRMED:
            self._send_bye(extra)
            self._finish(SipEnd(200, "BYE", "local", True))

    def _send_bye(self, headers: tuple[tuple[str, str], ...]) -> None:
        self._bye_after_ack = None
        self._dialog.send("BYE", headers=headers)

    def _finish(self, end: SipEnd) -> None:
        """Once: leave the endpoint's tables, drop what is pending, tell, and let go of all callbacks."""
        if self._state is State.ENDED:
            return
        self._state = State.ENDED
        self._refresh.stop()
        self._endpoint.forget(self._dialog, end)
        for future in self._waiting:
            if not future.done():
                future.set_exception(SipError(481, "The call has ended"))
        self._waiting.clear()
        if end.by == "local":
            asyncio.get_running_loop().call_soon(self._report, end)
        else:
            self._report(end)

    def _report(self, end: SipEnd) -> None:
        self._tell("on_end", end)
        self.clear_callbacks()

    def leave(self, code: int = 503) -> None:
        """The endpoint goes, or the application failed: end the call whatever its state."""
        if self.direction == "in" and self._state in (State.TRYING, State.EARLY):
            self.reject(code, headers={"Retry-After": "5"} if code == 503 else NO_HEADERS)
        else:
            self.hangup()

    # -- what both parts need ------------------------------------------------------------------------------------------

    def _tell(self, name: str, *arguments: Any) -> Any:
        """Call a callback; an exception in it is logged and ends the call."""
        callback = getattr(self, name)
        if callback is None:
            return None
        try:
            return callback(*arguments)
        except Exception:
            log.error("sip_callback_failed", callback=name, call=self.id, exc_info=True)
            self._endpoint.count("callback_failed")
            if self._state is not State.ENDED:
                self.hangup()
        return None

    def _note_abilities(self, message: Any) -> None:
        self._remote_allow = frozenset(tag.upper() for tag in option_tags(values(message, "allow")))
