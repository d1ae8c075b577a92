"""One demo from beginning to end: set up, play the acts, say what held, put everything away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import structlog
from rich.console import Console
from rich.text import Text

from hubbub.demo import keeping, summary
from hubbub.demo.acts import Scene, scenes
from hubbub.demo.application import SampleApplication
from hubbub.demo.board import Board, Person
from hubbub.demo.callers import Caller
from hubbub.demo.cast import CAST, FAREWELL, GREETING
from hubbub.demo.ears import Music, Pcm, to_telephone
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

TITLE: Final = "hubbub demo: four callers in a conference, over real SIP and RTP"
PROMISE: Final = (
    "It takes about a minute. You will see who is called and answered, who waits, speaks and is heard by whom, every webhook with its "
    "answer, and the recording; each claim is checked in the audio that the callers' phones receive, in the webhooks and by REST."
)
LONGEST: Final = 100.0
"""Seconds after which a story that is stuck is broken off."""
INTERRUPTED: Final = 130
NOT_REALTIME: Final = "media_not_realtime"
HINT: Final = "hint: no real-time priority here (CAP_SYS_NICE or `ulimit -r 20` gives it); sound may stutter while the machine is busy"


class _Console(Console):
    """A console that falls silent when nobody reads it any more, instead of ending the program: the exit code still counts."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Demo:
    """One demo."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._console = _Console(highlight=False)
        self._plain = wants_lines()
        self._board = Board({role.name: Person(role.name, role.title, role.colour) for role in CAST})
        self._folder = Path(tempfile.mkdtemp(prefix="hubbub-demo-"))
        self._set_up_seconds = 0.0
        self._finished = 0.0
        self._trouble = ""

    async def play(self) -> int:
        """Everything. The exit code; CancelledError when it is interrupted before the verdict."""
        self._print(TITLE, "bold")
        self._print(PROMISE)
        _log_to(self._folder / "callers.log")
        plan = scenes()
        for scene in plan:
            self._board.add(scene.title, scene.checks)
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with Lines(self._board, sys.stdout) if self._plain else Screen(self._board, self._console, TITLE):
                    stage = await stack.enter_async_context(self._stage())
                    await self._story(stage, plan)
                self._finished = self._board.seconds
                self._report(stage)
                if self._keep:
                    await self._stay(stage)
        except (AssertionError, OSError) as error:
            self._board.give_up()
            self._trouble = self._trouble or str(error)
            self._print(str(error), "red")
        self._put_away()
        self._print(summary.verdict(self._board, self._finished or self._board.seconds, self._set_up_seconds), "bold")
        return 0 if self._board.held else 1

    def interrupted(self) -> None:
        """Say that nothing is left running."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._print(f"Interrupted after {self._board.seconds:.0f} s; everything has been stopped.", "bold")

    # -- set-up --------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _stage(self) -> AsyncIterator[Stage]:
        """A running server, application and phones; everything is stopped at the end, in the right order."""
        board, vocabulary, music = self._board, Vocabulary.load(), to_telephone(hold_music())
        async with contextlib.AsyncExitStack() as stack:
            board.note("starting the server; the voices read their lines (the first start ever compiles the media engine: half a minute) …")
            speech = Speech()
            stack.callback(speech.close)
            reading = asyncio.create_task(_read(speech))
            stack.callback(reading.cancel)
            write_wav(self._folder / "music.wav", music, 8000)
            application = SampleApplication(vocabulary, board, (self._folder / "music.wav").read_bytes())
            stack.push_async_callback(application.stop)
            await application.start()
            server = HubbubServer(application.url("/voice"), folder=self._folder / "server")
            await server.start()
            stack.push_async_callback(server.stop)
            user, password = list(next(iter(server.faces.values())).values())[:2]
            rest = Rest(vocabulary, server.http_url("").rstrip("/"), user, password, board)
            stack.push_async_callback(rest.stop)
            await rest.start()
            callers, greeting, farewell = await reading
            for caller in callers.values():
                await caller.phone.start()
                stack.push_async_callback(caller.phone.stop)
            self._introduce(server, speech)
            tune = Music(music)
            monitor = asyncio.create_task(Monitor(board, callers, tune).run())
            stack.callback(monitor.cancel)
            yield Stage(board, vocabulary, server, application, rest, callers, greeting, farewell, tune)

    def _introduce(self, server: HubbubServer, speech: Speech) -> None:
        engines = [name for name in speech.engines() if name != FALLBACK]
        voices = f"voices: {', '.join(engines)}" if engines else "no voices installed: the callers speak in tones"
        self._board.note(f"ready: SIP {server.sip[0]}:{server.sip[1]}, REST {server.http_url()}; {voices}")
        if NOT_REALTIME in server.log:
            self._board.note(HINT)
        self._set_up_seconds = self._board.seconds

    # -- the story -----------------------------------------------------------------------------------------------------

    async def _story(self, stage: Stage, plan: tuple[Scene, ...]) -> None:
        """Play all acts. A check that fails does not end the story; what makes going on senseless does."""
        try:
            async with asyncio.timeout(LONGEST):
                for act, scene in zip(self._board.acts, plan, strict=True):
                    stage.act = act
                    self._board.begin(act)
                    try:
                        await scene.play(stage)
                    finally:
                        act.state = "done"
        except TimeoutError:
            self._trouble = f"the story was not over after {LONGEST:.0f} s"
        except AssertionError as error:
            self._trouble = f"the story broke off: {first_line(error)}"
        except Exception:
            self._trouble = f"the story broke off:\n{traceback.format_exc()}"
        self._board.give_up()

    async def _stay(self, stage: Stage) -> None:
        """Keep the server up until Ctrl-C, which then is no interruption."""
        try:
            await keeping.keep(stage, self._console)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()

    # -- the end -------------------------------------------------------------------------------------------------------

    def _report(self, stage: Stage) -> None:
        board = self._board
        if not self._plain:
            for note in board.notes[1:]:
                self._print(note)
            summary.print_checks(board, self._console)
        if board.recorded is not None:
            summary.print_recording(board.recorded, board, self._console)
        if not board.held:
            summary.print_failures(board, stage.server.log_tail(40), self._trouble, self._console)
        if self._keep:
            self._print(summary.verdict(board, self._finished, self._set_up_seconds), "bold")

    def _put_away(self) -> None:
        if self._board.held:
            shutil.rmtree(self._folder, ignore_errors=True)
        else:
            self._print(f"The server's log, database and recordings are kept in {self._folder}")

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)


