"""Measurements: `python -m tests.bench` (or `make bench`). The load generator calls compiled functions from Python."""

import sys

import structlog

from hubbub.media.compiled import let_python_call

let_python_call()
# What the generator says on its standard output is read by the bench.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
