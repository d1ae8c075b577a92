"""Templates of function results: `${path}`, `%{path}` with prefix helpers, and `@{function …}` (3.3).

They read one object from its root; names are matched without regard to case, `[n]` counts from the end where it is negative. What is not
there is an empty text. The rules are those that the vendor's SDK publishes with its simulation of the platform.
"""

from __future__ import annotations

import ast
import json
import math
import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

MISSING: Final = object()
"""What is not there."""
LONGEST_PATH, DEEPEST_PATH = 1024, 128
LONGEST_RESULT = 1 << 18
"""Characters that the templates of one reckoning may become together."""
PER_TEMPLATE = 32
"""Characters that a template counts as beside what it becomes: nothing else is done while they are filled in, so empty ones count too."""
UNSAFE = frozenset('\r\n #%&+:;<=>?@[\\]^`{|}"')
_INDEX = re.compile(r"\s*[+-]?\d{1,10}")
_SUM = re.compile(r"[\d.\s+*/()-]{1,200}")
_HELPER = re.compile(r"(lc|enc|fmt_ph):", re.IGNORECASE | re.ASCII)
_OPENING = re.compile(r"[$%@]\{")
_BRACE = re.compile(r"[{}]")
_CODES = re.compile(r"(?:[^%]|%[-_^#]?[A-Za-z%]){0,200}")
DEEPEST = 8
"""Functions inside functions."""
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


class TooLong(ValueError):
    """Templates became more than may be."""


class Budget:
    """What all templates of one reckoning may come to together."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._left = LONGEST_RESULT
        self._seconds = seconds

    def pass_time(self, seconds: float) -> None:
        """Count CPU time that something else took."""
        self._seconds -= seconds

    def check_time(self) -> None:
        """Whether there is any time left. Raises TooLong."""
        if self._seconds <= 0.0:
            raise TooLong("its patterns take too long together")

    def spend(self, characters: int) -> None:
        """Count what was written, or what takes as long. Raises TooLong."""
        self.check(characters)
        self._left -= characters

    def check(self, characters: int) -> None:
        """Whether so many more may be written. Raises TooLong."""
        if characters > self._left:
            raise TooLong(f"templates became more than {LONGEST_RESULT} characters, of which each counts as {PER_TEMPLATE} at least")


def item(container: Any, name: str) -> Any:
    """A member of an object by its name, in whatever case; MISSING where there is none."""
    if not isinstance(container, Mapping):
        return MISSING
    if name in container:
        return container[name]
    wanted = name.translate(_LOWER)
    alike = ((str(key), value) for key, value in container.items() if len(str(key)) == len(wanted))
    return next((value for key, value in alike if key.translate(_LOWER) == wanted), MISSING)


def look_up(data: Any, path: str, budget: Budget) -> Any:
    """What a path names, from the root of the data; MISSING where that is not there. Raises TooLong."""
    parts = [part for part in path.split(".") if part]
    if len(path) > LONGEST_PATH or len(parts) > DEEPEST_PATH or path.endswith("."):
        return MISSING
    for part in parts:
        name, bracket, rest = part.partition("[")
        if isinstance(data, Mapping) and name not in data:
            budget.spend(len(data))  # all its names are compared
        data = item(data, name)
        if bracket:
            index, closed, more = rest.partition("]")
            if not closed or more or not _INDEX.fullmatch(index) or not isinstance(data, list):
                return MISSING
            at = int(index)
            data = data[at] if -len(data) <= at < len(data) else MISSING
        if data is MISSING:
            return MISSING
    return data


def spelled(value: Any) -> str:
    """How a value stands in a text: whole numbers without a point, others with six places, what is no text as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:f}"
    return json.dumps(value, ensure_ascii=False)


def url_encoded(text: str) -> str:
    """Percent-encoded but for what the platform leaves: `/ , $ ! ' ( ) *`, and what is encoded already."""
    raw, parts = text.encode("utf-8", "replace"), []
    for at, byte in enumerate(raw):
        encoded_already = byte == ord("%") and re.match(rb"[0-9A-F]{2}", raw[at + 1 : at + 3])
        safe = 0x20 <= byte <= 0x7E and (chr(byte) not in UNSAFE or encoded_already)
        parts.append(chr(byte) if safe else f"%{byte:02X}")
    return "".join(parts)


def national(number: str) -> str:
    """A North American number as it is written there; another one as it is."""
    digits = re.sub(r"[^0-9]", "", number)
    digits = digits[1:] if len(digits) == 11 and digits.startswith("1") else digits
    if len(digits) == 10 and digits[0] in "23456789" and digits[3] in "23456789":
        return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"
    return number


def expanded(template: str, data: Any, now: float, budget: Budget) -> str:
    """A text with its templates filled in. Raises TooLong."""
    return _Expansion(data, now, budget).of(template)


def expanded_all(value: Any, data: Any, now: float, budget: Budget) -> Any:
    """A value with every text in it filled in, names too. Raises TooLong."""
    return _Expansion(data, now, budget).every(value)


