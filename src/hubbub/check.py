"""Check: a live URL asked from the command line, wherever it is, and what it answers compiled for its author."""

from __future__ import annotations

import ipaddress

from hubbub.dialects.lint import Finding, lint_url
from hubbub.webhooks.requester import Requester


async def check_url(url: str, dialect: str = "", *, method: str = "POST") -> list[Finding]:
    """What is wrong with what a URL answers; every network may be asked, for whoever asks sits at the machine."""
    requester = Requester((ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")))
    await requester.start()
    try:
        return await lint_url(requester, url, dialect, method=method)
    finally:
        await requester.stop()
