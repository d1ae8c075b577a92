"""Check: a live URL asked from the command line, wherever it is, and what it answers compiled for its author."""

from __future__ import annotations

import ipaddress

from hubbub.dialects.lint import Finding, lint_url
from hubbub.webhooks.requester import HttpRequest, Limits, Requester

LARGEST = 64 << 20
"""Bytes of an answer that is looked at."""
FETCH_SECONDS = 15.0


async def check_url(url: str, dialect: str = "", *, method: str = "POST") -> list[Finding]:
    """What is wrong with what a URL answers; every network may be asked, for whoever asks sits at the machine."""
    requester = Requester((ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")))
    await requester.start()
    try:
        body = b"" if method == "POST" else None
        return await lint_url(requester, HttpRequest(method, url, body=body, limits=Limits(total=FETCH_SECONDS), max_body=LARGEST), dialect)
    finally:
        await requester.stop()
