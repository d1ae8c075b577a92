"""A call's limits, without SIP and audio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hubbub.calls.call import Call, CallServices, ProgressWish
from hubbub.clock import ManualClock
from hubbub.dialects.registry import all_dialects
from hubbub.events import CallRecord, CallStatus, Link, Party
from hubbub.ids import Id
from hubbub.settings import Account
from hubbub.sip.endpoint import SipEnd

SOMEBODY = Party("number", "+15550001000", "sip:+15550001000@127.0.0.1")


def a_call(longest: float | None) -> Call:
    clock = ManualClock()
    nothing = SimpleNamespace(write=lambda *_: None)
    media = SimpleNamespace(codecs=("PCMU",), suites=())
    services = CallServices(cast(Any, media), cast(Any, nothing), clock, cast(Any, None), Path("recordings"))
    record = CallRecord(Id("1" * 32), "dev", "twiml", "inbound", SOMEBODY, SOMEBODY, CallStatus.RINGING, clock.now(), clock.now())
    call = Call(record, services, cast(Any, SimpleNamespace(on_digit=None)))
    call.longest_seconds = longest
    return call


@pytest.mark.parametrize(
    ("longest", "wished", "expected"),
    [(14_400.0, None, 14_400), (14_400.0, 60.0, 60), (60.0, 7200.0, 60), (None, 90.0, 90), (None, None, None)],
)
async def test_a_call_ends_at_the_shorter_of_its_limits(longest: float | None, wished: float | None, expected: float | None) -> None:
    """3.5: "TimeLimit is per leg. Max call 4 h (24 h account option)": counted from the answer."""
    call = a_call(longest)
    call.limit(None, wished)
    assert call._total_timer is None
    call._became_answered()
    if expected is None:
        assert call._total_timer is None
    else:
        assert call._total_timer is not None
        left = call._total_timer.when() - asyncio.get_running_loop().time()
        assert expected - 5 < left <= expected
        call._total_timer.cancel()


async def test_a_step_of_the_wall_clock_neither_ends_a_call_nor_makes_it_shorter_than_nothing() -> None:
    """Limits count on the clock that never jumps; a call ends no earlier than it began."""
    call = a_call(14_400.0)
    clock = cast(ManualClock, call._services.clock)
    call._became_answered()
    for step in (5 * 3600.0, -9 * 3600.0):
        cast(Any, clock).now = lambda step=step, began=call.record.answered: began + step
        call.limit(None, 3600.0)
        assert call._total_timer is not None
        assert 3590 < call._total_timer.when() - asyncio.get_running_loop().time() <= 3600

    async def closed() -> None: ...

    call.leg = cast(Any, SimpleNamespace(quality=lambda: None, close=closed))
    call._end(CallStatus.COMPLETED)
    assert call.record.ended == call.record.answered


def test_how_long_a_call_may_last() -> None:
    """3.5: "Max call 4 h (24 h account option)"; other dialects have no such limit."""
    dialects = all_dialects("http://hubbub.test", lambda call: None)
    assert dialects["twiml"].longest_call(Account(name="dev")) == 14_400
    assert dialects["twiml"].longest_call(Account(name="dev", long_calls=True)) == 86_400
    assert dialects["bxml"].longest_call(Account(name="dev")) is None


def test_whoever_heard_keys_before_hears_them_again() -> None:
    """A script gathers, a command begins to, the script goes on to a room, the command ends: none takes keys from another."""
    call, heard = a_call(None), list[str]()

    def hears(name: str) -> Callable[[], None]:
        return call.hear_keys(lambda digit: heard.append(f"{name} {digit}"))

    script = hears("script")
    command = hears("command")
    script()
    call.leg.on_digit("1")  # type: ignore[misc]
    room = hears("room")
    command()
    call.leg.on_digit("2")  # type: ignore[misc]
    command()  # once more changes nothing
    other = hears("other")
    call.leg.on_digit("3")  # type: ignore[misc]
    other()
    call.leg.on_digit("4")  # type: ignore[misc]
    room()
    call.leg.on_digit("5")  # type: ignore[misc]
    assert heard == ["command 1", "room 2", "other 3", "room 4"]


def test_keys_that_are_gathered_are_told_to_nobody_else() -> None:
    """Progress callbacks hear of keys unless a verb gathers them; the end of one that gathers does not end another's gathering."""
    call, told = a_call(None), list[str]()
    call.progress = (ProgressWish(Link("http://127.0.0.1/keys"), frozenset({"digit"})),)
    call._tell = lambda kind, digit: told.append(digit)  # type: ignore[assignment,method-assign,misc]
    first = call.hear_keys(lambda _: None, gathers=True)
    second = call.hear_keys(lambda _: None, gathers=True)
    first()
    call.leg.on_digit("1")  # type: ignore[misc]
    second()
    call.leg.on_digit("2")  # type: ignore[misc]
    assert told == ["2"]


