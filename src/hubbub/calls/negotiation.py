"""What both sides of a call agree on: the SDP of this side (RFC 3264), its keys (RFC 4568), and the leg that does what was agreed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import structlog

from hubbub.errors import ConfigurationError
from hubbub.media import libsrtp
from hubbub.media.client import Codec, Leg
from hubbub.media.libsrtp import Cipher
from hubbub.settings import Settings, is_loopback
from hubbub.sip.description import parse_sdp
from hubbub.sip.sdes import Keyring, Wish
from hubbub.sip.sdp import Agreed, Outline, make_answer, make_offer, read_answer

log = structlog.get_logger()
_session_numbers = iter(range(1, 2**31))


def check_encryption(settings: Settings) -> None:
    """What is configured of SRTP can be done here; ConfigurationError when it cannot. Keys that strangers may read are warned of."""
    wishes = {
        "sip.srtp": settings.sip.srtp,
        "dial.srtp": settings.dial.srtp,
        **{f"dial.routes ({route.prefix})": route.srtp for route in settings.dial.routes},
        **{f"phones ({phone.username})": phone.srtp for phone in settings.phones},
    }
    wished = [f"{name} = {wish}" for name, wish in wishes.items() if wish in ("offer", "require")]
    library = libsrtp.find()
    if wished and not (library and set(library.suites) & set(settings.media.srtp_suites)):
        raise ConfigurationError(f"{', '.join(wished)}: libsrtp is needed: {libsrtp.HOW_TO_GET_IT}")
    if wished and not is_loopback(settings.sip.listen):
        log.warning("srtp_keys_readable", why="SIP over UDP carries the keys: whoever can read it can hear the calls", wished=wished)


class Negotiation:
    """The SDP session of one side of a call: its number stays, its version grows with every change (RFC 8866 5.2, RFC 3264 8)."""

    def __init__(
        self,
        leg: Leg,
        *,
        codecs: Sequence[str],
        suites: Sequence[str],
        srtp: Wish,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`codecs` and `suites` are those that are spoken here, in order of preference."""
        self.offered: tuple[str, ...] = ()
        """Of the codecs, what is offered to the far end; none: all of them."""
        self.inside = False
        """Whether the far end is on this machine."""
        self._leg = leg
        self._codecs = tuple(codecs)
        self._keys = Keyring(srtp, suites, random)
        self._outline = Outline()
        self._number = next(_session_numbers)
        self._version = 0

    @property
    def _local(self) -> tuple[str, int]:
        return self._leg.near if self.inside else self._leg.local

    def _next(self) -> int:
        self._version += 1
        return self._version

    def offer(self) -> str:
        """An offer of ours: the first one, or one that changes nothing."""
        codecs = tuple(name for name in self.offered if name in self._codecs) or self._codecs
        number, version = self._number, self._next()
        return make_offer(self._local, codecs=codecs, session=number, version=version, keys=self._keys, outline=self._outline)

    def answer(self, offer: str) -> str:
        """The answer to an offer; the leg is connected accordingly. SdpError when nothing can be agreed on."""
        media = parse_sdp(offer, self._keys)
        number, version = self._number, self._next()
        text, agreed = make_answer(
            media, self._local, codecs=self._codecs, session=number, version=version, keys=self._keys, outline=self._outline
        )
        self._connect(agreed)
        return text

    def take(self, answer: str) -> None:
        """Connect the leg as the answer to our offer says. SdpError when it cannot be."""
        self._connect(read_answer(parse_sdp(answer, self._keys), self._codecs, self._keys))

    def _connect(self, agreed: Agreed) -> None:
        codec = Codec(agreed.codec_name, agreed.payload_type, agreed.ptime, agreed.parameters, agreed.event_rate)
        keys = agreed.cipher
        self._leg.connect(
            agreed.remote,
            codec,
            telephone_event=agreed.telephone_event,
            send=agreed.send,
            receive=agreed.receive,
            reports=agreed.remote if agreed.mux else agreed.reports,
            cipher=Cipher(keys.suite, keys.sends, keys.receives, keys.lifetime) if keys else None,
        )
