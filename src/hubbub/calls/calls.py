"""All live calls of this server, and how they come to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import structlog

from hubbub.calls.call import Call, CallServices, ProgressWish
from hubbub.calls.dialer import Destination, destination, party_of
from hubbub.calls.inside import InsideCall, pair
from hubbub.calls.signalled import kept
from hubbub.errors import MediaError, ResourceExhausted, SipError
from hubbub.events import CallRecord, CallStatus, Party
from hubbub.ids import Id, new_id
from hubbub.media.client import Leg
from hubbub.settings import Account, Number, Settings, Srtp
from hubbub.sip.endpoint import Address, SipCall, SipEndpoint

log = structlog.get_logger()


HIDDEN = Party("sip", "anonymous", "sip:anonymous@anonymous.invalid", "Anonymous")
"""Who is seen calling where that is withheld (RFC 3323 4.1.1.3)."""


def _withheld(own: str, callee: Party) -> dict[str, str]:
    """Headers of a call whose caller is withheld: a trunk, which is trusted to keep it, is told who it is (RFC 3325 9.1)."""
    return {"Privacy": "id", **({"P-Asserted-Identity": f"<{own}>"} if callee.kind == "number" else {})}


class Calls:
    """Live calls by id."""

    def __init__(self, services: CallServices, endpoint: SipEndpoint, settings: Settings) -> None:
        self._services = services
        self._endpoint = endpoint
        self._settings = settings
        self._live: dict[Id, Call] = {}
        self.phones = {phone.username: phone for phone in settings.phones}

    def __iter__(self) -> Iterator[Call]:
        return iter(list(self._live.values()))

    def __len__(self) -> int:
        return len(self._live)

    def get(self, account: str, call: Id) -> Call | None:
        """The live call with that id, if it is the account's."""
        found = self._live.get(call)
        return found if found is not None and found.record.account == account else None

    def record_of(self, call: Id) -> CallRecord | None:
        """The facts about a live call of any account."""
        found = self._live.get(call)
        return found.record if found is not None else None

    @property
    def address(self) -> Address:
        """Where this server takes SIP calls."""
        return self._endpoint.address

    @property
    def capacity(self) -> int:
        """How many calls there may be at a time: each has a leg of its own."""
        return self._settings.media.legs * self._settings.media.workers

    def party(self, uri: str, account: str, display: str = "") -> Party:
        """Who a SIP URI stands for."""
        return party_of(uri, self.phones, account=account, display=display)

    def _open_leg(self) -> Leg:
        """A leg that waits for late packets as little as its network allows, until a room says otherwise."""
        leg = self._services.media.open_leg()
        leg.jitter("adaptive")
        return leg

    def incoming(self, sip: SipCall, number: Number, account: Account) -> Call | None:
        """A call has arrived for a configured number; None when there is no room for it (503)."""
        caller = self.party(sip.from_uri, account.name, sip.from_display)
        if sip.user is not None and sip.user in self.phones and caller.kind != "number":
            caller = replace(caller, kind="phone", value=sip.user)
        return self._arrived(sip, number, account, caller, self.party(sip.request_uri, account.name))

    def _arrived(
        self, sip: SipCall, number: Number, account: Account, caller: Party, callee: Party, *, inside: bool = False
    ) -> Call | None:
        try:
            leg = self._open_leg()
        except (ResourceExhausted, MediaError) as error:
            log.warning("call_refused", reason=str(error))
            sip.reject(503, "Service Unavailable", {"Retry-After": "10"})
            return None
        now = self._services.clock.now()
        record = CallRecord(
            id=new_id(),
            account=account.name,
            dialect=number.dialect,
            direction="inbound",
            caller=caller,
            callee=callee,
            status=CallStatus.RINGING,
            created=now,
            updated=now,
            sip_call_id="" if inside else sip.id,
            sip_source=sip.source[0],
            sip_headers={name: value for name, value in sip.headers.items() if name.lower().startswith("x-")},
            signalled=kept(sip.headers, sip.signalled),
        )
        phone = self.phones.get(sip.user) if sip.user is not None else None
        srtp = "off" if inside else (phone.srtp if phone is not None else None) or self._settings.sip.srtp
        call = self._adopt(Call(record, self._services, leg, srtp))
        call.negotiation.inside = inside
        call.attach(sip)
        log.info("call_arrived", call=call.id, caller=caller.value, to=record.callee.value)
        return call

    def place(
        self,
        account: Account,
        dialect: str,
        *,
        callee: Party,
        caller: Party,
        progress: tuple[ProgressWish, ...] = (),
        ring_seconds: float = 60.0,
        silent_seconds: float | None = None,
        total_seconds: float | None = None,
        parent: Id | None = None,
        sip_username: str = "",
        sip_password: str = "",
        headers: Mapping[str, str] | None = None,
        tag: str = "",
        private: bool = False,
        srtp: Srtp | None = None,
        enter: Callable[[Call, InsideCall], None] | None = None,
    ) -> tuple[Call, Callable[[], None]]:
        """Prepare an outgoing call; the second value sends its INVITE (after the row is committed).

        `srtp` outranks what is configured for where it goes, unless that insists on encryption.
        `enter`: the callee is inside, and this takes the other end. Neither end is encrypted then: what they say stays on this machine.

        Raises Refused (not-allowed, no-route, not-registered, invalid-target) and ResourceExhausted.
        """
        target = self._destination(callee, account) if enter is None else Destination("", srtp="off")
        leg = self._open_leg()
        now = self._services.clock.now()
        record = CallRecord(
            id=new_id(),
            account=account.name,
            dialect=dialect,
            direction="outbound-api" if parent is None else "outbound-dial",
            caller=caller,
            callee=callee,
            status=CallStatus.QUEUED,
            created=now,
            updated=now,
            parent=parent,
            tag=tag,
        )
        keyed = target.srtp if enter is not None or target.srtp == "require" else srtp or target.srtp
        call = self._adopt(Call(record, self._services, leg, keyed))
        call.progress = progress
        call.negotiation.inside = enter is not None
        call.save()

        def send() -> None:
            if call.over:
                return
            if enter is not None:
                out, end = pair(caller.uri, callee.uri, call.offer())
                call.attach(out)
                call.limit(ring_seconds, total_seconds, silent_seconds)
                call.initiated()
                enter(call, end)
                return
            host, port = self._endpoint.address
            own = caller.uri or f"sip:{caller.value or 'anonymous'}@{host}:{port}"
            try:
                sip = self._endpoint.dial(
                    target.uri,
                    call.offer(),
                    caller=HIDDEN.uri if private else own,
                    display=HIDDEN.display if private else caller.display,
                    headers={**(headers or {}), **(_withheld(own, callee) if private else {})},
                    username=sip_username or target.username,
                    password=sip_password or target.password,
                    next_hop=target.next_hop,
                )
            except SipError as error:
                call.failed(str(error))
                return
            call.attach(sip)
            call.record = replace(call.record, sip_call_id=sip.id)
            call.limit(ring_seconds, total_seconds, silent_seconds)
            call.initiated()

        return call, send

    def _destination(self, callee: Party, account: Account) -> Destination:
        return destination(
            callee,
            account=account.name,
            settings=self._settings.dial,
            phones=self.phones,
            contact_of=self._endpoint.contact_of,
            next_hop_of=self._endpoint.next_hop_of,
        )

    def entering(self, end: InsideCall, number: Number, account: Account, caller: Party, callee: Party) -> Call | None:
        """A call from inside has arrived; None when there is no room for it (503)."""
        return self._arrived(end, number, account, caller, callee, inside=True)

    def forget(self, call: Call) -> None:
        """The call is over and told."""
        self._live.pop(call.id, None)

    def _adopt(self, call: Call) -> Call:
        self._live[call.id] = call
        return call
