"""Paths that the server answers beside the tables of its faces, and who may use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

BESIDE_TABLES: Final[Mapping[tuple[str, str], str]] = {
    ("GET", "/healthz"): "anybody",
    ("GET", "/metrics"): "operator",
    ("GET", "/hubbub/events"): "operator",
    ("GET", "/hubbub/openapi.json"): "operator",
    ("GET", "/hubbub/quality"): "operator",
    ("GET", "/hubbub/calls/{call}/quality"): "operator",
    ("POST", "/hubbub/calls/{call}/functions/{name}"): "operator",
    ("GET", "/hubbub/outbox"): "operator",
    ("POST", "/hubbub/outbox/replay"): "operator",
    ("GET", "/hubbub/speakers"): "operator",
    ("PUT", "/hubbub/calls/{call}/audio"): "operator",
    ("POST", "/hubbub/recordings/{recording}/link"): "owner",
    ("GET", "/hubbub/media/{recording}.{kind}"): "link",
}
"""`operator`: who has the admin token; `owner`: who has the account's credentials too; `link`: who has a link that was signed."""
