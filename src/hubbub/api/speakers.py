"""Who speaks now, and how loud: asked once, or as a feed; and how a call's own sound is treated.

    GET /hubbub/speakers?account=NAME&room=ID     JSON, or with `Accept: text/event-stream` an event `speakers` for each room that changed
    PUT /hubbub/calls/{call}/audio                {"automatic_level": true | false | dBFS, "noise_suppression": true | false,
                                                  "speech": {"start_db": …, "stop_db": …, …}}

A room is `{"room", "name", "account", "speakers"}`; a speaker `{"call", "label", "level_db", "speaking"}`, the loudest first. Muted and
held members are not heard and so are not there. Levels are those of the last frame, in dB below full scale.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from hubbub.api.functions import read_object
from hubbub.api.lists import windowed
from hubbub.api.request import Asked, Operation
from hubbub.api.rooms import needed_room
from hubbub.api.stream import News
from hubbub.conference.room import Room
from hubbub.dialects.tables import Page
from hubbub.errors import MediaError, Refused
from hubbub.events import Presence
from hubbub.ids import parse_id
from hubbub.media.client import Leg
from hubbub.verbs.hub import Hub

INTERVAL: Final = 0.2
"""Seconds between two looks of a feed."""
HEARTBEAT: Final = 75
"""Looks without a change after which a comment is sent, so that proxies keep the connection."""
SPEECH: Final = ("start_db", "stop_db", "onset_ms", "hangover_ms", "gate_db")
FILTERS: Final = ("account", "room")


def speakers_of(room: Room) -> list[dict[str, Any]]:
    """The members of a room that can be heard, the loudest first."""
    found = []
    for member in room.core.members.values():
        host = room.host(member.call)
        if host is not None and member.presence is Presence.MIXED and not member.muted and not member.held:
            level, speaking = host.leg.level_db, host.leg.talking
            found.append({"call": member.call, "label": member.label, "level_db": round(level, 1), "speaking": speaking})
    return sorted(found, key=lambda speaker: float(speaker["level_db"]), reverse=True)


def rooms_now(hub: Hub, where: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every room that is asked for, with its speakers."""
    return [
        {"room": room.id, "name": room.record.name, "account": room.record.account, "speakers": speakers_of(room)}
        for room in hub.rooms
        if where.get("room", room.id) == room.id and where.get("account", room.record.account) == room.record.account
    ]


async def list_speakers(asked: Asked) -> Page:
    """Who can be heard in a room, the loudest first."""
    return windowed(speakers_of(needed_room(asked)), asked.window)


OPERATIONS: Mapping[str, Operation] = {operation.__name__: operation for operation in (list_speakers,)}


async def _feed(hub: Hub, news: News, where: Mapping[str, str]) -> AsyncIterator[str]:
    """What changed since the last look; levels count while somebody speaks."""
    told: dict[str, Any] = {}
    quiet = 0
    yield ": hubbub\n\n"
    while not news.closed:
        quiet += 1
        for room in rooms_now(hub, where):
            heard = [speaker for speaker in room["speakers"] if speaker["speaking"]]
            if told.get(room["room"]) != heard:
                told[room["room"]], quiet = heard, 0
                yield f"event: speakers\ndata: {json.dumps({**room, 'speakers': heard}, ensure_ascii=False)}\n\n"
        if quiet >= HEARTBEAT:
            quiet = 0
            yield ": \n\n"
        await asyncio.sleep(INTERVAL)


def treat(leg: Leg, wishes: Mapping[str, Any]) -> None:
    """Change how a leg's sound is treated. Refused (bad-parameter) when that is not possible."""
    unknown = sorted(set(wishes) - {"automatic_level", "noise_suppression", "speech"})
    speech = wishes.get("speech", {})
    if unknown or not isinstance(speech, dict) or set(speech) - set(SPEECH):
        raise Refused("bad-parameter", f"automatic_level, noise_suppression, and speech with {', '.join(SPEECH)}, can be changed")
    numbers = [value for value in speech.values() if isinstance(value, bool) or not isinstance(value, int | float)]
    level, cleaned = wishes.get("automatic_level"), wishes.get("noise_suppression")
    if not (cleaned is None or isinstance(cleaned, bool)):
        raise Refused("bad-parameter", "noise_suppression is true or false")
    if numbers or not (level is None or isinstance(level, bool | int | float)):
        raise Refused("bad-parameter", "levels are numbers of dB, times of milliseconds")
    try:
        if "automatic_level" in wishes:
            leg.level(-20 if level is True else None if level is None or level is False else level)
        if cleaned is not None:
            leg.suppress_noise(cleaned)
        if speech:
            leg.listen_for(**speech)
    except MediaError as error:
        raise Refused("bad-parameter", str(error)) from error


def speaker_routes(hub: Hub, news: News, allowed: Callable[[Request], bool]) -> list[BaseRoute]:
    """The routes. `allowed`: who may."""
    refused = JSONResponse({"error": "authorization needed"}, 401, {"WWW-Authenticate": "Bearer"})

    async def speakers(request: Request) -> Response:
        if not allowed(request):
            return refused
        where = {name: request.query_params[name] for name in FILTERS if name in request.query_params}
        if "text/event-stream" in request.headers.get("accept", ""):
            return StreamingResponse(_feed(hub, news, where), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        return JSONResponse({"rooms": rooms_now(hub, where)})

    async def audio(request: Request) -> Response:
        if not allowed(request):
            return refused
        identity = parse_id(request.path_params["call"].replace("-", "").lower()[-32:])
        session = hub.sessions.get(identity) if identity is not None else None
        if session is None:
            return JSONResponse({"error": "there is no such live call"}, 404)
        try:
            treat(session.leg, await read_object(request))
        except Refused as refusal:
            return JSONResponse({"error": str(refusal)}, 400)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        return Response(status_code=204)

    return [Route("/hubbub/speakers", speakers, methods=["GET"]), Route("/hubbub/calls/{call}/audio", audio, methods=["PUT"])]