def told_of(call: Call, *events: str) -> list[tuple[str, int | None]]:
    """What whoever follows the call is told, with the numbers."""
    told: list[tuple[str, int | None]] = []
    kinds = frozenset(events)
    call.progress = (ProgressWish(Link("http://127.0.0.1/p"), kinds) if events else ProgressWish(Link("http://127.0.0.1/p")),)
    render = SimpleNamespace(call_notices=lambda event, wish: told.append((event.kind, event.number)) or [])
    call._services = replace(call._services, render=cast(Any, render))
    call.leg = cast(Any, SimpleNamespace(on_digit=None, quality=lambda: None, close=lambda: None))
    call._close_leg = _nothing  # type: ignore[method-assign]
    return told


async def _nothing() -> None:
    return None


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (("initiated", "ringing", "answered", "completed"), [("initiated", 0), ("ringing", 1), ("answered", 2), ("completed", 3)]),
        (("answered", "completed"), [("answered", 0), ("completed", 1)]),
        ((), [("completed", 0)]),
    ],
)
async def test_progress_is_numbered_from_nothing(events: tuple[str, ...], expected: list[tuple[str, int]]) -> None:
    """4.3: "Events initiated, ringing, answered, completed (default completed only) … SequenceNumber (0-based)"."""
    call = a_call(None)
    call.record = replace(call.record, direction="outbound-api", status=CallStatus.QUEUED)
    told = told_of(call, *events)
    call.initiated()
    call._progressed(180, None)
    call._progressed(180, None)
    call._answered(None)
    call._ended(SipEnd(200, "OK", "remote", answered=True))
    assert told == expected


async def test_a_call_that_is_canceled_while_it_is_queued_tells_nobody() -> None:
    """1.1: "Cancel while still `queued` fires no callbacks"."""
    call = a_call(None)
    call.record = replace(call.record, direction="outbound-api", status=CallStatus.QUEUED)
    told = told_of(call, "initiated", "completed")
    call.hangup()
    assert (told, call.status) == ([], CallStatus.CANCELED)


@pytest.mark.parametrize(
    ("code", "status"),
    [(486, CallStatus.BUSY), (600, CallStatus.BUSY), (480, CallStatus.NO_ANSWER), (408, CallStatus.NO_ANSWER), (503, CallStatus.FAILED)],
)
async def test_how_a_call_that_nobody_took_stands(code: int, status: CallStatus) -> None:
    """1.1: "busy / no-answer / failed / canceled: never answered; canceled = cancelled through REST"."""
    call = a_call(None)
    call.record = replace(call.record, direction="outbound-api", status=CallStatus.RINGING)
    told_of(call)
    call._ended(SipEnd(code, "", "remote", answered=False))
    assert call.status is status
    call = a_call(None)
    call.record = replace(call.record, direction="outbound-api", status=CallStatus.RINGING)
    told_of(call)
    call._ended(SipEnd(487, "", "local", answered=False))
    assert call.status is CallStatus.CANCELED


@pytest.mark.parametrize(("longest", "wished", "too_long"), [(0.0, None, True), (60.0, 0.0, False)])
async def test_a_call_that_lasted_as_long_as_any_may(longest: float, wished: float | None, too_long: bool) -> None:
    """1.10: 32015 max duration; a limit that was wished is no mistake of anybody."""
    call = a_call(longest)
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    call.hangup = ended.set_result  # type: ignore[method-assign,assignment]
    call.limit(None, wished)
    call._became_answered()
    assert (await asyncio.wait_for(ended, 5), call.too_long) == ("timeout", too_long)
