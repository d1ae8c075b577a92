"""A call as the person with the phone has it: speak, press keys, listen, put on hold, hang up."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from hubbub.sip import sdp
from hubbub.sip.description import Direction, SdpError, parse_sdp
from hubbub.sip.endpoint import NO_HEADERS, SipCall, SipEnd
from hubbub.sip.sdes import Keyring
from hubbub.testing.beat import BEAT, Line
from hubbub.testing.g711 import BY_NAME, Codec
from hubbub.testing.g722 import G722
from hubbub.testing.heard import RATE, Heard
from hubbub.testing.mouth import Mouth
from hubbub.testing.opus import Opus
from hubbub.testing.srtp import SUITES, Cipher

if TYPE_CHECKING:
    from hubbub.testing.phone import Phone

PATIENCE: Final = 0.4
"""Seconds beyond a window's end that audio may take to arrive before it counts as lost."""
_POLL: Final = 0.01


@dataclass(frozen=True)
class Progress:
    """A provisional answer: its status, and whether it brought early media."""

    code: int
    early_media: bool


def _codec(agreed: sdp.Agreed) -> Codec | G722 | Opus:
    if agreed.codec_name == "OPUS":
        return Opus(agreed.payload_type)
    return G722() if agreed.codec_name == "G722" else BY_NAME[agreed.codec_name]


