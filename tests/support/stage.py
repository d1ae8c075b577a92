"""What scenario tests share: documents, callers with tones, who hears whom."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from hubbub.testing import TONES, Application, HubbubServer, Phone, PhoneCall, Request, who_hears_whom

EVENTS = 'statusCallback="/events" statusCallbackEvent="start end join leave mute hold modify announcement"'
PhoneMaker = Callable[..., Awaitable[Phone]]
Stage = dict[str, PhoneCall]
TONE = dict(zip(("alice", "bob", "carol", "dave"), TONES, strict=False))


def room(attributes: str = "", dial: str = "", name: str = "standup") -> str:
    return f"<Response><Dial {dial}><Conference {EVENTS} {attributes}>{name}</Conference></Dial></Response>"


def by_caller(**documents: str) -> Callable[[Request], str]:
    """A document for each caller, by the user part of its address."""
    return lambda request: documents.get(caller_of(request), documents.get("other", room()))


def caller_of(request: Request) -> str:
    return str(request.params["From"]).removeprefix("sip:").partition("@")[0]


async def call_in(server: HubbubServer, phone: PhoneMaker, *names: str, number: str = "+15550001000") -> Stage:
    """Callers dial in, one after the other, and speak their tones."""
    calls = {}
    for name in names:
        caller = await phone(name)
        calls[name] = await caller.call(server.uri(number))
        await calls[name].wait_answered()
        calls[name].tone(TONE[name])
    return calls


async def assert_matrix(calls: Stage, expected: dict[str, str], within: float = 4.0) -> None:
    """Each listener hears exactly the named callers (initials)."""
    wanted = {listener: {name for name in TONE if name[0] in initials} for listener, initials in expected.items()}
    listening = {name: calls[name] for name in expected}
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        heard = await who_hears_whom(listening, {name: TONE[name] for name in calls}, seconds=0.5)
        if heard == wanted or loop.time() > deadline:
            break
    assert heard == wanted, f"heard {heard}, wanted {wanted}"


def event(kind: str) -> Callable[[Request], bool]:
    return lambda request: request.params.get("StatusCallbackEvent") == kind


def sid_of(app: Application, name: str) -> str:
    return str(next(request for request in app.requests("/voice") if caller_of(request) == name).params["CallSid"])


def tone_wav(frequency: float, seconds: float = 2.0) -> bytes:
    samples = (8000 * np.sin(2 * np.pi * frequency * np.arange(int(8000 * seconds)) / 8000)).astype("<i2")
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    return content.getvalue()


def level_at(samples: np.ndarray[Any, Any], frequency: float) -> float:
    phase = np.exp(-2j * np.pi * frequency * np.arange(len(samples)) / 8000)
    window = np.hanning(len(samples))
    amplitude = 2 * abs(np.sum(samples * window * phase)) / np.sum(window)
    return float(20 * np.log10(max(amplitude, 1e-9) / 32768))


def assert_in_order(application: Application, path: str = "/events") -> None:
    """Every notice of the room has come, once, in the order in which things happened, whatever held them back."""
    told = [request.params["SequenceNumber"] for request in application.requests(path)]
    assert told == [str(number + 1) for number in range(len(told))] != []
