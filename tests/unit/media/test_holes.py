"""Holes in files: what was read goes back to the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hubbub.media import holes


def test_what_was_read_is_given_back(tmp_path: Path) -> None:
    """The size stays, and so does what lies before and behind; blocks that are half read are kept."""
    data = bytes(range(1, 251)) * 4000
    (tmp_path / "a").write_bytes(data)
    file = os.open(tmp_path / "a", os.O_RDWR)
    try:
        os.fsync(file)
        before = os.fstat(file).st_blocks
        begin = holes.punch(file, 44, 900_001)
        assert begin == 900_001 // holes.BLOCK * holes.BLOCK
        assert os.fstat(file).st_size == len(data)
        assert os.pread(file, 4096, 0) == data[:4096]
        assert os.pread(file, len(data), begin) == data[begin:]
        if os.pread(file, 1, 4096) != b"\0":
            pytest.skip("this file system has no holes")
        assert os.fstat(file).st_blocks < before
        assert holes.punch(file, begin, begin + 10) == begin
    finally:
        os.close(file)


def test_where_there_are_none(tmp_path: Path) -> None:
    """A file that is only read has no holes: nothing is raised."""
    (tmp_path / "a").write_bytes(b"x" * 10000)
    file = os.open(tmp_path / "a", os.O_RDONLY)
    try:
        assert holes.punch(file, 0, 10000) == 8192
        assert os.pread(file, 10000, 0) == b"x" * 10000
    finally:
        os.close(file)
