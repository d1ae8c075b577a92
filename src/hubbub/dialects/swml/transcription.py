"""DOCUMENT and CALLBACKS: live_transcribe: what is said on the call, told to a webhook utterance by utterance (3.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubbub.dialects.swml.callbacks import ENVELOPE, IDS, NODE, Told
from hubbub.dialects.swml.document import METHODS, WITH_CALLEE, failure, inner, listed, wrong
from hubbub.dialects.tables import Attr, Compiler, Element, Node, Out, boolean, choice, decimal, integer, render, text, url
from hubbub.events import CallEvent, Link
from hubbub.settings import Account
from hubbub.verbs.hearing import StartTranscription, StopTranscription
from hubbub.verbs.program import Step
from hubbub.verbs.wire import Track

NAME = "live_transcribe"
SIDES: Mapping[str, Track] = {"remote-caller": "inbound", "local-caller": "outbound"}
"""Whom the vendor's words mean: the far end of this call, and what it is given to hear."""
NO_MODEL = "no model writes summaries here"
ONE_ENGINE = "there is one recogniser with one model"


def _tracks(given: Any, path: str) -> tuple[Track, ...]:
    sides = given if isinstance(given, list) else [given]
    unknown = [side for side in sides if side not in SIDES]
    if unknown or not sides:
        raise wrong("method_parameter_invalid_value", f"{path}/direction: must be a list of {' and '.join(SIDES)}")
    return tuple(SIDES[side] for side in dict.fromkeys(sides))


def _start(compiler: Compiler, node: Node, given: Any) -> Step:
    path = f"{node.at.path}/action/start"
    values = inner(compiler, START, given, path)
    target = values["webhook"]
    return StartTranscription(
        name=NAME,
        tracks=_tracks(values["direction"], path),
        link=None if target is None else Link(compiler.absolute(target), "POST"),
        partial=values["partial"],
        language=values["language"],
        pause_seconds=values["pause_ms"] / 1000,
        at=node.at,
    )


def _live_transcribe(compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    """`start` with its parameters, `stop`, or `summarize`, which fails."""
    action = values["action"]
    if action == "stop":
        return StopTranscription(name=NAME, at=node.at)
    word = action if isinstance(action, str) else next(iter(action), "") if isinstance(action, dict) and len(action) == 1 else ""
    if word == "start" and isinstance(action, dict):
        return _start(compiler, node, action["start"])
    if word == "summarize":
        return failure(NAME, f"{node.at.path}/action/summarize: {NO_MODEL}", node.at)
    raise wrong("method_parameter_invalid_value", f"{node.at.path}/action: must be start, stop or summarize")


START = (
    Attr("webhook", "webhook", url, None),
    Attr("lang", "language", text, "", required=True),
    Attr("direction", "direction", listed, None, required=True),
    Attr("live_events", "partial", boolean, False),
    Attr("vad_silence_ms", "pause_ms", decimal(100, 10_000), 300),
    Attr("vad_thresh", None, integer(0, 1800), why="the threshold follows the noise of the line"),
    Attr("speech_timeout", None, integer(0), why="an utterance that lasts longer than 20 s is told in pieces"),
    Attr("debug_level", None, integer(0, 2), why="what goes wrong is told in any case"),
    Attr("speech_engine", None, choice("deepgram", "google"), why=ONE_ENGINE),
    Attr("ai_summary", None, boolean, why=NO_MODEL),
    Attr("ai_summary_prompt", None, why=NO_MODEL),
)
ACTION = Attr("action", "action", listed, None, required=True, why="`stop`, or an object with `start`; `summarize` fails: " + NO_MODEL)
METHODS[NAME] = Element(NAME, _live_transcribe, (ACTION,), WITH_CALLEE)

STATES = {"started": "transcribing", "content": "transcription", "failed": "error", "stopped": "finished"}
ROLES = {track: side for side, track in SIDES.items()}


def _fact(name: str) -> Any:
    return lambda told: told.fact.facts.get(name)


TOLD: tuple[Out, ...] = (
    Out("call_id", lambda told: IDS.write(told.fact.call.id)),
    Out("node_id", lambda told: NODE),
    Out("segment_id", lambda told: IDS.write(told.fact.call.id)),
    Out("control_id", lambda told: IDS.write(told.fact.facts["transcription"])),
    Out("state", lambda told: STATES[told.fact.facts["state"]]),
    Out("sequence", lambda told: told.fact.number),
    Out("role", lambda told: ROLES.get(told.fact.facts.get("track"))),
    Out("text", _fact("text")),
    Out("confidence", _fact("confidence")),
    Out("final", _fact("final")),
    Out("error", _fact("error")),
)
"""`params` of a notice; the names are unverified: the vendor documents none."""
EVENT = "calling.call.live_transcribe"


def told_fields(account: Account, event: CallEvent) -> dict[str, Any]:
    """The JSON of a notice."""
    told = Told(event, account, event.at, event.call.id, EVENT)
    return render(ENVELOPE, told) | {"params": render(TOLD, told)}
