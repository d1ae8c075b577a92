"""REST whose operations are commands: one path, what is to be done stands in the body; and the same as remote procedures (JSON-RPC 2.0).

POST {base}/calls   {"command": NAME, "id": CALL, "params": {…}}
POST {base}/rpc     {"jsonrpc": "2.0", "id": …, "method": NAME, "params": {…, "id": CALL}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hubbub.api.body import body_of
from hubbub.api.face import RestFace
from hubbub.api.rest import METHODS, Rest
from hubbub.dialects.readers import read_json
from hubbub.dialects.tables import NOT_BUILT, Operation, Param
from hubbub.errors import Refused, StorageUnavailable
from hubbub.settings import Account

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, FAILED = -32700, -32600, -32601, -32602, -32000
LONGEST_NAME: Final = 100


class CommandFace(RestFace, Protocol):
    """A face whose operations are commands: `command` of each names it."""

    unsupported: Mapping[str, str]
    """Commands that are known and cannot be obeyed, and why."""
    aliases: Mapping[str, str]
    """Other names of commands."""


class Commands(Rest):
    """One face's commands."""

    by_path = False
    _face: CommandFace

    def routes(self) -> list[Route]:
        """Both paths, and whatever else is below the base."""
        base = self._face.base
        ends = {"calls": self._plain, "rpc": self._remote}
        routes = [Route(f"{base}/{name}", end, methods=METHODS) for name, end in ends.items()]
        return [*routes, Route(f"{base}/{{rest:path}}", self._unknown, methods=METHODS)]

    async def _plain(self, request: Request) -> Response:
        async def work(account: Account) -> Response:
            if request.method != "POST":
                raise Refused("method")
            given = await _object(request)
            return await self._obey(request, account, given.get("command"), given.get("params", {}), given.get("id"))

        return await self._guarded(request, work)

    async def _remote(self, request: Request) -> Response:
        async def work(account: Account) -> Response:
            if request.method != "POST":
                raise Refused("method")
            try:
                given = await _object(request)
            except Refused as refusal:
                return _failed(None, PARSE_ERROR, str(refusal))
            return await self._called(request, account, given)

        return await self._guarded(request, work)

    async def _called(self, request: Request, account: Account, given: Mapping[str, Any]) -> Response:
        """One remote procedure call; without an `id` nobody waits for its answer."""
        number, name, params = given.get("id"), given.get("method"), given.get("params", {})
        numbered = isinstance(number, (str, int, float, type(None))) and not isinstance(number, bool)
        if given.get("jsonrpc") != "2.0" or not isinstance(name, str) or not numbered:
            return _failed(None, INVALID_REQUEST, "this is no request of JSON-RPC 2.0")
        if self._known(name) is None:
            return _failed(number, NO_METHOD, f"there is no method {name[:LONGEST_NAME]!r}")
        call = None
        if isinstance(params, dict) and name not in self._face.aliases and name not in self._face.aliases.values():
            call = params.get("call_id", params.get("id"))
            params = {key: value for key, value in params.items() if key not in ("call_id", "id", "node_id")}
        try:
            answer = await self._obey(request, account, name, params, call)
        except Refused as refusal:
            status, body = self._face.error(refusal, request.url.path)
            return _failed(number, INVALID_PARAMS if status in (400, 422) else FAILED, str(refusal), {"status": status, **body})
        except StorageUnavailable as error:
            return _failed(number, FAILED, str(error), {"status": 503})
        if "id" not in given:
            return Response(status_code=204)
        result = json.loads(bytes(answer.body))
        return JSONResponse({"jsonrpc": "2.0", "id": number, "result": result})

    def _known(self, name: str) -> Operation | str | None:
        """The operation that a command names, or why it cannot be obeyed."""
        name = self._face.aliases.get(name, name)
        return next((operation for operation in self._face.operations if operation.command == name), self._face.unsupported.get(name))

    async def _obey(self, request: Request, account: Account, name: Any, params: Any, call: Any) -> Response:
        self.must_write()
        if not isinstance(name, str) or not name:
            raise Refused("missing", "a command is needed", where="command")
        if not isinstance(params, dict):
            raise Refused("bad-parameter", "must be an object", where="params")
        operation = self._known(name)
        if operation is None:
            raise Refused("unknown-command", f"there is no command {name[:LONGEST_NAME]!r}", where="command")
        if isinstance(operation, str):
            raise Refused("unsupported", f"{name}: {operation}", where="command")
        values = read_members(operation.params, params)
        call = values.pop("id", call)
        creates = operation.does == "create_call"
        if not creates and (not isinstance(call, str) or not call):
            raise Refused("missing", "the id of a call is needed", where="id")
        path = {} if creates else {"call": call}
        return await self.carry_out(request, account, operation, path, values, remarks_on(operation.params, params))


def read_members(rows: tuple[Param, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """Neutral values of the members of a JSON object; null is absent. Raises Refused (missing, bad-parameter)."""
    values: dict[str, Any] = {}
    for row in rows:
        value = given.get(row.name)
        if value is None:
            if row.required:
                raise Refused("missing", f"{row.name} is required", where=row.name)
            continue
        if isinstance(value, (dict, list)) and not row.whole:
            raise Refused("bad-parameter", f"{row.name}: must be a text, a number or a boolean", where=row.name)
        try:
            read = row.read(value if row.whole or isinstance(value, str) else json.dumps(value))
        except ValueError as error:
            raise Refused(row.error, f"{row.name}: {error}", where=row.name) from error
        if row.to is not None:
            values[row.to] = read
    return values


def remarks_on(rows: tuple[Param, ...], given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was given and has no effect: members that are unknown, or not built yet."""
    known = {row.name: row for row in rows}
    remarks = [("unknown-parameter", f"parameter {name[:LONGEST_NAME]!r} is not known here") for name in given if name not in known]
    late = [row for row in rows if row.name in given and row.to is None and row.why.startswith(NOT_BUILT)]
    return remarks + [("unknown-parameter", f"parameter {row.name!r} has no effect: {row.why}") for row in late]


async def _object(request: Request) -> dict[str, Any]:
    """The JSON object of a body. Raises Refused (malformed)."""
    try:
        given = read_json(await body_of(request))
    except (ValueError, RecursionError) as error:
        raise Refused("malformed", f"the body is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise Refused("malformed", "the body must be a JSON object")
    return given


def _failed(number: Any, code: int, message: str, data: Any = None) -> Response:
    error = {"code": code, "message": message, **({"data": data} if data is not None else {})}
    return JSONResponse({"jsonrpc": "2.0", "id": number, "error": error})
