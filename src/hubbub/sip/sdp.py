"""SDP offers and answers for one audio stream (RFC 8866, RFC 3264): pure text in, values out.

Spoken here: PCMU, PCMA, G722, L16 (8 and 16 kHz, mono) and Opus (RFC 7587) over RTP/AVP and RTP/SAVP, `telephone-event` at the clock of the
codec (RFC 4733 2.1), RTCP on its own port or multiplexed (RFC 5761), hold by direction or by the address 0.0.0.0. Codecs are named in order
of preference; an answer keeps the order of the offer (RFC 3264 6.1).

Encryption is that of `sdes`: an offer of RTP/SAVP is answered so (RFC 4568), one of RTP/AVP with `a=crypto` too (opportunistic, RFC
8643); of several audio streams the first that is encrypted in a way that is spoken here is taken, then the first plain one. The feedback
profiles (AVPF, SAVPF) are answered as such: they need no feedback, and none is named (RFC 4585 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hubbub.sip.description import PLAIN, RATE, SECURED, STATIC, Address, AudioMedia, Direction, MediaLine, Payload, SdpError
from hubbub.sip.sdes import Agreement, CryptoError, Keyring

CODECS = ("PCMU", "PCMA")
CLOCKS = {"PCMU": 8000, "PCMA": 8000, "G722": 8000, "L16/8000": 8000, "L16/16000": 16000, "OPUS": 48000}
"""Codecs by the names that `codecs` takes, and their RTP clock; G.722 counts 8 kHz though it samples at 16 (RFC 3551 4.5.2)."""
CHANNELS = {"OPUS": 2}
"""Channels in the name of a codec; Opus always says two, whatever it sends (RFC 7587 4.1)."""
FORMATS = {"OPUS": "minptime=10;useinbandfec=1;maxplaybackrate=16000;sprop-maxcapturerate=16000"}
"""What our `a=fmtp` says: we play and send what 16 kHz can hold, and repair what was lost (RFC 7587 6.1)."""
SPELLINGS = {"OPUS": "opus"}
DYNAMIC = 96
"""First payload type of a codec that has no static one."""
TELEPHONE_EVENT = 101
PTIMES = (10, 20, 30, 40, 50, 60)
LONG = {"L16/16000": 40}
"""Longest packet time where 60 ms would not fit into a datagram, in milliseconds."""
MIRROR: dict[Direction, Direction] = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


@dataclass(frozen=True)
class Agreed:
    """What both sides will do: codec and payload types to send with, where to, and who sends."""

    codec_name: str
    payload_type: int
    telephone_event: int | None
    ptime: int
    remote: Address
    send: bool
    receive: bool
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Of the codec's `a=fmtp`, names in small letters."""
    event_rate: int = RATE
    """Clock of the telephone events."""
    mux: bool = False
    reports: Address | None = None
    """Where RTCP goes; None where `remote` takes both."""
    cipher: Agreement | None = None
    """How it is encrypted; None: it is not."""


def _name(payload: Payload) -> str:
    """What `codecs` calls the format: the encoding name, with the clock where there are several."""
    return f"{payload.name}/{payload.rate}" if payload.name == "L16" else payload.name


def _codec(media: AudioMedia, codecs: Sequence[str]) -> Payload:
    for payload in media.payloads:
        name = _name(payload)
        if name in codecs and payload.rate == CLOCKS[name] and payload.channels == CHANNELS.get(name, 1):
            return payload
    known = ", ".join(_name(payload) for payload in media.payloads) or "none known"
    raise SdpError(f"no codec in common: {', '.join(codecs)} here, {known} there")


def _event(media: AudioMedia, rate: int) -> Payload | None:
    """Telephone-events at the codec's clock: one stream has one (RFC 4733 2.1).

    Many phones name only 8 kHz beside Opus: then events are counted so.
    """
    events = {item.rate: item for item in reversed(media.payloads) if item.name == "TELEPHONE-EVENT"}
    return events.get(rate) or (events.get(RATE) if rate == CLOCKS["OPUS"] else None)


def _parameters(text: str) -> Mapping[str, str]:
    """`name=value` pairs between semicolons; what is none is passed over."""
    pairs = (item.partition("=") for item in text.split(";"))
    return {name.strip().lower(): value.strip() for name, mark, value in pairs if mark}


def _ptime(media: AudioMedia, codec: str) -> int:
    """The packet time that the other side wants, in the steps that are spoken here; 20 ms when it does not care."""
    wanted = media.ptime or 20
    limit = min(wanted, media.maxptime or wanted, LONG.get(codec, wanted))
    return max((step for step in PTIMES if step <= limit), default=PTIMES[0])


