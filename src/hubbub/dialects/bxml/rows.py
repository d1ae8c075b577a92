"""What several verbs have in common: credentials, the attributes of a webhook, tags (3)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from hubbub.dialects.tables import Attr, Compiler, Converter, Node, described, matching, method, text, url
from hubbub.errors import DocumentError
from hubbub.events import Link
from hubbub.verbs.model import Stage, Tag
from hubbub.verbs.program import Step, Verb

INVALID = "invalid-bxml"
ON_CALL = frozenset({Stage.CALL, Stage.CALLEE})
MAIN_CALL = frozenset({Stage.CALL})
"""Not allowed in the document that a callee hears before it is connected (3)."""
IN_ROOM = frozenset({Stage.ROOM})
BOTH = ON_CALL | IN_ROOM

CREDENTIALS = (Attr("username", "username", text, ""), Attr("password", "password", text, ""))
FALLBACK_CREDENTIALS = (Attr("fallbackUsername", "fallback_username", text, ""), Attr("fallbackPassword", "fallback_password", text, ""))
TAG = Attr("tag", "tag", matching(r".{0,256}", "has at most 256 characters"), None)


UUI = re.compile(r"[^\x00-\x20\x7f;,]+(;encoding=(base64|jwt|hex))?(\s*,\s*[^\x00-\x20\x7f;,]+(;encoding=(base64|jwt|hex))?)*")


def uui(longest: int) -> Converter:
    """User-to-User information (RFC 7433)."""

    def read(value: str) -> str:
        if len(value) > longest or not UUI.fullmatch(value.strip()):
            raise ValueError(f"has at most {longest} characters: a list of TEXT;encoding=base64, jwt or hex")
        return value.strip()

    return described(read, f"a list of `TEXT;encoding=` `base64`, `jwt` or `hex`, at most {longest} characters")


def webhook(name: str, *, required: bool = False) -> tuple[Attr, ...]:
    """The attribute set of a verb whose webhook is `name`: URL, method, fallback, credentials of both, tag."""
    return (
        Attr(f"{name}Url", "url", url, None, required=required),
        Attr(f"{name}Method", "method", method, "POST"),
        Attr(f"{name}FallbackUrl", "fallback_url", url, None),
        Attr(f"{name}FallbackMethod", "fallback_method", method, "POST"),
        *CREDENTIALS,
        *FALLBACK_CREDENTIALS,
        TAG,
    )


def link(compiler: Compiler, values: Mapping[str, Any]) -> Link | None:
    """The webhook of those attributes; None where it has no URL."""
    if not values["url"]:
        return None
    fallback = None
    if values["fallback_url"]:
        credentials = values["fallback_username"], values["fallback_password"]
        fallback = Link(compiler.absolute(values["fallback_url"]), values["fallback_method"], *credentials)
    return Link(compiler.absolute(values["url"]), values["method"], values["username"], values["password"], None, fallback)


def guarded(node: Node, target: Link) -> Link:
    """A link whose credentials may not be told in clear: "https is demanded when credentials are supplied" (2.5)."""
    if (target.username or target.password) and told_in_clear(target.url):
        raise invalid(node, f"needs https for {target.url!r}: credentials go with it")
    return target if target.fallback is None else replace(target, fallback=guarded(node, target.fallback))


def told_in_clear(target: str) -> bool:
    """Whether somebody on the way could read what is sent to a URL; nobody can on this machine itself."""
    split = urlsplit(target)
    if split.scheme not in ("http", "ws"):
        return False
    try:
        return not ipaddress.ip_address(split.hostname or "").is_loopback
    except ValueError:
        return split.hostname != "localhost"


def tagged(node: Node, values: Mapping[str, Any], verb: Verb) -> tuple[Step, ...]:
    """The verb, after its `tag` has become the call's: "sent in all later webhooks", and cleared by the empty text (2.3)."""
    if "tag" not in node.attributes:
        return (verb,)
    return Tag(tag=values["tag"] or "", at=node.at), verb


def invalid(node: Node, message: str) -> DocumentError:
    """The document is rejected for the sake of this element."""
    return DocumentError(INVALID, f"<{node.name}> {message}", line=node.at.line, column=node.at.column)
