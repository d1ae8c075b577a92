"""hubbub's own API: functions of an application are called on a live call, as a talking machine would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hubbub.api.body import body_of
from hubbub.dialects.readers import read_json
from hubbub.errors import DocumentError, Refused, RequestFailed
from hubbub.ids import parse_id
from hubbub.verbs.hub import Hub

STATUSES = {"not-found": 404, "bad-parameter": 400, "busy": 409}


def functions_route(hub: Hub, allowed: Callable[[Request], bool]) -> Route:
    """`POST /hubbub/calls/{call}/functions/{name}` with the arguments as a JSON object. `allowed`: who may."""

    async def function(request: Request) -> Response:
        if not allowed(request):
            return JSONResponse({"error": "authorization needed"}, 401, {"WWW-Authenticate": "Bearer"})
        try:
            arguments = await read_object(request)
            identity = parse_id(request.path_params["call"].replace("-", "").lower()[-32:])
            session = hub.sessions.get(identity) if identity is not None else None
            if session is None:
                raise Refused("not-found", "there is no such live call")
            if session.functions is None:
                raise Refused("busy", "the call does not wait for functions now")
            return JSONResponse(await session.functions.call(request.path_params["name"], arguments))
        except Refused as refusal:
            return JSONResponse({"error": str(refusal)}, STATUSES.get(refusal.reason, 400))
        except (RequestFailed, DocumentError) as error:
            return JSONResponse({"error": str(error)}, 502)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it

    return Route("/hubbub/calls/{call}/functions/{name}", function, methods=["POST"])


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object in a body; {} when that is empty. Refused (bad-parameter) when it is something else."""
    body = await body_of(request)
    try:
        arguments = read_json(body) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        raise Refused("bad-parameter", f"the body is not JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise Refused("bad-parameter", "the body must be a JSON object")
    return arguments
