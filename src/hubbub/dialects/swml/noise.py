"""DOCUMENT: denoise and stop_denoise: the noise behind the far end is turned down, or no longer (3.5)."""

from __future__ import annotations

from functools import partial
from typing import Any

from hubbub.dialects.swml.document import METHODS, WITH_CALLEE
from hubbub.dialects.tables import Compiler, Element, Node
from hubbub.verbs.model import SuppressNoise
from hubbub.verbs.program import Step


def _denoise(_compiler: Compiler, node: Node, _values: dict[str, Any], *, on: bool) -> Step:
    return SuppressNoise(on=on, at=node.at)


METHODS["denoise"] = Element("denoise", partial(_denoise, on=True), (), WITH_CALLEE)
METHODS["stop_denoise"] = Element("stop_denoise", partial(_denoise, on=False), (), WITH_CALLEE)
