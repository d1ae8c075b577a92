"""URLs as text: what goes on the wire, what is signed, what may be logged. Pure.

A signature covers the URL "exactly as requested", so the requester must not tidy it: `wire_url` changes only what cannot be sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit, urlunsplit

from yarl import URL

from hubbub.errors import RequestFailed

# RFC 3986 reserved and unreserved characters, and "%": all others are percent-encoded as UTF-8.
_SENDABLE = "!#$%&'()*+,/:;=?@[]~-._"
_STRANGE = re.compile(r"[^A-Za-z0-9" + re.escape(_SENDABLE) + "]")


def wire_url(url: str) -> str:
    """The URL as it will be requested, which is also the URL to sign.

    Fragment and `user:password@` are removed, an empty path becomes `/`, a host name in another script becomes its IDNA form, and
    characters that RFC 3986 does not allow are percent-encoded. Everything else, also odd escapes, stays as written.
    Raises RequestFailed("bad_url").
    """
    parts = _split(url)
    host = parts.netloc.rpartition("@")[2]
    if not host.isascii():
        name, colon, port = host.partition(":")
        try:
            host = (URL(f"http://{name}").raw_host or "") + colon + port
        except ValueError:
            raise RequestFailed("bad_url", "the host name cannot be written in ASCII", url=loggable(url)) from None
    return urlunsplit((parts.scheme, host, _escape(parts.path) or "/", _escape(parts.query), ""))


def credentials_in(url: str) -> tuple[str, str] | None:
    """User name and password written in the URL, unescaped."""
    userinfo, at, _ = _split(url).netloc.rpartition("@")
    if not at:
        return None
    name, _, password = userinfo.partition(":")
    return unquote(name), unquote(password)


def with_query(url: str, params: Iterable[tuple[str, str]]) -> str:
    """The URL with parameters added to its query ("GET merges into the query"); the fragment keeps its place at the end."""
    added = urlencode(list(params), quote_via=quote)
    base, sharp, fragment = url.partition("#")
    if added:
        joint = "" if base.endswith(("?", "&")) else "&" if "?" in base else "?"
        base = f"{base}{joint}{added}"
    return base + sharp + fragment


def loggable(url: str) -> str:
    """The URL without user name and password, whatever is wrong with it."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url.rpartition("@")[2]
    end = min((position for position in map(rest.find, "/?#") if position >= 0), default=len(rest))
    return scheme + separator + rest[:end].rpartition("@")[2] + rest[end:]


def origin(url: str) -> tuple[str, str]:
    """Scheme and authority (without credentials), lower-case: where credentials may go."""
    parts = _split(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        _ = parts.port  # raises for a port that is no number or too high
    except ValueError:
        raise RequestFailed("bad_url", "not a URL", url=loggable(url)) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RequestFailed("bad_url", "not an http or https URL with a host", url=loggable(url))
    host = parts.netloc.rpartition("@")[2]
    if _STRANGE.search("".join(character for character in host if character.isascii())):
        raise RequestFailed("bad_url", "the host holds a character that none may hold", url=loggable(url))
    return parts


def _escape(text: str) -> str:
    return _STRANGE.sub(lambda match: quote(match.group(), safe="", errors="replace"), text)
