"""REST: routes built from a face's RESOURCES, one handler for all of them."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from hubbub.api import (
    announcements,
    calls,
    checks,
    controls,
    directory,
    grants,
    history,
    insights,
    lines,
    logs,
    members,
    recordings,
    rooms,
    speakers,
    streams,
    transcribing,
    transcripts,
    transfers,
    upgrades,
    views,
)
from hubbub.api.audit import Refusals, audit_change
from hubbub.api.body import body_of
from hubbub.api.face import RestFace
from hubbub.api.guesses import Guesses, host_of
from hubbub.api.media import MEDIA_TYPES, rendition
from hubbub.api.request import Asked
from hubbub.api.shield import Pace
from hubbub.api.slashes import encoded, unmarked
from hubbub.api.views import MediaFile
from hubbub.conference.rows import from_row
from hubbub.dialects.readers import read_json
from hubbub.dialects.tables import NOT_BUILT, Operation, Page, Param, Resource
from hubbub.errors import Refused, StorageUnavailable, TooManyGuesses
from hubbub.events import CallRecord, Problem, RecordingRecord, RecordingStatus
from hubbub.ids import new_id
from hubbub.settings import Account
from hubbub.storage.store import Store
from hubbub.verbs.hub import Hub

log = structlog.get_logger()

OPERATIONS = {
    **calls.OPERATIONS,
    **rooms.OPERATIONS,
    **members.OPERATIONS,
    **directory.OPERATIONS,
    **history.OPERATIONS,
    **insights.OPERATIONS,
    **announcements.OPERATIONS,
    **lines.OPERATIONS,
    **controls.OPERATIONS,
    **logs.OPERATIONS,
    **checks.OPERATIONS,
    **grants.OPERATIONS,
    **speakers.OPERATIONS,
    **transfers.OPERATIONS,
    **upgrades.OPERATIONS,
    **streams.OPERATIONS,
    **views.OPERATIONS,
    **recordings.OPERATIONS,
    **transcripts.OPERATIONS,
    **transcribing.OPERATIONS,
}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
"""All are routed, so that a wrong one gets the face's own error."""


