"""What everything that runs programs needs, in one bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hubbub.calls.line import Lines
from hubbub.clock import Clock
from hubbub.conference.journal import Journal, Renderer
from hubbub.conference.transcription import Transcriber
from hubbub.media.client import Leg, Media, Mix
from hubbub.sandbox.turns import Turns
from hubbub.settings import Account
from hubbub.speech.recognition import Recognition
from hubbub.speech.voices import Speech
from hubbub.storage.store import Store
from hubbub.verbs.audiocache import AudioCache
from hubbub.verbs.dialect import Dialect
from hubbub.verbs.documents import Documents
from hubbub.verbs.kept import recorded
from hubbub.verbs.sound import Sound
from hubbub.webhooks.requester import Requester

if TYPE_CHECKING:
    from hubbub.calls.calls import Calls
    from hubbub.conference.rooms import Rooms
    from hubbub.verbs.beside import RoomStage
    from hubbub.verbs.hub import Hub


@dataclass
class VerbServices:
    """Shared by all sessions; `calls`, `rooms` and `hub` are set once they exist."""

    media: Media
    speech: Speech
    recognition: Recognition
    requester: Requester
    journal: Journal
    clock: Clock
    documents: Documents
    render: Renderer
    dialects: Mapping[str, Dialect]
    accounts: Mapping[str, Account]
    recordings: Path
    lines: Lines = field(default_factory=Lines)
    audio: AudioCache = field(default_factory=AudioCache)
    turns: Turns = field(default_factory=Turns)
    store: Store | None = None
    rooms: Rooms = field(init=False)
    calls: Calls = field(init=False)
    hub: Hub = field(init=False)
    beside: RoomStage = field(init=False)
    transcriber: Transcriber = field(init=False)

    def sound(self, target: Leg | Mix, account: str = "", dialect: Dialect | None = None) -> Sound:
        """A voice for a target; what an account's documents play may be recordings of its own, or is asked for as `dialect` does."""
        own = partial(recorded, self, account)
        made = Sound(self.media, self.speech, self.requester, target, self.clock, self.audio, own)
        return made if dialect is None else replace(made, headers=partial(dialect.audio_headers, self.accounts[account]))
