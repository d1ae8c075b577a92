"""One demo from beginning to end: set up, play the acts, say what held, put everything away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import structlog
from rich.console import Console
from rich.text import Text

from hubbub.demo import summary
from hubbub.demo.acts import scenes
from hubbub.demo.application import SampleApplication
from hubbub.demo.board import Board, Person
from hubbub.demo.callers import Caller
from hubbub.demo.cast import CAST, FAREWELL, GREETING
from hubbub.demo.ears import Music, to_telephone
from hubbub.demo.keeping import keep as keep_up
from hubbub.demo.lines import Lines
from hubbub.demo.monitor import Monitor
from hubbub.demo.rest import Rest
from hubbub.demo.screen import SMALLEST, Screen
from hubbub.demo.stage import Stage, first_line
from hubbub.demo.vocabulary import Vocabulary
from hubbub.media.audiofile import write_wav
from hubbub.media.music import hold_music
from hubbub.speech.voices import FALLBACK, Speech
from hubbub.testing import HubbubServer

TITLE: Final = "hubbub demo: four callers, one conference, over real SIP and RTP on this machine"
LONGEST: Final = 150.0
"""Seconds after which a story that has got stuck is broken off."""
INTERRUPTED: Final = 130
NOT_REALTIME: Final = "media_not_realtime"


class Demo:
    """One demo."""

    def __init__(self, keep: bool) -> None:
        self._keep = keep
        self.console = Console(highlight=False, soft_wrap=False, legacy_windows=False)
        self.plain = wants_lines(self.console)
        self.board = Board({role.name: Person(role.name, role.title, role.colour) for role in CAST})
        self.folder = Path(tempfile.mkdtemp(prefix="hubbub-demo-"))
        self._set_up_seconds = 0.0
        self._story_seconds = 0.0

    async def play(self) -> int:
        """Everything. The exit code."""
        about = " (about 45 s). Each claim is checked in the audio that the callers' phones receive, in webhooks and in REST."
        self.console.print(Text(TITLE + about, style="bold"), soft_wrap=True)
        self._quiet_logs()
        for scene in scenes():
            self.board.add(scene.title, scene.checks)
        try:
            async with contextlib.AsyncExitStack() as stack:
                view = Lines(self.board, sys.stdout) if self.plain else Screen(self.board, self.console, TITLE)
                async with view:
                    stage = await stack.enter_async_context(self._stage())
                    await self._story(stage)
                self._report(stage)
                if self._keep:
                    await keep_up(stage, self.console)
        except AssertionError as error:
            self.board.give_up()
            self.console.print(Text(str(error), style="red"), soft_wrap=True)
        finally:
            self._put_away()
            self._last_line()
        return 0 if self.board.held else 1

    # -- set-up --------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _stage(self) -> AsyncIterator[Stage]:
        vocabulary = Vocabulary.load()
        music = hold_music()
        file = self.folder / "music.wav"
        write_wav(file, to_telephone(music), 8000)
        application = SampleApplication(vocabulary, self.board, file.read_bytes())
        speech = Speech()
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(speech.close)
            stack.push_async_callback(application.stop)
            await application.start()
            self.board.note("starting the server, and letting the voices read their lines …")
            server = HubbubServer(application.url("/voice"), folder=self.folder / "server")
            reading = asyncio.create_task(self._read(speech))
            try:
                await stack.enter_async_context(_Running(server))
                callers, greeting, farewell = await reading
            finally:
                reading.cancel()
            user, password = list(next(iter(server.faces.values())).values())[:2]
            rest = Rest(vocabulary, server.http_url("").rstrip("/"), user, password, self.board)
            stack.push_async_callback(rest.stop)
            await rest.start()
            for caller in callers.values():
                stack.push_async_callback(caller.phone.stop)
                await caller.phone.start()
            self._introduce(server, speech)
            tune = Music(to_telephone(music))
            stage = Stage(self.board, vocabulary, server, application, rest, callers, greeting, farewell, tune)
            monitor = asyncio.create_task(Monitor(self.board, callers, tune).run())
            stack.callback(monitor.cancel)
            yield stage
'''
