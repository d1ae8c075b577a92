"""Figures that a long test came to: printed, and kept for the table that `python -m tests.long` prints at the end."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

FILE = "HUBBUB_FIGURES"


def figure(what: str, text: str) -> None:
    """What a test tried, and what it found."""
    print(f"{what}: {text}", flush=True)
    if name := os.environ.get(FILE):
        with Path(name).open("a") as file:
            file.write(json.dumps([what, text]) + "\n")


def figures(file: Path) -> Iterator[tuple[str, str]]:
    """What was kept in a file."""
    for line in file.read_text().splitlines() if file.exists() else ():
        what, text = json.loads(line)
        yield what, text


def spoken(text: str) -> str:
    """Numbers of four digits and more with their commas: 1234567 → 1,234,567."""
    return re.sub(r"(?<![\w.:])\d{4,}(?![\w.:])", lambda found: f"{int(found[0]):,}", text)
