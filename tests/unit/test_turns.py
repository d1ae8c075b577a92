"""Work that takes long is done in threads, the accounts in turn: who asks for much waits for himself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from hubbub.sandbox.turns import THREADS, Turns


@pytest.fixture
def turns() -> Iterator[Turns]:
    made = Turns()
    yield made
    made.close()


async def test_the_loop_goes_on_meanwhile(turns: Turns) -> None:
    """The work ends only when the loop lets it."""
    going = threading.Event()
    asyncio.get_running_loop().call_later(0.01, going.set)
    assert await turns.take("a", lambda: going.wait(30.0)) is True


async def test_errors_come_back(turns: Turns) -> None:
    with pytest.raises(ZeroDivisionError):
        await turns.take("a", lambda: 1 // 0)
    assert await turns.take("a", lambda: 1) == 1


async def test_nobody_is_starved(turns: Turns) -> None:
    """An account has one piece of work under way, however much it asks for; others come in between."""
    order: list[str] = []
    together, most = 0, 0
    lock = threading.Lock()
    first = threading.Event()

    def work(account: str) -> None:
        nonlocal together, most
        with lock:
            together += account == "greedy"
            most = max(most, together)
        first.wait(30.0)
        with lock:
            together -= account == "greedy"
            order.append(account)

    asked = [asyncio.create_task(turns.take("greedy", lambda: work("greedy"))) for _ in range(20)]
    await asyncio.sleep(0)
    asked += [asyncio.create_task(turns.take(name, lambda name=name: work(name))) for name in ("b", "c", "d", "b")]
    await asyncio.sleep(0)
    first.set()
    await asyncio.gather(*asked)
    assert most == 1
    assert len(order) == 24
    assert max(index for index, account in enumerate(order) if account != "greedy") <= 10, order


async def test_whoever_is_not_waited_for_gives_way(turns: Turns) -> None:
    """Calls end while their work waits, or is done: the next ones have their turn, and never more at a time than there are threads."""
    going = threading.Event()
    begun: list[int] = []
    both = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if len(begun) == THREADS:
            both.set()
        going.wait(30.0)
        return number

    held = [asyncio.create_task(turns.take(f"held{n}", lambda n=n: work(n))) for n in range(THREADS)]
    waiting = [asyncio.create_task(turns.take("a", lambda n=n: work(n))) for n in (10, 11, 12)]
    assert await asyncio.to_thread(both.wait, 30.0)
    for task in (*held, waiting[0], waiting[1]):
        task.cancel()
    await asyncio.gather(*held, *waiting[:2], return_exceptions=True)
    assert sorted(begun) == list(range(THREADS)), "a thread is free only when its work is over"
    going.set()
    assert await waiting[2] == 12
    assert 10 not in begun
    assert 11 not in begun
    assert await asyncio.gather(*(turns.take("b", lambda n=n: work(n)) for n in range(20, 24))) == [20, 21, 22, 23]
