"""A web application for tests: answers with the documents that it is given and remembers every request."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import CIMultiDictProxy

MAX_BODY: Final = 16 << 20

Body = str | bytes | dict[str, Any] | list[Any]
Reply = Body | tuple[int, str, Body] | None
Handler = Callable[["Request"], Reply | Awaitable[Reply]]


@dataclass(frozen=True)
class Request:
    """One request that arrived.

    `params` holds the query and the form (the last of equal names), or the top level of a JSON object; `fields` the form as it
    came, in order. `at` is in seconds since the epoch, `arrived` on the monotonic clock. `headers` ignore case.
    """

    number: int
    method: str
    path: str
    url: str
    params: Mapping[str, Any]
    fields: tuple[tuple[str, str], ...]
    json: Any
    headers: CIMultiDictProxy[str]
    body: bytes
    at: float
    arrived: float

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in list(self.params.items())[:40])
        return f"#{self.number} {self.method} {self.path} {shown}"


@dataclass
class _Fault:
    """What goes wrong with requests for a path; `left` None means for ever."""

    status: int | None
    delay: float
    hang: bool
    close: bool
    left: int | None


@dataclass
class _Waiter:
    matches: Callable[[Request], bool]
    future: asyncio.Future[Request] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Application:
    """An HTTP server on a free loopback port.

        async with Application() as application:
            application.on("/voice", "<Response><Hangup/></Response>")
            ...
            request = await application.wait_for("/events", lambda r: r.params["StatusCallbackEvent"] == "participant-join")

    A path without an answer gives 204, which suits notices.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._host = host
        self._port = port
        self._answers: dict[str, Reply | Handler] = {}
        self._faults: dict[str, _Fault] = {}
        self._requests: list[Request] = []
        self._waiters: list[_Waiter] = []
        self._runner: web.ServerRunner | None = None
        self._released = asyncio.Event()

    # -- running -------------------------------------------------------------------------------------------------------

    async def start(self) -> Self:
        """Listen; after `stop`, on the same port again, with everything remembered."""
        self._released = asyncio.Event()
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        """Close the port: from now on connections are refused."""
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    def url(self, path: str = "/") -> str:
        """The absolute URL of a path."""
        return f"http://{self._host}:{self._port}{path}"

    # -- answering -----------------------------------------------------------------------------------------------------

    def on(self, path: str, answer: Reply | Handler) -> None:
        """Answer requests for `path` (any method, without query).

        `answer`: text (XML, JSON or plain by its first character), bytes (audio/wav), a dict or list (JSON), None (204),
        `(status, content type, body)`, or a function of the `Request` that returns one of these, async or not.
        """
        self._answers[path] = answer

    def fault(
        self,
        path: str,
        *,
        status: int | None = None,
        delay: float = 0.0,
        hang: bool = False,
        close: bool = False,
        times: int | None = None,
    ) -> None:
        """Let requests for `path` fail, the next `times` or all: with a status, after a delay, never (hang), or by closing.

        A delay alone is followed by the right answer. Requests are recorded all the same.
        """
        self._faults[path] = _Fault(status, delay, hang, close, times)

    def heal(self, path: str) -> None:
        """End a fault; requests that hang are let go (with 503)."""
        self._faults.pop(path, None)
        self._released.set()
        self._released = asyncio.Event()

    # -- remembering ---------------------------------------------------------------------------------------------------

    def requests(self, path: str | None = None) -> list[Request]:
        """Every request in order of arrival, or those for one path."""
        return [request for request in self._requests if path is None or request.path == path]

    def forget(self) -> None:
        """Forget all requests so far."""
        self._requests.clear()

    def reset(self) -> None:
        """Forget all requests, answers and faults: the same application for another test."""
        self.forget()
        self._answers.clear()
        for path in list(self._faults):
            self.heal(path)

    async def wait_for(
        self, path: str | None = None, predicate: Callable[[Request], bool] | None = None, *, timeout: float = 5.0, count: int = 1
    ) -> Request:
        """The `count`-th request (of `path`) for which `predicate` holds; those that came already count. AssertionError when time is up."""

        def matches(request: Request) -> bool:
            return (path is None or request.path == path) and (predicate is None or predicate(request))

        deadline = time.monotonic() + timeout
        while True:
            found = [request for request in self._requests if matches(request)]
            if len(found) >= count:
                return found[count - 1]
            waiter = _Waiter(matches)
            self._waiters.append(waiter)
            try:
                await asyncio.wait_for(waiter.future, max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                raise AssertionError(self._complaint(path, timeout, len(found), count)) from None
            finally:
                self._waiters.remove(waiter)

    def _complaint(self, path: str | None, timeout: float, found: int, count: int) -> str:
        seen = "\n  ".join(str(request) for request in self._requests[-30:]) or "none at all"
        return f"no such request for {path or 'any path'} within {timeout:g} s ({found} of {count}); requests seen:\n  {seen}"

    # -- serving -------------------------------------------------------------------------------------------------------

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        request = await self._record(http)
        fault = self._fault_for(request.path)
        if fault is not None:
            response = await self._fail(fault, http)
            if response is not None:
                return response
        answer = self._answers.get(request.path)
        if callable(answer):
            result = answer(request)
            answer = await result if inspect.isawaitable(result) else result
        return _response(answer)

    async def _record(self, http: web.BaseRequest) -> Request:
        body = await http.content.read(MAX_BODY) if http.can_read_body else b""
        while http.can_read_body and not http.content.at_eof():
            body += await http.content.read(MAX_BODY)
        fields = _form(http.content_type, body)
        document = _json(http.content_type, body)
        params: dict[str, Any] = {**dict(http.query), **dict(fields)}
        if isinstance(document, dict):
            params |= document
        request = Request(
            number=len(self._requests) + 1,
            method=http.method,
            path=http.path,
            url=f"http://{http.host}{http.raw_path}",
            params=params,
            fields=fields,
            json=document,
            headers=http.headers,
            body=body,
            at=time.time(),
            arrived=time.monotonic(),
        )
        self._requests.append(request)
        for waiter in self._waiters:
            if not waiter.future.done() and waiter.matches(request):
                waiter.future.set_result(request)
        return request

    def _fault_for(self, path: str) -> _Fault | None:
        fault = self._faults.get(path)
        if fault is None or fault.left == 0:
            return None
        if fault.left is not None:
            fault.left -= 1
        return fault

    async def _fail(self, fault: _Fault, http: web.BaseRequest) -> web.StreamResponse | None:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.hang:
            await self._released.wait()
            return web.Response(status=503)
        if fault.close and http.transport is not None:
            http.transport.abort()
            return web.Response(status=503)
        return web.Response(status=fault.status) if fault.status else None


def _form(content_type: str, body: bytes) -> tuple[tuple[str, str], ...]:
    if content_type != "application/x-www-form-urlencoded":
        return ()
    return tuple(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


def _json(content_type: str, body: bytes) -> Any:
    if not content_type.endswith("json"):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None


def _response(answer: Any) -> web.Response:
    status, content_type = 200, ""
    if answer is None:
        return web.Response(status=204)
    if isinstance(answer, tuple):
        status, content_type, answer = answer
    if isinstance(answer, dict | list):
        answer, content_type = json.dumps(answer), content_type or "application/json"
    if isinstance(answer, str):
        content_type = content_type or {"<": "application/xml", "{": "application/json", "[": "application/json"}.get(
            answer.lstrip()[:1], "text/plain"
        )
        answer = answer.encode()
    return web.Response(status=status, body=answer, headers={"Content-Type": content_type or "audio/wav"})
