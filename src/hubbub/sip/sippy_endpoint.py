"""The SIP endpoint on sippy: who may call, who is registered, which call a request belongs to."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from sippy.SipAddress import SipAddress
from sippy.SipHeader import SipHeader
from sippy.SipRoute import SipRoute

from hubbub.clock import Clock, SystemClock
from hubbub.errors import ConfigurationError, SipError
from hubbub.settings import Network, Phone, SipSettings
from hubbub.sip import digest
from hubbub.sip.endpoint import NO_HEADERS, Address, SipCall, SipEnd, SipEndpoint
from hubbub.sip.fields import is_extension, option_tags, phrase, safe_headers, wire
from hubbub.sip.limits import Guard, Limits
from hubbub.sip.registrar import MIN_EXPIRES, RegisterError, Registrar, Wish
from hubbub.sip.sippy_call import SippyCall
from hubbub.sip.sippy_dialog import Dialog, new_tag
from hubbub.sip.sippy_loop import Transactions, UdpPort, bare, bracketed, install, is_literal
from hubbub.sip.sippy_messages import (
    ACCEPT,
    ALLOW,
    ALLOWED,
    KNOWN,
    SUPPORTED,
    abilities,
    body_of,
    raw,
    reply,
    sdp_of,
    uri_text,
    url_of,
    user_of,
    value,
    values,
)
from hubbub.sip.sippy_reader import Reader
from hubbub.sip.sippy_refresh import Refresh
from hubbub.sip.stored import brought_back_dialog, brought_back_invite

log = structlog.get_logger()
LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
MAX_CALLS = 4000
BUSY = frozenset({423, 482, 491, 500, 503})
"""Refusals that are not the sender's fault."""
RETRY_AFTER = "5"
GRAVE_SECONDS = 32.0  # how long a BYE that crossed ours is still answered with 200
GRAVES = 10_000
STOP_SECONDS = 0.5


