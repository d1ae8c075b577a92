"""Mistakes of a configuration, told with the key and the line, or the variable of the environment, that they stand in."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Key = tuple[str | int, ...]
"""The way to a key: `("numbers", 0, "url")`."""
Mistake = tuple[Key, str]
MANY = 100


def lines_of(text: str, keys: Sequence[Key]) -> list[int | None]:
    """The lines of a TOML text where keys, or else what they should stand in, are written; None where nothing of one is.

    A statement that takes several lines is told by its first one. The text is read once from its beginning to each of its statements.
    """
    document = tomllib.loads(text)
    wholes = [_holds(document, key) for key in keys]
    found: list[int | None] = [None] * len(keys)
    lines, begin = text.split("\n"), 1
    for number in range(1, len(lines) + 1):
        missing = [n for n, whole in enumerate(wholes) if whole and found[n] is None]
        if not missing:
            break
        try:
            part = tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a statement
        for n in missing:
            found[n] = begin if _holds(part, keys[n]) >= wholes[n] else None
        begin = number + 1
    return found


def _holds(value: Any, key: Key) -> int:
    """How many parts of a key are there."""
    for depth, part in enumerate(key):
        listed = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if listed or (isinstance(value, dict) and part in value):
            value = value[part]
        else:
            return depth
    return len(key)


def variable_of(key: Key, prefix: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The variable that gives a key, or a table above it."""
    names = {name.upper(): name for name in environment}
    for length in range(len(key), 0, -1):
        found = names.get((prefix + "__".join(str(part) for part in key[:length])).upper())
        if found is not None:
            return found
    return None


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` where one of the known words is like it."""
    found = difflib.get_close_matches(word, sorted(known), 1, 0.7)
    return f"; did you mean {found[0]}?" if found else ""


def told(mistakes: Sequence[Mistake], origin: str, text: str, prefix: str) -> str:
    """All mistakes, one a line; `text`: the file that `origin` names, empty where there is none. Of `MANY` the lines are looked up."""
    lines = [f"{origin}: {len(mistakes)} problem(s)"]
    written = lines_of(text, [key for key, _ in mistakes[:MANY]])
    for n, (key, complaint) in enumerate(mistakes):
        where = ".".join(str(part) for part in key) or "configuration"
        variable = variable_of(key, prefix)
        line = written[n] if variable is None and n < MANY else None
        place = f"environment {variable}, " if variable is not None else f"line {line}, " if line is not None else ""
        lines.append(f"  {place}{where}: {complaint}")
    return "\n".join(lines)
