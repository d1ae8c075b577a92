"""The account of the built-in development defaults: well known, and therefore only ever served on loopback."""

from __future__ import annotations

from typing import Any

DEVELOPMENT_ACCOUNT: dict[str, Any] = {
    "name": "dev",
    "twilio": {"sid": "AC00000000000000000000000000000001", "token": "0123456789abcdef0123456789abcdef"},
    "signalwire": {"project": "00000000-0000-4000-8000-000000000001", "token": "PT0123456789"},
    "bandwidth": {
        "account": "9900001",
        "username": "dev",
        "password": "devpass",
        "application": "00000000-0000-4000-8000-000000000002",
    },
}
