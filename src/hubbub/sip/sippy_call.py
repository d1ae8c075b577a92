"""One call on sippy's transactions: requests inside its dialog, theirs and ours, and its session timer (RFC 3261 14, RFC 4028)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import structlog
from sippy.MsgBody import MsgBody

from hubbub.errors import SipError
from hubbub.sip.endpoint import Address, SipEnd
from hubbub.sip.fields import info_digits, option_tags, text, wire
from hubbub.sip.sippy_dialog import Dialog, State
from hubbub.sip.sippy_invite import Invite
from hubbub.sip.sippy_messages import (
    ACCEPT_INFO,
    ALLOW,
    KNOWN,
    PHRASES,
    abilities,
    body_of,
    extensions,
    other_body,
    reply,
    sdp_of,
    uri_text,
    url_of,
    value,
    values,
)
from hubbub.sip.sippy_refer import notice, read_notice
from hubbub.sip.sippy_refresh import Refresh

if TYPE_CHECKING:
    from hubbub.sip.sippy_endpoint import SippyEndpoint

log = structlog.get_logger()
REINVITE_TRIES = 4


class SippyCall(Invite):
    """See `SipCall`."""

    def __init__(self, endpoint: SippyEndpoint, dialog: Dialog, direction: Literal["in", "out"], source: Address) -> None:
        super().__init__(Refresh(self._send_refresh, self._refresh_missed), endpoint, dialog, direction, source)

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

    def _moved(self, message: Any) -> None:
        """A target refresh: whoever keeps the dialog hears of a target that is another one."""
        before = str(self._dialog.target)
        self._dialog.refresh_target(message)
        if str(self._dialog.target) != before:
            self._tell("on_dialog")


_HANDLERS: dict[str, Callable[[SippyCall, Any, Any], Any]] = {
    "BYE": SippyCall._on_bye,
    "INVITE": SippyCall._on_reinvite,
    "UPDATE": SippyCall._on_update,
    "INFO": SippyCall._on_info,
    "REFER": SippyCall._on_refer,
    "NOTIFY": SippyCall._on_notify,
    "OPTIONS": lambda call, request, _: call._fine(request),
}
