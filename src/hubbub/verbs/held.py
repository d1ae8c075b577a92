"""The verb that holds a call for functions of its application, and what their replies ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hubbub.events import CallRecord
from hubbub.settings import Account
from hubbub.verbs.program import Program, Remark, Verb
from hubbub.webhooks.requester import HttpRequest


@dataclass(frozen=True)
class Reaction:
    """What the reply to a function asks for."""

    program: Program | None
    ends: bool
    """Whether the call is held no more, before the program or without one."""
    reply: Any = None
    remarks: tuple[Remark, ...] = ()


class FunctionDesk(Protocol):
    """The functions of an application that may be called while a call is held."""

    def request(
        self, account: Account, call: CallRecord, name: str, arguments: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> HttpRequest:
        """What asks for a function. Raises Refused (not-found)."""

    def reaction(self, name: str, body: bytes, base: str) -> Reaction:
        """What the reply of a function asks for. DocumentError where it is none."""


@dataclass(frozen=True, kw_only=True)
class HoldForFunctions(Verb):
    """Hold the call for functions that are called from outside. Outcome: see `verbs/functions.py`."""

    desk: FunctionDesk
