"""Background tasks that nobody awaits: kept from being collected, and heard when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger()

_running: set[asyncio.Task[None]] = set()


def spawn(work: Coroutine[Any, Any, None], name: str = "") -> asyncio.Task[None]:
    """Run `work` in the background; an exception is logged."""
    task = asyncio.create_task(work, name=name or None)
    _running.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[None]) -> None:
    _running.discard(task)
    if not task.cancelled() and task.exception() is not None:
        log.error("task_failed", task=task.get_name(), exc_info=task.exception())
