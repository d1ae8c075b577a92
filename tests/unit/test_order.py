"""The order of the test files keeps all workers busy to the end."""

from __future__ import annotations

from tests.conftest import LONGEST, ORDER, TESTS, rank


def test_the_table_names_files_that_are_there() -> None:
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)
    assert {path.parent.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")} == set(ORDER)


def test_long_files_begin_first_and_short_ones_end() -> None:
    names = ["unit/test_order.py", "fuzz/test_rest.py", "scenarios/test_refer.py", LONGEST[1], LONGEST[0]]
    files = [TESTS / name for name in names]
    assert sorted(files, key=rank) == files[::-1]
