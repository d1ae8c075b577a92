"""DOCUMENT: all methods of SWML."""

from __future__ import annotations

from hubbub.dialects.swml import absent, connecting, flow, functions, lines, messages, sounds, voice
from hubbub.dialects.swml.document import METHODS, compile_script

__all__ = ["METHODS", "absent", "compile_script", "connecting", "flow", "functions", "lines", "messages", "sounds", "voice"]
