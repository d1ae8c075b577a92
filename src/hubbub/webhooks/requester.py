"""Requests to applications: one HTTP client for the server, with the limits, attempts, redirects, credentials and cookies of the dialect.

    send → attempts (Limits) → redirects → exchange (+ answer to a 401 challenge) → reply

Any status is a reply. RequestFailed says why there is none. Secrets (user name and password of a URL) are in no error and no log line.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin

import aiohttp
import structlog
from yarl import URL

from hubbub.clock import SystemClock
from hubbub.errors import RequestFailed
from hubbub.webhooks.addresses import credentials_in, loggable, origin, wire_url
from hubbub.webhooks.cache import ReplyCache, conditions
from hubbub.webhooks.challenge import answer, basic, parse_challenges
from hubbub.webhooks.connections import Connections, connections
from hubbub.webhooks.cookies import Jars
from hubbub.webhooks.failures import Progress, explain_failure, is_stale, out_of_time, watch
from hubbub.webhooks.guard import Network, NetworkGuard

log = structlog.get_logger()
CONNECTIONS, PER_HOST = 4096, 1024
"""Most connections at a time, and to one host and port; a request that finds none free waits within its connect time."""

LARGEST_MESSAGE = 1 << 20
"""Bytes of one message of a WebSocket."""
_OF_THE_CONNECTION = frozenset(
    ("connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)
"""Headers that say where a message ends and whom it is for: another request could be smuggled behind one that lies about it."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What `retry_on` names, as kinds of RequestFailed. A connection that broke after it was made is none of them: the request may have arrived.
_RETRIES = {"connect": frozenset({"connect_timeout", "refused", "dns", "network"}), "timeout": frozenset({"timeout"})}


@dataclass(frozen=True)
class Limits:
    """Seconds and attempts.

    `connect`: per attempt, with name lookup and TLS handshake. `total`: ceiling over all attempts. `first_byte`: wait for the first byte
    and between packets. `retries`: more attempts on what `retry_on` names: connect, timeout, 4xx, 5xx.
    """

    connect: float = 5.0
    total: float = 15.0
    first_byte: float | None = None
    retries: int = 1
    retry_on: frozenset[str] = frozenset({"connect"})


@dataclass(frozen=True)
class HttpRequest:
    """A request. Credentials are `username` and `password`, or those in the URL; headers go with every attempt and redirect unchanged.

    `auth`: "challenge" sends credentials only when a 401 asks for them (Basic, Digest), "preemptive" sends Basic at once.
    `cookies`: key of the cookie jar, None for no cookies. `max_body`: bytes of the reply, after decompression.
    A `body` that is a path is a file that is read piece by piece while it is sent.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Path | None = None
    limits: Limits = Limits()
    username: str = ""
    password: str = field(default="", repr=False)
    auth: Literal["challenge", "preemptive"] = "challenge"
    max_redirects: int = 10
    max_body: int = 65536
    cookies: str | None = None
    cache: str | None = None
    """Who may be given a reply again that says it may be: the name of an account; None: every request is sent."""


@dataclass(frozen=True)
class HttpReply:
    """A reply: `headers` in lower case, `content_type` without parameters ("" when missing), `url` the final one, `seconds` in all."""

    status: int
    headers: Mapping[str, str]
    content_type: str
    body: bytes
    url: str
    seconds: float
    attempts: int


@dataclass(frozen=True)
class _Hop:
    """One request of a chain of redirects. `url` is the wire form; credentials go only where they belong."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | Path | aiohttp.Payload | None
    credentials: tuple[str, str] | None


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    challenges: tuple[str, ...]
    body: bytes


