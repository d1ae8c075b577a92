"""The sample application: a few documents, one for each occasion, and an ear for everything that the server tells."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from hubbub.demo.board import Board, Message
from hubbub.demo.cast import COACH, COACHED, HOST, SPEAKERS
from hubbub.demo.vocabulary import Vocabulary, document
from hubbub.testing import Application, Request
from hubbub.webhooks.signatures import hmac_sha1_form

MUSIC: Final = "/music.wav"
_USER: Final = re.compile(r"(?:sips?:)?([^@;]+)")


class SampleApplication:
    """Answers with the documents of `documents/`. `calls` holds the call id of each caller by name."""

    def __init__(self, vocabulary: Vocabulary, board: Board, music: bytes) -> None:
        self.http = Application()
        self.calls: dict[str, str] = {}
        self._vocabulary = vocabulary
        self._board = board
        self._music = music

    async def start(self) -> None:
        """Listen on a free port."""
        for path, answer in (("/voice", self._voice), ("/waiting", self._waiting), ("/hold", self._hold), ("/goodbye", self._goodbye)):
            self.http.on(path, answer)
        for path in ("/events", "/recordings"):
            self.http.on(path, self._told)
        self.http.on(MUSIC, self._play)
        await self.http.start()

    async def stop(self) -> None:
        """Close the port."""
        await self.http.stop()

    def url(self, path: str) -> str:
        """The URL of one of its paths."""
        return self.http.url(path)

    # -- facts ---------------------------------------------------------------------------------------------------------

    def field(self, request: Request, name: str) -> str:
        """A field of a webhook by its neutral name; empty when it is not there."""
        return str(request.params.get(self._vocabulary.fields[name], ""))

    def name_of(self, request: Request) -> str:
        """Whose call a request is about."""
        call = self.field(request, "call")
        return self.field(request, "label") or next((name for name, known in self.calls.items() if known == call), "")

    def events(self, word: str, name: str = "") -> Callable[[Request], bool]:
        """A predicate: this event, of this caller."""
        spelled = self._vocabulary.words[word]
        return lambda request: self.field(request, "event") == spelled and name in ("", self.name_of(request))

    def unsigned(self, secret: str) -> list[Request]:
        """Webhooks whose signature does not fit (audio files are fetched without one)."""
        return [
            request
            for request in self.http.requests()
            if request.path != MUSIC
            and request.headers.get(self._vocabulary.signature) != hmac_sha1_form(secret, request.url, request.fields)
        ]

    # -- answers -------------------------------------------------------------------------------------------------------

    def _voice(self, request: Request) -> str:
        match = _USER.match(self.field(request, "caller"))
        name = match[1] if match else ""
        self.calls[name] = self.field(request, "call")
        if name == COACH.name:
            return self._answer(request, f"{name} rings", "coach.xml", name=name, coached=self.calls.get(COACHED.name, ""))
        if name in {role.name for role in SPEAKERS}:
            return self._answer(request, f"{name} rings", "caller.xml", name=name, host="true" if name == HOST.name else "false")
        return self._answer(request, f"{name} rings", "guest.xml")

    def _waiting(self, request: Request) -> str:
        return self._answer(request, f"{self.name_of(request)} waits", "waiting.xml")

    def _hold(self, request: Request) -> str:
        return self._answer(request, f"{self.name_of(request)} is held", "hold.xml")

    def _goodbye(self, request: Request) -> str:
        return self._answer(request, f"{self.name_of(request)} is out", "goodbye.xml")

    def _answer(self, request: Request, about: str, file: str, /, **filled: str) -> str:
        self._show(request, about, f"200 {file}")
        return document(file, **filled)

    def _play(self, request: Request) -> bytes:
        self._show(request, "waiting and hold music", f"200 {len(self._music) // 1024} kB")
        return self._music

    def _told(self, request: Request) -> None:
        event = self.field(request, "event")
        if not event:
            seconds = self.field(request, "recording_seconds")
            event = f"recording {self.field(request, 'recording_status')}" + (f", {seconds} s" if seconds else "")
        why = self.field(request, "left_because") or self.field(request, "ended_because")
        self._show(request, " ".join(filter(None, (event, self.name_of(request) if self.field(request, "event") else "", why))), "204")

    def _show(self, request: Request, about: str, answer: str) -> None:
        self._board.message(Message(self._board.seconds, "in", f"{request.method} {request.path}", about, answer))
