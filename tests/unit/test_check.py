"""`hubbub check`: what is wrong with a document, with its line."""

from __future__ import annotations

import pytest

from hubbub.check import check_url
from hubbub.dialects.lint import lint_document
from hubbub.dialects.registry import guess
from hubbub.errors import ConfigurationError
from hubbub.testing import Application


def test_a_good_document_has_no_findings() -> None:
    assert lint_document(b"<Response><Dial><Conference>a</Conference></Dial></Response>") == []


def test_warnings_have_line_and_code() -> None:
    (finding,) = lint_document(b"<Response>\n<Dial>\n<Conference muted='maybe'>a</Conference></Dial></Response>")
    assert (finding.level, finding.code, finding.line) == ("warning", "13230", 3)
    assert "muted" in finding.message


def test_errors_have_line_and_code() -> None:
    (finding,) = lint_document(b"<Response>\n<Dial>\n</Response>")
    assert (finding.level, finding.code, finding.line) == ("error", "12100", 3)
    (finding,) = lint_document(b"<Response>\n<Say>x</Say></Response>", "bxml")
    assert (finding.level, finding.code, finding.line) == ("error", "invalid-bxml", 2)
    (finding,) = lint_document(b"sections:\n  main:\n    - dance: {}\n")
    assert (finding.level, finding.code) == ("error", "relay_script_method_undefined")
    assert "/sections/main[0]/dance" in finding.message


def test_an_unknown_dialect() -> None:
    with pytest.raises(ConfigurationError, match="there are: twiml, cxml, bxml, swml"):
        lint_document(b"<Response/>", "klingon")


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


@pytest.mark.parametrize(
    ("document", "dialect", "advice"),
    [
        ("<Conference>a</Conference>", "twiml", []),
        ("<Conference endConferenceOnExit='true'>a</Conference>", "twiml", ["end-on-exit"]),
        ("<Conference role='moderator'>a</Conference>", "twiml", ["end-on-exit"]),
        ("<Conference role='customer'>a</Conference>", "twiml", ["customer-ends"]),
        ("<Conference role='agent'>a</Conference>", "twiml", []),
        ("<Conference muted='true' endConferenceOnExit='true'>a</Conference>", "twiml", ["listener-ends"]),
        ("<Conference coach='CA00000000000000000000000000000001'>a</Conference>", "twiml", ["coach-starts"]),
        ("<Conference coach='CA00000000000000000000000000000001' role='supervisor'>a</Conference>", "twiml", []),
        ("<Conference record='record-from-start'>a</Conference>", "twiml", ["untold-recording"]),
        ("<Conference unique='true'>a</Conference>", "twiml", ["lost-room"]),
        ("<Conference endConferenceOnExit='true'>a</Conference>", "cxml", ["end-on-exit"]),
    ],
)
def test_advice(document: str, dialect: str, advice: list[str]) -> None:
    """P8: "endConferenceOnExit left true kills warm transfers", found before anybody calls; with the line, and no error."""
    findings = lint_document(f"<Response>\n<Dial>{document}</Dial></Response>".encode(), dialect)
    assert [(finding.level, finding.code, finding.line) for finding in findings] == [("advice", kind, 2) for kind in advice]


def test_advice_on_ways_to_leave() -> None:
    found = lint_document(b"<Response><Dial hangupOnStar='true'><Conference endConferenceOnExit='true'>a</Conference></Dial></Response>")
    assert [finding.code for finding in found] == ["end-on-exit", "star-ends", "hangs-up"]
    followed = b"<Response><Dial hangupOnStar='true'><Conference>a</Conference></Dial><Hangup/></Response>"
    assert lint_document(followed) == []


def test_advice_in_branches_of_other_dialects() -> None:
    script = b"sections:\n  main:\n    - join_conference: {name: a, end_on_exit: true}\n"
    assert [finding.code for finding in lint_document(script, "swml")] == ["end-on-exit"]
