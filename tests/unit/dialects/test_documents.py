"""Every vector: a document compiles to this program with these remarks, or is rejected like this."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.vectors import Vector, load, look_up, outcome, plain

from hubbub.verbs.program import Program

VECTORS = load()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v.dialect}: {v.name}")
def test_vector(vector: Vector) -> None:
    program, error = outcome(vector)
    assert error == vector.error, vector.rule
    if program is None:
        return
    assert [_told(remark.code, remark.at.line, remark.at.path) for remark in program.remarks] == vector.remarks, vector.rule
    if vector.program is not None:
        assert plain(program.main) == vector.program, vector.rule
    if vector.sections is not None:
        assert plain(program.sections) == vector.sections, vector.rule
    if vector.gives is not None:
        assert _given(program, vector) == dict(vector.gives), vector.rule


def _told(code: str, line: int | None, path: str) -> list[Any]:
    return [code, path if line is None else line]


def _given(program: Program, vector: Vector) -> dict[str, Any]:
    assert vector.gives is not None
    first = plain(program.main[0], whole=True)
    return {path: look_up(first, path) for path in vector.gives}
