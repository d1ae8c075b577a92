"""How long the long runs are."""

from __future__ import annotations

import pytest
from tests.long import steps_of


@pytest.mark.parametrize(
    ("arguments", "variable", "seconds"),
    [
        ([], None, "120"),
        (["--seconds", "0"], None, "120"),
        (["--seconds", "0"], "3600", "3600"),
        (["--seconds", "7"], "3600", "7"),
    ],
)
def test_every_fuzzer_goes_on_for_as_long_as_is_said(
    arguments: list[str], variable: str | None, seconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HUBBUB_FUZZ_SECONDS", raising=False)
    if variable is not None:
        monkeypatch.setenv("HUBBUB_FUZZ_SECONDS", variable)
    steps = steps_of(["fuzz", *arguments])
    assert {step.environment["HUBBUB_FUZZ_SECONDS"] for step in steps if step.environment} == {seconds}
    assert {step.arguments[0] for step in steps if not step.environment} == {seconds}
