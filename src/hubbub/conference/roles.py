"""Roles: how a leg is in a room, by one word instead of several flags that must fit each other. What is said beside it goes before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROLES: Mapping[str, Mapping[str, Any]] = {
    "moderator": {"muted": False, "start_on_enter": True, "end_on_exit": True},
    "speaker": {"muted": False, "start_on_enter": True, "end_on_exit": False},
    "agent": {"muted": False, "start_on_enter": True, "end_on_exit": False},
    "customer": {"muted": False, "start_on_enter": False, "end_on_exit": True},
    "guest": {"muted": False, "start_on_enter": False, "end_on_exit": False},
    "listener": {"muted": True, "start_on_enter": False, "end_on_exit": False, "beep": "none"},
    "supervisor": {"muted": True, "start_on_enter": False, "end_on_exit": False, "beep": "none"},
}
"""Neutral values. A customer waits for somebody who helps, and the room is over when it goes; an agent may go and be replaced."""


def with_role(values: Mapping[str, Any], role: str) -> dict[str, Any]:
    """Values that were given, and what a role says of the rest."""
    return {**ROLES.get(role, {}), **values}
