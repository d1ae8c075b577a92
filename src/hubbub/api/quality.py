"""hubbub's own API: how the audio of calls gets through, live and after their end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hubbub.calls.call import Call
from hubbub.ids import parse_id
from hubbub.storage.store import Store
from hubbub.verbs.hub import Hub

KEPT = "quality"
"""Where a call's record keeps it."""


def quality_of(call: Call) -> Mapping[str, Any] | None:
    """What is known of a live call's audio (`media.reports.Quality`), or None."""
    quality = call.leg.quality()
    return None if quality is None else asdict(quality)


def _live(call: Call) -> dict[str, Any]:
    adaptive, depth_ms = call.leg.buffer
    buffer = {"adaptive": adaptive, "depth_ms": depth_ms}
    return {"call": str(call.id), "account": call.record.account, "live": True, "buffer": buffer, **(quality_of(call) or {})}


def quality_routes(hub: Hub, store: Store, allowed: Callable[[Request], bool]) -> list[Route]:
    """`GET /hubbub/quality` (live calls, the worst first) and `GET /hubbub/calls/{call}/quality`. `allowed`: who may."""

    async def all_live(request: Request) -> Response:
        if not allowed(request):
            return _refused()
        found = [_live(call) for call in hub.calls]
        return JSONResponse({"calls": sorted(found, key=lambda one: min(one.get("mos_in", 9.0), one.get("mos_out", 9.0)))})

    async def one(request: Request) -> Response:
        if not allowed(request):
            return _refused()
        identity = parse_id(request.path_params["call"].replace("-", "").lower()[-32:])
        live = next((call for call in hub.calls if call.id == identity), None)
        if live is not None:
            return JSONResponse(_live(live))
        row = await store.get("calls", identity) if identity is not None else None
        kept = row["data"]["record"].get("extra", {}).get(KEPT) if row is not None else None
        if row is None or kept is None:
            return JSONResponse({"error": "nothing is known of that call's audio"}, 404)
        return JSONResponse({"call": str(identity), "account": row["account"], "live": False, **kept})

    return [Route("/hubbub/quality", all_live, methods=["GET"]), Route("/hubbub/calls/{call}/quality", one, methods=["GET"])]


def _refused() -> Response:
    return JSONResponse({"error": "authorization needed"}, 401, {"WWW-Authenticate": "Bearer"})
