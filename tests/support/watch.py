"""Watching a server from outside: its numbers, and what its process holds."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiohttp

from hubbub.testing import HubbubServer


async def gauges(server: HubbubServer) -> dict[str, float]:
    """Everything that `/metrics` shows."""
    async with aiohttp.ClientSession() as session, session.get(server.http_url("/metrics")) as reply:
        lines = (await reply.text()).splitlines()
    return {line.split()[0]: float(line.split()[1]) for line in lines if line and not line.startswith("#")}


async def gauge(server: HubbubServer, name: str, value: float, timeout: float = 8.0) -> None:
    """Wait until a number has this value."""
    deadline = time.monotonic() + timeout
    while (found := (await gauges(server)).get(name)) != value:
        assert time.monotonic() < deadline, f"{name} is {found}, not {value}\n{server.log_tail(30)}"
        await asyncio.sleep(0.05)


def memory(pid: int) -> tuple[float, float]:
    """Megabytes of a process that are its own, and those of the block of shared memory that it has touched so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = {line.partition(":")[0]: int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("Rss")}
    return found["RssAnon"], found["RssShmem"]


def held(pid: int) -> tuple[int, float]:
    """Open descriptors and resident megabytes of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), resident / 1024


async def health(server: HubbubServer) -> str:
    """The word of `/healthz`."""
    reader, writer = await asyncio.open_connection(*server.http)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    said = await reader.read()
    writer.close()
    return said.rpartition(b'"status":"')[2].partition(b'"')[0].decode()


async def until_health(server: HubbubServer, word: str) -> None:
    for _ in range(400):
        if await health(server) == word:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"health is {await health(server)}, not {word}\n{server.log_tail(20)}")