def _agreed(media: AudioMedia, codec: Payload) -> Agreed:
    theirs = media.direction
    event = _event(media, codec.rate)
    return Agreed(
        codec_name=_name(codec),
        payload_type=codec.number,
        telephone_event=event.number if event else None,
        ptime=_ptime(media, _name(codec)),
        remote=(media.address, media.port),
        send=theirs in ("sendrecv", "recvonly") and not media.held,
        receive=theirs in ("sendrecv", "sendonly"),
        parameters=_parameters(codec.format),
        event_rate=event.rate if event else codec.rate,
        mux=media.mux,
        reports=None if media.mux else media.reports or (media.address, media.port + 1),
    )


class Outline:
    """What the descriptions of one call keep from one to the next: m-lines, which of them is used, payload types (RFC 3264 8, 8.3.2)."""

    def __init__(self) -> None:
        self.lines: tuple[MediaLine, ...] = ()
        """Those of the far end's last offer; none while only this side has offered."""
        self.index = 0
        self._numbers: dict[tuple[str, int, int], int] = {}
        """Payload types by name in capitals, clock and channels, of what is spoken here."""

    def follow(self, offer: AudioMedia) -> None:
        """This offer of the far end was answered."""
        self.lines, self.index = offer.lines, offer.index
        for payload in reversed(offer.payloads):  # of two for one format the first is used
            key = (payload.name, payload.rate, payload.channels)
            if key in _SPOKEN:
                self._numbers = {other: number for other, number in self._numbers.items() if number != payload.number}
                self._numbers[key] = payload.number

    def number(self, name: str, rate: int, channels: int, wished: int | None, reserved: int | None = None) -> int:
        """The payload type of a format: the one that it had, or the wished one, or a free one that nobody has used."""
        key = (name.upper(), rate, channels)
        if key not in self._numbers:
            taken = {*self._numbers.values(), reserved}
            wishes = range(DYNAMIC, 128) if wished is None else (wished, *range(DYNAMIC, 128))
            free = [number for number in wishes if number not in taken]
            theirs = self.lines[self.index].formats if self.lines else ()
            self._numbers[key] = next((number for number in free if str(number) not in theirs), free[0])
        return self._numbers[key]

    def place(self, stream: list[str]) -> list[list[str]]:
        """The m-lines of a description that has this stream where ours belongs."""
        return [stream if index == self.index else line.rejected() for index, line in enumerate(self.lines)] or [stream]

    def transport(self, profile: str) -> str:
        """The one that the stream has had, if it is of that kind, plain or secured: else this."""
        had = self.lines[self.index] if self.lines else None
        return had.protocol if had and (had.profile in SECURED) == (profile in SECURED) else profile


_SPOKEN = {(name.partition("/")[0], rate, CHANNELS.get(name, 1)) for name, rate in CLOCKS.items()}
_SPOKEN |= {("TELEPHONE-EVENT", rate, 1) for rate in CLOCKS.values()}


def make_offer(
    local: Address,
    *,
    codecs: Sequence[str] = CODECS,
    session: int,
    version: int,
    direction: Direction = "sendrecv",
    ptime: int = 20,
    telephone_event: int | None = TELEPHONE_EVENT,
    keys: Keyring | None = None,
    outline: Outline | None = None,
) -> str:
    """An offer of one audio stream at `local`, codecs in order of preference, with the keys that `keys` wants to offer.

    `session` stays for the call, `version` grows with every change (RFC 3264 5, 8). Every m-line of `outline` has its place.
    """
    outline = outline or Outline()
    payloads: list[Payload] = []
    for codec in codecs:
        name, rate, channels = codec.partition("/")[0], CLOCKS[codec], CHANNELS.get(codec, 1)
        payloads.append(Payload(outline.number(name, rate, channels, STATIC.get(codec), telephone_event), name, rate, channels))
    events: list[Payload] = []
    if telephone_event is not None:
        for rate in dict.fromkeys(payload.rate for payload in payloads):
            wished, reserved = (telephone_event, None) if not events else (None, telephone_event)
            events.append(Payload(outline.number("telephone-event", rate, 1, wished, reserved), "telephone-event", rate))
    profile, cryptos = PLAIN[0], []
    if keys is not None and keys.offers:
        profile = keys.profile or (SECURED[0] if keys.insists else PLAIN[0])
        cryptos = [crypto.line() for crypto in keys.offered()]
    profile = outline.transport(profile)
    stream = _stream(local, payloads, events, ptime, direction, mux=True, profile=profile, cryptos=cryptos)
    return _document(local, session, version, outline.place(stream))


