"""A dialog (RFC 3261 12): who talks to whom, in which order, by which way; and requests inside it, with credentials when asked."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import structlog
from sippy.SipAddress import SipAddress
from sippy.SipCallId import SipCallId
from sippy.SipExpires import SipExpires
from sippy.SipFrom import SipFrom
from sippy.SipHeader import SipHeader
from sippy.SipRequest import SipRequest
from sippy.SipRoute import SipRoute
from sippy.SipTo import SipTo

from hubbub.sip import digest
from hubbub.sip.endpoint import Address
from hubbub.sip.fields import wire
from hubbub.sip.sippy_loop import Transactions, header
from hubbub.sip.sippy_messages import ALLOW, SERVER, SUPPORTED, contact, raw

log = structlog.get_logger()
INVITE_EXPIRES = 660  # longer than any ring time-out of the documents (600 s)
OnResponse = Callable[[Any, Any], None]
NONE: tuple[tuple[str, str], ...] = ()


def new_tag() -> str:
    """A tag or Call-ID that nobody guesses."""
    return secrets.token_hex(12)


class State(Enum):
    """Of the INVITE that made the call."""

    TRYING = "trying"
    EARLY = "early"
    ANSWERED = "answered"  # inbound: 200 sent, no ACK yet
    CONFIRMED = "confirmed"
    ENDED = "ended"


@dataclass
class Sent:
    """A request of ours; the transaction changes when it is sent again with credentials."""

    request: Any
    transaction: Any


@dataclass
class Dialog:
    """Both ends of a call; `cseq_in` is None until the other side sent a request."""

    transactions: Transactions
    call_id: str
    local_tag: str
    local: Any  # SipAddress with our URI and display name
    remote: Any  # SipAddress of the other side
    target: Any  # SipURL that requests are sent to
    remote_tag: str | None = None
    routes: list[Any] = field(default_factory=list)
    next_hop: Address | None = None  # used while there is no route set
    user: str = ""  # user part of our Contact
    cseq_out: int = field(default_factory=lambda: 1 + secrets.randbelow(10_000))
    cseq_in: int | None = None
    username: str = ""
    password: str = ""

    def hop(self) -> Address:
        """Where the next request goes (RFC 3261 12.2.1.1)."""
        if self.routes:
            host, port = self.routes[0].getUrl().getAddr()
        elif self.next_hop is not None:
            host, port = self.next_hop
        else:
            host, port = (self.target.maddr or self.target.host), self.target.getPort()
        return str(host), int(port)

    def contact(self) -> Any:
        """Our Contact as the next hop may use it."""
        return contact(self.user, self.transactions.l4r.face(self.hop()).getSIPaddr()[0])

    def learn(self, response: Any) -> None:
        """The 2xx that makes the dialog gives tag, Contact and route set (12.1.2)."""
        tag = response.getHFBody("to").getTag()
        if tag:
            self.remote_tag = tag
            self.routes = [SipRoute(address=item.getUri().getCopy()) for item in reversed(response.getHFBodys("record-route"))]
        self.refresh_target(response)

    def refresh_target(self, message: Any) -> None:
        """A Contact in a target refresh request or its 2xx moves the other side; our own next hop is for the first INVITE only."""
        if message.countHFs("contact"):
            found = message.getHFBody("contact")
            if not found.asterisk:
                self.target = found.getUrl().getCopy()
                self.next_hop = None

    def _way(self) -> tuple[Any, list[Any]]:
        """Request-URI and Route headers; a first route without `lr` is a strict router and takes the Request-URI."""
        routes = [item.getCopy() for item in self.routes]
        if routes and not routes[0].getUrl().lr:
            strict = routes.pop(0).getUrl()
            return strict, [*routes, SipRoute(address=SipAddress(url=self.target.getCopy()))]
        return self.target.getCopy(), routes

    def route_ack(self, ack: Any) -> Address:
        """Give the ACK of a 2xx this dialog's way (13.2.2.4); returns where it goes."""
        uri, routes = self._way()
        ack.setRURI(uri)
        ack.delHFs("route")
        ack.appendHeaders([_route(item) for item in routes])
        return self.hop()

    def _build(self, method: str, body: Any, headers: Iterable[tuple[str, str]], first: bool) -> Any:
        uri, routes = self._way()
        to, sender = SipTo(address=self.remote.getCopy()), SipFrom(address=self.local.getCopy())
        sender.setTag(self.local_tag)
        if self.remote_tag is not None and not first:
            to.setTag(self.remote_tag)
        request = SipRequest(
            method=method,
            ruri=uri,
            to=to,
            fr0m=sender,
            cseq=self.cseq_out,
            callid=SipCallId(self.call_id),
            contact=self.contact() if method in ("INVITE", "UPDATE", "REFER", "NOTIFY") else None,
            routes=routes,
            target=(self.hop(), "udp"),
            user_agent=SERVER,
            body=body,
        )
        self.cseq_out += 1
        request.delHFs("expires")
        if method == "INVITE" and first:
            request.appendHeader(SipHeader(name="expires", body=SipExpires(number=INVITE_EXPIRES)))
        if method in ("INVITE", "UPDATE", "OPTIONS"):
            request.appendHeaders([header("Allow", ALLOW), header("Supported", ", ".join(SUPPORTED))])
        request.appendHeaders([header(name, wire(value)) for name, value in headers])
        return request

    def send(
        self,
        method: str,
        *,
        body: Any = None,
        headers: Iterable[tuple[str, str]] = NONE,
        on_response: OnResponse | None = None,
        first: bool = False,
    ) -> Sent:
        """Send a request; a 401 or 407 is answered once when there is a password. `on_response` hears everything else."""
        headers = tuple(headers)
        sent = Sent(None, None)

        def post(extra: tuple[tuple[str, str], ...], final: bool) -> None:
            request = self._build(method, body, (*headers, *extra), first)
            sent.request = request
            sent.transaction = self.transactions.newTransaction(request, resp_cb=lambda got, tr: heard(got, tr, final), cb_ifver=2)

        def heard(got: Any, transaction: Any, final: bool) -> None:
            if method == "INVITE" and 200 <= got.getSCode()[0] < 300:
                if first:
                    self.learn(got)
                else:
                    self.refresh_target(got)
                transaction.route_ack = self.route_ack
            self.transactions.after_ack(lambda: judged(got, transaction, final))

        def judged(got: Any, transaction: Any, final: bool) -> None:
            code = got.getSCode()[0]
            if code in (401, 407) and not final:
                credentials = self._credentials(got, sent.request, body)
                if credentials is not None:
                    post((credentials,), True)
                    return
            if on_response is not None:
                try:
                    on_response(got, transaction)
                except Exception:
                    log.error("sip_response_failed", method=method, code=code, call=self.call_id, exc_info=True)

        post((), not self.password)
        return sent

    def give_up(self, invite: Any) -> None:
        """Send an INVITE of a server that is gone once more, which is a retransmission to who has it, and CANCEL it (9.1).

        Whoever has answered meanwhile gets ACK and BYE.
        """

        def bye() -> None:
            self.send("BYE")

        def heard(got: Any, transaction: Any) -> None:
            if 200 <= got.getSCode()[0] < 300:
                self.learn(got)
                transaction.route_ack = self.route_ack
                self.transactions.after_ack(bye)

        self.transactions.cancelTransaction(self.transactions.newTransaction(invite, resp_cb=heard, cb_ifver=2))

    def _credentials(self, challenge: Any, request: Any, body: Any) -> tuple[str, str] | None:
        proxy = challenge.getSCode()[0] == 407
        value = digest.answer_challenge(
            raw(challenge, "proxy-authenticate" if proxy else "www-authenticate"),
            username=self.username,
            password=self.password,
            method=request.getMethod(),
            uri=str(request.getRURI()),
            cnonce=secrets.token_hex(8),
            body=str(body) if body is not None else "",
        )
        return None if value is None else ("Proxy-Authorization" if proxy else "Authorization", value)


def _route(route: Any) -> Any:
    return header("Route", str(route))
