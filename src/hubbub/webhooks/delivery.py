"""Delivery of notices: the shell around `lanes.py` that owns the loop, the outbox and the requester.

    commit(state, event, Enqueue(notice)) → wake() → scan the outbox → lanes → prepare → send → on_result → settle (in batches)

At least once: a notice is sent again after a crash between its delivery and the settling of it, never otherwise. While the store fails,
delivery goes on with what it knows, up to UNSETTLED results; then it waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from hubbub.clock import Clock
from hubbub.errors import RequestFailed, StorageUnavailable
from hubbub.ids import Id
from hubbub.webhooks.addresses import loggable
from hubbub.webhooks.failures import Disconnected
from hubbub.webhooks.lanes import Dead, Done, Entry, Lanes, Load, Outcome, Retry, Send
from hubbub.webhooks.notices import Notice, lane_of, receiver_of
from hubbub.webhooks.requester import HttpReply, HttpRequest

__all__ = ["Delivery", "DeliveryStats", "Notice", "lane_of"]

log = structlog.get_logger()

PAGE = 1000
"""Entries read from the outbox at a time."""
UNSETTLED = 10_000
"""Results that may wait for the store before sending stops."""
POLL = 5.0
"""Seconds after which the outbox is looked at without being woken."""
STORE_WAIT = 1.0
PURGE_EVERY = 60.0

UNREACHABLE = frozenset({"connect_timeout", "refused", "dns", "network"})
"""Kinds of failure that hold a lane."""

Result = HttpReply | RequestFailed
Prepare = Callable[[Notice, int], HttpRequest | Sequence[HttpRequest]]
OnResult = Callable[[Notice, Result, bool], None]
Row = dict[str, Any]


class OutboxTable(Protocol):
    """What delivery needs of the outbox; `storage.outbox.Outbox` is one."""

    async def due(self, after: int, limit: int, *, lane: str | None = None, upto: int | None = None) -> list[Row]:
        """`seq`, `lane`, `created` of due notices."""

    async def fetch(self, seqs: Sequence[int]) -> list[Row]:
        """Whole rows."""

    async def settle(
        self,
        done: Sequence[int] = (),
        dead: Sequence[tuple[int, int, str]] = (),
        failed: Sequence[tuple[int, int, float, str]] = (),
    ) -> None:
        """Record results."""

    async def replay(self, id: Id) -> bool:
        """Make one due again."""

    async def replay_dead(self, lane: str | None = None) -> int:
        """Make the dead ones due again."""

    async def purge(self, *, done_before: float, dead_before: float, limit: int = 1000) -> int:
        """Remove old ones."""


class OutboxHolder(Protocol):
    """The store, as far as delivery sees it."""

    @property
    def outbox(self) -> OutboxTable:
        """The outbox table."""


class Sender(Protocol):
    """The requester, as far as delivery sees it."""

    async def send(self, request: HttpRequest) -> HttpReply:
        """Send; any status is a reply. Raises RequestFailed."""


@dataclass(frozen=True)
class DeliveryStats:
    """Counts since the start, and what is under way."""

    delivered_total: int
    failed_attempts_total: int
    dead_total: int
    sending: int
    lanes: int
    held: int


@dataclass
class _Results:
    """What the store has not been told yet."""

    done: list[int] = field(default_factory=list)
    dead: list[tuple[int, int, str]] = field(default_factory=list)
    failed: list[tuple[int, int, float, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.done) + len(self.dead) + len(self.failed)

    def settled(self) -> set[int]:
        """Sequence numbers that must not be sent again."""
        return {*self.done, *(seq for seq, _, _ in self.dead)}


class Delivery:
    """Sends what is due. Everything runs on the loop that called `start`.

    `prepare(notice, attempt)` gives the request, or several: the next is tried when one before it failed (a fallback URL). `attempt` counts
    from 1 over restarts. `on_result(notice, result, final)` is told of every attempt. `keep_done` and `keep_dead`: seconds that settled
    notices stay in the table.
    """

    def __init__(
        self,
        store: OutboxHolder,
        requester: Sender,
        prepare: Prepare,
        clock: Clock,
        *,
        redeliver: bool = True,
        on_result: OnResult | None = None,
        concurrent: int = 256,
        keep_done: float = 3600.0,
        keep_dead: float = 30 * 86400.0,
    ) -> None:
        self._outbox = store.outbox
        self._requester = requester
        self._prepare = prepare
        self._clock = clock
        self._redeliver = redeliver
        self._on_result = on_result
        self._concurrent = concurrent
        self._keep = (keep_done, keep_dead)
        self._lanes = Lanes()
        self._cursor = 0
        self._rescan = False
        self._news = asyncio.Event()
        self._unsettled = _Results()
        self._to_settle = asyncio.Event()
        self._settle_lock = asyncio.Lock()
        self._loops: list[asyncio.Task[None]] = []
        self._sends: set[asyncio.Task[None]] = set()
        self._purge_at = 0.0
        self._delivered = self._failed_attempts = self._dead = 0

    async def start(self) -> None:
        """Begin with what is due in the outbox, in order."""
        self._lanes = Lanes(redeliver=self._redeliver, concurrent=self._concurrent)
        self._cursor, self._rescan, self._purge_at = 0, True, self._clock.monotonic() + PURGE_EVERY
        self._loops = [asyncio.create_task(self._pump()), asyncio.create_task(self._settling())]

    async def stop(self, grace: float = 2.0) -> None:
        """Send nothing more; give what is under way `grace` seconds; tell the store what was delivered."""
        loops, self._loops = self._loops, []
        for pump in loops[:1]:
            await _cancel(pump)
        if self._sends:
            await asyncio.wait(self._sends, timeout=grace)
        for task in [*self._sends]:
            await _cancel(task)
        async with self._settle_lock:  # never in the middle of a settling: its transaction would go on and be told twice
            for task in loops[1:]:
                await _cancel(task)
        with contextlib.suppress(StorageUnavailable):
            await self._settle()

    def wake(self) -> None:
        """Look at the outbox now: after a commit that enqueued notices, or when the clock was moved."""
        self._rescan = True
        self._news.set()

    async def replay(self, id: Id) -> bool:
        """Send a dead or delivered notice again, after what waits in its lane; False when it is not in the table."""
        found = await self._outbox.replay(id)
        self.wake()
        return found

    async def replay_dead(self, lane: str | None = None) -> int:
        """Send all dead letters of a lane (or of all) again, in their old order; returns how many."""
        count = await self._outbox.replay_dead(lane)
        self.wake()
        return count

    def stats(self) -> DeliveryStats:
        """For metrics and pages."""
        lanes = self._lanes
        return DeliveryStats(self._delivered, self._failed_attempts, self._dead, lanes.sending, len(lanes), lanes.held)

    # ---- from the outbox to the lanes ----------------------------------------------------------------------------

    async def _pump(self) -> None:
        while True:
            self._news.clear()
            wait = POLL
            try:
                await self._scan()
                await self._dispatch()
                await self._purge()
            except StorageUnavailable as error:
                log.warning("delivery_waits_for_storage", error=str(error))
                wait = STORE_WAIT
            except Exception:
                log.exception("delivery_failed")
                wait = STORE_WAIT
            due = self._lanes.next_time()
            if due is not None:
                wait = min(wait, max(0.0, due - self._clock.monotonic()))
            if not await _happens(self._news, wait):
                self._rescan = True

    async def _scan(self) -> None:
        """Announce what is new to the lanes, a page at a time, so that sending need not wait for the end of a long backlog."""
        if not self._rescan:
            return
        self._rescan = False
        try:
            rows = await self._outbox.due(self._cursor, PAGE)
        except BaseException:
            self._rescan = True
            raise
        settled = self._unsettled.settled()
        self._lanes.announce(self._entry(row) for row in rows if row["seq"] not in settled)
        if rows:
            self._cursor = rows[-1]["seq"]
        if len(rows) == PAGE:
            self.wake()

    def _entry(self, row: Row) -> Entry:
        # The lanes count on the monotonic clock: a change of the wall clock must not wake or kill them.
        born = self._clock.monotonic() - max(0.0, self._clock.now() - row["created"])
        return Entry(row["seq"], row["lane"], born, receiver_of(row["lane"]))

    async def _dispatch(self) -> None:
        while len(self._unsettled) < UNSETTLED:
            effects = self._lanes.take(self._clock.monotonic())
            if not effects:
                return
            for load in [effect for effect in effects if isinstance(effect, Load)]:
                await self._load(load)
            await self._begin([effect for effect in effects if isinstance(effect, Send)])

    async def _load(self, load: Load) -> None:
        try:
            rows = await self._outbox.due(load.after, load.limit, lane=load.lane, upto=self._cursor)
        except Exception as error:
            log.warning("delivery_waits_for_storage", error=str(error))
            self._lanes.load_failed(load.lane, self._clock.monotonic())
            return
        self._lanes.loaded(load.lane, [self._entry(row) for row in rows], more=len(rows) == load.limit)

    async def _begin(self, sends: Sequence[Send]) -> None:
        if not sends:
            return
        try:
            rows = {row["seq"]: row for row in await self._outbox.fetch([send.seq for send in sends])}
        except Exception as error:
            log.warning("delivery_waits_for_storage", error=str(error))
            for send in sends:
                self._lanes.put_back(send.lane, self._clock.monotonic())
            return
        for send in sends:
            task = asyncio.create_task(self._deliver(send, rows.get(send.seq)))
            self._sends.add(task)
            task.add_done_callback(self._sends.discard)

    # ---- one sending ---------------------------------------------------------------------------------------------

    async def _deliver(self, send: Send, row: Row | None) -> None:
        notice: Notice | None = None
        result: Result
        try:
            if row is None:
                raise KeyError("the row was removed")
            notice = Notice.from_data(row["data"])
            outcome, result = await self._try(notice, row["attempts"] + 1)
        except Exception as error:  # a bug in rendering must cost its notice, not the lane
            log.exception("notice_cannot_be_sent", seq=send.seq, lane=loggable(send.lane))
            outcome, result = Outcome.REJECTED, RequestFailed("protocol", f"cannot be sent: {error!r}"[:300])
        await self._conclude(send, notice, outcome, result)
        self._news.set()

    async def _try(self, notice: Notice, attempt: int) -> tuple[Outcome, Result]:
        """The request and its fallbacks. Only when none could be reached is the receiver unreachable."""
        prepared = self._prepare(notice, attempt)
        outcomes: list[Outcome] = []
        result: Result = RequestFailed("bad_url", "there is nowhere to send it")
        for request in [prepared] if isinstance(prepared, HttpRequest) else prepared:
            try:
                result = await self._requester.send(request)
            except RequestFailed as error:
                result = error
            outcomes.append(classify(result))
            if outcomes[-1] is Outcome.DELIVERED:
                return Outcome.DELIVERED, result
        if not outcomes or Outcome.REJECTED in outcomes:
            return Outcome.REJECTED, result
        return (Outcome.CUT if Outcome.CUT in outcomes else Outcome.UNREACHABLE), result

    async def _conclude(self, send: Send, notice: Notice | None, outcome: Outcome, result: Result) -> None:
        now = self._clock.monotonic()
        verdict = self._lanes.finished(send.lane, outcome, now)
        error = describe(result)
        match verdict:
            case Done():
                self._delivered += 1
                self._unsettled.done.append(send.seq)
            case Retry():
                self._failed_attempts += 1
                self._unsettled.failed.append((send.seq, 1, self._clock.now() + verdict.at - now, error))
            case Dead():
                self._failed_attempts += 1
                self._unsettled.dead.append((send.seq, 1, error))
                self._unsettled.dead.extend((seq, 0, error) for seq in verdict.also)
                self._dead += 1 + len(verdict.also)
                log.warning("notice_given_up", lane=loggable(send.lane), seq=send.seq, error=error, also=len(verdict.also))
        self._to_settle.set()
        self._tell(notice, result, not isinstance(verdict, Retry))
        if isinstance(verdict, Dead) and verdict.also:
            await self._tell_of_others(verdict.also, result)

    async def _tell_of_others(self, seqs: Sequence[int], result: Result) -> None:
        try:
            for row in await self._outbox.fetch(seqs):
                self._tell(Notice.from_data(row["data"]), result, True)
        except Exception as error:
            log.warning("delivery_result_untold", notices=len(seqs), error=str(error))

    def _tell(self, notice: Notice | None, result: Result, final: bool) -> None:
        if notice is None or self._on_result is None:
            return
        try:
            self._on_result(notice, result, final)
        except Exception:
            log.exception("delivery_result_handler_failed", event_name=notice.event)

    # ---- telling the store ---------------------------------------------------------------------------------------

    async def _settling(self) -> None:
        while True:
            await self._to_settle.wait()
            self._to_settle.clear()
            try:
                await self._settle()
            except StorageUnavailable:
                await asyncio.sleep(STORE_WAIT)
                self._to_settle.set()

    async def _settle(self) -> None:
        """All results so far in one transaction; more gather while it is written. They stay unsettled until the store has them."""
        async with self._settle_lock:
            batch = self._unsettled
            done, dead, failed = list(batch.done), list(batch.dead), list(batch.failed)
            if not len(batch):
                return
            try:
                await self._outbox.settle(done, dead, failed)
            except StorageUnavailable:
                raise
            except Exception:
                log.exception("delivery_results_lost", results=len(batch))  # they will be sent again after a restart
            del batch.done[: len(done)], batch.dead[: len(dead)], batch.failed[: len(failed)]
        self._news.set()

    async def _purge(self) -> None:
        if self._clock.monotonic() < self._purge_at:
            return
        self._purge_at = self._clock.monotonic() + PURGE_EVERY
        now = self._clock.now()
        done, dead = self._keep
        while await self._outbox.purge(done_before=now - done, dead_before=now - dead) >= PAGE:
            pass


def classify(result: Result) -> Outcome:
    """What a result means for the lane (design, law 4)."""
    if isinstance(result, HttpReply):
        return Outcome.DELIVERED if result.status < 400 else Outcome.REJECTED
    if result.status is not None and result.status < 300:
        return Outcome.DELIVERED  # it said yes, and only then too much or too little
    if isinstance(result, Disconnected):
        return Outcome.CUT
    return Outcome.UNREACHABLE if result.kind in UNREACHABLE else Outcome.REJECTED


def describe(result: Result) -> str:
    """One line for the dead letter."""
    if isinstance(result, HttpReply):
        return f"status {result.status}"
    return f"{result.kind}: {result}"


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