def make_answer(
    offer: AudioMedia,
    local: Address,
    *,
    codecs: Sequence[str] = CODECS,
    session: int,
    version: int,
    keys: Keyring | None = None,
    outline: Outline | None = None,
) -> tuple[str, Agreed]:
    """The answer to `offer`, and what it means. One codec is chosen, in the order of the offer; every other m-line is rejected.

    SdpError when there is no codec in common, or no way to encrypt that one of the sides insists on.
    """
    codec = _codec(offer, codecs)
    cipher, cryptos = _answered_keys(offer, keys)
    agreed = replace(_agreed(offer, codec), cipher=cipher)
    direction = MIRROR[offer.direction]
    if offer.held and direction in ("sendrecv", "sendonly"):
        direction = "recvonly" if direction == "sendrecv" else "inactive"
    events = [] if agreed.telephone_event is None else [Payload(agreed.telephone_event, "telephone-event", agreed.event_rate)]
    profile = offer.lines[offer.index].protocol
    stream = _stream(local, [codec], events, agreed.ptime, direction, mux=offer.mux, profile=profile, cryptos=cryptos)
    outline = outline or Outline()
    outline.follow(offer)
    return _document(local, session, version, outline.place(stream)), agreed


def _answered_keys(offer: AudioMedia, keys: Keyring | None) -> tuple[Agreement | None, list[str]]:
    """What is agreed about keys in answering `offer`, and what the answer says of it."""
    cipher: Agreement | None = None
    cryptos: list[str] = []
    if keys is not None and offer.cryptos:
        try:
            cipher, ours = keys.answer(offer.cryptos)
            cryptos = [ours.line()]
        except CryptoError as error:
            if offer.profile in SECURED or keys.insists:
                raise SdpError(f"keys cannot be agreed on: {error}") from None
    elif offer.profile in SECURED or (keys is not None and keys.insists):
        raise SdpError("keys cannot be agreed on: there are none")
    if keys is not None:
        keys.settle(cipher, offer.profile)
    return cipher, cryptos


def read_answer(answer: AudioMedia, codecs: Sequence[str] = CODECS, keys: Keyring | None = None) -> Agreed:
    """What an answer to an offer of `codecs` means. SdpError when it names none of them, or is not encrypted where that was insisted on."""
    agreed = _agreed(answer, _codec(answer, codecs))
    cipher: Agreement | None = None
    if keys is not None and keys.offers and answer.cryptos:
        try:
            cipher = keys.accept(answer.cryptos)
        except CryptoError as error:
            raise SdpError(f"keys cannot be agreed on: {error}") from None
    elif answer.profile in SECURED or (keys is not None and (keys.insists or keys.profile in SECURED)):
        raise SdpError("keys cannot be agreed on: the answer has none that were asked for")
    if keys is not None:
        keys.settle(cipher, answer.profile)
    return replace(agreed, cipher=cipher)


def _stream(
    local: Address,
    codecs: Sequence[Payload],
    events: Sequence[Payload],
    ptime: int,
    direction: Direction,
    *,
    mux: bool,
    profile: str = PLAIN[0],
    cryptos: Sequence[str] = (),
) -> list[str]:
    formats = [*codecs, *events]
    lines = [f"m=audio {local[1]} {profile} {' '.join(str(item.number) for item in formats)}"]
    for item in formats:
        channels = f"/{item.channels}" if item.channels > 1 else ""
        lines.append(f"a=rtpmap:{item.number} {SPELLINGS.get(item.name, item.name)}/{item.rate}{channels}")
    lines += [f"a=fmtp:{item.number} {FORMATS[item.name]}" for item in codecs if item.name in FORMATS]
    lines += [f"a=fmtp:{event.number} 0-15" for event in events]
    return [*lines, *(f"a={crypto}" for crypto in cryptos), *(["a=rtcp-mux"] if mux else []), f"a=ptime:{ptime}", f"a={direction}"]


def _document(local: Address, session: int, version: int, streams: Sequence[Sequence[str]]) -> str:
    kind = "IP6" if ":" in local[0] else "IP4"
    head = ["v=0", f"o=hubbub {session} {version} IN {kind} {local[0]}", "s=hubbub", f"c=IN {kind} {local[0]}", "t=0 0"]
    return "\r\n".join([*head, *(line for stream in streams for line in stream), ""])
