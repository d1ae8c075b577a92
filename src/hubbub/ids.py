"""Identity: every object of hubbub is named by one 128-bit number, written as 32 lower-case hex digits.

How a dialect spells such a number (a prefix, a UUID) is the dialect's business: `dialects/tables.py`.
"""

from __future__ import annotations

import re
import secrets
from typing import NewType

Id = NewType("Id", str)
"""32 lower-case hex digits."""

_PATTERN = re.compile(r"[0-9a-f]{32}")


def new_id() -> Id:
    """A fresh random identity."""
    return Id(secrets.token_hex(16))


def parse_id(text: str) -> Id | None:
    """The identity written in `text`, or None where it is none."""
    return Id(text) if _PATTERN.fullmatch(text) else None
