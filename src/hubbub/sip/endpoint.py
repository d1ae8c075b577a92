"""The narrow door between hubbub and SIP: what the rest of the house may ask of signalling, and nothing else.

Nothing here knows which SIP stack does the work. All methods are called on the loop's thread; all callbacks are called
there too, never from inside a method of the call they belong to (so no caller is re-entered), except `on_invite` and
`on_offer`, which answer a request that is waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

Address = tuple[str, int]
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class SipEnd:
    """How a call ended.

    `code` is the status that ended it: 200 for a BYE, 487 for a CANCEL, the final response of a failed INVITE, 408 when
    nothing was heard. `by` says who: the other side, this side, or a failure (time-out, no ACK, exception).
    `headers` are the `X-` and `P-` headers of the message that ended it.
    """

    code: int
    reason: str
    by: Literal["remote", "local", "error"]
    answered: bool
    headers: Mapping[str, str] = field(default_factory=dict)


class Callbacks(Protocol):
    """What a call tells whoever has it; None: nobody listens. All are dropped after `on_end`, so that an ended call keeps nothing alive."""

    on_progress: Callable[[int, str | None], None] | None = None
    on_answer: Callable[[str | None], None] | None = None
    on_offer: Callable[[str | None], str | None] | None = None
    on_digit: Callable[[str], None] | None = None
    on_refer: Callable[[str], bool] | None = None
    on_referral: Callable[[int, bool], None] | None = None
    """How a REFER of ours gets on: the status of the new call (0: not told), and whether that is the last word."""
    on_dialog: Callable[[], None] | None = None
    on_end: Callable[[SipEnd], None] | None = None

    def clear_callbacks(self) -> None:
        """Tell nobody any more."""
        self.on_progress = self.on_answer = self.on_offer = self.on_digit = None
        self.on_refer = self.on_referral = self.on_dialog = self.on_end = None


class SipCall(Callbacks, Protocol):
    """One call."""

    @property
    def id(self) -> str:
        """Call-ID."""

    @property
    def direction(self) -> Literal["in", "out"]:
        """Who called: "in" = the other side."""

    @property
    def from_uri(self) -> str:
        """URI of From, without display name and tag."""

    @property
    def to_uri(self) -> str:
        """URI of To."""

    @property
    def request_uri(self) -> str:
        """Request-URI of the INVITE."""

    @property
    def from_user(self) -> str:
        """User part of From, unescaped; empty when there is none."""

    @property
    def to_user(self) -> str:
        """User part of the Request-URI, unescaped; empty when there is none."""

    @property
    def from_display(self) -> str:
        """Display name of From; empty when there is none."""

    @property
    def user(self) -> str | None:
        """The configured phone that proved its password (digest now, or at registration from the same address)."""

    @property
    def source(self) -> Address:
        """Where the INVITE came from or went to."""

    @property
    def headers(self) -> Mapping[str, str]:
        """`X-` and `P-` headers in their original spelling: of the INVITE when "in", of the final response when "out"."""

    @property
    def signalled(self) -> Mapping[str, str]:
        """`user-to-user`, `diversion` and `identity` of the INVITE when "in"."""

    @property
    def remote_sdp(self) -> str | None:
        """The newest SDP of the other side; None for an INVITE that brought none (late offer)."""

    @property
    def dialog(self) -> Mapping[str, Any] | None:
        """The state of a call as JSON, enough for `abandon`; `on_dialog` is called when it is another one. None: nothing is owed."""

    def ring(self, sdp: str | None = None) -> None:
        """Send 180, or 183 with `sdp`."""

    def answer(self, sdp: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """Send 200; `sdp` is an offer when `remote_sdp` is None, and the answer then comes to `on_answer`."""

    def reject(self, code: int, reason: str = "", headers: Mapping[str, str] = NO_HEADERS) -> None:
        """Refuse an inbound call that is not answered."""

    def redirect(self, uri: str) -> None:
        """Send 302 with `uri` as Contact."""

    def hangup(self, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """BYE; CANCEL when outbound and unanswered; 603 when inbound and unanswered. Harmless on an ended call."""

    async def reinvite(self, sdp: str) -> str:
        """Offer `sdp` in a running call; the other side's answer. SipError when it refuses."""

    async def info(self, content_type: str, body: str) -> int:
        """Send INFO; its final status."""

    async def refer(self, uri: str) -> int:
        """Ask the other side to call `uri`; the final status of the REFER. The call goes on; `on_referral` hears more."""

    def refer_result(self, code: int, reason: str = "") -> None:
        """Tell who sent REFER how it went (NOTIFY with a sipfrag, RFC 3515 2.4.4)."""


class SipEndpoint(Protocol):
    """A UDP port that makes and takes calls."""

    on_invite: Callable[[SipCall], None] | None

    @property
    def address(self) -> Address:
        """Host and port that were bound (port 0 resolved)."""

    async def start(self) -> None:
        """Bind and listen. OSError when the port is taken."""

    async def stop(self) -> None:
        """End all calls and close the port."""

    def drain(self) -> None:
        """From now on new INVITEs get 503 with Retry-After; running calls go on."""

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
    ) -> SipCall:
        """Call `target` (SIP URI) with `offer`. SipError at once when the URI cannot be called; else the call reports."""

    def abandon(self, dialog: Mapping[str, Any], password: str = "") -> None:
        """End a call of a server that is gone, from `SipCall.dialog`: BYE, or CANCEL. SipError when it cannot be read."""

    def contact_of(self, username: str) -> str | None:
        """Contact URI of a registered phone. `dial` to it goes to the address it registered from."""

    def next_hop_of(self, username: str) -> Address | None:
        """The address a phone registered from."""

    def counters(self) -> Mapping[str, int]:
        """Calls, registrations, and dropped packets by reason."""
