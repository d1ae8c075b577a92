"""Links to recordings that everybody who has one may use, until they expire.

    POST /hubbub/recordings/{recording}/link     {"seconds": 3600, "format": "wav" | "mp3"}  →  {"url": …, "expires": …}
    GET  /hubbub/media/{recording}.wav?expires=…&signature=…

A link is asked for with the credentials of the recording's account (of any of its faces) or with the admin token. Its signature is made
with a key of this server, kept beside the recordings: who removes the key ends all links, who deletes the recording ends its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import wave
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from hubbub.api.body import body_of
from hubbub.api.face import RestFace
from hubbub.api.media import MEDIA_TYPES, rendition
from hubbub.conference.rows import from_row
from hubbub.errors import Refused, StorageUnavailable, TooManyGuesses
from hubbub.events import RecordingRecord, RecordingStatus
from hubbub.ids import Id, new_id, parse_id
from hubbub.storage.store import Store

log = structlog.get_logger()
LONGEST = 7 * 86400
USUAL = 3600
LARGEST_BODY = 4096
KEY_FILE = ".link-key"
STATUSES = {"not-found": 404, "bad-parameter": 400, "forbidden": 403, "unauthenticated": 401, "too-many": 429, "storage": 503}


class Links:
    """Makes links, and serves what they name. `now` gives seconds since the epoch."""

    def __init__(self, store: Store, recordings: Path, public_url: str, now: Callable[[], float]) -> None:
        self._store = store
        self._recordings = recordings
        self._public_url = public_url
        self._now = now

    def routes(self, accounts_of: Callable[[Request], frozenset[str]], admin: Callable[[Request], bool]) -> list[Route]:
        """Both routes. `accounts_of` names the accounts that a request has credentials for, `admin` says whether it has the server's."""

        async def make(request: Request) -> Response:
            return await _answered(self._make(request, accounts_of, admin))

        async def serve(request: Request) -> Response:
            return await _answered(self._serve(request))

        return [
            Route("/hubbub/recordings/{recording}/link", make, methods=["POST"]),
            Route("/hubbub/media/{recording}.{kind}", serve, methods=["GET"]),
        ]

    async def _make(self, request: Request, accounts_of: Callable[[Request], frozenset[str]], admin: Callable[[Request], bool]) -> Response:
        accounts = accounts_of(request)
        if not accounts and not admin(request):
            raise Refused("unauthenticated", "credentials of an account, or the admin token, are needed")
        seconds, kind = _wanted(await body_of(request, LARGEST_BODY))
        recording = await self._recording(request.path_params["recording"])
        if accounts and recording.account not in accounts:
            raise Refused("not-found", "there is no such recording")
        expires = int(self._now()) + seconds
        log.info("audit", account=recording.account, operation="create_link", id=recording.id, given=["format", "seconds"], expires=expires)
        query = urlencode({"expires": expires, "signature": await self._signature(recording.id, kind, expires)})
        return JSONResponse({"url": f"{self._public_url}/hubbub/media/{recording.id}.{kind}?{query}", "expires": expires}, 201)

    async def _serve(self, request: Request) -> Response:
        identity, kind = parse_id(request.path_params["recording"]), request.path_params["kind"]
        given = request.query_params.get("expires", "")
        if identity is None or kind not in MEDIA_TYPES or not (given.isascii() and given.isdigit() and len(given) < 12):
            raise Refused("forbidden", "this is no link")
        expected = await self._signature(identity, kind, int(given))
        if not hmac.compare_digest(expected.encode(), request.query_params.get("signature", "").encode()):
            raise Refused("forbidden", "this is no link")
        if self._now() >= int(given):
            raise Refused("forbidden", "the link has expired")
        recording = await self._recording(identity)
        try:
            file = await rendition(self._recordings / recording.file, kind)
        except (OSError, EOFError, wave.Error) as error:
            raise Refused("not-found", "there is no such recording") from error
        return FileResponse(file, media_type=MEDIA_TYPES[kind])

    async def _recording(self, spelled: str) -> RecordingRecord:
        """A recording that is whole. Raises Refused (not-found)."""
        identity = parse_id(spelled.replace("-", "").lower()[-32:])
        row = await self._store.get("recordings", identity) if identity else None
        recording = from_row(RecordingRecord, row) if row is not None else None
        if recording is None or recording.status is not RecordingStatus.COMPLETED:
            raise Refused("not-found", "there is no such recording")
        return recording

    async def _signature(self, recording: Id, kind: str, expires: int) -> str:
        key = await asyncio.to_thread(_key, self._recordings / KEY_FILE)
        return hmac.new(key, f"{recording}.{kind} until {expires}".encode(), hashlib.sha256).hexdigest()


def credentials_of(
    faces: Sequence[RestFace], admin: Callable[[Request], bool], judging: Callable[[Request], AbstractContextManager[None]]
) -> Callable[[Request], frozenset[str]]:
    """Names the accounts that a request has credentials for, at any face; it raises Refused for those that nobody has.

    `admin` says whether they are the server's own; judgements are made within `judging`.
    """

    def accounts_of(request: Request) -> frozenset[str]:
        given = request.headers.get("authorization", "")
        return frozenset().union(*(face.accounts_of(given) for face in faces)) if given else frozenset()

    def judged(request: Request) -> frozenset[str]:
        with judging(request):
            found = accounts_of(request)
            if not found and not admin(request) and request.headers.get("authorization"):
                raise Refused("unauthenticated", "nobody has these credentials")
        return found

    return judged


def _key(file: Path) -> bytes:
    """The key, made when it is first needed; whoever came first made it."""
    if not file.exists():
        part = file.with_name(f"{KEY_FILE}.{new_id()}")  # nobody ever reads half of it
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(secrets.token_bytes(32))
        with contextlib.suppress(FileExistsError):
            os.link(part, file)
        part.unlink()
    return file.read_bytes()


def _wanted(body: bytes) -> tuple[int, str]:
    """Seconds and format that a body asks for. Raises Refused (bad-parameter)."""
    try:
        given: Mapping[str, Any] = json.loads(body) if body.strip() else {}
        seconds, kind = given.get("seconds", USUAL), given.get("format", "wav")
    except (ValueError, AttributeError, RecursionError) as error:
        raise Refused("bad-parameter", "the body must be a JSON object") from error
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= LONGEST:
        raise Refused("bad-parameter", f"seconds must be a whole number, 1 to {LONGEST}")
    if not isinstance(kind, str) or kind not in MEDIA_TYPES:
        raise Refused("bad-parameter", f"format must be one of {', '.join(MEDIA_TYPES)}")
    return seconds, kind


async def _answered(work: Any) -> Response:
    try:
        response: Response = await work
        return response
    except Refused as refusal:
        headers = {"Retry-After": str(refusal.seconds)} if isinstance(refusal, TooManyGuesses) else {}
        return JSONResponse({"error": str(refusal)}, STATUSES.get(refusal.reason, 400), headers)
    except (StorageUnavailable, OSError) as error:
        return JSONResponse({"error": str(error)}, 503)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
