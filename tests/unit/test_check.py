"""`hubbub check`: what is wrong with a document, with its line."""

from __future__ import annotations

import pytest

from hubbub.check import check_document, check_url
from hubbub.dialects.registry import guess
from hubbub.errors import ConfigurationError
from hubbub.testing import Application


def test_a_good_document_has_no_findings() -> None:
    assert check_document(b"<Response><Dial><Conference>a</Conference></Dial></Response>") == []


def test_warnings_have_line_and_code() -> None:
    (finding,) = check_document(b"<Response>\n<Dial>\n<Conference muted='maybe'>a</Conference></Dial></Response>")
    assert (finding.level, finding.code, finding.line) == ("warning", "13230", 3)
    assert "muted" in finding.message


def test_errors_have_line_and_code() -> None:
    (finding,) = check_document(b"<Response>\n<Dial>\n</Response>")
    assert (finding.level, finding.code, finding.line) == ("error", "12100", 3)
    (finding,) = check_document(b"<Response>\n<Say>x</Say></Response>", "bxml")
    assert (finding.level, finding.code, finding.line) == ("error", "invalid-bxml", 2)
    (finding,) = check_document(b"sections:\n  main:\n    - dance: {}\n")
    assert (finding.level, finding.code) == ("error", "relay_script_method_undefined")
    assert "/sections/main[0]/dance" in finding.message


def test_an_unknown_dialect() -> None:
    with pytest.raises(ConfigurationError, match="there are: twiml, cxml, bxml, swml"):
        check_document(b"<Response/>", "klingon")


@pytest.mark.parametrize(
    ("document", "dialect"),
    [
        (b"<Response><Dial/></Response>", "twiml"),
        (b"\n <Response/>", "twiml"),
        (b"<Bxml/>", "bxml"),
        (b"<Response>\n  <Conference>a</Conference></Response>", "bxml"),
        (b"<Response><SpeakSentence voice='x'>a</SpeakSentence></Response>", "bxml"),
        (b'{"sections": {}}', "swml"),
        (b"version: 1.0.0", "swml"),
        (b"", "swml"),
    ],
)
def test_guesses(document: bytes, dialect: str) -> None:
    assert guess(document) == dialect


async def test_a_live_url_is_asked_and_what_it_answers_is_checked() -> None:
    """P11: "preflight": unreachable, a status, a type that is no document, audio that cannot be read, warnings with their line."""
    async with Application() as application:
        application.on("/good", "<Response/>")
        application.on("/bad", "<Response>\n<Dial><Conference beep='loud'>a</Conference></Dial></Response>")
        application.on("/noise", b"RIFF not really")
        assert await check_url(application.url("/good")) == []
        (warning,) = await check_url(application.url("/bad"), method="GET")
        assert (warning.code, warning.line) == ("13235", 2)
        application.fault("/nothing", status=404)
        (missing,) = await check_url(application.url("/nothing"))
        assert (missing.level, missing.code) == ("error", "11200")
        (unreadable,) = await check_url(application.url("/noise"))
        assert (unreadable.level, unreadable.code) == ("error", "13420")
    (refused,) = await check_url("http://127.0.0.1:9/")
    assert refused.code == "refused"
