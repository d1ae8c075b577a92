"""Controls: where a sound is, how loud it is, who hears it; how what was begun ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.errors import MediaError
from hubbub.media.client import RATE, Clip
from hubbub.verbs import handlers
from hubbub.verbs.controls import Doing, Ordered, Playing, Tape, amplified, gain_of
from hubbub.verbs.model import Pause, PlayBeside
from hubbub.verbs.program import Program


def tape(length: int, loops: int = 1) -> Tape:
    return Tape(np.arange(length, dtype=np.int16), loops)


def test_a_tape_goes_on_where_it_was() -> None:
    one = tape(100)
    one.played(30)
    piece, times = one.next()
    assert (piece[0], len(piece), times, one.over) == (30, 70, 1, False)
    one.played(70)
    assert one.over


def test_rounds_are_counted_over_pauses() -> None:
    three = tape(100, 3)
    assert three.next()[1] == 3
    three.played(250)
    piece, times = three.next()
    assert (three.rounds, piece[0], times) == (2, 50, 1)
    three.played(50)
    assert three.over


def test_for_ever_is_never_over() -> None:
    endless = tape(10, 0)
    endless.played(12_345)
    assert not endless.over
    assert endless.next()[1] == 1  # the rest of this round
    endless.played(5)
    assert endless.next()[1] == 0


def test_nothing_is_over_at_once() -> None:
    assert Tape().over


@given(st.integers(1, 50), st.integers(1, 5), st.lists(st.integers(0, 60), max_size=20))
def test_all_of_it_is_played_however_often_it_is_paused(length: int, loops: int, pauses: list[int]) -> None:
    played, one = 0, tape(length, loops)
    for pause in (*pauses, *([10**6] * (loops + 2))):
        if one.over:
            break
        piece, times = one.next()
        step = min(pause, len(piece) * times)
        one.played(step)
        played += step
    assert one.over
    assert played == length * loops


def test_amplified_is_clipped_and_exact() -> None:
    pcm = np.array([100, -100, 32767, -32768], np.int16)
    assert amplified(pcm, 1.0) is pcm
    assert list(amplified(pcm, gain_of(20))) == [1000, -1000, 32767, -32768]
    assert list(amplified(pcm, gain_of(-20))) == [10, -10, 3277, -3277]


# -- who hears it ----------------------------------------------------------------------------------------------


class Played:
    """What one leg hears."""

    def __init__(self, clip: Clip, leg: Any) -> None:
        self.clip, self.leg = clip, leg
        self.position = 0.0
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def stop(self) -> None:
        if not self.done.done():
            self.done.set_result(False)


class Desk:
    """A session with a media plane on which a test decides how far every sound came."""

    def __init__(self) -> None:
        self.played: list[Played] = []
        self.problems: list[str] = []
        self.accounts: list[str] = []
        self.call = SimpleNamespace(over=False, on_digit=None, id="call")
        self.record = SimpleNamespace(account="dev")
        self.dialect = SimpleNamespace(refusal_code=lambda _: "1")
        self.media = SimpleNamespace(play=self._play)
        self.services = SimpleNamespace(sound=self._sound)
        self.leg = leg()
        self.placed: list[tuple[str, object]] = []

    def beside(self, place: str, work: object) -> None:
        self.placed.append((place, work))

    def report(self, _code: str, message: str, **_: Any) -> None:
        self.problems.append(message)

    def _play(self, clip: Clip, to: Any) -> Played:
        if to.closed:
            raise MediaError("cannot play to what is closed")
        self.played.append(Played(clip, to))
        return self.played[-1]

    def _sound(self, _target: Any, account: str = "", _dialect: object = None) -> Any:
        self.accounts.append(account)
        return self

    async def rendered(self, _verb: Any) -> Any:
        return np.zeros(RATE, np.int16)

    async def perform(self, _verb: Any) -> Any:
        return SimpleNamespace(kind="done")

    async def heard(self, count: int) -> list[Played]:
        """What is heard, when that are so many sounds."""
        while len(self.played) < count:
            await asyncio.sleep(0)
        return self.played


def leg(*, closed: bool = False) -> Any:
    return SimpleNamespace(closed=closed)


def hang_up(played: Played, after: float) -> None:
    played.leg.closed, played.position = True, after
    played.stop()


ORDER = Ordered("a", "play", cast(Any, None))


def playing(desk: Desk, *legs: Any, loops: int = 1) -> Playing:
    return Playing(cast(Any, desk), ORDER, [Pause(seconds=1)], legs, loops=loops, gain_db=0.0)


async def test_a_sound_is_heard_by_those_who_are_there() -> None:
    """Who hung up meanwhile hears nothing; the others do, and can be spared the rest."""
    desk, here = Desk(), leg()
    control = playing(desk, leg(closed=True), here, leg(closed=True), loops=0)
    (only,) = await desk.heard(1)
    assert only.leg is here
    control.stop()
    await control.task
    assert (control.state, only.done.result(), desk.problems) == ("ended", False, [])


async def test_what_began_is_stopped_where_the_rest_cannot_begin() -> None:
    desk, late = Desk(), leg()
    play = desk.media.play

    def exhausted(clip: Clip, to: Any) -> Any:
        if to is late:
            raise MediaError("no player is left")
        return play(clip, to)

    desk.media.play = exhausted
    control = playing(desk, leg(), late, loops=0)
    await control.task
    assert (control.state, desk.played[0].done.result()) == ("failed", False)


async def test_a_sound_goes_on_when_its_first_hearer_hangs_up() -> None:
    desk = Desk()
    control = playing(desk, leg(), leg(), loops=2)
    first, second = await desk.heard(2)
    hang_up(first, 0.25)
    for _ in range(3):
        await asyncio.sleep(0)
    assert (control.state, second.done.done()) == ("began", False)
    control.pause()
    second.position = 0.5
    await asyncio.sleep(0)
    control.resume()
    last = (await desk.heard(3))[-1]
    assert (last.leg is second.leg, len(last.clip.pcm)) == (True, RATE // 2)
    hang_up(last, 0.1)
    await control.task
    assert (control.state, desk.problems) == ("ended", [])


async def test_own_recordings_are_played_for_their_account() -> None:
    desk = Desk()
    control = playing(desk, leg(closed=True))
    await control.task
    await handlers._play_beside(cast(Any, SimpleNamespace(session=desk, services=desk.services)), PlayBeside())
    assert (desk.accounts, desk.placed) == (["dev", "dev"], [("background", None)])


# -- what is done ----------------------------------------------------------------------------------------------

BEGIN, END = Program({"main": ()}), Program({"main": ()})


class Done(Doing):
    """A program that is done at once, or goes wrong; `ran` are those that were run."""

    wrong: Exception | None = None
    ran: list[Program]

    async def _script(self, program: Program) -> Mapping[str, Any]:
        self.ran = [*getattr(self, "ran", []), program]
        if self.wrong is not None:
            raise self.wrong
        return {}


@pytest.mark.parametrize("over", [False, True])
async def test_what_lasts_ends_with_its_call(over: bool) -> None:
    """On a call that is over nothing can be run: what was begun there is over too."""
    desk = Desk()
    control = Done(cast(Any, desk), ORDER, BEGIN, stopper=END)
    await control.task
    assert control.state == "began"
    desk.call.over = over
    control.stop()
    await control.task
    assert (control.state, len(control.ran)) == ("ended", 1 if over else 2)


async def test_whatever_goes_wrong_is_told() -> None:
    desk = Desk()
    control = Done(cast(Any, desk), ORDER, BEGIN, stopper=END)
    control.wrong = OverflowError("port must be 0-65535")
    await asyncio.wait([control.task])
    assert control.state == "failed"
