"""The one exception tree.

    HubbubError
    ├── ConfigurationError      the operator's file or environment; names the key and what to do
    ├── ResourceExhausted       no port, slot or arena left; the caller gets a busy answer
    ├── MediaError              the media plane cannot do it (worker gone, unreadable audio)
    ├── SipError                a SIP request failed; carries the status code
    ├── RequestFailed           an outgoing HTTP request failed; carries the kind of failure
    ├── StorageUnavailable      the database cannot take a write now
    ├── DocumentError           a document is wrong as a whole; carries dialect code and line
    └── Refused                 a conference or call rule says no; carries the neutral reason

Each error carries its own verdict, so that the layer that answers need not guess.
"""

from __future__ import annotations


class HubbubError(Exception):
    """Base of every error that hubbub raises on purpose."""


class ConfigurationError(HubbubError):
    """The configuration cannot be used as it stands."""


class ResourceExhausted(HubbubError):
    """A bounded resource (port, slot, audio arena) is used up."""


class MediaError(HubbubError):
    """The media plane could not do what was asked."""


class SipError(HubbubError):
    """A SIP request was answered with a failure, or not at all (408)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class RequestFailed(HubbubError):
    """An outgoing HTTP request gave no usable reply.

    `kind` is one of: connect_timeout, refused, dns, tls, tls_name, tls_expired, tls_chain (a certificate for another name, too old, or of
    nobody who is trusted), network, timeout, status, too_large, redirects,
    blocked (the network guard), bad_url, protocol, handshake (a WebSocket was refused),
    given_up (a notice that waited for its receiver too long).
    """

    def __init__(self, kind: str, message: str, *, status: int | None = None, url: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.url = url


class StorageUnavailable(HubbubError):
    """The store cannot commit now; audio and documents go on."""


class DocumentError(HubbubError):
    """A document is wrong as a whole."""

    def __init__(self, code: str, message: str, *, line: int | None = None, column: int | None = None) -> None:
        where = f" (line {line}, column {column})" if line is not None else ""
        super().__init__(message + where)
        self.code = code
        self.message = message
        self.line = line
        self.column = column


class Refused(HubbubError):
    """A rule of the conference or call core says no; `reason` is a neutral word that dialects translate."""

    def __init__(self, reason: str, message: str = "", *, where: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason
        self.where = where
        """The parameter that is wrong, where one is."""


class TooManyGuesses(Refused):
    """An address gave too many wrong credentials: what it gives now is not judged for so many seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__("too-many", f"too many wrong credentials came from your address; try again in {seconds} seconds")
        self.seconds = seconds
