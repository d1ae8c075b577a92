"""Who hears whom: measured from the audio that each caller received, never from what a server believes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from hubbub.testing.call import PhoneCall
from hubbub.testing.heard import AUDIBLE, Heard

TONES: Final = (
    574, 1074, 1564, 2040, 634, 1243, 1741, 2456, 1364, 1895, 2631, 1136, 1504, 2103,
    2824, 1298, 1607, 2587, 2952, 1785, 2509, 2689, 1837, 2776, 2891, 3052, 342, 2990,
)  # fmt: skip
"""Frequencies for callers. Each stays apart from the harmonics, sums, differences and 2a-b products of all others by 6 Hz, from
the others by 36 Hz, from beeps and ringing tones by 12 Hz; none lies in DTMF's low group, so no two of them are a key."""
_UNHEARD: Final = -45.0


def heard_tones(heard: Heard, among: Iterable[float] = TONES) -> set[float]:
    """Which of the tones are heard."""
    return {frequency for frequency in among if heard.hears(frequency)}


async def who_hears_whom(
    calls: Mapping[str, PhoneCall], tones: Mapping[str, float], *, seconds: float = 1.0, min_db: float = AUDIBLE
) -> dict[str, set[str]]:
    """Listen on all calls at once: for each listener, whose tone is heard (possibly its own, an echo)."""
    windows = await asyncio.gather(*(call.heard(seconds) for call in calls.values()))
    return {
        listener: {speaker for speaker, frequency in tones.items() if heard.hears(frequency, min_db)}
        for listener, heard in zip(calls, windows, strict=True)
    }


async def assert_hears(
    call: PhoneCall, frequencies: Collection[float], *, seconds: float = 0.5, within: float = 5.0, among: Iterable[float] = TONES
) -> Heard:
    """The call hears exactly these of the tones `among`: listened to in windows of `seconds`, until it holds or `within` is over.

    A tone counts as heard from -35 dBFS up and as not heard below -45 dBFS; between the two nothing holds.
    """
    deadline = time.monotonic() + within
    others = set(among) - set(frequencies)
    while True:
        heard = await call.heard(seconds)
        missing = {frequency for frequency in frequencies if not heard.hears(frequency)}
        extra = {frequency for frequency in others if heard.hears(frequency, _UNHEARD)}
        if not missing and not extra:
            return heard
        if time.monotonic() >= deadline:
            raise AssertionError(
                f"{call.phone.name} should hear {sorted(frequencies)} Hz; missing {sorted(missing)}, extra {sorted(extra)}; "
                f"heard {heard!r}; {call.describe()}"
            )
