"""These tests call compiled functions from Python."""

from __future__ import annotations

from hubbub.media.compiled import let_python_call

let_python_call()
