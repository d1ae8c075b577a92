"""Credentials of the official Python SDK: OAuth client credentials, and the secondary auth token; a participant that is an application."""

from __future__ import annotations

from typing import Any

import pytest
from tests.interop.test_twilio_sdk import installed, run_sdk
from tests.support.stage import PhoneMaker, call_in, room

from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
from hubbub.testing import Application, HubbubServer

pytestmark = [pytest.mark.interop, installed]
SECONDARY = "fedcba9876543210fedcba9876543210"


@pytest.fixture
def hubbub_config() -> dict[str, Any]:
    face = {**DEVELOPMENT_ACCOUNT["twilio"], "secondary_token": SECONDARY}
    return {"accounts": [{**DEVELOPMENT_ACCOUNT, "twilio": face}]}


async def test_credentials_of_every_kind(application: Application, hubbub_server: HubbubServer, phone: PhoneMaker) -> None:
    """5.1: "SDK 9.x can also send `Authorization: Bearer`"; 6.1: two tokens, the primary signs; 5.6: `app:AP…`."""
    application.on("/voice", room())
    await call_in(hubbub_server, phone, "alice")
    face = hubbub_server.faces["twilio"]
    job = {"base": hubbub_server.http_url("").rstrip("/"), "sid": face["sid"], "secondary": SECONDARY, "url": application.url("/bot")}
    application.on("/bot", "<Response><Pause length='10'/></Response>")
    assert await run_sdk("tokens", job) == {"calls": 1, "refused": True, "to": True, "label": "bot"}
    assert (await application.wait_for("/bot")).params["topic"] == "tea"
    requests = [{"url": r.url, "fields": list(r.fields), "signature": r.headers["X-Twilio-Signature"]} for r in application.requests()]
    assert all((await run_sdk("validate", {"token": face["token"], "requests": requests}))["verdicts"])
