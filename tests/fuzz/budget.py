"""How long fuzzers try: a few hundred cases, always the same, with the other tests; HUBBUB_FUZZ_SECONDS each, new ones, in `make fuzz`."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tests.support.figures import figure

SECONDS = float(os.environ.get("HUBBUB_FUZZ_SECONDS", "0"))
FEW, BATCH = 300, 2000


def fuzz(cases: st.SearchStrategy[Any]) -> Callable[[Callable[[Any], None]], Callable[[], None]]:
    """A test that gives cases of a strategy to a check, as long as there is time; it prints how many."""

    def test(check: Callable[[Any], None]) -> Callable[[], None]:
        def run() -> None:
            tried, end = 0, time.monotonic() + SECONDS

            def counted(case: Any) -> None:
                nonlocal tried
                tried += 1
                check(case)

            rules = settings(
                max_examples=BATCH if SECONDS else FEW,
                deadline=None,
                database=None,
                derandomize=not SECONDS,
                suppress_health_check=list(HealthCheck),
            )
            while True:
                batch = rules(given(cases)(counted))
                (seed(random.getrandbits(64))(batch) if SECONDS else batch)()
                if time.monotonic() >= end:
                    break
            figure(check.__name__, f"{tried} cases")

        run.__name__, run.__doc__ = check.__name__, check.__doc__
        return run

    return test


def mutated(seeds: list[bytes], pieces: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of the seeds, with bytes changed, taken out, doubled, or pieces put in."""

    def change(data: bytes, steps: list[tuple[int, int, int, bytes]]) -> bytes:
        made = bytearray(data)
        for kind, place, length, piece in steps:
            at = place % (len(made) + 1)
            if kind == 0 and made:
                made[at % len(made)] = length & 255
            elif kind == 1:
                del made[at : at + length]
            elif kind == 2:
                made[at:at] = piece
            else:
                made[at:at] = made[at : at + length]
        return bytes(made)

    piece = st.one_of(st.sampled_from(pieces), st.binary(max_size=6))
    step = st.tuples(st.integers(0, 3), st.integers(0, 1 << 16), st.integers(0, 255), piece)
    return st.builds(change, st.sampled_from(seeds), st.lists(step, min_size=1, max_size=8))
