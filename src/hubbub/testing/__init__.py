"""Tests that hear: phones that speak and say what they hear, an application that remembers, a server to call.

Shipped to users; the demo and hubbub's own tests use nothing else. See `docs/testing.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubbub.testing.application import Application, Request
    from hubbub.testing.call import PhoneCall
    from hubbub.testing.heard import Heard
    from hubbub.testing.listening import TONES, assert_hears, who_hears_whom
    from hubbub.testing.phone import Phone
    from hubbub.testing.server import HubbubServer

_HOMES = {
    "Application": "application",
    "Request": "application",
    "PhoneCall": "call",
    "Heard": "heard",
    "TONES": "listening",
    "assert_hears": "listening",
    "who_hears_whom": "listening",
    "Phone": "phone",
    "HubbubServer": "server",
}
__all__ = ["TONES", "Application", "Heard", "HubbubServer", "Phone", "PhoneCall", "Request", "assert_hears", "who_hears_whom"]


def __getattr__(name: str) -> Any:
    """Import on first use: pytest loads this package as a plugin, in projects that may not use it."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
