"""Who calls, with which voice, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hubbub.testing import TONES

PILOT_DB: Final = -45.0
"""Level of the pilot tone that accompanies each voice, dBFS of a sine: below what the server takes for speech (-43), well above
what voices and music have left at these frequencies (measured: at most -56 in windows of half a second)."""
HEARD_DB: Final = -50.0
"""A pilot at this level or above is heard."""
UNHEARD_DB: Final = -52.5
"""A pilot below this level is not heard; between the two nothing is claimed."""

NUMBER: Final = "+15550001000"
"""What all of them dial."""


@dataclass(frozen=True)
class Role:
    """One caller. `pilot` is in Hz; `colour` a name that a terminal knows."""

    name: str
    voice: str
    pilot: int
    colour: str
    lines: tuple[str, ...]

    @property
    def title(self) -> str:
        """The name as it is written."""
        return self.name.capitalize()


def _pilots(*wanted: int) -> tuple[int, ...]:
    """Of the tones that stay apart from each other's harmonics and mixtures, those that voices hardly touch."""
    assert set(wanted) <= set(TONES)
    return wanted


_ALICE, _BOB, _CAROL, _DANA = _pilots(2824, 2891, 2990, 2689)

ALICE: Final = Role("alice", "woman", _ALICE, "cyan", ("Good morning. The release went out last night.",))
BOB: Final = Role("bob", "man", _BOB, "yellow", ("I fixed the mixer. It does not click any more.", "Alice is away. Let us wait for her."))
CAROL: Final = Role(
    "carol", "Emma", _CAROL, "magenta", ("I am writing chapter three of the manual.", "Hello? Can anybody hear me? I think I am muted.")
)
DANA: Final = Role("dana", "woman", _DANA, "blue", ("Bob, ask her when it will be done.",))
CAST: Final = (ALICE, BOB, CAROL, DANA)

HOST: Final = ALICE
"""The conference ends when she leaves."""
COACH: Final = DANA
COACHED: Final = BOB
SPEAKERS: Final = (ALICE, BOB, CAROL)

GREETING: Final = "Welcome to hubbub."
FAREWELL: Final = "You have left the conference. Goodbye."
"""What the documents let the server say; to be recognised in what the callers hear."""
