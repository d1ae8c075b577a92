"""Measurements: `python -m tests.bench` (or `make bench`). The load generator calls compiled functions from Python."""

from hubbub.media.compiled import let_python_call

let_python_call()
