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


def line_of(text: str, key: Key) -> int | None:
    """The line of a TOML text where a key, or else what it should stand in, is written; None when nothing of it is.

    A statement that takes several lines is told by its first one.
    """
    whole = _holds(tomllib.loads(text), key)
    if whole == 0:
        return None
    lines, begin = text.splitlines(), 1
    for number in range(1, len(lines) + 1):
        try:
            found = tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a statement
        if _holds(found, key) >= whole:
            return begin
        begin = number + 1
    return None


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
    """All mistakes, one a line; `text`: the file that `origin` names, empty where there is none."""
    lines = [f"{origin}: {len(mistakes)} problem(s)"]
    for key, complaint in mistakes:
        where = ".".join(str(part) for part in key) or "configuration"
        variable = variable_of(key, prefix)
        line = line_of(text, key) if variable is None else None
        place = f"environment {variable}, " if variable is not None else f"line {line}, " if line is not None else ""
        lines.append(f"  {place}{where}: {complaint}")
    return "\n".join(lines)
