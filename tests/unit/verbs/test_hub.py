"""The hub: how many calls there may be, whoever asks for one more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.facts import ACCOUNT, CALL, identity
from tests.support.rooms import JOINING, Journal, rooms

from hubbub.calls.directory import ApplicationRecord
from hubbub.clock import ManualClock
from hubbub.errors import Refused
from hubbub.events import Party
from hubbub.ids import Id
from hubbub.verbs.hub import MOST_INSIDE, Hub
from hubbub.verbs.model import JoinRoom
from hubbub.verbs.outgoing import OutgoingCall

APPLICATION, OUTERMOST = identity(80), identity(81)
CALLER = Party("number", "+15550001000", "sip:+15550001000@127.0.0.1")
TO_SOMEBODY = OutgoingCall(Party("sip", "sip:bob@127.0.0.1", "sip:bob@127.0.0.1"), CALLER)
TO_APPLICATION = OutgoingCall(Party("application", APPLICATION, f"app:{APPLICATION}"), CALLER, outermost=OUTERMOST)


class FakeCall:
    """A call that is only counted."""

    over = False

    def __init__(self, record: Any) -> None:
        self.record = record
        self.id = record.id
        self.negotiation = SimpleNamespace(offered=())
        self.record_on_answer: Any = None

    def save(self) -> None:
        """Nowhere."""


class Calls:
    """Calls that are made, and never sent."""

    capacity = 100

    def __init__(self) -> None:
        self.live: list[FakeCall] = []
        self.entered = 0

    def __iter__(self) -> Iterator[FakeCall]:
        return iter(list(self.live))

    def add(self, direction: Any) -> FakeCall:
        """One more that lives."""
        self.live.append(FakeCall(replace(CALL, id=identity(100 + len(self.live)), direction=direction, extra={})))
        return self.live[-1]

    def place(self, *_args: Any, parent: Id | None, **_more: Any) -> Any:
        """One more; the second value would send it."""
        return self.add("outbound-api" if parent is None else "outbound-dial"), lambda: None

    def entering(self, *_args: Any) -> None:
        """The other end has arrived; there is no port for it."""
        self.entered += 1


def hub(most: int = 0) -> tuple[Any, Calls]:
    """A hub of an account that may have so many calls."""
    calls: Any = Calls()
    dialect = SimpleNamespace(
        name="twiml",
        call_limits=lambda _account: SimpleNamespace(at_a_time=most, per_second=0),
        refusal_code=lambda reason: reason,
        settled=lambda _account, _call, joining: joining,
        room_key=lambda verb: (verb.room, None),
        longest_call=lambda _account: 0.0,
    )
    services: Any = SimpleNamespace(journal=Journal(), clock=ManualClock(), dialects={"twiml": dialect}, accounts={"dev": ACCOUNT})
    directory: Any = SimpleNamespace(get=lambda *_: application())
    here = services.rooms = rooms()
    made: Any = Hub(services, calls, here, directory, JOINING)
    made._adopt = lambda call, _dialect=None: call
    return made, calls


def application() -> ApplicationRecord:
    """One that can be called."""
    return ApplicationRecord(APPLICATION, "dev", "twiml", 0.0, 0.0, "bot", url="http://a/bot")


@pytest.mark.parametrize("how", ["place", "dial", "invite", "invite_to"])
async def test_every_outgoing_call_is_counted(how: str) -> None:
    """1.10: 10004, call concurrency: a call into a room that is there, as for a transfer, is one more as well."""
    there, calls = hub(most=1)
    calls.add("inbound")
    dialect = there.services.dialects["twiml"]
    parent = SimpleNamespace(record=CALL, dialect=dialect, call=SimpleNamespace(id=CALL.id))
    verb = JoinRoom(room="standup", joining=JOINING)
    ways = {
        "place": lambda: there.place(ACCOUNT, dialect, TO_SOMEBODY, None),
        "dial": lambda: there.dial(parent, TO_SOMEBODY),
        "invite": lambda: there.invite(ACCOUNT, dialect, TO_SOMEBODY, verb, (), early_media=False),
        "invite_to": lambda: there.invite_to(there.rooms.open("dev", "standup", JOINING), ACCOUNT, dialect, TO_SOMEBODY, verb, ()),
    }
    with pytest.raises(Refused) as refused:
        ways[how]()
    assert (refused.value.reason, len(calls.live)) == ("too-many-calls", 1)
    assert len(there.rooms) == (1 if how == "invite_to" else 0)
    there._prepare(ACCOUNT, dialect, replace(TO_SOMEBODY, beyond_limits=True))
    assert len(calls.live) == 2


async def test_applications_that_multiply_come_to_an_end() -> None:
    """Each of two nouns may name the application itself: how deep it goes is no limit of how many there are."""
    there, calls = hub()
    dialect = there.services.dialects["twiml"]
    for _ in range(MOST_INSIDE):
        there._prepare(ACCOUNT, dialect, TO_APPLICATION)
    with pytest.raises(Refused) as refused:
        there._prepare(ACCOUNT, dialect, TO_APPLICATION)
    assert (refused.value.reason, len(calls.live)) == ("bad-application", MOST_INSIDE)
    there._prepare(ACCOUNT, dialect, replace(TO_APPLICATION, outermost=identity(99)))
    calls.live[0].over = True
    there._prepare(ACCOUNT, dialect, TO_APPLICATION)


@pytest.mark.parametrize(("most", "entered"), [(0, 1), (2, 1), (1, 0)])
async def test_the_end_inside_is_counted_too(most: int, entered: int) -> None:
    there, calls = hub(most)
    outer = calls.add("outbound-api")
    rejected: list[int] = []
    end = SimpleNamespace(reject=lambda code, *_: rejected.append(code))
    there._enter(application(), ACCOUNT, TO_APPLICATION, outer, end)
    assert (calls.entered, rejected) == (entered, [] if entered else [503])
    assert [problem.code for problem in there.services.journal.problems] == ([] if entered else ["too-many-calls"])
