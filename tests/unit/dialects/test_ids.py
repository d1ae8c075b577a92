"""Ids: one 128-bit number, spelled by each dialect; every dialect reads what any of them made."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.dialects.ids import HashedUuid, Prefixed, Uuid
from hubbub.ids import Id, new_id, parse_id

CODECS = [Prefixed("CA"), Prefixed("CF"), Uuid(), HashedUuid("c-"), HashedUuid("conf-"), HashedUuid("r-")]
SHAPES = {
    "CA": r"CA[0-9a-f]{32}",
    "c-": r"c-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "conf-": r"conf-[0-9a-f]{8}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}


@settings(max_examples=60, derandomize=True, database=None)
@given(st.integers(0, 2**128 - 1))
def test_they_come_back(number: int) -> None:
    identity = Id(f"{number:032x}")
    for codec in CODECS:
        assert codec.read(codec.write(identity)) == identity


def test_shapes() -> None:
    """`^XX[0-9a-fA-F]{32}$`, produced lower-case; `c-` 8 hex `-` UUID, 47 chars; `conf-` likewise, 50 chars."""
    for codec in CODECS:
        shape = SHAPES.get(getattr(codec, "prefix", ""))
        assert shape is None or re.fullmatch(shape, codec.write(new_id()))
    assert len(HashedUuid("c-").write(new_id())) == 47
    assert len(HashedUuid("conf-").write(new_id())) == 50


def test_upper_case_is_read() -> None:
    assert Prefixed("CA").read("CA" + "AB" * 16) == "ab" * 16
    assert Uuid().read("ABABABAB-ABAB-ABAB-ABAB-ABABABABABAB") == "ab" * 16


@settings(max_examples=200, derandomize=True, database=None)
@given(st.text(max_size=60))
def test_anything_else_is_none_and_never_an_error(text: str) -> None:
    for codec in CODECS:
        found = codec.read(text)
        assert found is None or parse_id(found) == found


@pytest.mark.parametrize(
    "text", ["", "CA", "CA" + "0" * 31, "CA" + "0" * 33, "CF" + "0" * 32, "ca" + "0" * 32, "CA" + "g" * 32, "CA" + "0" * 32 + "\n"]
)
def test_what_is_no_call_sid(text: str) -> None:
    assert Prefixed("CA").read(text) is None


def test_the_derived_digits_are_checked() -> None:
    spelled = HashedUuid("c-").write(Id("0" * 31 + "1"))
    assert spelled == "c-00000001-00000000-0000-0000-0000-000000000001"
    assert HashedUuid("c-").read(spelled.replace("c-00000001", "c-00000002")) is None
    assert HashedUuid("r-").read(spelled) is None