class Rest:
    """One face's REST."""

    by_path = True
    """Whether paths tell its operations apart, so that OpenAPI can describe them."""

    def __init__(
        self,
        face: RestFace,
        hub: Hub,
        store: Store,
        recordings: Path,
        healthy: Callable[[], bool],
        host: Callable[[], str],
        *,
        open_media: bool = False,
        pace: Pace | None = None,
        guesses: Guesses | None = None,
    ) -> None:
        self._pace = pace or Pace(0)
        self._guesses = guesses or Guesses(0)
        self.face = self._face = face
        self._hub = hub
        self._store = store
        self._recordings = recordings
        self._healthy = healthy
        self._host = host
        self._open_media = open_media
        self._refusals = Refusals()

    def routes(self) -> list[Route]:
        """A route per path, with all its methods; media beside them."""
        paths: dict[str, dict[str, Operation]] = {}
        for operation in self._face.operations:
            paths.setdefault(operation.path, {})[operation.method] = operation
        base = self._face.base
        routes = []
        for suffix in (".wav", ".mp3", ""):
            for place in ("", "/Conferences/{room}", "/Calls/{call}"):
                routes.append(Route(f"{base}{place}/Recordings/{{recording}}{suffix}", self._media, methods=["GET"]))
        suffixed = sorted(self._face.suffixes, key=len, reverse=True)
        tables = [
            Route(base + path + suffix, self._endpoint(by_method), methods=self._methods(path + suffix))
            for suffix in suffixed
            for path, by_method in paths.items()
        ]
        anything = Route(f"{base}/{{rest:path}}", self._unknown, methods=METHODS)
        if not self._face.habits.common_media:
            routes = []
        if self._face.habits.token_path:
            routes.append(Route(self._face.habits.token_path, self._token, methods=["POST"]))
        return [*tables, *routes, anything]

    def _methods(self, path: str) -> list[str]:
        """What is routed to a table: what is read from the path of a recording, without a suffix, is its media."""
        media = self._face.habits.common_media and path.endswith("{recording}")
        return [method for method in METHODS if not (media and method in ("GET", "HEAD"))]

    def _endpoint(self, by_method: Mapping[str, Operation]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            operation = by_method.get(request.method)
            return await self._guarded(request, lambda account: self._perform(request, account, operation))

        return endpoint

    async def _guarded(self, request: Request, work: Callable[[Account], Any], *, public: bool = False) -> Response:
        """Do something for an authenticated account; every failure becomes the face's own error."""
        response = await self._attempted(request, work, public=public)
        if self._face.habits.request_id:
            response.headers[self._face.habits.request_id] = str(new_id())
        return response

    async def _attempted(self, request: Request, work: Callable[[Account], Any], *, public: bool) -> Response:
        account: Account | None = None
        try:
            named = str(request.path_params.get("account", ""))
            now = self._hub.services.clock.monotonic()
            account = self._face.owner(named) if public else self._authenticated(request, named, now)
            self._pace.check(account.name, now)
            response: Response = await work(account)
            return response
        except Refused as refusal:
            return self._refused(refusal, request, account)
        except StorageUnavailable as error:
            return self._refused(Refused("storage", str(error)), request, account)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it: the client went, or was too slow
        except Exception:
            log.exception("rest_failed", path=request.url.path)
            return self._refused(Refused("internal"), request, account)

    def _authenticated(self, request: Request, named: str, now: float) -> Account:
        given = request.headers.get("authorization", "")
        with self._guesses.judging(host_of(request), given, now):
            return self._face.authenticate(given, named)

    def must_write(self) -> None:
        """Raises StorageUnavailable where nothing can be kept now."""
        if not self._healthy():
            raise StorageUnavailable("the database cannot be written now")

    def _refused(self, refusal: Refused, request: Request, account: Account | None = None) -> Response:
        self._refusals.audit(refusal, request, account.name if account else None, self._hub.services.clock.monotonic())
        status, body = self._face.error(refusal, encoded(request.scope["path"]))
        seconds = refusal.seconds if isinstance(refusal, TooManyGuesses) else 1
        headers = {401: {"WWW-Authenticate": self._face.challenge}, 429: {"Retry-After": str(seconds)}}.get(status, {})
        return self._answer(request, None, body, status, headers)

    def _answer(self, request: Request, resource: Resource | None, body: Any, status: int, headers: Mapping[str, str]) -> Response:
        """What is shown, in the form that the path asks for; no resource: an error."""
        habits = self._face.habits
        spelled = habits.spelled(encoded(request.scope["path"]), resource, body)
        if spelled is None:
            return JSONResponse(body, status, headers, media_type=habits.content_type)
        content, content_type = spelled
        return Response(content, status, headers, media_type=content_type)

    async def _unknown(self, request: Request) -> Response:
        async def nothing(_account: Account) -> Response:
            raise Refused("not-found")

        return await self._guarded(request, nothing)

    async def _perform(self, request: Request, account: Account, operation: Operation | None) -> Response:
        if operation is None:
            raise Refused("method")
        if operation.changes:
            self.must_write()
        self._face.habits.admit(operation, request.headers.get("authorization", ""))
        pairs = await self._given(request, operation)
        values = read_values(operation.params, pairs) | dict(self._face.habits.granted(request.headers.get("authorization", "")))
        path = {name: unmarked(str(value)) for name, value in request.path_params.items()}
        notes = [] if operation.method == "GET" else remarks_on(operation.params, pairs)
        return await self.carry_out(request, account, operation, path, values, notes)

    async def carry_out(
        self,
        request: Request,
        account: Account,
        operation: Operation,
        path: Mapping[str, str],
        values: dict[str, Any],
        notes: list[tuple[str, str]],
    ) -> Response:
        """Do what was read from a request; `notes`: what of it has no effect. Raises Refused, StorageUnavailable."""
        query, habits = dict(request.query_params), self._face.habits
        values = habits.completed(operation, values, account)
        if notes and account.strict:
            raise Refused(*notes[0])
        asked = Asked(self._hub, self._store, account, self._face, path, values, self._face.window(query), self._host(), notes)
        result = await OPERATIONS[operation.does](asked)
        self._report(asked, result, request)
        if operation.changes:
            audit_change(asked, operation, self._face.base, result)
        if isinstance(result, Page):
            body = self._face.show_page(operation.shows, result, account, encoded(request.scope["path"]), query)
            headers = habits.page_headers(result, str(request.url))
            return self._answer(request, self._face.resources.get(operation.shows), body, 200, headers)
        if isinstance(result, MediaFile):
            return await self._file(result)
        if result is None or not operation.shows:
            return Response(status_code=operation.status)
        created = operation.status == 201
        shown = self._face.show(operation.shows, result, account, created=created)
        headers = habits.created_headers(shown) if created else {}
        return self._answer(request, self._face.resources.get(operation.shows), shown, operation.status, headers)

    async def _given(self, request: Request, operation: Operation) -> list[tuple[str, str]]:
        """Parameters of the query and the body, as the face reads bodies."""
        if not self._face.habits.own_bodies:
            return await _pairs(request, self._face.json_bodies)
        query = parse_qsl(request.url.query, keep_blank_values=True)
        if request.method not in ("POST", "PUT"):
            return query
        return query + self._face.habits.read_body(operation, request.headers.get("content-type", ""), await body_of(request))

    async def _token(self, request: Request) -> Response:
        """A token for the credentials of a client."""
        try:
            form = dict(parse_qsl((await body_of(request)).decode("utf-8", "replace")))
            authorization = request.headers.get("authorization", "")
            secret = authorization or f"{form.get('client_id', '')}:{form.get('client_secret', '')}"
            with self._guesses.judging(host_of(request), secret, self._hub.services.clock.monotonic()):
                return JSONResponse(self._face.habits.token(authorization, form))
        except Refused as refusal:
            return self._refused(refusal, request)

    async def _file(self, media: MediaFile) -> Response:
        try:
            file = await rendition(self._recordings / media.path, media.kind)
        except (OSError, EOFError, wave.Error) as error:
            raise Refused("media-gone") from error
        return FileResponse(file, media_type=self._face.habits.media_type(media.kind))

    def _report(self, asked: Asked, result: Any, request: Request) -> None:
        """Keep for its account what was asked for and has no effect (law 1: never silently lost)."""
        first = result[0] if isinstance(result, tuple) else result
        call = first.id if isinstance(first, CallRecord) else getattr(first, "call", None)
        services = self._hub.services
        for reason, text in asked.notes:
            code = self._face.dialect.refusal_code(reason)
            problem = Problem(asked.account.name, code, "warning", text, call, None, request.url.path, request.method)
            services.journal.report(problem, services.clock.now())

    async def _media(self, request: Request) -> Response:
        async def media(account: Account) -> Response:
            identity = self._face.identity("recording", request.path_params["recording"])
            row = await self._store.get("recordings", identity) if identity else None
            if row is None or row["account"] != account.name:
                raise Refused("not-found")
            recording = from_row(RecordingRecord, row)
            self._face.check_media(recording, request.query_params)
            if recording.status is not RecordingStatus.COMPLETED:
                raise Refused("media-gone")
            kind = "mp3" if request.url.path.endswith(".mp3") else "wav"
            try:
                file = await rendition(self._recordings / recording.file, kind, mono=request.query_params.get("RequestedChannels") == "1")
            except (OSError, EOFError, wave.Error) as error:
                raise Refused("media-gone") from error
            return FileResponse(file, media_type=MEDIA_TYPES[kind])

        return await self._guarded(request, media, public=self._face.public_media or self._open_media)


async def _pairs(request: Request, json_bodies: bool) -> list[tuple[str, str]]:
    """Query and form parameters; empty values are kept, because clients send them to clear things."""
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    if request.method in ("POST", "PUT"):
        body = await body_of(request)
        kind = request.headers.get("content-type", "")
        if body and "json" in kind and json_bodies:
            return pairs + _json_pairs(body)
        if body and "json" in kind:
            raise Refused("bad-body", "the body must be a form (application/x-www-form-urlencoded), not JSON")
        pairs += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return pairs


def _json_pairs(body: bytes) -> list[tuple[str, str]]:
    """The members of a JSON object as if a form had held them: lists repeat their key. Raises Refused (bad-parameter)."""
    try:
        given = read_json(body)
    except (ValueError, RecursionError) as error:
        raise Refused("bad-parameter", f"the body is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise Refused("bad-parameter", "the body must be a JSON object")
    pairs = []
    for name, value in given.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, (dict, list)):
                raise Refused("bad-parameter", f"{name[:100]}: must be a text, a number, a boolean, or a list of them")
            pairs.append((name, item if isinstance(item, str) else "" if item is None else json.dumps(item)))
    return pairs


def remarks_on(params: tuple[Param, ...], pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What was given and has no effect: parameters that are unknown, or not built yet."""
    rows = {name: param for param in params for name in (param.name, *param.aliases)}
    given = _by_name(pairs)
    remarks = []
    for name, texts in given.items():
        row = rows.get(name)
        if row is None:
            remarks.append(("unknown-parameter", f"parameter {name[:100]!r} is not known here"))
        elif row.to is None and row.why.startswith(NOT_BUILT):
            remarks.append(("unknown-parameter", f"parameter {name!r} has no effect: {row.why}"))
        elif given[_used(row, given)] != texts:
            remarks.append(("unknown-parameter", f"parameter {name!r} has no effect beside {_used(row, given)!r}"))
    return remarks


def read_values(params: tuple[Param, ...], pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Neutral values of the parameters that were given. Raises Refused with the parameter's own error."""
    given = _by_name(pairs)
    values: dict[str, Any] = {}
    for param in params:
        texts = given.get(_used(param, given))
        if param.to is None or not texts:
            continue
        text = " ".join(texts) if param.many else texts[-1]
        if text == "" and not (param.many or param.clears):
            continue
        try:
            values[param.to] = param.read(text)
        except ValueError as error:
            raise Refused(param.error, f"{param.name}: {error}") from error
    return values


def _by_name(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    return given


def _used(param: Param, given: Mapping[str, list[str]]) -> str:
    """The spelling of a parameter that counts where several are given: its own, or else the first alias."""
    return next((name for name in (param.name, *param.aliases) if name in given), param.name)
