"""DOCUMENT: all methods of SWML; each module beside this one adds its own to the table."""

from __future__ import annotations

from hubbub.dialects.swml import (
    absent,
    connecting,
    detection,
    flow,
    functions,
    joining,
    lines,
    messages,
    noise,
    referral,
    sounds,
    streams,
    transcription,
    voice,
)
from hubbub.dialects.swml.document import METHODS, compile_script

MODULES = (absent, connecting, detection, flow, functions, joining, lines, messages, noise, referral, sounds, streams, transcription, voice)

__all__ = ["METHODS", "MODULES", "compile_script"]
