"""`python -m tests.bench.server [--rounds 200]`: a whole server as an application sees it, idle otherwise (docs/benchmarks.md).

REST reads over one connection; and the time from the answer to a document request until its sound reaches the caller's socket.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from hubbub.testing import Application, HubbubServer, Phone, PhoneCall, Request
from hubbub.testing.ear import Arrival
from hubbub.testing.g711 import BY_TYPE
from tests.support.rest import Rest
from tests.support.stage import room, tone_wav

LOUD = 500
"""Of a sample of the tone; silence and comfort noise stay far below."""


def flac() -> bytes:
    """Two seconds of the tone, compressed."""
    file = io.BytesIO()
    soundfile.write(file, 0.25 * np.sin(2 * np.pi * 574 * np.arange(16_000) / 8000), 8000, format="FLAC")
    return file.getvalue()


def line(name: str, milliseconds: Sequence[float]) -> str:
    """A row of the table."""
    found = sorted(milliseconds)
    p99 = found[min(len(found) - 1, int(0.99 * len(found)))]
    return f"| {name} | {len(found)} | {statistics.median(found):.2f} | {p99:.2f} |"


def cpu_ms(pid: int) -> float:
    """Milliseconds of computing that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


async def reads(server: HubbubServer, application: Application, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of REST reads while one call waits in a room; and what they cost the server's process, whatever else runs."""
    application.on("/voice", room())
    found: dict[str, list[float]] = {}
    async with Phone("alice", codecs=("PCMU",)) as phone, Rest(server) as rest:
        call = await phone.call(server.uri("+15550001000"))
        await call.wait_answered()
        await application.wait_for("/events")
        (conference,) = (await rest.get("/Conferences.json"))["conferences"]
        (member,) = await rest.members("standup")
        paths = {
            "a live call": f"/Calls/{member['call_sid']}.json",
            "a live conference": f"/Conferences/{conference['sid']}.json",
            "a participant": f"/Conferences/{conference['sid']}/Participants/{member['call_sid']}.json",
            "a page of calls": "/Calls.json",
        }
        assert server._process is not None
        before = cpu_ms(server._process.pid)
        for name, path in paths.items():
            taken = found[f"REST read: {name}"] = []
            for number in range(rounds + 20):
                began = time.perf_counter()
                await rest.get(path)
                if number >= 20:  # the first ones open connections and compile statements
                    taken.append((time.perf_counter() - began) * 1000)
        each = (cpu_ms(server._process.pid) - before) / (len(paths) * (rounds + 20))
        found["computing in the server per read"] = [each]
        await call.hangup()
    return found


async def first_sounds(server: HubbubServer, application: Application, audio: bytes, rounds: int) -> list[float]:
    """Milliseconds from the answer to a document request until the caller's socket has the first packet of its sound."""
    asked: list[float] = []

    def answer(_request: Request) -> str:
        asked.append(time.monotonic())
        return "<Response><Play loop='0'>/tone.wav</Play></Response>"

    application.on("/voice", answer)
    application.on("/tone.wav", audio)
    found: list[float] = []
    async with Phone("alice", codecs=("PCMU",)) as phone:
        for number in range(rounds + 2):
            call = await phone.call(server.uri("+15550001000"))
            heard = await _first_loud(call)
            if number >= 2:  # the first one reads the file
                found.append((heard - asked[-1]) * 1000)
            await call.hangup()
            await call.wait_ended()
            await asyncio.sleep(0.5)  # an idle server: what is made ready beforehand is ready
    return found


async def _first_loud(call: PhoneCall) -> float:
    """When the first packet with the tone in it arrived."""
    seen = 0
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        arrivals: list[Arrival] = list(call._line.ear.arrivals)
        for arrival in arrivals[seen:]:
            if np.abs(BY_TYPE[arrival.payload_type].decode(arrival.payload)).max() > LOUD:
                return arrival.at
        seen = len(arrivals)
        await asyncio.sleep(0.005)
    raise AssertionError("nothing was heard")


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="tests.bench.server")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    print("| what | times | median ms | p99 ms |\n|---|---|---|---|")
    async with Application() as application, HubbubServer(application.url("/voice")) as server:
        for name, taken in (await reads(server, application, options.rounds)).items():
            print(line(name, taken), flush=True)
        for name, audio in (("WAV", tone_wav(574.0)), ("FLAC, decoded by a process of its own", flac())):
            sounds = await first_sounds(server, application, audio, max(10, options.rounds // 5))
            print(line(f"document answered to first sound heard: {name}", sounds), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