class _Expansion:
    """Fills texts in from one object."""

    def __init__(self, data: Any, now: float, budget: Budget) -> None:
        self._data = data
        self._now = now
        self._budget = budget

    def every(self, value: Any) -> Any:
        """A value with every text in it filled in."""
        if isinstance(value, str):
            return self.of(value)
        if isinstance(value, Mapping):
            return {self.of(str(name)): self.every(child) for name, child in value.items()}
        return [self.every(child) for child in value] if isinstance(value, list) else value

    def of(self, text: str, depth: int = 0) -> str:
        """A text filled in; one inside a path is, one inside that is not."""
        self._budget.spend(len(text))
        parts: list[str] = []
        at, closing = 0, _closings(text)
        while (opening := _OPENING.search(text, at)) is not None:
            end = closing.get(opening.end() - 1)
            parts.append(text[at : opening.start()])
            if end is None:  # nobody closes it: it stays as it is
                parts.append(opening[0])
                at = opening.end()
                continue
            inside = text[opening.end() : end]
            parts.append(self._called(inside, depth) if opening[0] == "@{" else self._found(inside, depth))
            self._budget.spend(PER_TEMPLATE + len(parts[-1]))
            at = end + 1
        return "".join((*parts, text[at:]))

    def _found(self, path: str, depth: int) -> str:
        """What a path names, through its helpers: whatever their order, `fmt_ph` comes first, then `lc`, then `enc`."""
        helpers = set()
        while (helper := _HELPER.match(path)) is not None:
            helpers.add(helper[1].lower())
            path = path[helper.end() :]
        if ("${" in path or "%{" in path) and depth < DEEPEST:
            path = self.of(path, DEEPEST)
        value = look_up(self._data, path, self._budget) if path else ""
        text = "" if value is MISSING else spelled(value)
        self._budget.check(len(text))
        for name, apply in (("fmt_ph", national), ("lc", _lower), ("enc", url_encoded)):
            text = apply(text) if name in helpers and text else text
        return text

    def _called(self, inside: str, depth: int) -> str:
        """What a function gives; one that is not known, or too deep inside others, stays as it is."""
        name, _, rest = inside.partition(" ")
        function = FUNCTIONS.get(name)
        return f"@{{{inside}}}" if function is None or depth >= DEEPEST else function(self.of(rest, depth + 1), self._now)


def _lower(text: str) -> str:
    return text.translate(_LOWER)


def _closings(text: str) -> dict[int, int]:
    """Where each brace is closed."""
    found: dict[int, int] = {}
    open_ones: list[int] = []
    for brace in _BRACE.finditer(text):
        if brace[0] == "{":
            open_ones.append(brace.start())
        elif open_ones:
            found[open_ones.pop()] = brace.start()
    return found


def _time(given: str, now: float) -> str:
    """`@{strftime_tz ZONE FORMAT}`: now."""
    zone, _, form = given.strip().partition(" ")
    form = form if _CODES.fullmatch(form) else ""
    try:
        if zone not in _zones():  # a search in files for each would take long
            raise ZoneInfoNotFoundError
        return datetime.fromtimestamp(now, ZoneInfo(zone)).strftime(form or "%Y-%m-%d %H:%M:%S")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _phone(given: str, now: float) -> str:
    """`@{fmt_ph FORMAT[:sep:X] NUMBER}`: North American numbers in four forms."""
    form, _, number = given.strip().rpartition(" ")
    kind, _, separator = form.partition(":sep:")
    digits = re.sub(r"[^0-9]", "", number)
    digits = digits if len(digits) != 10 else f"1{digits}"
    plain = national(number)
    if plain == number:
        return number
    found = {
        "international": f"+1 {digits[1:4]}-{digits[4:7]}-{digits[7:]}",
        "rfc3966": f"tel:+1-{digits[1:4]}-{digits[4:7]}-{digits[7:]}",
        "e164": f"+{digits}",
    }.get(kind.lower(), plain)
    return separator.join(re.findall(r"\d+", found)) if separator else found


def _sum(given: str, now: float) -> str:
    """`@{expr 2+2}`: arithmetic on numbers, as JavaScript does it."""
    if not _SUM.fullmatch(given.strip()):
        return ""
    try:
        value = _reckoned(ast.parse(" ".join(given.split()), mode="eval").body)
    except (SyntaxError, ArithmeticError, KeyError, TypeError, ValueError, RecursionError, MemoryError):
        return ""
    return spelled(value) if isinstance(value, float) and math.isfinite(value) else ""


def _reckoned(node: ast.expr) -> Any:
    match node:
        case ast.Constant():
            return float(node.value)  # type: ignore[arg-type]
        case ast.UnaryOp():
            return _UNARY[type(node.op)](_reckoned(node.operand))
        case ast.BinOp():
            return _BINARY[type(node.op)](_reckoned(node.left), _reckoned(node.right))
    raise TypeError(node)


_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


FUNCTIONS: Mapping[str, Callable[[str, float], str]] = {
    "strftime_tz": _time,
    "fmt_ph": _phone,
    "expr": _sum,
    "echo": lambda given, now: given,
    "separate": lambda given, now: " ".join(given),
    "sleep": lambda given, now: "",
}
"""The last is no reason to wait here."""
