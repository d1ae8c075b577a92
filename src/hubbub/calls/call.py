"""A call leg: its SIP dialog, its audio, its record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import structlog

from hubbub.calls.negotiation import Negotiation
from hubbub.calls.recording import leg_recorder
from hubbub.clock import Clock
from hubbub.conference.journal import Journal, Renderer, Written, rendered
from hubbub.conference.policy import RecordingOrder
from hubbub.conference.recording import RecordingServices
from hubbub.conference.rows import call_row, kept
from hubbub.conference.transcription import Transcriber
from hubbub.errors import HubbubError
from hubbub.events import CallEvent, CallRecord, CallStatus, Link
from hubbub.ids import Id
from hubbub.media.client import Leg, Media
from hubbub.sip.description import SdpError
from hubbub.sip.endpoint import SipCall, SipEnd
from hubbub.sip.sdes import Wish
from hubbub.storage.store import Put
from hubbub.tasks import spawn
from hubbub.webhooks.delivery import Notice

if TYPE_CHECKING:
    from hubbub.calls.bridge import Bridge

log = structlog.get_logger()

ProgressKind = Literal["initiated", "ringing", "answered", "completed", "digit"]

FAILURE_STATUS = {
    486: CallStatus.BUSY,
    600: CallStatus.BUSY,
    408: CallStatus.NO_ANSWER,
    480: CallStatus.NO_ANSWER,
    487: CallStatus.CANCELED,
}
"""How an outgoing call ends for a SIP status; anything else is `failed`."""
INBOUND_STATUS = {
    "busy": CallStatus.BUSY,
    **dict.fromkeys(("rejected", "error", "invalid-document", "request-failed", "unsupported"), CallStatus.FAILED),
}
"""How an incoming call that was never answered ends, for the cause that this side gives; anything else is `no-answer`."""
REJECTIONS = frozenset({401, 403, 407, 603, 607})
"""Statuses with which somebody said no."""


@dataclass(frozen=True)
class ProgressWish:
    """Who wants to know how a call gets on."""

    link: Link
    events: frozenset[str] = frozenset({"completed"})


class CallRenderer(Renderer, Protocol):
    """Turns a call's progress into notices (the dialects' CALLBACKS)."""

    def call_notices(self, event: CallEvent, wish: ProgressWish) -> Sequence[Notice]:
        """Notices of a call event."""


@dataclass(frozen=True)
class CallServices:
    """What every call needs."""

    media: Media
    journal: Journal
    clock: Clock
    render: CallRenderer
    recordings: Path
    transcriber: Transcriber | None = None


@dataclass(frozen=True, eq=False)
class _Hearing:
    """Somebody who hears keys."""

    told: Callable[[str], None]
    gathers: bool


class Call:
    """One call leg, from INVITE to BYE. All methods run on the loop; callbacks are synchronous."""

    def __init__(self, record: CallRecord, services: CallServices, leg: Leg, srtp: Wish = "accept") -> None:
        self.record = record
        self.leg = leg
        self.sip: SipCall | None = None
        self.progress: tuple[ProgressWish, ...] = ()
        self._hearing: list[_Hearing] = []
        """Who hears keys, in order of their coming: the last does."""
        self.keys_beside: set[Callable[[str], None]] = set()
        """Who is told of keys beside whoever hears them."""
        self.on_ringing: Callable[[], None] | None = None
        self.on_answered: Callable[[], None] | None = None
        self.on_early_media: Callable[[], None] | None = None
        self.on_ended: Callable[[], None] | None = None
        self.bridge: Bridge | None = None
        """What connects it with another call, while it does."""
        self.negotiation = Negotiation(leg, codecs=services.media.codecs, suites=services.media.suites, srtp=srtp)
        self.too_long = False
        """Whether it ended because no call may last longer, whatever limit was wished."""
        self.ended_by_request = False
        """Whether REST asked for its end."""
        self.final_cause = ""
        """Why this side ends the call, when it is more than a hang-up."""
        self._services = services
        self._number = -1
        self._ring_timer: asyncio.TimerHandle | None = None
        self._silent_timer: asyncio.TimerHandle | None = None
        self._total_timer: asyncio.TimerHandle | None = None
        self._answered_at = 0.0
        """On the monotonic clock."""
        self._total_seconds: float | None = None
        self.longest_seconds: float | None = None
        """How long it may last after its answer, whatever limit was wished."""
        self.written: Written | None = None
        kit = RecordingServices(
            services.media, services.journal, services.render, services.clock, services.recordings, services.transcriber
        )
        self.recorder = leg_recorder(record, leg, kit)
        """What is recorded of this leg."""
        self.record_on_answer: RecordingOrder | None = None
        leg.on_digit = self._digit

    # -- facts -------------------------------------------------------------------------------------------------

    @property
    def id(self) -> Id:
        """Its identity."""
        return self.record.id

    @property
    def status(self) -> CallStatus:
        """How it stands."""
        return self.record.status

    @property
    def answered(self) -> bool:
        """Whether it was answered."""
        return self.record.answered is not None

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.record.status.final

    # -- inbound -----------------------------------------------------------------------------------------------

    def attach(self, sip: SipCall) -> None:
        """Take the SIP side."""
        self.sip = sip
        sip.on_progress = self._progressed
        sip.on_answer = self._answered
        sip.on_offer = self._offered
        sip.on_digit = self._digit
        sip.on_dialog = self._moved
        sip.on_end = self._ended

    def answer(self) -> None:
        """Answer an inbound call, once. A far end whose SDP has nothing in common gets 488."""
        if self.sip is None or self.answered or self.over or self.record.direction != "inbound":
            return
        if self.sip.remote_sdp is None:
            self.sip.answer(self.negotiation.offer())
        else:
            try:
                text = self.negotiation.answer(self.sip.remote_sdp)
            except SdpError as error:
                log.info("offer_refused", call=self.id, reason=str(error))
                self.final_cause = "error"
                self.sip.reject(488, "Not Acceptable Here")
                return
            self.sip.answer(text)
        self._became_answered()

    def reject(self, reason: str) -> None:
        """Refuse an inbound call that is not answered yet."""
        if self.sip is None or self.over:
            return
        if self.answered:
            self.hangup()
            return
        self.final_cause = self.final_cause or ("busy" if reason == "busy" else "rejected")  # what failed before is why
        code, text = (486, "Busy Here") if reason == "busy" else (603, "Decline")
        self.sip.reject(code, text)

    def hangup(self, cause: str = "") -> None:
        """End the call, whatever its state."""
        if self.over:
            return
        self.final_cause = cause or self.final_cause
        if self.sip is not None:
            self.sip.hangup()
        else:
            self.progress = ()  # "Cancel while still queued fires no callbacks"
            self._end(CallStatus.CANCELED)

    # -- outbound ----------------------------------------------------------------------------------------------

    def offer(self) -> str:
        """The SDP offer of an outgoing call."""
        return self.negotiation.offer()

    def initiated(self) -> None:
        """The INVITE has been sent."""
        self._change(status=CallStatus.INITIATED)
        self._tell("initiated")

    def failed(self, error: str, status: CallStatus = CallStatus.FAILED) -> None:
        """The call could not even be made."""
        self.record = replace(self.record, error=error)
        self._end(status)

    def limit(self, ring_seconds: float | None, total_seconds: float | None, silent_seconds: float | None = None) -> None:
        """End the call when it rings, or lasts after its answer, longer than this, or is silent for so long before it rings.

        A new limit replaces the old one.
        """
        if silent_seconds is not None:
            self._silent_timer = asyncio.get_running_loop().call_later(silent_seconds, self._stayed_silent)
        if ring_seconds is not None:
            self._ring_timer = asyncio.get_running_loop().call_later(ring_seconds, self._rang_out)
        if total_seconds is not None:
            self._total_seconds = total_seconds
            self._limit_total()

    # -- changes -----------------------------------------------------------------------------------------------

    def connected_with(self, other: Id) -> None:
        """Note which call it is connected with."""
        self._change(peer=other)
        self.save()

    def set_tag(self, tag: str) -> None:
        """Set the call's tag; the empty text clears it."""
        if tag != self.record.tag:
            self._change(tag=tag)
            self.save()

    def watch_keys(self, link: Link | None) -> None:
        """Tell each key to this link from now on, or to nobody."""
        others = tuple(wish for wish in self.progress if "digit" not in wish.events)
        self.progress = others if link is None else (*others, ProgressWish(link, frozenset({"digit"})))
        self.save()

    def tell(
        self,
        kind: Literal["words", "detected", "transcription"],
        link: Link | None,
        facts: Mapping[str, Any],
        detail: str = "",
        number: int = 0,
    ) -> None:
        """Keep that something was heard on the call, and tell it to whoever asked for it."""
        event = CallEvent(kind, self.record, self._services.clock.now(), number, detail, facts)
        notices: Sequence[Notice] = ()
        if link is not None:
            wish = ProgressWish(link, frozenset({kind}))
            notices = rendered(lambda: self._services.render.call_notices(event, wish))
        self._services.journal.write([], [event] if kind != "words" else [], notices)

    def answered_by(self, who: str, seconds: float) -> None:
        """It was found out who answered."""
        self._change(answered_by=who, detection_seconds=seconds)
        self.save()

    def fail(self, cause: str, error: str) -> None:
        """Note why the call is about to end."""
        self.final_cause = cause
        self._change(error=error)

    def save(self, events: Sequence[CallEvent] = (), notices: Sequence[Notice] = ()) -> None:
        """Write the call's row."""
        more: dict[str, Any] = {}
        if self.progress:
            more = {"progress": kept(tuple[ProgressWish, ...], self.progress), "number": self._number}
        if self.sip is not None and not self.over and (dialog := self.sip.dialog) is not None:
            more["dialog"] = dialog  # for the BYE of a server that comes back after a crash
        changes = [Put("calls", self.id, call_row(self.record, **more))]
        self.written = self._services.journal.write(changes, events, notices)

    # -- SIP callbacks -----------------------------------------------------------------------------------------

    def _progressed(self, code: int, sdp: str | None) -> None:
        if sdp is not None:
            try:
                self.negotiation.take(sdp)
            except SdpError as error:
                log.info("early_answer_unreadable", call=self.id, reason=str(error))
            else:
                if self.on_early_media is not None:
                    self.on_early_media()
        if self.record.status is CallStatus.INITIATED and code >= 180:
            self._change(status=CallStatus.RINGING)
            self._tell("ringing")
            if self.on_ringing is not None:
                self.on_ringing()

    def _answered(self, sdp: str | None) -> None:
        if sdp is not None:
            try:
                self.negotiation.take(sdp)
            except SdpError as error:
                log.info("answer_unreadable", call=self.id, reason=str(error))
                self.hangup("error")
                return
        if not self.answered:
            self._became_answered()

    def _offered(self, sdp: str | None) -> str | None:
        if sdp is None:
            return self.negotiation.offer()
        try:
            return self.negotiation.answer(sdp)
        except SdpError as error:
            log.info("offer_refused", call=self.id, reason=str(error))
            return None

    def hear_keys(self, told: Callable[[str], None], *, gathers: bool = False) -> Callable[[], None]:
        """Tell keys to this one until what is returned is called; whoever heard them before hears them again then.

        Keys of one that `gathers` are its own: progress callbacks are not told of them.
        """
        hearing = _Hearing(told, gathers)
        self._hearing.append(hearing)

        def release() -> None:
            if hearing in self._hearing:
                self._hearing.remove(hearing)

        return release

    def _digit(self, digit: str) -> None:
        hearing = self._hearing[-1] if self._hearing else None
        gathered = hearing is not None and hearing.gathers
        if not gathered and not self.over and any("digit" in wish.events for wish in self.progress):
            self._tell("digit", digit)
        for told in tuple(self.keys_beside):
            told(digit)
        if hearing is not None:
            hearing.told(digit)

    def _moved(self) -> None:
        """The other side's requests go elsewhere from now on."""
        if not self.over:
            self.save()

    def _ended(self, end: SipEnd) -> None:
        self.record = replace(self.record, sip_code=end.code, sip_phrase=end.reason, ended_by=end.by)
        self._end(self._final_status(end))

    # -- inside ------------------------------------------------------------------------------------------------

    def _became_answered(self) -> None:
        self._answered_at = self._services.clock.monotonic()
        self._change(status=CallStatus.IN_PROGRESS, answered=self._services.clock.now())
        self._limit_total()
        if self.record_on_answer is not None:
            started = self.recorder.start(self.record_on_answer)
            self.record = replace(self.record, extra={**self.record.extra, "recording": started.id, "recorded_from": started.started})
        self._tell("answered")
        if self.on_answered is not None:
            self.on_answered()

    def _limit_total(self) -> None:
        limits = [seconds for seconds in (self._total_seconds, self.longest_seconds) if seconds is not None]
        if not limits or self.record.answered is None or self.over:
            return
        if self._total_timer is not None:
            self._total_timer.cancel()
        left = self._answered_at + min(limits) - self._services.clock.monotonic()  # a step of the wall clock ends no call
        self._total_timer = asyncio.get_running_loop().call_later(max(0.0, left), self._lasted, min(limits))

    def _lasted(self, seconds: float) -> None:
        self.too_long = seconds == self.longest_seconds
        self.hangup("timeout")

    def _stayed_silent(self) -> None:
        if self.record.status is CallStatus.INITIATED:
            self.hangup("cancel")

    def _rang_out(self) -> None:
        if not self.answered and not self.over:
            self.final_cause = "timeout"
            self.hangup()

    def _final_status(self, end: SipEnd) -> CallStatus:
        if self.answered:
            return CallStatus.COMPLETED
        if self.record.direction == "inbound":
            return INBOUND_STATUS.get(self.final_cause, CallStatus.NO_ANSWER)
        if self.final_cause == "timeout":
            return CallStatus.NO_ANSWER
        if self.final_cause == "error":
            return CallStatus.FAILED
        if end.by == "local":
            return CallStatus.CANCELED
        return FAILURE_STATUS.get(end.code, CallStatus.FAILED)

    def _change(self, **changes: Any) -> None:
        self.record = replace(self.record, updated=self._services.clock.now(), **changes)

    def _tell(self, kind: ProgressKind, detail: str = "") -> None:
        """Write the call's new state and tell whoever asked for this kind of progress."""
        now = self._services.clock.now()
        wanted = [wish for wish in self.progress if kind in wish.events]
        if wanted:
            self._number += 1
        event = CallEvent(kind, self.record, now, self._number if wanted else None, detail)
        notices = [notice for wish in wanted for notice in rendered(partial(self._services.render.call_notices, event, wish))]
        self.save([event], notices)

    def _end(self, status: CallStatus) -> None:
        if self.over:
            return
        for timer in (self._ring_timer, self._silent_timer, self._total_timer):
            if timer is not None:
                timer.cancel()
        cause = self.final_cause or self._cause(status)
        quality = self.leg.quality() if self.answered else None
        if quality is not None:
            self._change(extra={**self.record.extra, "quality": asdict(quality)})
        began = self.record.answered or self.record.created
        self._change(status=status, ended=max(began, self._services.clock.now()), cause=cause)  # the wall clock may have stepped back
        log.info("call_ended", call=self.id, status=status.value, cause=cause)
        if self.on_ended is not None:
            self.on_ended()
        self._tell("completed")
        self.sip = None
        spawn(self._close_leg())

    def _cause(self, status: CallStatus) -> str:
        if self.answered:
            return "hangup"
        if self.record.direction == "inbound":
            return "cancel"
        if status is CallStatus.FAILED:
            return "rejected" if self.record.sip_code in REJECTIONS else "error"
        return {CallStatus.BUSY: "busy", CallStatus.NO_ANSWER: "timeout"}.get(status, "cancel")

    async def _close_leg(self) -> None:
        try:
            await self.recorder.finish_all()  # their last frames are still in the rings
            await self.leg.close()
        except HubbubError as error:
            log.warning("leg_not_closed", call=self.id, error=str(error))
