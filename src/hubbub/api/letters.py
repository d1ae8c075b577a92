"""Notices to applications that wait or were given up, for operators.

    GET  /hubbub/outbox?state=dead&account=…&limit=100   →  {"notices": […]}, oldest first
    POST /hubbub/outbox/replay   {} | {"account": …} | {"ids": […]}   →  {"replayed": 3}

Dead ones are sent again in their old order, each as the last of its lane; `ids` may name delivered ones too. Delivery takes them up
within seconds. URLs are shown without credentials, bodies not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hubbub.api.body import body_of
from hubbub.errors import Refused, StorageUnavailable
from hubbub.storage.outbox import STATES
from hubbub.storage.store import Condition, Query, Row, Store
from hubbub.webhooks.addresses import loggable

log = structlog.get_logger()
USUAL, MOST = 100, 1000
LARGEST_BODY = 65_536


def letter_routes(store: Store, reads: Callable[[Request], bool], changes: Callable[[Request], bool]) -> list[Route]:
    """Both routes. `reads` and `changes`: who may."""

    async def listed(request: Request) -> Response:
        return await _answered(_listed(store, request)) if reads(request) else _refused()

    async def replayed(request: Request) -> Response:
        return await _answered(_replayed(store, request)) if changes(request) else _refused()

    return [Route("/hubbub/outbox", listed, methods=["GET"]), Route("/hubbub/outbox/replay", replayed, methods=["POST"])]


async def _listed(store: Store, request: Request) -> dict[str, Any]:
    given = request.query_params
    state, limit = given.get("state", "dead"), given.get("limit", str(USUAL))
    if state not in STATES:
        raise Refused("bad-parameter", f"state must be one of {', '.join(STATES)}")
    if not (limit.isascii() and limit.isdigit() and len(limit) <= len(str(MOST)) and 1 <= int(limit) <= MOST):
        raise Refused("bad-parameter", f"limit must be a whole number, 1 to {MOST}")
    conditions = [Condition("state", "=", state)]
    if given.get("account"):
        conditions.append(Condition("account", "=", given["account"]))
    rows = await store.find(Query("outbox", tuple(conditions), (("seq", "asc"),), limit=int(limit)))
    return {"notices": [_shown(row) for row in rows]}


def _shown(row: Row) -> dict[str, Any]:
    notice = row["data"]
    kept = {name: row[name] for name in ("id", "state", "account", "attempts", "created", "settled", "error")}
    return {**kept, "event": notice.get("event", ""), "method": notice.get("method", ""), "url": loggable(str(notice.get("url", "")))}


async def _replayed(store: Store, request: Request) -> dict[str, Any]:
    body = await body_of(request, LARGEST_BODY)
    try:
        given = json.loads(body) if body.strip() else {}
        ids, account = given.get("ids", []), given.get("account", "")
    except (ValueError, AttributeError, RecursionError) as error:
        raise Refused("bad-parameter", "the body must be a JSON object") from error
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids) or not isinstance(account, str):
        raise Refused("bad-parameter", "ids must be a list of identities, account a name")
    if set(given) - {"ids", "account"}:
        raise Refused("bad-parameter", "only ids and account are known")
    if "ids" in given and not ids:
        return {"replayed": 0}
    count = await store.outbox.again(ids, account)
    log.info("audit", account=account, operation="replay_notices", given=sorted(given), notices=count)
    return {"replayed": count}


async def _answered(work: Any) -> Response:
    try:
        return JSONResponse(await work)
    except Refused as refusal:
        return JSONResponse({"error": str(refusal)}, 400)
    except UnicodeError:
        return JSONResponse({"error": "bad-parameter: text that is none"}, 400)
    except StorageUnavailable as error:
        return JSONResponse({"error": str(error)}, 503)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it


def _refused() -> Response:
    return JSONResponse({"error": "authorization needed"}, 401, {"WWW-Authenticate": "Bearer"})
