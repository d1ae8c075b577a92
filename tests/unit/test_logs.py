"""A log that cannot be written costs lines, never calls."""

from __future__ import annotations

import io
import json

import structlog

from hubbub.logs import Lines, printable, without_secrets


class Disk(io.StringIO):
    """A stream on a disk that may be full."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)

    def flush(self) -> None:
        if self.full:
            raise OSError(28, "No space left on device")


def test_a_full_disk_loses_lines_and_says_so_later() -> None:
    disk = Disk()
    log = structlog.PrintLogger(Lines(disk))  # type: ignore[arg-type]
    log.info("one")
    disk.full = True
    for _ in range(3):
        log.info("lost")
    disk.full = False
    log.info("two")
    first, told, last = disk.getvalue().splitlines()
    assert (first, last) == ("one", "two")
    assert json.loads(told)["event"] == "log_lines_lost"
    assert json.loads(told)["lines"] >= 3


def test_a_stream_that_is_closed() -> None:
    disk = io.StringIO()
    lines = Lines(disk)
    disk.close()
    assert lines.write("x\n") == 2
    lines.flush()


def test_no_line_holds_credentials() -> None:
    """Whoever logs a URL, an error or a traceback need not think of it."""
    url = "http://u:p4ss@h/"
    given = {"event": "x", "url": url, "given": ["a", url], "n": 3, "exception": f"Error: {url} failed", "error": ValueError(url)}
    event = without_secrets(None, "info", given)
    assert "p4ss" not in repr(event)
    assert event["url"] == "http://h/"
    assert without_secrets(None, "info", {"event": "x", "given": ["a", "b"], "n": 3}) == {"event": "x", "given": ["a", "b"], "n": 3}


def test_no_text_of_a_stranger_is_a_command_of_the_terminal() -> None:
    """A caller's name may hold anything: on a terminal it is shown, elsewhere JSON escapes it."""
    for name in ("al\x1b[2Jice", "al\r\n2026 [info] paid", "al\x9b31m", "\u202e\u2028é"):
        shown = structlog.dev.ConsoleRenderer(colors=False)(None, "info", printable(None, "info", {"event": name, "caller": name}))
        assert shown.isprintable(), shown
        written = structlog.processors.JSONRenderer()(None, "info", {"event": "call", "caller": name})
        assert str(written).isascii()
        assert str(written).isprintable()
