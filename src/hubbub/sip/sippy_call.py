"""One call on sippy's transactions: the states of an INVITE session (RFC 3261 13-15) behind the callbacks of `SipCall`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import structlog
from sippy.MsgBody import MsgBody

from hubbub.errors import SipError
from hubbub.sip.endpoint import NO_HEADERS, Address, SipEnd
from hubbub.sip.fields import info_digits, option_tags, text, wire
from hubbub.sip.sippy_dialog import Dialog, Sent, State
from hubbub.sip.sippy_messages import (
    ACCEPT_INFO,
    ALLOW,
    KNOWN,
    PHRASES,
    abilities,
    body_of,
    display_of,
    extensions,
    other_body,
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
from hubbub.sip.sippy_refer import notice, read_notice
from hubbub.sip.sippy_refresh import Refresh
from hubbub.sip.stored import kept_dialog, kept_invite

if TYPE_CHECKING:
    from hubbub.sip.sippy_endpoint import SippyEndpoint

log = structlog.get_logger()
REINVITE_TRIES = 4


class SippyCall:
    """See `SipCall`."""

    def __init__(self, endpoint: SippyEndpoint, dialog: Dialog, direction: Literal["in", "out"], source: Address) -> None:
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
        self._refresh = Refresh(self._send_refresh, self._refresh_missed)
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
        self._clear_callbacks()

    def _clear_callbacks(self) -> None:
        self.on_progress: Callable[[int, str | None], None] | None = None
        self.on_answer: Callable[[str | None], None] | None = None
        self.on_offer: Callable[[str | None], str | None] | None = None
        self.on_digit: Callable[[str], None] | None = None
        self.on_refer: Callable[[str], bool] | None = None
        self.on_referral: Callable[[int, bool], None] | None = None
        self.on_dialog: Callable[[], None] | None = None
        self.on_end: Callable[[SipEnd], None] | None = None

    @property
    def ended(self) -> bool:
        """Whether the call is over."""
        return self._state is State.ENDED

    @property
    def dialog(self) -> Mapping[str, Any] | None:
        if self._state in (State.ANSWERED, State.CONFIRMED):
            return kept_dialog(self._dialog)
        return kept_invite(self._dialog, self._sent) if self._sent is not None and not self.ended else None

    def _moved(self, message: Any) -> None:
        """A target refresh: whoever keeps the dialog hears of a target that is another one."""
        before = str(self._dialog.target)
        self._dialog.refresh_target(message)
        if str(self._dialog.target) != before:
            self._tell("on_dialog")

    def __repr__(self) -> str:
        return f"<SippyCall {self.direction} {self.id} {self._state.value}>"

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
        self._endpoint.forget(self, self._dialog, end)
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
        self._clear_callbacks()

    def leave(self, code: int = 503) -> None:
        """The endpoint goes, or the application failed: end the call whatever its state."""
        if self.direction == "in" and self._state in (State.TRYING, State.EARLY):
            self.reject(code, headers={"Retry-After": "5"} if code == 503 else NO_HEADERS)
        else:
            self.hangup()

    # -- requests inside the dialog --------------------------------------------------------------------------------------

    def hears(self, tag: str | None) -> bool:
        """Whether a request with this From tag belongs to the call."""
        return self._dialog.remote_tag is None or self._dialog.remote_tag == tag

    def request(self, request: Any, transaction: Any) -> Any:
        """Answer a request inside the dialog; the response, or None when it is sent already."""
        method, cseq = request.getMethod(), request.getHFBody("cseq").getCSeqNum()
        if self._dialog.cseq_in is not None and cseq <= self._dialog.cseq_in:
            return reply(request, 500, "CSeq Out Of Order")
        self._dialog.cseq_in = cseq
        if self._dialog.remote_tag is None:
            self._dialog.remote_tag = request.getHFBody("from").getTag()
        handler = _HANDLERS.get(method)
        if handler is None:
            return reply(request, 405 if method in KNOWN else 501, headers=[("Allow", ALLOW)])
        return handler(self, request, transaction)

    def _on_bye(self, request: Any, transaction: Any) -> Any:
        answered = self._state in (State.ANSWERED, State.CONFIRMED)
        self._endpoint.transactions.sendResponse(reply(request, 200), transaction)
        if not answered and self.direction == "in":
            self._respond(487)
        reason = value(request, "reason") or "BYE"
        self._finish(SipEnd(200 if answered else 487, text(reason), "remote", answered, extensions(request)))

    def _on_reinvite(self, request: Any, transaction: Any) -> Any:
        if self._state not in (State.ANSWERED, State.CONFIRMED):
            return reply(request, 500, headers=[("Retry-After", str(random.randint(1, 10)))])
        if self._offering:
            return reply(request, 491)
        response = self._session_change(request, sdp_needed=True)
        if response.getSCode()[0] != 200:
            return response
        self._offering = sdp_of(request) is None
        transaction.noack_cb = self._no_ack
        self._endpoint.transactions.sendResponse(response, transaction, ack_cb=self._late_answer if self._offering else None)
        return None

    def _late_answer(self, ack: Any) -> None:
        """The ACK brings the answer to an offer that our 200 made."""
        self._offering = False
        if self._state is not State.ENDED:
            self.remote_sdp = sdp_of(ack) or self.remote_sdp
            self._tell("on_answer", sdp_of(ack))

    def _on_update(self, request: Any, _: Any) -> Any:
        has_offer = sdp_of(request) is not None
        if has_offer and self._offering:
            return reply(request, 491)
        if has_offer and self._state not in (State.ANSWERED, State.CONFIRMED):
            return reply(request, 500 if self.direction == "in" else 491, headers=[("Retry-After", "2")])
        return self._session_change(request, sdp_needed=False)

    def _session_change(self, request: Any, *, sdp_needed: bool) -> Any:
        """The response to a re-INVITE or UPDATE: 200 with the application's SDP, or why not."""
        if self._refresh.too_short(request):
            return reply(request, 422, headers=[("Min-SE", str(self._refresh.MINIMUM))])
        kind, _ = body_of(request)
        offer = sdp_of(request)
        if kind and offer is None:
            return reply(request, 415, headers=[("Accept", "application/sdp")])
        answer: str | None = None
        if offer is not None or sdp_needed:
            if self.on_offer is None:
                return reply(request, 488)
            try:
                answer = self.on_offer(offer)
            except Exception:
                log.error("sip_callback_failed", callback="on_offer", call=self.id, exc_info=True)
                return reply(request, 500)
            if self._state is State.ENDED:
                return reply(request, 481)
            if answer is None:
                return reply(request, 488)
            self._local_sdp = answer
        self.remote_sdp = offer or self.remote_sdp
        self._moved(request)
        response = reply(request, 200, sdp=answer, headers=[*abilities(), *self._refresh.accept(request)])
        response.appendHeader(self._endpoint.contact_header(self._dialog))
        return response

    def _on_info(self, request: Any, _: Any) -> Any:
        kind, body = body_of(request)
        digits = info_digits(kind, body) if kind else ""
        if digits is None:
            return reply(request, 415, headers=[("Accept", ACCEPT_INFO)])
        for digit in digits:
            self._tell("on_digit", digit)
        return reply(request, 200)

    def _on_refer(self, request: Any, transaction: Any) -> Any:
        if request.countHFs("refer-to") != 1:
            return reply(request, 400, "Exactly One Refer-To Needed")
        accepted = self._tell("on_refer", uri_text(request.getHFBody("refer-to").getUri()))
        if accepted is not True:
            return reply(request, 603)
        self._endpoint.transactions.sendResponse(reply(request, 202), transaction)
        if "false" not in option_tags(values(request, "refer-sub")):  # RFC 4488
            self._notify(100)
        return None

    def refer_result(self, code: int, reason: str = "") -> None:
        if self._state is State.CONFIRMED:
            self._notify(code, reason)

    def _notify(self, code: int, reason: str = "") -> None:
        body, headers = notice(code, reason)
        self._dialog.send("NOTIFY", body=body, headers=headers)

    def _on_notify(self, request: Any, _: Any) -> Any:
        told = read_notice(request)
        if told is not None:
            self._tell("on_referral", *told)
        return self._fine(request)

    @staticmethod
    def _fine(request: Any) -> Any:
        return reply(request, 200, headers=abilities())

    # -- what we ask ---------------------------------------------------------------------------------------------------

    async def _ask(self, method: str, *, body: Any = None, headers: tuple[tuple[str, str], ...] = ()) -> Any:
        """Send a request in the running dialog; its final response. 408 and 481 end the call (12.2.1.2)."""
        if self._state is State.ANSWERED:
            await self._await(asyncio.shield(self._ack))
        if self._state is not State.CONFIRMED:
            raise SipError(481, f"the call is {self._state.value}")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def heard(response: Any, _: Any) -> None:
            code = response.getSCode()[0]
            if 200 <= code < 300 and method in ("INVITE", "UPDATE") and not self.ended:
                if method == "UPDATE":
                    self._moved(response)
                elif method == "INVITE":
                    self._tell("on_dialog")  # the dialog has read its 2xx already
                self._refresh.agreed(response)
            if code >= 200 and not future.done():
                future.set_result(response)

        self._dialog.send(method, body=body, headers=headers, on_response=heard)
        response = await self._await(future)
        code, reason = response.getSCode()
        if code in (408, 481) and not self.ended:
            self._send_bye(())
            self._finish(SipEnd(code, text(reason), "error", True))
        return response

    async def _await(self, future: asyncio.Future[Any]) -> Any:
        """What a future brings; SipError when the call ends before that."""
        self._waiting.add(future)
        try:
            return await future
        finally:
            self._waiting.discard(future)

    async def reinvite(self, sdp: str) -> str:
        for attempt in range(REINVITE_TRIES):
            if self._state is State.ANSWERED or self._offering:
                code, reason = 491, PHRASES[491]  # one INVITE at a time in both directions (14.1)
            else:
                self._offering = True
                try:
                    response = await self._ask("INVITE", body=MsgBody(wire(sdp)), headers=self._refresh.propose())
                finally:
                    self._offering = False
                code, reason = response.getSCode()
                if 200 <= code < 300:
                    self._local_sdp = sdp
                    self.remote_sdp = sdp_of(response) or self.remote_sdp
                    return sdp_of(response) or ""
            if code != 491 or attempt == REINVITE_TRIES - 1:
                raise SipError(code, text(reason))
            await asyncio.sleep(random.uniform(2.1, 4.0) if self.direction == "out" else random.uniform(0.1, 2.0))
        raise SipError(491, PHRASES[491])

    async def info(self, content_type: str, body: str) -> int:
        response = await self._ask("INFO", body=other_body(content_type, body))
        return int(response.getSCode()[0])

    async def refer(self, uri: str) -> int:
        headers = (("Refer-To", f"<{url_of(uri)}>"), ("Referred-By", f"<{uri_text(self._dialog.local)}>"))
        response = await self._ask("REFER", headers=headers)
        return int(response.getSCode()[0])

    # -- session timer (RFC 4028) --------------------------------------------------------------------------------------

    def _note_abilities(self, message: Any) -> None:
        self._remote_allow = frozenset(tag.upper() for tag in option_tags(values(message, "allow")))

    def _send_refresh(self) -> None:
        """Our turn to show that the call lives: UPDATE without SDP, or a re-INVITE with the SDP that holds."""
        if self._state is not State.CONFIRMED or self._offering:
            return
        method = "UPDATE" if "UPDATE" in self._remote_allow else "INVITE"
        body = MsgBody(wire(self._local_sdp or "")) if method == "INVITE" else None
        self._endpoint.spawn(self._refreshed(method, body))

    async def _refreshed(self, method: str, body: Any) -> None:
        try:
            response = await self._ask(method, body=body, headers=self._refresh.propose())
            if response.getSCode()[0] < 300 and not self.ended and (answer := sdp_of(response)) is not None:
                self._tell("on_answer", answer)  # it may name another address, or another key
        except SipError as error:
            log.info("sip_refresh_failed", call=self.id, error=str(error))

    def _refresh_missed(self) -> None:
        if self._state is State.CONFIRMED:
            self._send_bye((("Reason", 'SIP;cause=408;text="Session timer"'),))
            self._finish(SipEnd(408, "Session timer expired", "error", True))

    # -- small things --------------------------------------------------------------------------------------------------

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


_HANDLERS: dict[str, Callable[[SippyCall, Any, Any], Any]] = {
    "BYE": SippyCall._on_bye,
    "INVITE": SippyCall._on_reinvite,
    "UPDATE": SippyCall._on_update,
    "INFO": SippyCall._on_info,
    "REFER": SippyCall._on_refer,
    "NOTIFY": SippyCall._on_notify,
    "OPTIONS": lambda call, request, _: call._fine(request),
}
