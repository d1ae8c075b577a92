"""Why a request gave no reply: the client's exceptions as the kinds of RequestFailed."""

from __future__ import annotations

import errno
import ssl
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp

from hubbub.errors import RequestFailed
from hubbub.webhooks.guard import Blocked


class Disconnected(RequestFailed):
    """The connection was made and broke before the reply: kind "network", but the request may have arrived."""

    connected = True


@dataclass(slots=True)
class Progress:
    """How far a request came."""

    connected: bool = False
    reused: bool = False
    status: int | None = None

    def reset(self) -> None:
        """Before each request on the wire."""
        self.connected = self.reused = False
        self.status = None


def watch() -> aiohttp.TraceConfig:
    """Hooks that keep the Progress given as `trace_request_ctx`."""
    config = aiohttp.TraceConfig()

    async def created(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
        context.trace_request_ctx.connected = True

    async def reused(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
        context.trace_request_ctx.connected = context.trace_request_ctx.reused = True

    config.on_connection_create_end.append(created)
    config.on_connection_reuseconn.append(reused)
    return config


def is_stale(error: Exception, progress: Progress) -> bool:
    """A connection kept from an earlier request that the peer closed before a byte of this reply."""
    return progress.reused and progress.status is None and _is_disconnect(error)


def out_of_time(progress: Progress, url: str) -> RequestFailed:
    """The total time ran out."""
    if progress.connected:
        return RequestFailed("timeout", "no complete reply in time", status=progress.status, url=url)
    return RequestFailed("connect_timeout", "no connection in time", url=url)


def explain_failure(error: Exception, progress: Progress, url: str) -> RequestFailed:
    """The RequestFailed for an exception of the client. `status` is set when the head of a reply had come."""
    if isinstance(error, RequestFailed):
        return error
    if isinstance(error, (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)):
        return RequestFailed("bad_url", "not a URL that can be requested", url=url)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return RequestFailed("connect_timeout", "no connection in time", url=url)
    if isinstance(error, aiohttp.ServerTimeoutError):
        return RequestFailed("timeout", "no data in time", status=progress.status, url=url)
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError, ssl.CertificateError, aiohttp.ServerFingerprintMismatch)):
        return RequestFailed(_tls_kind(error), _reason(error), url=url)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return RequestFailed("dns", "the host name was not found", url=url)
    if isinstance(error, aiohttp.ClientConnectorError):
        return _connect_failure(error.os_error, url)
    if _is_disconnect(error):
        return Disconnected("network", "the connection broke before the reply was complete", status=progress.status, url=url)
    if isinstance(error, (aiohttp.ClientError, ValueError)):
        return RequestFailed("protocol", f"not HTTP as agreed: {_reason(error)}", status=progress.status, url=url)
    return RequestFailed("network", _reason(error), status=progress.status, url=url)


EXPIRED, WRONG_NAME = frozenset({9, 10}), frozenset({62, 64})
"""Of OpenSSL's verification results (X509_V_ERR_…); any other is about the chain."""


def _tls_kind(error: Exception) -> str:
    """What is wrong with a certificate; `tls` where it is something else."""
    found = getattr(error, "certificate_error", error)
    if isinstance(found, ssl.SSLCertVerificationError):
        return "tls_expired" if found.verify_code in EXPIRED else "tls_name" if found.verify_code in WRONG_NAME else "tls_chain"
    return "tls_name" if isinstance(found, ssl.CertificateError) else "tls"


def _connect_failure(error: OSError, url: str) -> RequestFailed:
    # Several addresses may have failed in several ways: the client joins their texts.
    text = str(error)
    if isinstance(error, Blocked) or Blocked.MARK in text:
        return RequestFailed("blocked", text, url=url)
    if error.errno == errno.ECONNREFUSED:
        return RequestFailed("refused", "connection refused", url=url)
    if error.errno == errno.ETIMEDOUT:
        return RequestFailed("connect_timeout", "no connection in time", url=url)
    return RequestFailed("network", error.strerror or text, url=url)


def _is_disconnect(error: Exception) -> bool:
    if isinstance(error, aiohttp.ClientConnectorError):
        return False
    return isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError))


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200]