class Requester:
    """The HTTP client. `allow`: private networks that may be connected to; `tls`: context for https (the system's by default).

    `limit` and `per_host`: most connections; WebSockets, which last as long as calls, have as many of their own.
    """

    def __init__(
        self,
        allow: Sequence[Network] = (),
        *,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], float] = SystemClock().now,
        limit: int = CONNECTIONS,
        per_host: int = PER_HOST,
    ) -> None:
        self._limits = limit, per_host
        self._pools: tuple[Connections, ...] = ()
        self._guard = NetworkGuard(allow)
        self.permits = self._guard.permits
        """Whether an address may be connected to."""
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._sockets: aiohttp.ClientSession | None = None
        self._jars = Jars()
        self._now = now
        self._cache = ReplyCache[HttpReply]()

    async def start(self) -> None:
        """Open the client; no connection is made yet."""
        tls = self._tls if self._tls is not None else True
        requests, sockets = self._pools = tuple(connections(self._guard, *self._limits, tls) for _ in range(2))
        self._sockets = aiohttp.ClientSession(connector=sockets, cookie_jar=aiohttp.DummyCookieJar())
        self._session = aiohttp.ClientSession(
            connector=requests,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            skip_auto_headers=("Content-Type", "User-Agent"),
            trace_configs=[watch()],
        )

    async def stop(self) -> None:
        """Close all connections; requests under way fail."""
        sockets, self._sockets = self._sockets, None
        if sockets is not None:
            await sockets.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def counts(self) -> dict[str, float]:
        """Connections that are open, requests that wait for one."""
        return {"open": sum(pool.open for pool in self._pools), "waiting": sum(pool.waiting for pool in self._pools)}

    async def websocket(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket (`ws` or `wss`), under the same rules on networks. Raises RequestFailed."""
        if self._sockets is None:
            raise RequestFailed("network", "the client is stopped", url=loggable(url))
        try:
            async with asyncio.timeout(Limits.total):
                return await self._sockets.ws_connect(url, headers=_given(headers, url), heartbeat=20.0, max_msg_size=LARGEST_MESSAGE)
        except TimeoutError:
            raise RequestFailed("connect_timeout", "the WebSocket was not opened in time", url=loggable(url)) from None
        except aiohttp.WSServerHandshakeError as error:
            text = f"the WebSocket was not opened: the answer was {error.status} {error.message}"
            raise RequestFailed("handshake", text, status=error.status, url=loggable(url)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            found = explain_failure(error, Progress(), loggable(url))
            raise RequestFailed(found.kind, f"the WebSocket cannot be opened: {found}", url=loggable(url)) from error

    def forget(self, key: str) -> None:
        """Drop the cookies of a call that has ended."""
        self._jars.forget(key)

    async def send(self, request: HttpRequest) -> HttpReply:
        """Send, with the attempts that the limits allow; a reply of no attempts was kept from an earlier request.

        Raises RequestFailed when there is no reply in the end.
        """
        if request.cache is None or request.method != "GET":
            return await self._send(request)
        key = (request.cache, request.url, request.username, request.password)
        kept, fresh = self._cache.find(key, self._now()) or (None, False)
        if kept is not None and fresh:
            return replace(kept, seconds=0.0, attempts=0)
        asked = conditions(kept) if kept is not None else {}
        reply = await self._send(replace(request, headers={**request.headers, **asked}))
        if kept is not None and asked and reply.status == 304:  # it speaks of what was asked about, whatever is kept by now
            renewed = self._cache.renewed(key, kept, reply.headers, self._now())
            return replace(renewed, seconds=reply.seconds, attempts=reply.attempts)
        self._cache.put(key, reply, self._now())
        return reply

    async def _send(self, request: HttpRequest) -> HttpReply:
        limits, loop = request.limits, asyncio.get_running_loop()
        first = _first_hop(request)
        started = loop.time()
        deadline = started + limits.total
        attempt = 0
        while True:
            attempt += 1
            last = attempt > limits.retries
            try:
                reply = await self._attempt(request, first, deadline)
            except RequestFailed as error:
                if last or loop.time() >= deadline or not _is_retried(error, limits.retry_on):
                    raise
                continue
            if last or f"{reply.status // 100}xx" not in limits.retry_on or loop.time() >= deadline:
                return replace(reply, seconds=loop.time() - started, attempts=attempt)

    async def _attempt(self, request: HttpRequest, hop: _Hop, deadline: float) -> HttpReply:
        """One attempt: follow redirects to the reply."""
        progress = Progress()
        try:
            async with asyncio.timeout_at(deadline):
                for _ in range(request.max_redirects + 1):
                    found = await self._exchange(request, hop, progress, deadline)
                    target = found.headers.get("location", "") if found.status in _REDIRECTS else ""
                    if not target:
                        return _reply(found, hop.url)
                    hop = _next_hop(hop, found.status, target)
        except TimeoutError:
            raise out_of_time(progress, loggable(hop.url)) from None
        raise RequestFailed("redirects", f"more than {request.max_redirects} redirects", status=found.status, url=loggable(hop.url))

    async def _exchange(self, request: HttpRequest, hop: _Hop, progress: Progress, deadline: float) -> _Answer:
        """One hop: the request, and once more with credentials when a 401 asks for them."""
        headers = dict(hop.headers)
        if hop.credentials and request.auth == "preemptive":
            headers["Authorization"] = basic(*hop.credentials)
        found = await self._fetch(request, hop, headers, progress, deadline)
        if found.status != 401 or hop.credentials is None:
            return found
        target = URL(hop.url, encoded=True).raw_path_qs
        name, password = hop.credentials
        challenges = parse_challenges(found.challenges)
        header = answer(challenges, method=hop.method, uri=target, username=name, password=password, cnonce=secrets.token_hex(8))
        if header is None or header == headers.get("Authorization"):
            return found
        return await self._fetch(request, hop, {**headers, "Authorization": header}, progress, deadline)

    async def _fetch(self, request: HttpRequest, hop: _Hop, headers: dict[str, str], progress: Progress, deadline: float) -> _Answer:
        """One request on the wire; a kept connection that the peer had just closed is replaced once, free of charge."""
        url = URL(hop.url, encoded=True)
        if request.cookies is not None:
            cookie = self._jars.header(request.cookies, url)
            if cookie:
                headers = {**headers, "Cookie": cookie}
        for fresh in (False, True):
            progress.reset()
            try:
                with _opened(hop) as ready:
                    return await self._once(request, ready, url, headers, progress, deadline)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                if fresh or not is_stale(error, progress):
                    raise explain_failure(error, progress, loggable(hop.url)) from (None if isinstance(error, ValueError) else error)
        raise AssertionError("unreachable")

    async def _once(
        self, request: HttpRequest, hop: _Hop, url: URL, headers: dict[str, str], progress: Progress, deadline: float
    ) -> _Answer:
        if self._session is None:
            raise RequestFailed("network", "the requester is stopped", url=loggable(hop.url))
        connect = max(0.001, min(request.limits.connect, deadline - asyncio.get_running_loop().time()))
        timeout = aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect, sock_read=request.limits.first_byte)
        assert not isinstance(hop.body, Path), "a file is opened for each request"
        async with self._session.request(
            hop.method, url, data=hop.body, headers=headers, allow_redirects=False, timeout=timeout, trace_request_ctx=progress
        ) as response:
            progress.status = response.status
            if request.cookies is not None and (cookies := response.headers.getall("Set-Cookie", [])):
                self._jars.store(request.cookies, url, cookies)
            body = await _read(response, request.max_body, loggable(hop.url))
            lowered: dict[str, str] = {}
            for name, value in response.headers.items():
                key = name.lower()
                lowered[key] = f"{lowered[key]}, {value}" if key in lowered else value
            return _Answer(response.status, lowered, tuple(response.headers.getall("WWW-Authenticate", [])), body)


@contextlib.contextmanager
def _opened(hop: _Hop) -> Iterator[_Hop]:
    """A hop whose body can be sent: the pieces of a file are read in threads, as they are wanted."""
    if not isinstance(hop.body, Path):
        yield hop
        return
    try:
        file = hop.body.open("rb")
    except OSError as error:  # another attempt finds no more
        raise RequestFailed("protocol", f"what should be sent cannot be read: {error.strerror}", url=loggable(hop.url)) from error
    with file:
        yield replace(hop, body=aiohttp.BufferedReaderPayload(file, filename=None))


def _first_hop(request: HttpRequest) -> _Hop:
    if request.method.upper() not in _METHODS:
        raise RequestFailed("protocol", f"no method {request.method[:20]!r}", url=loggable(request.url))
    written = credentials_in(request.url)
    given = (request.username, request.password) if request.username or request.password else None
    headers = _given(request.headers, request.url)
    if not any(name.lower() == "user-agent" for name in headers):
        headers["User-Agent"] = "hubbub"
    return _Hop(request.method, wire_url(request.url), headers, request.body, given or written)


def _given(headers: Mapping[str, str], url: str) -> dict[str, str]:
    """The headers that an application may say: their names are tokens (RFC 9110 5.1), and none is about the connection."""
    good = {name: value for name, value in headers.items() if _TOKEN.fullmatch(name) and name.lower() not in _OF_THE_CONNECTION}
    if len(good) < len(headers):
        log.warning("headers_refused", url=loggable(url), names=[name[:100] for name in headers if name not in good])
    return good


def _next_hop(hop: _Hop, status: int, location: str) -> _Hop:
    """Where a redirect leads, as browsers do it: 303 becomes GET, 301 and 302 make a GET of a POST, 307 and 308 change nothing.

    Credentials and cookies' headers of the caller stay with the origin that they were meant for (RFC 9110 15.4).
    """
    joined = urljoin(hop.url, location)
    url = wire_url(joined)
    headers, credentials = dict(hop.headers), hop.credentials
    if origin(url) != origin(hop.url):
        credentials = None
        headers = {name: value for name, value in headers.items() if name.lower() not in ("authorization", "cookie")}
    credentials = credentials_in(joined) or credentials
    if (status == 303 and hop.method != "HEAD") or (status in (301, 302) and hop.method == "POST"):
        headers = {name: value for name, value in headers.items() if not name.lower().startswith("content-")}
        return _Hop("GET", url, headers, None, credentials)
    return _Hop(hop.method, url, headers, hop.body, credentials)


def _reply(found: _Answer, url: str) -> HttpReply:
    content_type = found.headers.get("content-type", "").partition(";")[0].strip().lower()
    return HttpReply(found.status, found.headers, content_type, found.body, url, 0.0, 0)


async def _read(response: aiohttp.ClientResponse, limit: int, url: str) -> bytes:
    """The body, decompressed; what is too large is not read to its end."""
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_chunked(65536):
        size += len(piece)
        if size > limit:
            if response.status in _REDIRECTS or response.status == 401:
                break  # nobody reads the page of a redirect or a challenge
            response.close()
            raise RequestFailed("too_large", f"the reply is larger than {limit} bytes", status=response.status, url=url)
        pieces.append(piece)
    return b"".join(pieces)


def _is_retried(error: RequestFailed, retry_on: frozenset[str]) -> bool:
    if getattr(error, "connected", False):
        return False
    return any(error.kind in _RETRIES.get(name, ()) for name in retry_on)
