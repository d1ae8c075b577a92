"""The verb that holds a call for functions of its application, and what their replies ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hubbub.errors import RequestFailed
from hubbub.events import CallRecord
from hubbub.settings import Account
from hubbub.verbs.program import Program, Remark, Verb
from hubbub.webhooks.requester import HttpReply, HttpRequest


@dataclass(frozen=True)
class Reaction:
    """What the reply to a function asks for."""

    program: Program | None
    ends: bool
    """Whether the call is held no more, before the program or without one."""
    reply: Any = None
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class FunctionCall:
    """Which function is called, and with what."""

    name: str
    arguments: Mapping[str, Any]
    variables: Mapping[str, Any]
    """Of the call's document."""
    now: float


class Asking(Protocol):
    """One function that is being called."""

    @property
    def request(self) -> HttpRequest | None:
        """What is asked of somebody; None: nobody is asked."""

    def reaction(self, found: HttpReply | RequestFailed | None) -> Reaction:
        """What comes of it. Raises RequestFailed where somebody had to answer, DocumentError where what was answered is wrong."""


class FunctionDesk(Protocol):
    """The functions that may be called while a call is held."""

    def call(self, account: Account, call: CallRecord, asked: FunctionCall) -> Asking:
        """One that is being called. Raises Refused (not-found), DocumentError."""


@dataclass(frozen=True, kw_only=True)
class HoldForFunctions(Verb):
    """Hold the call for functions that are called from outside. Outcome: see `verbs/functions.py`."""

    desk: FunctionDesk
