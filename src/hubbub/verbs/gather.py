"""Gather: digits, while prompts play."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hubbub.verbs.model import Gather, Outcome

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell


async def perform(shell: CallShell, verb: Gather) -> Outcome:
    """Collect digits until the finishing key, the count, or silence; Outcome `digits` or `nothing`."""
    call = shell.session.call
    pressed: asyncio.Queue[str] = asyncio.Queue()
    call.on_digit = pressed.put_nowait
    call.keys_gathered = True
    prompts = asyncio.create_task(_prompt(shell, verb))
    try:
        return await _collect(verb, pressed, prompts)
    finally:
        call.on_digit = None
        call.keys_gathered = False
        prompts.cancel()
        await asyncio.gather(prompts, return_exceptions=True)


async def _prompt(shell: CallShell, verb: Gather) -> None:
    sound = shell.services.sound(shell.session.leg, shell.session.record.account)
    for prompt in verb.prompts:
        outcome = await sound.perform(prompt)
        if outcome.kind == "failed":
            code = shell.session.dialect.refusal_code("audio")
            shell.session.report(code, outcome.reason, level="error", line=prompt.at.line)


async def _collect(verb: Gather, pressed: asyncio.Queue[str], prompts: asyncio.Task[None]) -> Outcome:
    digits = ""
    while True:
        digit = await _next_digit(pressed, prompts, verb.next_timeout if digits else verb.first_timeout)
        if digit is None:
            return Outcome("digits", "", {"digits": ""}) if verb.ask_when_empty and not digits else _outcome(digits, "")
        prompts.cancel()
        if digit in verb.finish_on:
            return Outcome("digits" if digits or verb.ask_when_empty else "finished-empty", "", {"digits": digits, "finish": digit})
        digits += digit
        if verb.max_digits is not None and len(digits) >= verb.max_digits:
            return _outcome(digits, "")


async def _next_digit(pressed: asyncio.Queue[str], prompts: asyncio.Task[None], seconds: float) -> str | None:
    """The next key; None when there is none within `seconds` after the prompts have ended."""
    key = asyncio.ensure_future(pressed.get())
    try:
        await asyncio.wait({key, prompts}, return_when=asyncio.FIRST_COMPLETED)
        if not key.done():
            await asyncio.wait({key}, timeout=seconds)
        return key.result() if key.done() else None
    finally:
        key.cancel()


def _outcome(digits: str, finish: str) -> Outcome:
    return Outcome("digits" if digits else "nothing", "", {"digits": digits, "finish": finish})
