"""What the server and the loop tell each other: commands and events, and the sizes of the rings that carry them."""

from __future__ import annotations

from typing import Final

COMMANDS: Final = 4096
COMMAND_WORDS: Final = 16
EVENTS: Final = 16384
EVENT_WORDS: Final = 4
EVENT_RESERVE: Final = 2048
"""Commands wait while fewer event places than this are free, so an answer can never be lost."""

# Commands. Words: code, then the arguments named in `commands.py`.
ADD: Final = 1
REMOVE: Final = 2
CONNECT: Final = 3
ROUTE: Final = 4
EDGE: Final = 5
ADD_MIX: Final = 6
REMOVE_MIX: Final = 7
STOP: Final = 8
TAP: Final = 9
UNTAP: Final = 10
DIGIT: Final = 11
TUNE: Final = 12
SENSE: Final = 13
HEED: Final = 14
LEVEL: Final = 15
CIPHER: Final = 16
SUPPRESS: Final = 17

# Events. Words: code, index, generation, value.
REMOVED: Final = 1
PLAYED: Final = 2
KEY: Final = 3
SPEECH: Final = 4
QUIET: Final = 5
EDGE_GONE: Final = 6
MIX_GONE: Final = 7
TAP_GONE: Final = 8
