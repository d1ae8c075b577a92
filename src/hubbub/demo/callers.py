"""A caller at the phone: calls, speaks (with a quiet pilot tone under the voice), listens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np

from hubbub.demo.cast import NUMBER, PILOT_DB, Role
from hubbub.demo.ears import RATE, Pcm, to_telephone
from hubbub.speech.voices import Speech
from hubbub.testing import Heard, HubbubServer, Phone, PhoneCall


@dataclass(frozen=True)
class Line:
    """A sentence: its text and its audio (8 kHz)."""

    text: str
    pcm: Pcm

    @property
    def seconds(self) -> float:
        return len(self.pcm) / RATE


class Caller:
    """One person with one phone."""

    def __init__(self, role: Role, lines: list[Line]) -> None:
        self.role = role
        self.lines = lines
        self.phone = Phone(role.name)
        self.call: PhoneCall | None = None

    @classmethod
    async def prepared(cls, role: Role, speech: Speech) -> Caller:
        """With every line spoken once by an offline voice (tones where none is installed)."""
        lines = [Line(text, to_telephone(await speech.say(text, voice=role.voice))) for text in role.lines]
        return cls(role, lines)

    @property
    def name(self) -> str:
        return self.role.name

    @property
    def on_the_phone(self) -> bool:
        """Whether its call is up."""
        return self.call is not None and self.call.answered.is_set() and not self.call.ended.is_set()

    async def dial(self, server: HubbubServer, number: str = NUMBER) -> PhoneCall:
        """Call the server; the pilot sounds from now on."""
        self.call = await self.phone.call(server.uri(number))
        self.call.tone(self.role.pilot, PILOT_DB)
        return self.call

    async def say(self, line: Line) -> None:
        """Speak; returns when the last word has left the phone."""
        assert self.call is not None
        time = np.arange(len(line.pcm)) / RATE
        pilot = np.sin(2 * np.pi * self.role.pilot * time) * 32767 * 10 ** (PILOT_DB / 20)
        mixed = np.clip(np.rint(line.pcm + pilot), -32768, 32767).astype(np.int16)
        async with asyncio.timeout(line.seconds + 10):
            await self.call.say(mixed, RATE)

    async def heard(self, seconds: float) -> Heard:
        """What the phone receives from now on for so long."""
        assert self.call is not None
        return await self.call.heard(seconds)
