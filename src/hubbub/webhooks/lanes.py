"""The order of notices, as a pure core: (lanes, what happened, now) → what to send next and when to look again.

A lane is strict: its next notice is sent when the one before it was delivered or given up. Lanes run beside each other, at most
`concurrent` at a time, each in its turn. What the receiver answered decides (design, law 4):

    DELIVERED    done, the lane goes on
    REJECTED     4xx, 5xx, time-out, TLS…: the dialect's attempts are used up; dead letter, the lane goes on
    UNREACHABLE  no connection: the lane is held, 1 s doubling to 60 s; dead letter once the notice is 24 h old
    CUT          the connection broke before the answer: held like that, but given up after ten times, or one poisoned notice would
                 hold its lane for a day

One receiver (`group`) gets at most `share` of the places, and never more than three quarters: some that hang do not stop the others.
Lanes hold sequence numbers, at most `window` each; more of a lane are loaded from the store when these are used up.
"""

from __future__ import annotations

import enum
import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
GIVE_UP = 24 * 3600.0
"""Age of a notice, in seconds, beyond which a receiver that cannot be reached is not waited for."""
CUTS = 10


class Outcome(enum.Enum):
    """What became of one sending."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Entry:
    """A notice that is due. `born`: when it was enqueued, on the time scale of `now`; `group`: its receiver, the same for all of a lane."""

    seq: int
    lane: str
    born: float
    group: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """Effect: send this notice and report by `finished`."""

    lane: str
    seq: int


@dataclass(frozen=True, slots=True)
class Load:
    """Effect: read the due entries of a lane beyond `after` that have been announced, at most `limit`, and report by `loaded`."""

    lane: str
    after: int
    limit: int


@dataclass(frozen=True, slots=True)
class Done:
    """Verdict: delivered."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Verdict: the lane waits until `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class Dead:
    """Verdict: given up, and with it the equally old notices behind it (`also`), whose receiver is the same."""

    also: tuple[int, ...] = ()


Verdict = Done | Retry | Dead


@dataclass(slots=True)
class _Lane:
    name: str
    group: str
    waiting: deque[Entry] = field(default_factory=deque)
    last: int = 0
    """The highest sequence number taken in: what `Load` starts from."""
    more: bool = False
    """The store has entries beyond `last`."""
    loading: bool = False
    announced_meanwhile: bool = False
    failures: int = 0
    """In a row; the wait grows with it."""
    cuts: int = 0
    """Of the head."""


@dataclass(slots=True)
class _Group:
    sending: int = 0
    parked: deque[str] = field(default_factory=deque)
    """Lanes that are ready but would take more than the receiver's share."""


class Lanes:
    """All lanes with something due."""

    def __init__(self, *, redeliver: bool = True, concurrent: int = 256, share: int = 48, window: int = 32) -> None:
        self._redeliver = redeliver
        self._concurrent = concurrent
        self._window = window
        self._lanes: dict[str, _Lane] = {}
        self._ready: deque[str] = deque()
        self._held: list[tuple[float, str]] = []
        self._sending = 0
        self._share = max(1, min(share, concurrent * 3 // 4)) if concurrent > 1 else 1
        self._groups: dict[str, _Group] = {}

    @property
    def sending(self) -> int:
        """Notices being sent."""
        return self._sending

    @property
    def held(self) -> int:
        """Lanes that wait for an unreachable receiver."""
        return len(self._held)

    def __len__(self) -> int:
        return len(self._lanes)

    def announce(self, entries: Iterable[Entry]) -> None:
        """Due notices, each once, in the order of their sequence numbers; those for which there is no room are loaded later."""
        for entry in entries:
            lane = self._lanes.get(entry.lane)
            if lane is None:
                lane = self._lanes[entry.lane] = _Lane(entry.lane, entry.group or entry.lane)
                self._ready.append(entry.lane)
            elif lane.more:
                lane.announced_meanwhile = lane.loading
                continue
            if len(lane.waiting) >= self._window:
                lane.more = True
                continue
            lane.waiting.append(entry)
            lane.last = entry.seq

    def loaded(self, name: str, entries: Iterable[Entry], *, more: bool) -> None:
        """The answer to a Load. `more`: the store may hold others beyond them."""
        lane = self._lanes[name]
        lane.loading = False
        lane.more = more or lane.announced_meanwhile
        lane.announced_meanwhile = False
        for entry in entries:
            lane.waiting.append(entry)
            lane.last = entry.seq
        self._ready.append(name)

    def load_failed(self, name: str, now: float) -> None:
        """The store could not be read: look again in a while."""
        self._lanes[name].loading = False
        heapq.heappush(self._held, (now + FIRST_WAIT, name))

    def put_back(self, name: str, now: float) -> None:
        """The head could not be sent for a reason of ours: look again in a while."""
        self._free(self._lanes[name])
        heapq.heappush(self._held, (now + FIRST_WAIT, name))

    def take(self, now: float) -> list[Send | Load]:
        """What to do now, in turn, as far as there is room for it."""
        while self._held and self._held[0][0] <= now:
            self._ready.append(heapq.heappop(self._held)[1])
        effects: list[Send | Load] = []
        while self._ready and self._sending < self._concurrent:
            lane = self._lanes[self._ready.popleft()]
            if lane.waiting:
                group = self._groups.setdefault(lane.group, _Group())
                if group.sending >= self._share:
                    group.parked.append(lane.name)
                    continue
                group.sending += 1
                self._sending += 1
                effects.append(Send(lane.name, lane.waiting[0].seq))
            elif lane.more:
                lane.loading = True
                effects.append(Load(lane.name, lane.last, self._window))
            else:
                del self._lanes[lane.name]
        return effects

    def next_time(self) -> float | None:
        """When a held lane is due again; None when only news can change anything."""
        return self._held[0][0] if self._held else None

    def finished(self, name: str, outcome: Outcome, now: float) -> Verdict:
        """The head of a lane was sent: what it becomes."""
        lane = self._lanes[name]
        self._free(lane)
        if outcome is Outcome.UNREACHABLE or outcome is Outcome.CUT:
            lane.failures += 1
            lane.cuts += outcome is Outcome.CUT
            old = lane.waiting[0].born <= now - GIVE_UP
            if self._redeliver and not old and lane.cuts < CUTS:
                at = now + min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(lane.failures - 1, 16))
                heapq.heappush(self._held, (at, name))
                return Retry(at)
            return self._give_up(lane, now, also=old and self._redeliver)
        lane.failures = 0
        self._advance(lane)
        return Done() if outcome is Outcome.DELIVERED else Dead()

    def _give_up(self, lane: _Lane, now: float, *, also: bool) -> Dead:
        self._advance(lane)
        others: list[int] = []
        while also and lane.waiting and lane.waiting[0].born <= now - GIVE_UP:
            others.append(lane.waiting.popleft().seq)
        return Dead(tuple(others))

    def _free(self, lane: _Lane) -> None:
        self._sending -= 1
        group = self._groups[lane.group]
        group.sending -= 1
        if group.parked:
            self._ready.append(group.parked.popleft())
        elif group.sending == 0:
            del self._groups[lane.group]

    def _advance(self, lane: _Lane) -> None:
        lane.waiting.popleft()
        lane.cuts = 0
        self._ready.append(lane.name)
