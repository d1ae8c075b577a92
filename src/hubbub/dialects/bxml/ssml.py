"""The SSML that a sentence may hold (3.1): what it cannot mean rejects the document, what is not known is spoken plainly and told."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hubbub.dialects.bxml.rows import invalid
from hubbub.dialects.tables import Compiler, Node
from hubbub.verbs.program import Remark

LONGEST_BREAK = 10.0
"""Seconds."""
TAGS: Mapping[str, frozenset[str]] = {
    "break": frozenset({"strength", "time"}),
    "emphasis": frozenset({"level"}),
    "lang": frozenset({"xml:lang"}),
    "p": frozenset(),
    "s": frozenset(),
    "phoneme": frozenset({"alphabet", "ph"}),
    "prosody": frozenset({"pitch", "rate", "volume"}),
    "say-as": frozenset({"interpret-as", "format"}),
    "sub": frozenset({"alias"}),
}
NEEDED: Mapping[str, str] = {"phoneme": "ph", "say-as": "interpret-as", "sub": "alias"}
STRENGTHS = frozenset({"none", "x-weak", "weak", "medium", "strong", "x-strong"})
KINDS = frozenset({"date", "time", "telephone", "characters", "cardinal", "ordinal"})
_TIME = re.compile(r"\+?([0-9]{1,9}(?:\.[0-9]*)?|\.[0-9]+)(ms|s)")


def check(compiler: Compiler, sentence: Node) -> None:
    """Look through the elements of a sentence. Raises DocumentError."""
    for node in sentence.children:
        known = TAGS.get(node.name)
        if known is None:
            _tell(compiler, node, "is no SSML that is known here: its text is spoken plainly")
        else:
            for name in set(node.attributes) - known:
                _tell(compiler, node, f"has no attribute {name!r} that is known here")
            _check_values(compiler, node)
        check(compiler, node)


def _check_values(compiler: Compiler, node: Node) -> None:
    needed = NEEDED.get(node.name)
    if needed is not None and not node.attributes.get(needed):
        raise invalid(node, f"needs {needed!r}")
    if node.name == "break":
        _check_break(node)
    kind = node.attributes.get("interpret-as")
    if kind is not None and kind not in KINDS:
        _tell(compiler, node, f"interpret-as={kind!r} is not known here: its text is spoken plainly")


def _check_break(node: Node) -> None:
    strength, time = node.attributes.get("strength", "medium"), node.attributes.get("time")
    if strength not in STRENGTHS:
        raise invalid(node, f"strength={strength!r} must be one of " + ", ".join(sorted(STRENGTHS)))
    if time is None:
        return
    found = _TIME.fullmatch(time.strip())
    if found is None:
        raise invalid(node, f"time={time!r} must be a time such as 2s or 500ms")
    if float(found[1]) / (1000 if found[2] == "ms" else 1) > LONGEST_BREAK:
        raise invalid(node, f"time={time!r} must be at most {LONGEST_BREAK:g} s")


def _tell(compiler: Compiler, node: Node, text: str) -> None:
    compiler.remarks.append(Remark("unknown-ssml", f"<{node.name}> {text}", node.at))
