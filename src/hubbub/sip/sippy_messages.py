"""Reading and writing sippy's messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from sippy.MsgBody import MsgBody
from sippy.SipAddress import SipAddress
from sippy.SipContact import SipContact
from sippy.SipContentType import SipContentType
from sippy.SipURL import SipURL

from hubbub.sip.fields import TOKEN, extension_headers, phrase, safe_headers, signalled_headers, text, wire
from hubbub.sip.sippy_loop import header

log = structlog.get_logger()
ALLOWED = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "REFER", "NOTIFY", "REGISTER")
ALLOW = ", ".join(ALLOWED)
ACCEPT = "application/sdp"
ACCEPT_INFO = "application/dtmf-relay, application/dtmf"
SUPPORTED = ("timer",)
SERVER = "hubbub"
# Methods of published RFCs that are known and not served: 405; anything else is 501 (RFC 3261 8.2.1, 21.5.2).
KNOWN = frozenset((*ALLOWED, "PRACK", "SUBSCRIBE", "PUBLISH", "MESSAGE"))
PHRASES = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "Version Not Supported",
    603: "Decline",
}


def reply(request: Any, code: int, reason: str = "", *, sdp: str | None = None, headers: Iterable[tuple[str, str]] = ()) -> Any:
    """A response to `request`, with what RFC 3261 wants beside the status (Allow with 405 and 501 and so on is the caller's)."""
    body = MsgBody(wire(sdp)) if sdp is not None else None
    response = request.genResponse(code, wire(phrase(reason)) or PHRASES.get(code, "Unspecified"), body=body, server=SERVER)
    for name, value in headers:
        response.appendHeader(header(name, wire(value)))
    return response


def abilities() -> list[tuple[str, str]]:
    """Headers that tell what this endpoint can do."""
    return [("Allow", ALLOW), ("Accept", ACCEPT), ("Supported", ", ".join(SUPPORTED))]


def values(message: Any, *names: str) -> list[str]:
    """All values of a header, unparsed where sippy has not parsed it."""
    return [str(item.body) for item in message.headers if item.name in names]


def value(message: Any, *names: str) -> str | None:
    """The first value of a header."""
    return next(iter(values(message, *names)), None)


def raw(message: Any, name: str) -> list[str]:
    """All values of a header exactly as received (sippy's own reading of credentials stumbles over commas)."""
    return [str(getattr(item.body, "body", None) or item.body) for item in message.headers if item.name == name]


def extensions(message: Any) -> dict[str, str]:
    """`X-` and `P-` headers as they were spelled (sippy keeps names in lower case only; our reader keeps the packet)."""
    return extension_headers(getattr(message, "packet", ""))


def signalled(message: Any) -> dict[str, str]:
    """`user-to-user`, `diversion`, `identity`, by these names."""
    return signalled_headers(getattr(message, "packet", ""))


def body_of(message: Any) -> tuple[str, str]:
    """Content type (lower case, no parameters) and body; empty when there is none."""
    body = message.getBody()
    if body is None:
        return "", ""
    return str(body.mtype).partition(";")[0].strip().lower(), text(str(body))


def sdp_of(message: Any) -> str | None:
    """The SDP of a message, also inside multipart/mixed (RFC 5621); None when there is none."""
    body = message.getBody()
    if body is None:
        return None
    kind, content = body_of(message)
    if kind == "application/sdp":
        return content if content.strip() else None
    if kind != "multipart/mixed":
        return None
    boundary = re.search(r'boundary\s*=\s*"?([^";]+)', str(body.mtype), re.I)
    parts = content.split("--" + boundary.group(1).strip()) if boundary else []
    for part in parts:
        head, blank, inner = part.replace("\r\n", "\n").lstrip("\n").partition("\n\n")
        if blank and re.search(r"(?im)^(content-type|c)\s*:\s*application/sdp", head):
            return inner.rstrip("\n") + "\n"
    return None


def other_body(content_type: str, body: str) -> Any:
    """A body that is not SDP."""
    return MsgBody(wire(body), SipContentType(wire(content_type)))


def url_of(uri: str) -> Any:
    """Parse a SIP URI; ValueError when it is none."""
    uri = uri.strip()
    if re.search(r"[\x00-\x20<>\"]", uri) or not re.match(r"(?i)sips?:", uri):
        raise ValueError(f"not a SIP URI: {uri!r}")
    try:
        url = SipURL(wire(uri))
        if not url.host or (url.port is not None and not 0 < url.port < 65536):
            raise ValueError(uri)
        str(url)
    except (ValueError, IndexError, UnicodeError) as error:
        raise ValueError(f"not a SIP URI: {uri!r}") from error
    return url


def contact(user: str | None, address: tuple[str, int]) -> Any:
    """Our Contact."""
    return SipContact(address=SipAddress(url=SipURL(username=user or None, host=address[0], port=address[1])))


def uri_text(address: Any) -> str:
    """URI of a parsed address as text."""
    return text(str(address.url))


def user_of(url: Any) -> str:
    """Unescaped user part."""
    return text(url.username or "")


def display_of(address: Any) -> str:
    """Display name without escapes."""
    return re.sub(r"\\(.)", r"\1", text(address.name or ""))


def refusal(message: str, code: int, reason: str, more: Iterable[str] = ()) -> str | None:
    """A response made from the raw lines of a request that could not be parsed (RFC 4475 wants 400); None when not even that is possible.

    ACK is never answered.
    """
    first, _, rest = re.sub(r"(\r\n|\n|\r)[ \t]+", " ", message).partition("\n")
    method = first.split(" ", 1)[0].strip()
    if not TOKEN.match(method) or method == "ACK" or method.startswith("SIP/"):
        return None
    wanted = {
        "via": "Via",
        "v": "Via",
        "from": "From",
        "f": "From",
        "to": "To",
        "t": "To",
        "call-id": "Call-ID",
        "i": "Call-ID",
        "cseq": "CSeq",
    }
    lines: list[str] = []
    names: set[str] = set()
    for line in re.split(r"\r\n\r\n|\n\n", rest, maxsplit=1)[0].splitlines():
        name, colon, content = line.partition(":")
        full = wanted.get(name.strip().lower())
        if colon and full is not None:
            names.add(full)
            lines.append(f"{full}: {content.strip()}")
    if names != set(wanted.values()):
        return None
    return "\r\n".join([f"SIP/2.0 {code} {reason}", *lines, *more, f"Server: {SERVER}", "Content-Length: 0", "", ""])


def outgoing(headers: Mapping[str, str], call: str) -> tuple[tuple[str, str], ...]:
    """Headers of a caller's own choice that are fit to be sent; the others are logged."""
    good, bad = safe_headers(headers)
    if bad:
        log.warning("sip_headers_refused", call=call, names=bad)
    return tuple(good)