async def _read(speech: Speech) -> tuple[dict[str, Caller], Pcm, Pcm]:
    """Every line spoken once: the callers', and what the server will say."""
    callers = {role.name: await Caller.prepared(role, speech) for role in CAST}
    return callers, to_telephone(await speech.say(GREETING)), to_telephone(await speech.say(FAREWELL))


def _log_to(path: Path) -> None:
    """What the callers' own SIP has to say goes to a file, not between the lines of the show."""
    logging.basicConfig(filename=path, level=logging.WARNING)
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(path.open("a", encoding="utf-8")))


def wants_lines() -> bool:
    """Whether plain lines suit the output better than a live screen."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb" or any(os.environ.get(name) for name in ("NO_COLOR", "CI")):
        return True
    width, height = shutil.get_terminal_size()
    return width < SMALLEST[0] or height < SMALLEST[1]


async def _main(*, keep: bool) -> int:
    """Play; the first signal ends everything cleanly, later ones cannot disturb that."""
    demo = Demo(keep=keep)
    task = asyncio.create_task(demo.play())
    loop = asyncio.get_running_loop()
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        demo.interrupted()
        return INTERRUPTED


def run(*, keep: bool) -> int:
    """Play the demo; see `hubbub.demo.run_demo`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    # The phones of this process beat every 20 ms in a thread beside the screen: it must not wait long for its turn.
    sys.setswitchinterval(0.001)
    code = asyncio.run(_main(keep=keep))
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads any more, and the interpreter need not complain of it once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
