"""Small pieces of SIP header and body text: pure functions, no stack, no I/O.

Bytes that are not ASCII travel through the stack as lone surrogates (`wire`), one character a byte, so that lengths
counted in characters are lengths in bytes and whatever was received is echoed byte for byte; `text` undoes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+\Z")  # RFC 3261 25.1
CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
DIGITS = "0123456789*#ABCD"
# What the stack itself writes: a caller's map may not add a second one.
OWN_HEADERS = frozenset(
    (
        *("via", "from", "to", "call-id", "cseq", "contact", "route", "record-route", "max-forwards"),
        *("content-length", "content-type", "content-encoding", "authorization", "proxy-authorization"),
        *("www-authenticate", "proxy-authenticate", "require", "proxy-require", "allow", "supported"),
        *("user-agent", "server", "session-expires", "min-se", "v", "f", "t", "i", "m", "l", "c", "e", "k", "x"),
    )
)


def wire(value: str) -> str:
    """The text as the stack must see it: every byte of its UTF-8 form one character."""
    return value.encode("utf-8", "surrogateescape").decode("ascii", "surrogateescape")


def text(value: str) -> str:
    """What the stack saw, as text; bytes that are not UTF-8 become U+FFFD."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def is_extension(name: str) -> bool:
    """Whether a header is reported to the application: `X-…` and `P-…`."""
    return name[:2].lower() in ("x-", "p-")


SIGNALLED = frozenset({"user-to-user", "diversion", "identity"})
"""What a call brings along (RFC 7433, 5806, 8224) that is reported beside the extensions."""


def signalled_headers(data: str) -> dict[str, str]:
    """Headers of SIGNALLED in a raw message, by their names in lower case."""
    return {name.lower(): value for name, value in extension_headers(data, lambda name: name.lower() in SIGNALLED).items()}


def extension_headers(data: str, wanted: Callable[[str], bool] = is_extension) -> dict[str, str]:
    """`X-` and `P-` headers of a raw message in their original spelling; repeated ones are joined with a comma (RFC 3261 7.3.1)."""
    found: dict[str, str] = {}
    spelling: dict[str, str] = {}
    head = re.split(r"\r\n\r\n|\n\n|\r\r", data, maxsplit=1)[0]
    for line in re.sub(r"(\r\n|\n|\r)[ \t]+", " ", head).splitlines()[1:]:
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or not wanted(name):
            continue
        key = spelling.setdefault(name.lower(), name)
        found[key] = f"{found[key]}, {text(value.strip())}" if key in found else text(value.strip())
    return found


def tidy(message: str) -> str:
    """The message with white space around `;`, `=` and `/` taken out of its routing headers, where RFC 3261 25.1 allows it and
    the stack does not read it (RFC 4475 3.1.1.1). Quoted strings are left alone."""
    end = re.search(r"\r\n\r\n|\n\n|\r\r", message)
    head = message[: end.start()] if end else message
    if not _LOOSE.search(head):
        return message
    lines = re.sub(r"(\r\n|\n|\r)[ \t]+", " ", head)
    return _ROUTING.sub(_tighten, lines) + message[len(head) :]


_LOOSE = re.compile(r"[ \t][;=]|[;=][ \t\r\n]|[ \t]/|/[ \t\r\n]|[ \t]:")
_ROUTING = re.compile(r"(?im)^(via|v|from|f|to|t|contact|m|route|record-route)([ \t]*:[ \t]*)([^\r\n]*)")


def _tighten(match: re.Match[str]) -> str:
    name, value = match.group(1), match.group(3)
    pieces = re.split(r'("(?:[^"\\]|\\.)*")', value)
    pieces[::2] = [re.sub(r"[ \t]*([;=])[ \t]*", r"\1", piece) for piece in pieces[::2]]
    if name.lower() in ("via", "v"):
        pieces[::2] = [re.sub(r"[ \t]*/[ \t]*", "/", piece) for piece in pieces[::2]]
    return f"{name}: {''.join(pieces).strip()}"


def safe_headers(headers: Mapping[str, str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Headers fit to be sent, and the names of those that are not: no header can break out of its line or replace one of ours."""
    good: list[tuple[str, str]] = []
    bad: list[str] = []
    for name, value in headers.items():
        if not TOKEN.match(name) or name.lower() in OWN_HEADERS:
            bad.append(name)
        else:
            good.append((name, CONTROL.sub(" ", value).strip()))
    return good, bad


def phrase(value: str) -> str:
    """A reason phrase or display name without control characters and quotes that would end it."""
    return CONTROL.sub(" ", value).replace("\\", " ").replace('"', "'").strip()


def option_tags(values: Iterable[str]) -> list[str]:
    """Option tags of Require or Supported headers, lower case, in order."""
    return [tag.strip().lower() for value in values for tag in value.split(",") if tag.strip()]


def session_expires(value: str) -> tuple[int, str] | None:
    """Seconds and refresher ("uac", "uas" or "") of a Session-Expires header (RFC 4028 4); None when it is no such thing."""
    seconds, *parameters = (part.strip() for part in value.split(";"))
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > 9:
        return None
    refresher = ""
    for parameter in parameters:
        name, _, setting = parameter.partition("=")
        if name.strip().lower() == "refresher" and setting.strip().lower() in ("uac", "uas"):
            refresher = setting.strip().lower()
    return int(seconds), refresher


def info_digits(content_type: str, body: str) -> str | None:
    """Keys in an INFO body: "" when it is a DTMF body without a usable key, None when it is something else.

    `application/dtmf-relay` holds `Signal=5` and `Duration=160` lines, `application/dtmf` the bare keys; 10, 11 and 16 are
    spelled by some phones for *, # and flash.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/dtmf-relay":
        found = re.search(r"(?im)^\s*signal\s*=\s*([0-9*#A-D]{1,2})\s*$", body.replace("\r", "\n"))
        raw = found.group(1).upper() if found else ""
    elif kind == "application/dtmf":
        raw = re.sub(r"\s+", "", body).upper()
    else:
        return None
    raw = {"10": "*", "11": "#"}.get(raw, raw) if kind.endswith("relay") else raw
    return raw if raw and all(key in DIGITS for key in raw) and (len(raw) == 1 or not kind.endswith("relay")) else ""
