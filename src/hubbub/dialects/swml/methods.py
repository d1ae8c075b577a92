"""DOCUMENT: all methods of SWML."""

from __future__ import annotations

from hubbub.dialects.swml import connecting, flow, functions, voice
from hubbub.dialects.swml.document import METHODS, compile_script

__all__ = ["METHODS", "compile_script", "connecting", "flow", "functions", "voice"]