class PhoneCall:
    """One call of a `Phone`. Every wait raises AssertionError, with what is known of the call, when its time is up."""

    def __init__(self, phone: Phone, direction: Literal["in", "out"]) -> None:
        self.phone = phone
        self.direction = direction
        self.sip: SipCall
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()
        self.end: SipEnd | None = None
        self.progress: list[Progress] = []
        self.info_digits = ""
        self.on_hold_by_other = False
        self._loop = asyncio.get_running_loop()
        self._held = False
        self._session = secrets.randbelow(2**31)
        self._version = 0
        self._agreed: sdp.Agreed | None = None
        self._codecs = phone.options.codecs
        self._keys = self._new_keys()
        mouth = Mouth(secrets.randbits(32), secrets.randbelow(30_000), secrets.randbits(31), ptime=phone.options.ptime)
        self._line = Line.open(phone.host, mouth)
        self._changed = asyncio.Event()
        BEAT.add(self._line)

    def _new_keys(self) -> Keyring:
        return Keyring(self.phone.options.srtp, tuple(SUITES), secrets.token_bytes)

    # -- who, and how it goes ------------------------------------------------------------------------------------------

    @property
    def headers(self) -> Mapping[str, str]:
        """`X-` and `P-` headers received: of the INVITE, or of the answer to ours."""
        return self.sip.headers

    @property
    def caller(self) -> str:
        """User part of From."""
        return self.sip.from_user

    @property
    def callee(self) -> str:
        """User part of the Request-URI."""
        return self.sip.to_user

    @property
    def codec(self) -> str:
        """Name of the agreed codec; empty before there is one."""
        return self._agreed.codec_name if self._agreed else ""

    @property
    def suite(self) -> str:
        """The crypto-suite of the call's audio; empty while it is plain."""
        return self._agreed.cipher.suite if self._agreed and self._agreed.cipher else ""

    async def wait_ringing(self, timeout: float = 5.0) -> PhoneCall:
        """Wait for a provisional answer other than 100."""
        await self._until(lambda: bool(self.progress) or self.answered.is_set(), timeout, "it did not ring")
        return self

    async def wait_answered(self, timeout: float = 10.0) -> PhoneCall:
        """Wait until both sides can talk."""
        await self._until(self.answered.is_set, timeout, "it was not answered")
        return self

    async def wait_ended(self, timeout: float = 10.0) -> SipEnd:
        """Wait for the end, whoever makes it."""
        await self._until(self.ended.is_set, timeout, "it did not end", ends=False)
        assert self.end is not None
        return self.end

    async def wait_digits(self, digits: str, timeout: float = 5.0) -> None:
        """Wait until exactly these keys were heard since the call began (telephone-events, and INFO)."""
        await self._until(lambda: digits in (self.digits, self.info_digits), timeout, f"the keys {digits!r} were not heard")

    @property
    def digits(self) -> str:
        """Keys heard as telephone-events since the call began."""
        with self._line.lock:
            return "".join(digit.key for digit in self._line.ear.digits)

    def describe(self) -> str:
        """What is known of the call, in one line."""
        line = self._line
        state = f"ended: {self.end}" if self.end else "answered" if self.answered.is_set() else "not answered"
        progress = ", ".join(f"{item.code}{' with media' if item.early_media else ''}" for item in self.progress) or "none"
        with line.lock:
            traffic = f"{line.mouth.sent} packets sent to {line.remote}, {len(line.ear.arrivals)} heard, {line.ear.lost} lost"
        beat = f"worst beat {BEAT.worst_delay * 1000:.0f} ms late"
        return f"{self.phone.name} {self.direction}bound call {state}; provisional answers: {progress}; {traffic}; {beat}"

    # -- answering (for phones that do not answer by themselves) -------------------------------------------------------

    def ring(self, *, early_media: bool = False) -> None:
        """Say 180, or 183 with early media."""
        self.sip.ring(self._answer_for(self.sip.remote_sdp) if early_media and self.sip.remote_sdp else None)

    def answer(self, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """Take the call."""
        if self.sip.remote_sdp is None:
            self.sip.answer(self._offer(), headers)  # late offer: their answer comes with the ACK
            return
        self.sip.answer(self._answer_for(self.sip.remote_sdp), headers)
        self._set_answered()

    def reject(self, code: int = 486, reason: str = "") -> None:
        """Do not take the call."""
        self.sip.reject(code, reason)

    # -- speaking ------------------------------------------------------------------------------------------------------

    def say(self, pcm: NDArray[np.int16], rate: int = 16_000) -> asyncio.Future[None]:
        """Speak (after what is being said); awaiting the result waits for the last sample, or the call's end."""
        spoken = (
            pcm if rate == RATE else np.clip(np.rint(soxr.resample(pcm.astype(np.float32), rate, RATE)), -32768, 32767).astype(np.int16)
        )
        done, told = self._promise()
        if len(spoken) == 0 or self.ended.is_set():
            told()
        with self._line.lock:
            self._line.mouth.say(spoken, told)
        return done

    def tone(self, frequency: float | Iterable[float], level_db: float = -12.0) -> None:
        """Sound a tone, or several, until told otherwise."""
        chosen = (float(frequency),) if isinstance(frequency, int | float) else tuple(map(float, frequency))
        with self._line.lock:
            self._line.mouth.tone(chosen, level_db)

    def silence(self) -> None:
        """Be silent: no tone, and what is being said stops. Packets go on."""
        with self._line.lock:
            self._line.mouth.tone((), 0)
            self._line.mouth.quiet()

    def press(self, digits: str, *, tone_ms: int = 120, gap_ms: int = 80) -> asyncio.Future[None]:
        """Press keys (telephone-events, RFC 4733; tones when the other side knows none); awaiting waits for the last, or the call's end."""
        unknown = set(digits.upper()) - set("0123456789*#ABCD")
        if unknown:
            raise ValueError(f"no such keys: {''.join(sorted(unknown))}")
        done, told = self._promise()
        if not digits or self.ended.is_set():
            told()
            return done
        with self._line.lock:
            self._line.mouth.press(digits, tone_ms * RATE // 1000, gap_ms * RATE // 1000, told)
        return done

    async def press_info(self, digits: str, *, tone_ms: int = 160) -> None:
        """Press keys by SIP INFO (application/dtmf-relay)."""
        for digit in digits:
            code = await self.sip.info("application/dtmf-relay", f"Signal={digit}\r\nDuration={tone_ms}\r\n")
            assert code == 200, f"INFO with key {digit} was answered {code}; {self.describe()}"

    # -- listening -----------------------------------------------------------------------------------------------------

    def mark(self) -> float:
        """This moment, for `since`."""
        return time.monotonic()

    async def heard(self, seconds: float = 1.0) -> Heard:
        """Listen for so long from now; what was heard in exactly that time."""
        start = self.mark()
        return await self._window(start, start + seconds)

    async def since(self, mark: float) -> Heard:
        """What was heard from `mark` until now."""
        return await self._window(mark, self.mark())

    async def _window(self, start: float, end: float) -> Heard:
        await asyncio.sleep(max(0.0, end - time.monotonic()))
        while time.monotonic() < end + PATIENCE and not self.ended.is_set():
            with self._line.lock:
                if self._line.ear.covered(end):
                    break
            await asyncio.sleep(_POLL)
        with self._line.lock:
            return self._line.ear.between(start, end)

    # -- the rest of the buttons ---------------------------------------------------------------------------------------

    async def hold(self, direction: Direction = "sendonly") -> None:
        """Put the other side on hold (re-INVITE): nothing is said until `resume`."""
        self._held = True
        await self._reinvite(direction)

    async def resume(self) -> None:
        """Take the other side back."""
        self._held = False
        await self._reinvite("sendrecv")

    async def change_codecs(self, codecs: tuple[str, ...]) -> None:
        """Offer other codecs from now on, in order of preference (re-INVITE)."""
        self._codecs = codecs
        await self._reinvite("sendrecv")

    async def change_keys(self) -> None:
        """Encrypt by another key from now on (re-INVITE)."""
        self._keys = self._new_keys()
        await self._reinvite("sendrecv")

    def hangup(self, headers: Mapping[str, str] = NO_HEADERS) -> asyncio.Future[SipEnd]:
        """End the call, answered or not; awaiting waits until it has ended."""
        self.sip.hangup(headers)
        return asyncio.ensure_future(self.wait_ended())

    # -- what the phone and the endpoint tell --------------------------------------------------------------------------

    def attach(self, call: SipCall) -> None:
        """Listen to the signalling of this call."""
        self.sip = call
        call.on_progress = self._on_progress
        call.on_answer = self._on_answer
        call.on_offer = self._on_offer
        call.on_digit = self._on_digit
        call.on_end = self._on_end

    def make_offer(self) -> str:
        """The first offer of an outbound call."""
        return self._offer()

    def _on_progress(self, code: int, text: str | None) -> None:
        self.progress.append(Progress(code, text is not None))
        if text is not None:
            self._accept(text)
        self._tell()

    def _on_answer(self, text: str | None) -> None:
        if text is not None:
            self._accept(text)
        self._set_answered()

    def _on_offer(self, text: str | None) -> str | None:
        if text is None:
            return self._offer()
        try:
            return self._answer_for(text)
        except SdpError:
            return None

    def _on_digit(self, digit: str) -> None:
        self.info_digits += digit
        self._tell()

    def _on_end(self, end: SipEnd) -> None:
        self.end = end
        with self._line.lock:
            self._line.mouth.end()
        BEAT.remove(self._line)
        self.ended.set()
        self._tell()

    # -- SDP -----------------------------------------------------------------------------------------------------------

    def _offer(self, direction: Direction = "sendrecv") -> str:
        options = self.phone.options
        self._version += 1
        return sdp.make_offer(
            self._line.local,
            codecs=self._codecs,
            session=self._session,
            version=self._version,
            direction=direction,
            ptime=options.ptime,
            telephone_event=sdp.TELEPHONE_EVENT if options.telephone_event else None,
            keys=self._keys,
        )

    def _answer_for(self, text: str) -> str:
        offer = parse_sdp(text, self._keys)
        if not self.phone.options.telephone_event:
            offer = replace(offer, payloads=tuple(item for item in offer.payloads if item.name != "TELEPHONE-EVENT"))
        self._version += 1
        answer, agreed = sdp.make_answer(
            offer, self._line.local, codecs=self._codecs, session=self._session, version=self._version, keys=self._keys
        )
        self._use(agreed)
        return answer

    def _accept(self, text: str) -> None:
        self._use(sdp.read_answer(parse_sdp(text, self._keys), self._codecs, self._keys))

    def _use(self, agreed: sdp.Agreed) -> None:
        self._agreed = agreed
        self.on_hold_by_other = not agreed.send
        events = self.phone.options.telephone_event
        with self._line.lock:
            self._line.remote = agreed.remote
            if agreed.cipher is None:
                self._line.cipher = None
            elif self._line.cipher is None or self._line.cipher.agreement != agreed.cipher:
                self._line.cipher = Cipher(agreed.cipher)
            mouth = self._line.mouth
            if mouth.codec.name != agreed.codec_name:
                mouth.codec = _codec(agreed)
            mouth.ptime = agreed.ptime
            mouth.telephone_event = agreed.telephone_event if events else None
            mouth.event_clock = self._line.ear.event_clock = agreed.event_rate // 8000
            self._line.ear.opus_type = agreed.payload_type if agreed.codec_name == "OPUS" else None
            mouth.sending = agreed.send and not self._held
            self._line.ear.telephone_event = agreed.telephone_event if self.direction == "in" else sdp.TELEPHONE_EVENT

    async def _reinvite(self, direction: Direction) -> None:
        self._accept(await self.sip.reinvite(self._offer(direction)))

    # -- waiting -------------------------------------------------------------------------------------------------------

    def _set_answered(self) -> None:
        self.answered.set()
        self._tell()

    def _tell(self) -> None:
        self._changed.set()

    def _promise(self) -> tuple[asyncio.Future[None], Callable[[], None]]:
        """A future for this loop, and the function by which the beat's thread fulfils it."""
        future: asyncio.Future[None] = self._loop.create_future()

        def fulfil() -> None:
            if not future.done():
                future.set_result(None)

        def told() -> None:
            try:
                self._loop.call_soon_threadsafe(fulfil)
            except RuntimeError:
                pass  # the loop is closed: nobody waits any more

        return future, told

    async def _until(self, holds: Callable[[], bool], timeout: float, complaint: str, *, ends: bool = True) -> None:
        """Wait until `holds`; with `ends`, give up as soon as the call has ended."""
        deadline = time.monotonic() + timeout
        while not holds():
            if ends and self.ended.is_set():
                raise AssertionError(f"{complaint}: {self.describe()}")
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f"{complaint} within {timeout:g} s: {self.describe()}")
            self._changed.clear()
            try:
                # Keys come from the beat's thread, which tells nobody: look now and then.
                await asyncio.wait_for(self._changed.wait(), min(left, 0.05))
            except TimeoutError:
                pass
