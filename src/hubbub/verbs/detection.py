"""Who answered: a person or a machine, found out by listening to the call."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import structlog

from hubbub.errors import HubbubError
from hubbub.speech.machine import Detector, Verdict, tone_hz
from hubbub.speech.turns import level_db
from hubbub.verbs.hearing import Detection
from hubbub.verbs.listening import Listener
from hubbub.verbs.model import Detect
from hubbub.verbs.program import Outcome

if TYPE_CHECKING:
    from hubbub.verbs.handlers import CallShell
    from hubbub.verbs.session import Session

log = structlog.get_logger()

RATE: Final = 8000


async def perform(shell: CallShell, verb: Detect) -> Outcome:
    """Find out, and go on then; or go on at once, and tell when it is known."""
    if not verb.detection.waits:
        shell.session.detect(verb.detection, lambda verdict: _tell(shell, verb, verdict))
        return Outcome()
    verdict = await detect(shell.session, verb.detection)
    _tell(shell, verb, verdict)
    return Outcome(details=asdict(verdict))


def _tell(shell: CallShell, verb: Detect, verdict: Verdict) -> None:
    if verb.followed is not None:
        shell.tell(verb.followed, "ended", **asdict(verdict))


async def detect(session: Session, wish: Detection) -> Verdict:
    """Listen to a call that was just answered until it is known who answered; keeps it with the call, and tells whoever asked."""
    verdict = Verdict("gone", 0.0)
    listener: Listener | None = None
    try:
        listener = Listener(session.media, session.leg, rate=RATE)
        detector = Detector(wish.thresholds)
        found: Verdict | None = None
        while found is None:
            frame = await listener.frame()
            found = detector.heard(level_db(frame), tone_hz(frame, RATE), listener.now)
        verdict = found
    except (HubbubError, OSError) as error:
        log.warning("detection_failed", call=session.call.id, error=str(error))
    except asyncio.CancelledError:
        verdict = Verdict("gone", listener.now if listener is not None else 0.0)
        raise
    finally:
        if listener is not None:
            await asyncio.shield(listener.close())
        session.call.answered_by(verdict.by, verdict.seconds)
        session.call.tell("detected", wish.link, asdict(verdict))
    return verdict
