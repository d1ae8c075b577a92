"""The older form of answers: `<TwilioResponse>`, for paths that end in `.xml` or in nothing (5.1). Made from what JSON shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

CONTENT_TYPE = "application/xml"
MEDIA = re.compile(r"/Recordings/[^/.]+$")
UNREADABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 (2.2) cannot hold, not even escaped."""
PAGES = frozenset(
    {"first_page_uri", "next_page_uri", "previous_page_uri", "page", "page_size", "start", "end", "uri"},
)


def is_wanted(path: str) -> bool:
    """Whether a path asks for this form. A recording without a suffix is its sound."""
    last = path.rpartition("/")[2]
    return last.endswith(".xml") or ("." not in last and MEDIA.search(path) is None)


def document(shown: Mapping[str, Any], list_key: str) -> bytes:
    """One thing, a page of things, or an error; `list_key` is what JSON calls a list of such things."""
    root = ElementTree.Element("TwilioResponse")
    if not list_key:
        _add(root, "RestException", shown)
    elif isinstance(shown.get(list_key), list) and "page_size" in shown:
        _add_page(root, shown, list_key)
    else:
        _add(root, singular(list_key), shown)
    made: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return made


def singular(list_key: str) -> str:
    """The element of one thing: `incoming_phone_numbers` has `<IncomingPhoneNumber>`."""
    return _name(list_key.removesuffix("s"))


def _add_page(root: ElementTree.Element, shown: Mapping[str, Any], list_key: str) -> None:
    links = {name.replace("_", ""): _text(value) for name, value in shown.items() if name in PAGES}
    page = ElementTree.SubElement(root, _name(list_key), links)
    for item in shown[list_key]:
        _add(page, singular(list_key), item)


def _add(parent: ElementTree.Element, name: str, value: Any) -> None:
    element = ElementTree.SubElement(parent, name)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _add(element, _name(str(key)), inner)
    elif isinstance(value, list):
        for inner in value:
            _add(element, name.removesuffix("s"), inner)
    elif value is not None:
        linked = name == "Uri" or parent.tag == "SubresourceUris"
        element.text = _text(value).removesuffix(".json") if linked else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else UNREADABLE.sub("\ufffd", str(value))


def _name(key: str) -> str:
    """`account_sid` is `AccountSid`; what cannot be the name of an element is spelled with `_`."""
    joined = "".join(part[:1].upper() + part[1:] for part in key.split("_"))
    return re.sub(r"^(?![A-Za-z_])|[^A-Za-z0-9_.-]", "_", joined)
