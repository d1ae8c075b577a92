"""Names whose servers do not answer stop nobody else."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from hubbub.errors import RequestFailed
from hubbub.lookup import LOOKUPS, Lookup
from hubbub.webhooks.requester import HttpRequest, Limits, Requester

ADDRESS = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.1", 80))]


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A resolver that never answers for names below `hung.example`."""
    release = threading.Event()

    def answer(host: str, *more: Any, **options: Any) -> Any:
        if host.endswith("hung.example"):
            release.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "late")
        return ADDRESS

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    yield release
    release.set()


async def find(lookup: Lookup, name: str) -> Any:
    return await lookup.find(name, 80, family=socket.AF_INET, kind=socket.SOCK_STREAM)


async def test_hung_names_stop_neither_other_names_nor_threads_of_the_loop(hung: threading.Event) -> None:
    lookup = Lookup()
    waiting = [asyncio.create_task(find(lookup, f"{number}.hung.example")) for number in range(LOOKUPS - 1)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(find(lookup, "good.example"), 5) == ADDRESS
    assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), 5) == 7
    hung.set()
    assert {type(found) for found in await asyncio.gather(*waiting, return_exceptions=True)} == {socket.gaierror}


async def test_lookups_are_bounded_though_nobody_waits_for_them(hung: threading.Event) -> None:
    """Who gives up leaves its thread behind, and that counts until the resolver answers."""
    lookup = Lookup()
    before = threading.active_count()
    waiting = [asyncio.create_task(find(lookup, f"{number}.hung.example")) for number in range(3 * LOOKUPS)]
    while threading.active_count() < before + LOOKUPS:
        await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert threading.active_count() <= before + LOOKUPS
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(find(lookup, "good.example"), 0.05)
    hung.set()
    assert await asyncio.wait_for(find(lookup, "good.example"), 5) == ADDRESS


async def test_a_request_to_a_hung_name_ends_in_its_connect_time(hung: threading.Event) -> None:
    requester = Requester()
    await requester.start()
    try:
        with pytest.raises(RequestFailed) as failed:
            await requester.send(HttpRequest("POST", "http://hung.example/", limits=Limits(connect=0.05, total=0.2, retries=0)))
        assert failed.value.kind in ("connect_timeout", "timeout", "dns")
    finally:
        await requester.stop()


async def test_a_lookup_that_no_thread_can_be_had_for_takes_no_place(hung: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """RLIMIT_NPROC, or no memory for a stack: an error of this lookup, as any other; when there is room again, all is well."""
    lookup = Lookup()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        for _ in range(LOOKUPS + 1):
            with pytest.raises(OSError, match="no thread"):
                await asyncio.wait_for(find(lookup, "good.example"), 5)
    assert await asyncio.wait_for(find(lookup, "good.example"), 5) == ADDRESS


@pytest.mark.parametrize("name", ["a" * 70 + ".example", "xn--\udcff.example", ".", "a..b"])
async def test_what_is_no_name(name: str) -> None:
    """The real resolver: whatever it raises is an error of the request, and no lookup is lost."""
    requester = Requester()
    await requester.start()
    try:
        with pytest.raises((RequestFailed, UnicodeError)):
            await requester.send(HttpRequest("POST", f"http://{name}/", limits=Limits(connect=5, total=5, retries=0)))
    finally:
        await requester.stop()
