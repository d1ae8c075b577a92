"""DOCUMENT: keys: Gather, StartGather, StopGather, SendDtmf."""

from __future__ import annotations

from typing import Any

from hubbub.dialects.bxml.rows import CREDENTIALS, ON_CALL, TAG, invalid, link, tagged, webhook
from hubbub.dialects.tables import (
    Attr,
    Compiler,
    Element,
    Node,
    choice,
    decimal,
    integer,
    lenient_boolean,
    matching,
    method,
    text,
    url,
)
from hubbub.events import Link
from hubbub.verbs.hearing import Listening
from hubbub.verbs.model import Gather, Pause, SendDigits, UnwatchKeys, WatchKeys
from hubbub.verbs.program import Step, Verb

MOST_PROMPTS = 20
KEYS = matching(r"[0-9*#a-dA-D,wW]{1,50}", "has 1 to 50 of 0-9 * # a-d A-D , w W")

GATHER = (
    *webhook("gather"),
    Attr("terminatingDigits", "finish_on", matching(r"[0-9*#]{0,12}", "may hold 0-9, * and #"), ""),
    Attr("maxDigits", "max_digits", integer(1, 50), 50),
    Attr("interDigitTimeout", "next_timeout", decimal(1, 60), 5.0),
    Attr("firstDigitTimeout", "first_timeout", decimal(0, 60), 5.0),
    Attr("repeatCount", "repeat", integer(1, MOST_PROMPTS), 1),
    Attr("input", "input", choice("dtmf", "speech", "dtmf_speech"), "dtmf"),
    Attr("hints", "hints", text, ""),
    Attr("language", "language", text, ""),
    Attr("partialResultCallback", "partial_url", url, None),
    Attr("partialResultCallbackMethod", "partial_method", method, "POST"),
    Attr("profanityFilter", None, lenient_boolean, why="words are told as they are understood"),
    Attr("speechModel", None, why="there is one recogniser with one model"),
    Attr("speechTimeout", "speech_pause", decimal(0.1, 60), 5.0),
)
START_GATHER = (
    Attr("dtmfUrl", "url", url, None, required=True),
    Attr("dtmfMethod", "method", method, "POST"),
    *CREDENTIALS,
    TAG,
)
SEND_DTMF = (
    Attr("toneDuration", "tone_ms", decimal(50, 5000), 200.0),
    Attr("toneInterval", "gap_ms", decimal(50, 5000), 400.0),
)


def gather(compiler: Compiler, node: Node, values: dict[str, Any]) -> tuple[Step, ...]:
    """`<Gather>`: its prompts as often as it says, with the time for the first key after each round."""
    if len(node.children) * values["repeat"] > MOST_PROMPTS:
        raise invalid(node, f"plays more than {MOST_PROMPTS} prompts")
    prompts: tuple[Verb, ...] = ()
    for child in node.children:
        steps = compiler.build(compiler.table.elements[child.name], child)
        prompts += tuple(step for step in steps if isinstance(step, Verb))
    between = (Pause(seconds=values["first_timeout"], at=node.at),) if values["first_timeout"] else ()
    verb = Gather(
        prompts=(*prompts, *((*between, *prompts) * (values["repeat"] - 1))),
        on_done=link(compiler, values),
        max_digits=values["max_digits"],
        finish_on=values["finish_on"],
        first_timeout=values["first_timeout"],
        next_timeout=values["next_timeout"],
        ask_when_empty=True,
        speech=_listening(compiler, values),
        at=node.at,
    )
    return tagged(node, values, verb)


def _listening(compiler: Compiler, values: dict[str, Any]) -> Listening | None:
    """What it listens for beside, or instead of, keys."""
    if values["input"] == "dtmf":
        return None
    partial = None
    if values["partial_url"]:
        partial = Link(compiler.absolute(values["partial_url"]), values["partial_method"], values["username"], values["password"])
    return Listening(
        language=values["language"],
        hints=tuple(part.strip() for part in values["hints"].split(",") if part.strip()),
        pause_seconds=values["speech_pause"],
        keys=values["input"] == "dtmf_speech",
        on_partial=partial,
    )


def start_gather(compiler: Compiler, node: Node, values: dict[str, Any]) -> tuple[Step, ...]:
    """`<StartGather>`."""
    target = Link(compiler.absolute(values["url"] or ""), values["method"], values["username"], values["password"])
    return tagged(node, values, WatchKeys(link=target, at=node.at))


def send_dtmf(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<SendDtmf>`: "`,`/`w` 0.5 s, `W` 1 s gaps"."""
    try:
        digits = KEYS(node.text)
    except ValueError as error:
        raise invalid(node, f": its text {error}") from error
    return SendDigits(digits=digits.replace(",", "w"), tone_ms=round(values["tone_ms"]), gap_ms=round(values["gap_ms"]), at=node.at)


ELEMENTS = (
    Element("Gather", gather, GATHER, ON_CALL, children=("SpeakSentence", "PlayAudio")),
    Element("StartGather", start_gather, START_GATHER, ON_CALL),
    Element("StopGather", lambda _c, n, _v: UnwatchKeys(at=n.at), (), ON_CALL),
    Element("SendDtmf", send_dtmf, SEND_DTMF, ON_CALL),
)
