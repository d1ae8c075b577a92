"""How documents and REST ask for encrypted calls, each in its own words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.facts import ACCOUNT, PUBLIC

from hubbub.dialects.registry import all_dialects
from hubbub.dialects.twiml import TwimlDialect
from hubbub.dialects.twiml.rest import TwimlRest
from hubbub.verbs.model import Connect, Stage, Target

DIALECTS = all_dialects(PUBLIC, lambda call: None)


def targets(dialect: str, document: str) -> list[Target]:
    """Who a document calls."""
    program = DIALECTS[dialect].compile(
        document.encode(), "text/xml" if document[0] == "<" else "application/json", "http://app.test/a", Stage.CALL
    )
    found: list[Target] = []
    for section in program.sections.values():
        for step in section:
            if isinstance(step, Connect):
                found += [target for group in step.groups for target in group]
    return found


@pytest.mark.parametrize("dialect", ["twiml", "cxml"])
@pytest.mark.parametrize(
    ("uri", "srtp"),
    [
        ("sip:jack@example.com", None),
        ("sip:jack@example.com;secure=true", "require"),
        ("sip:jack@example.com;transport=udp;Secure=TRUE", "require"),
        ("sip:jack@example.com;secure=false", None),
        ("sip:jack@example.com?x=;secure=true", None),
    ],
)
def test_secure_addresses(dialect: str, uri: str, srtp: str | None) -> None:
    """ "Append the secure=true parameter to your SIP URI for outbound calls": behind the address, by document and by REST."""
    (target,) = targets(dialect, f"<Response><Dial><Sip>{uri}</Sip></Dial></Response>")
    assert target.srtp == srtp
    assert TwimlRest(TwimlDialect(PUBLIC), [ACCOUNT]).srtp(uri) == srtp


@pytest.mark.parametrize(("word", "srtp"), [("mandatory", "require"), ("optional", "offer"), ("forbidden", "off"), (None, None)])
def test_encryption_of_connect(word: str | None, srtp: str | None) -> None:
    """3.5 connect: `encryption` for all devices, or for one."""
    said: dict[str, Any] = {} if word is None else {"encryption": word}
    steps = [{"connect": {"to": "sip:jack@example.com", **said}}]
    (target,) = targets("swml", json.dumps({"version": "1.0.0", "sections": {"main": steps}}))
    assert target.srtp == srtp
    devices = [{"to": "sip:jack@example.com", **said}, {"to": "sip:jill@example.com", "encryption": "optional"}]
    steps = [{"connect": {"serial": devices, "encryption": "forbidden"}}]
    jack, jill = targets("swml", json.dumps({"version": "1.0.0", "sections": {"main": steps}}))
    assert (jack.srtp, jill.srtp) == (srtp or "off", "offer")
