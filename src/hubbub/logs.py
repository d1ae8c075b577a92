"""Logs: one line of keys and values each, on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict

from hubbub.webhooks.redaction import redacted


class Lines:
    """A stream that never raises: a log that cannot be written, on a full disk perhaps, must not cost a call.

    How many lines were lost is told as soon as one can be written again.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = 0

    def write(self, text: str) -> int:
        """Write what can be written."""
        try:
            if self.lost:
                self._stream.write(json.dumps({"event": "log_lines_lost", "lines": self.lost, "level": "error"}) + "\n")
                self._stream.flush()
                self.lost = 0
            return self._stream.write(text)
        except (OSError, ValueError):
            self.lost += text.count("\n")
            return len(text)

    def flush(self) -> None:
        """Let it out."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self.lost += 1


def without_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """The last thing before a line is written: credentials of URLs, and what is called a password, are not in it."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redacted(value)
        elif isinstance(value, Mapping | Sequence | BaseException):
            shown = str(value)
            event[key] = value if redacted(shown) == shown else redacted(shown)
    return event


def printable(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """For a terminal: no text of anybody moves its cursor, changes its colours or begins a line (tracebacks are the server's own)."""
    for key, value in event.items():
        if isinstance(value, str) and key != "exception" and not value.isprintable():
            event[key] = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in value)
    return event


def set_up_logs() -> None:
    """Colours on a terminal, JSON elsewhere."""
    terminal = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_secrets,
            *((printable,) if terminal else ()),
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, Lines(sys.stderr))),
        cache_logger_on_first_use=True,
    )