class SippyEndpoint:
    """See `SipEndpoint`."""

    def __init__(
        self,
        listen: Address = ("127.0.0.1", 0),
        *,
        advertise: str = "",
        trust: Sequence[Network] = LOOPBACK,
        phones: Mapping[str, str] = NO_HEADERS,
        realm: str = "hubbub",
        algorithms: Sequence[str] = digest.OFFERED,
        max_calls: int = MAX_CALLS,
        limits: Limits | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`phones` maps user names to passwords; peers in `trust` call without digest; a call beyond `max_calls` gets 503.

        `limits` are those of single addresses; `algorithms` are those of the digest challenge, favourite first.
        """
        self.on_invite: Callable[[SipCall], None] | None = None
        self._listen = listen
        self._advertise = advertise
        self._trust = tuple(trust)
        self._phones = phones
        self._max_calls = max_calls
        self._guard = Guard(limits or Limits(), self._trusted)
        self._clock: Clock = clock or SystemClock()
        self._digest = digest.DigestServer(realm, secrets.token_bytes(32), tuple(algorithms))
        self._registrar = Registrar()
        self._draining = False
        self._calls: dict[tuple[str, str], SippyCall] = {}
        self._invites: dict[tuple[str, str], SippyCall] = {}  # inbound, by Call-ID and their tag: finds merged requests
        self._graves: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._counts: Counter[str] = Counter()
        self._port: UdpPort
        self.transactions: Transactions

    @classmethod
    def from_settings(cls, settings: SipSettings, phones: Sequence[Phone] = (), **more: Any) -> SippyEndpoint:
        """The endpoint that the configuration describes."""
        host, _, port = settings.listen.rpartition(":")
        passwords = {phone.username: phone.password for phone in phones}
        limits = Limits(settings.invites_per_second, settings.wrong_passwords, settings.strangers, settings.ban_seconds)
        given = {"max_calls": settings.max_calls, "limits": limits, **more}
        return cls((bare(host), int(port)), advertise=settings.advertise, trust=settings.trust, phones=passwords, **given)

    @property
    def address(self) -> Address:
        return self._port.address

    async def start(self) -> None:
        install()
        reader = Reader(self.count, self._guard)
        self._port = UdpPort(self._listen, self._advertise, reader.receive, self.count)
        try:
            self._port.open()
        except OSError as error:
            host, port = self._listen
            raise ConfigurationError(f"sip.listen = '{host}:{port}' cannot be used: {error.strerror}") from error
        self.transactions = reader.transactions = Transactions(self._port, self._on_request)
        log.info("sip_listening", host=self.address[0], port=self.address[1])

    async def stop(self) -> None:
        self.drain()
        for call in list(self._calls.values()):
            call.leave()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STOP_SECONDS
        while self.transactions.waiting() and loop.time() < deadline:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        for task in list(self._tasks):
            task.cancel()
        self.transactions.shutdown()

    def drain(self) -> None:
        self._draining = True

    def counters(self) -> Mapping[str, int]:
        live = {"calls": len(self._calls), "registered": self._registrar.registered(self._clock.monotonic())}
        live |= {"bans": self._guard.bans, "banned_sources": self._guard.banned_now(asyncio.get_running_loop().time())}
        return {**self._counts, **live}

    def count(self, what: str) -> None:
        """Count an event under a short name."""
        self._counts[what] += 1

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that ends with the endpoint."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- registered phones ---------------------------------------------------------------------------------------------

    def contact_of(self, username: str) -> str | None:
        binding = self._registrar.find(username, self._clock.monotonic())
        return binding.uri if binding else None

    def next_hop_of(self, username: str) -> Address | None:
        binding = self._registrar.find(username, self._clock.monotonic())
        return binding.source if binding else None

    # -- calls out -----------------------------------------------------------------------------------------------------

    def dial(
        self,
        target: str,
        offer: str,
        *,
        caller: str,
        display: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
        username: str = "",
        password: str = "",
        next_hop: Address | None = None,
    ) -> SippyCall:
        url, sender = self._callable(target), self._callable(caller)
        if next_hop is None:
            binding = self._registrar.by_uri(target, self._clock.monotonic())
            next_hop = binding.source if binding else None
        if next_hop is None and (url.transport or "udp").lower() != "udp":
            raise SipError(503, f"transport {url.transport} needs a next hop that speaks it")
        asked = {name: content for name, content in (url.headers or {}).items() if is_extension(name)}  # RFC 3261 19.1.5
        good, bad = safe_headers({**asked, **headers})
        if bad:
            log.warning("sip_headers_refused", target=target, names=bad)
        for part in (url, sender):
            part.headers, part.method = None, None
        dialog = Dialog(
            self.transactions,
            call_id=new_tag(),
            local_tag=new_tag(),
            local=SipAddress(name=wire(phrase(display)) or None, url=sender),
            remote=SipAddress(url=url.getCopy()),
            target=url,
            next_hop=(bracketed(next_hop[0]), next_hop[1]) if next_hop else None,
            user=sender.username or "",
            username=username,
            password=password,
        )
        hop = dialog.hop()
        call = SippyCall(self, dialog, "out", (bare(hop[0]), hop[1]))
        self._calls[dialog.call_id, dialog.local_tag] = call
        self.count("dialled")
        if is_literal(hop[0]):
            self._guard.called(bare(hop[0]), asyncio.get_running_loop().time())
            call.send_invite(offer, tuple(good))
        else:
            self.spawn(self._resolve_and_invite(call, hop, offer, tuple(good)))
        return call

    def abandon(self, dialog: Mapping[str, Any], password: str = "") -> None:
        found = brought_back_dialog(dialog, self.transactions, password)
        if "invite" in dialog:
            found.give_up(brought_back_invite(dialog))
            self.count("cancel_after_restart")
        else:
            found.send("BYE", headers=(("Reason", 'SIP;cause=503;text="Server restarted"'),))
            self.count("bye_after_restart")

    @staticmethod
    def _callable(uri: str) -> Any:
        try:
            url = url_of(uri)
        except ValueError as error:
            raise SipError(400, str(error)) from error
        if url.scheme != "sip":
            raise SipError(416, f"{url.scheme}: is not supported, only sip: over UDP")
        return url

    async def _resolve_and_invite(self, call: SippyCall, hop: Address, offer: str, headers: tuple[tuple[str, str], ...]) -> None:
        try:
            address = await self._port.resolve(*hop)
        except (OSError, UnicodeError) as error:
            log.warning("sip_unresolved", host=hop[0], error=str(error))
            self.count("unresolved")
            call.fail(503, f"{hop[0]} has no address")
            return
        self._guard.called(address, asyncio.get_running_loop().time())
        call.send_invite(offer, headers)

    # -- what calls need -----------------------------------------------------------------------------------------------

    @staticmethod
    def contact_header(dialog: Dialog) -> Any:
        """Our Contact in a response."""
        return SipHeader(name="contact", body=dialog.contact())

    def forget(self, dialog: Dialog, end: SipEnd) -> None:
        """A call has ended: it leaves the tables; its grave answers a crossing BYE."""
        key = (dialog.call_id, dialog.local_tag)
        self._calls.pop(key, None)
        if dialog.remote_tag is not None:
            self._invites.pop((dialog.call_id, dialog.remote_tag), None)
        now = self._clock.monotonic()
        self._graves[key] = now + GRAVE_SECONDS
        while self._graves and (len(self._graves) > GRAVES or next(iter(self._graves.values())) < now):
            self._graves.popitem(last=False)
        self.count("answered_ended" if end.answered else f"failed_{end.code}")

    # -- requests in ---------------------------------------------------------------------------------------------------

    def _on_request(self, request: Any, transaction: Any) -> Any:
        self.count(f"request_{request.getMethod()}" if request.getMethod() in KNOWN else "request_unknown")
        response = self._decide(request, transaction)
        if response is None:
            return None
        code = response.getSCode()[0]
        if code >= 400:
            self.count(f"refused_{code}")
            if code not in BUSY and not response.countHFs("min-expires"):
                self._strange(request)
        elif request.getMethod() == "OPTIONS" and request.getHFBody("to").getTag() is None:
            self._strange(request)  # so begins a scanner; a peer that looks whether we live does so less often
        return response, None, None

    def _strange(self, request: Any) -> None:
        """A request that proved nothing; who sends many of them is not listened to for a while."""
        host = bare(request.getSource()[0])
        if self._guard.strange(host, asyncio.get_running_loop().time()):
            log.warning("sip_banned", source=host, why="stranger", seconds=self._guard.limits.ban_seconds)

    def _decide(self, request: Any, transaction: Any) -> Any:
        """The response to a request, or None when it is sent already or comes later."""
        method = request.getMethod()
        unknown = [tag for tag in option_tags(values(request, "require")) if tag not in SUPPORTED]
        if unknown:
            return reply(request, 420, headers=[("Unsupported", ", ".join(unknown))])
        if request.getHFBody("to").getTag() is not None:
            return self._in_dialog(request, transaction)
        if method == "INVITE":
            return self._invited(request, transaction)
        if method == "REGISTER":
            return self._registered(request)
        if method == "OPTIONS":
            return reply(request, 503 if self._draining else 200, headers=abilities())
        if method not in KNOWN:
            return reply(request, 501, headers=[("Allow", ALLOW)])
        if method in ALLOWED:
            return reply(request, 481)  # BYE, INFO, UPDATE, REFER, NOTIFY make sense in a dialog only
        return reply(request, 405, headers=[("Allow", ALLOW)])

    def _in_dialog(self, request: Any, transaction: Any) -> Any:
        key = (str(request.getHFBody("call-id")), request.getHFBody("to").getTag())
        call = self._calls.get(key)
        if call is not None and call.hears(request.getHFBody("from").getTag()):
            return call.request(request, transaction)
        if request.getMethod() == "BYE" and key in self._graves:
            return reply(request, 200)
        return reply(request, 481)

    def _invited(self, request: Any, transaction: Any) -> Any:
        refused = self._invite_fault(request) or self._no_room()
        if refused is not None:
            code, reason, headers = refused
            return reply(request, code, reason, headers=headers)
        source = request.getSource()
        user: str | None = None
        if self._trusted(source[0]):
            user = self._registered_from(user_of(request.getHFBody("from").getUrl()), source)
        else:
            user, challenge = self._authenticate(request)
            if challenge is not None:
                return challenge
        self._accept(request, transaction, user)
        return None

    def _invite_fault(self, request: Any) -> tuple[int, str, list[tuple[str, str]]] | None:
        """What is wrong with an INVITE itself."""
        if not request.countHFs("contact") or request.getHFBody("contact").asterisk:
            return 400, "Contact Needed", []
        if request.countHFs("max-forwards") and request.getHFBody("max-forwards").getNum() == 0:
            return 483, "", []  # we call on behalf of callers: a loop must end somewhere
        if (str(request.getHFBody("call-id")), str(request.getHFBody("from").getTag())) in self._invites:
            return 482, "", []  # merged request (8.2.2.2)
        kind, _ = body_of(request)
        if (kind and sdp_of(request) is None) or value(request, "content-encoding", "e"):
            return 415, "", [("Accept", ACCEPT)]
        if Refresh.too_short(request):
            return 422, "", [("Min-SE", "90")]
        return None

    def _no_room(self) -> tuple[int, str, list[tuple[str, str]]] | None:
        if not self._draining and len(self._calls) < self._max_calls and self.on_invite is not None:
            return None
        return 503, "", [("Retry-After", RETRY_AFTER)]

    def _accept(self, request: Any, transaction: Any, user: str | None) -> None:
        sender, receiver = request.getHFBody("from"), request.getHFBody("to")
        local, remote = receiver.getUri().getCopy(), sender.getUri().getCopy()
        dialog = Dialog(
            self.transactions,
            call_id=str(request.getHFBody("call-id")),
            local_tag=new_tag(),
            local=local,
            remote=remote,
            target=request.getHFBody("contact").getUrl().getCopy(),
            remote_tag=sender.getTag(),
            routes=[SipRoute(address=item.getUri().getCopy()) for item in request.getHFBodys("record-route")],
            user=request.getRURI().username or "",
            cseq_in=request.getHFBody("cseq").getCSeqNum(),
        )
        source = request.getSource()
        call = SippyCall(self, dialog, "in", (bare(source[0]), source[1]))
        call.user = user
        self._calls[dialog.call_id, dialog.local_tag] = call
        self._invites[dialog.call_id, str(sender.getTag())] = call
        call.received(request, transaction)
        try:
            assert self.on_invite is not None
            self.on_invite(call)
        except Exception:
            log.error("sip_callback_failed", callback="on_invite", call=call.id, exc_info=True)
            self.count("callback_failed")
            call.leave(500)

    # -- who is it -----------------------------------------------------------------------------------------------------

    def _trusted(self, host: str) -> bool:
        address = ipaddress.ip_address(bare(host))
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._trust)

    def _registered_from(self, user: str, source: Address) -> str | None:
        """A phone that calls from where it registered has proved its password there."""
        bindings = self._registrar.bindings(user, self._clock.monotonic())
        return user if any(binding.source == (bare(source[0]), source[1]) for binding in bindings) else None

    def _authenticate(self, request: Any) -> tuple[str | None, Any]:
        """The phone whose password the request proves, or the response that asks for it (401) or refuses (403)."""
        now = self._clock.monotonic()
        found = [given for given in map(digest.parse, raw(request, "authorization")) if given and given.get("realm") == self._digest.realm]
        verdict, user = digest.Verdict.STALE, ""
        peer = f"{request.getSource()[0]} {user_of(request.getHFBody('from').getUrl())}"
        host, moment = bare(request.getSource()[0]), asyncio.get_running_loop().time()
        if found:
            user = found[0].get("username", "")
            if self._guard.slowed(host, user, moment):
                self.count("slowed_passwords")
                return None, reply(request, 503, headers=[("Retry-After", "30")])
            body = request.getBody()
            verdict = self._digest.judge(
                found[0],
                password=self._phones.get(user),
                method=request.getMethod(),
                body=str(body) if body is not None else "",
                now=now,
                peer=peer,
            )
        if verdict is digest.Verdict.VALID:
            self._guard.proved(host, moment)
            return user, None
        if verdict is digest.Verdict.WRONG:
            self.count("wrong_password")
            log.warning("sip_wrong_password", method=request.getMethod(), user=user, source=request.getSource()[0])
            if self._guard.wrong_password(host, moment, user):
                log.warning("sip_banned", source=host, why="wrong passwords", seconds=self._guard.limits.ban_seconds)
            return None, reply(request, 403)
        challenges = self._digest.challenges(now, secrets.token_bytes(12), peer=peer, stale=bool(found))
        return None, reply(request, 401, headers=[("WWW-Authenticate", challenge) for challenge in challenges])

    def _registered(self, request: Any) -> Any:
        """REGISTER (10.3): the password is asked for even inside `trust`, for it is what proves the name."""
        user, challenge = self._authenticate(request)
        if challenge is not None:
            return challenge
        assert user is not None
        if user_of(request.getHFBody("to").getUrl()) != user:
            return reply(request, 403, "Not Your Address-of-Record")
        contacts = request.getHFBodys("contact")
        wishes = [Wish(uri_text(item.getUri()), _seconds(item.getUri().getParam("expires"))) for item in contacts if not item.asterisk]
        source = request.getSource()
        try:
            bound = self._registrar.register(
                user,
                wishes,
                remove_all=any(item.asterisk for item in contacts),
                expires=_seconds(value(request, "expires")),
                source=(bare(source[0]), source[1]),
                call_id=str(request.getHFBody("call-id")),
                cseq=request.getHFBody("cseq").getCSeqNum(),
                now=self._clock.monotonic(),
            )
        except RegisterError as error:
            more = [("Min-Expires", str(MIN_EXPIRES))] if error.code == 423 else []
            return reply(request, error.code, error.reason, headers=more)
        return reply(request, 200, headers=[("Contact", f"<{uri}>;expires={left}") for uri, left in bound])


def _seconds(given: str | None) -> int | None:
    """Seconds of an expires value; a malformed one counts as absent (RFC 3261 10.2.1.1 says 3600 then)."""
    return int(given) if given is not None and given.isascii() and given.isdigit() and len(given) < 10 else None


if TYPE_CHECKING:

    def _keeps_the_interface(endpoint: SippyEndpoint) -> SipEndpoint:
        return endpoint
