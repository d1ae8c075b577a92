"""A phone: makes and takes calls over real SIP and RTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from hubbub.sip.endpoint import NO_HEADERS, Address, SipCall
from hubbub.sip.sdes import Wish
from hubbub.sip.sippy_endpoint import SippyEndpoint
from hubbub.testing.call import PhoneCall
from hubbub.testing.registration import register


@dataclass(frozen=True)
class PhoneOptions:
    """How a phone talks: codecs in order of preference, packet time in milliseconds, keys as telephone-events or as tones."""

    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    ptime: int = 20
    telephone_event: bool = True
    auto_answer: bool = True
    username: str = ""
    password: str = ""
    srtp: Wish = "off"


class Phone:
    """One phone with one SIP port. `name` is the user part of its address.

        async with Phone("alice") as alice:
            call = await alice.call("sip:+15550001000@127.0.0.1:5060")
            await call.wait_answered()

    `srtp` says how it encrypts (needs the package pylibsrtp): "accept" where the other side offers it, "offer", or "require".

    With `username` and `password` it answers digest challenges, and `register` makes it reachable by name.
    """

    def __init__(
        self,
        name: str = "phone",
        *,
        host: str = "127.0.0.1",
        codecs: tuple[str, ...] = ("PCMU", "PCMA"),
        ptime: int = 20,
        telephone_event: bool = True,
        auto_answer: bool = True,
        username: str = "",
        password: str = "",
        srtp: Wish = "off",
    ) -> None:
        self.name = name
        self.host = host
        self.options = PhoneOptions(codecs, ptime, telephone_event, auto_answer, username or (name if password else ""), password, srtp)
        self.calls: list[PhoneCall] = []
        self._incoming: asyncio.Queue[PhoneCall] = asyncio.Queue()
        self._endpoint = SippyEndpoint((host, 0))
        self._registrar: Address | None = None
        self._running = False

    async def start(self) -> Self:
        """Open the SIP port."""
        await self._open((self.host, 0))
        return self

    async def stop(self) -> None:
        """Hang up everything, give back the registration, close the port."""
        if not self._running:
            return
        self._running = False
        for call in self.calls:
            if not call.ended.is_set():
                call.sip.hangup()
        address = self._endpoint.address
        await self._endpoint.stop()
        if self._registrar is not None:
            try:
                await register(address, self._registrar, self.options.username, self.options.password, expires=0, patience=1.0)
            except AssertionError:
                pass  # the registrar is gone: so is the registration
            self._registrar = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    @property
    def address(self) -> Address:
        """Host and port of its SIP."""
        return self._endpoint.address

    @property
    def uri(self) -> str:
        """Where it can be called directly."""
        host, port = self.address
        return f"sip:{self.name}@{host}:{port}"

    async def call(self, uri: str, *, headers: Mapping[str, str] = NO_HEADERS, caller: str = "", display: str = "") -> PhoneCall:
        """Send an INVITE to `uri`; returns at once (see `PhoneCall.wait_answered`). `caller` is a user part or a whole SIP URI."""
        user = caller or self.name
        host, port = self.address
        made = PhoneCall(self, "out")
        self.calls.append(made)
        made.attach(
            self._endpoint.dial(
                uri,
                made.make_offer(),
                caller=user if user.startswith("sip:") else f"sip:{user}@{host}:{port}",
                display=display,
                headers=headers,
                username=self.options.username,
                password=self.options.password,
            )
        )
        return made

    async def wait_call(self, timeout: float = 10.0) -> PhoneCall:
        """The next call that came in (answered already, unless `auto_answer` is off)."""
        try:
            return await asyncio.wait_for(self._incoming.get(), timeout)
        except TimeoutError:
            seen = "; ".join(call.describe() for call in self.calls) or "no calls at all"
            raise AssertionError(f"nobody called {self.name} ({self.uri}) within {timeout:g} s: {seen}") from None

    async def register(self, registrar: Address, *, expires: int = 3600) -> None:
        """Register `username` at a SIP server, so that it can be called by name there. Not during a call."""
        assert self.options.password, f"{self.name} has no password to register with"
        assert all(call.ended.is_set() for call in self.calls), f"{self.name} cannot register during a call"
        address = self._endpoint.address
        # A registrar remembers the port that asked: the request must come from the phone's own.
        await self._endpoint.stop()
        try:
            await register(address, registrar, self.options.username, self.options.password, expires=expires)
        finally:
            await self._open(address)
        self._registrar = registrar if expires else None

    async def _open(self, address: Address) -> None:
        self._endpoint = SippyEndpoint(address)
        self._endpoint.on_invite = self._on_invite
        await self._endpoint.start()
        self._running = True

    def _on_invite(self, sip: SipCall) -> None:
        call = PhoneCall(self, "in")
        call.attach(sip)
        self.calls.append(call)
        if self.options.auto_answer:
            call.ring()
            call.answer()
        self._incoming.put_nowait(call)
