"""Holes: what was read of a file that only grows goes back to the disk, and nobody's offsets change."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Final

KEEP_SIZE: Final = 0x01
PUNCH_HOLE: Final = 0x02
"""linux/falloc.h."""
BLOCK: Final = 4096


def _fallocate() -> Callable[[int, int, int, int], int] | None:
    libc = ctypes.CDLL(None, use_errno=True)
    found = getattr(libc, "fallocate64", None) or getattr(libc, "fallocate", None)
    if found is None:
        return None
    found.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    found.restype = ctypes.c_int
    call: Callable[[int, int, int, int], int] = found
    return call


_CALL = _fallocate() if os.name == "posix" else None


def punch(file: int, begin: int, end: int) -> int:
    """Give back the whole blocks between two offsets of an open file; returns where the next hole begins.

    Where the system or the file system has no holes (fallocate(2): EOPNOTSUPP), the bytes stay.
    """
    first, last = -(-begin // BLOCK) * BLOCK, end // BLOCK * BLOCK
    if _CALL is not None and last > first:
        _CALL(file, KEEP_SIZE | PUNCH_HOLE, first, last - first)
    return max(begin, last)
