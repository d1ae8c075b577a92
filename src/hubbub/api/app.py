"""The web application: REST of every face, health, metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from hubbub import __version__
from hubbub.api.door import Door
from hubbub.api.functions import functions_route
from hubbub.api.guesses import Guesses, host_of
from hubbub.api.letters import letter_routes
from hubbub.api.links import Links, credentials_of
from hubbub.api.openapi import openapi_route
from hubbub.api.quality import quality_routes
from hubbub.api.rest import Rest
from hubbub.api.shield import Shield
from hubbub.api.slashes import Slashes
from hubbub.api.speakers import speaker_routes
from hubbub.api.stream import News, stream_route
from hubbub.storage.store import Store
from hubbub.verbs.hub import Hub

Numbers = Callable[[], Mapping[str, float]]


class _Collector:
    """Reads the server's numbers when they are asked for; names ending in `_total` are counters."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def collect(self) -> Sequence[Metric]:
        """All numbers as metric families."""
        families: list[Metric] = []
        for name, value in self._numbers().items():
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = kind(f"hubbub_{name.removesuffix('_total')}", f"hubbub {name.replace('_', ' ')}")
            family.add_metric([], value)
            families.append(family)
        return families


def build_app(
    rests: Sequence[Rest],
    health: Callable[[], str],
    numbers: Numbers,
    door: Door,
    guesses: Guesses,
    home: str,
    store: Store,
    news: News,
    hub: Hub,
    links: Links,
) -> Starlette:
    """The application. `health` is `ok`, `starting`, `draining` or `degraded`; `home` the host and port of the public URL."""
    registry = CollectorRegistry()
    registry.register(_Collector(numbers))

    async def healthz(_request: Request) -> Response:
        state = health()
        return JSONResponse({"status": state}, 200 if state in ("ok", "degraded") else 503)

    def judging(request: Request) -> AbstractContextManager[None]:
        return guesses.judging(host_of(request), request.headers.get("authorization", ""), hub.services.clock.monotonic())

    async def metrics(request: Request) -> Response:
        if not door.open(request):
            return PlainTextResponse("authorization needed\n", 401, {"WWW-Authenticate": "Bearer"})
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")

    routes: list[BaseRoute] = [Route("/healthz", healthz), Route("/metrics", metrics), stream_route(store, news, door.open)]
    routes.append(functions_route(hub, door.admits))
    routes += speaker_routes(hub, news, door.admits)
    routes.append(openapi_route([rest.face for rest in rests if rest.by_path], __version__, door.open))
    accounts_of = credentials_of([rest.face for rest in rests], door.holds, judging)
    routes += links.routes(accounts_of, door.admits)
    routes += quality_routes(hub, store, door.admits)
    routes += letter_routes(store, door.open, door.admits)
    for rest in rests:
        routes += rest.routes()
    return Starlette(routes=routes, middleware=[Middleware(Shield, home=home), Middleware(Slashes)])
