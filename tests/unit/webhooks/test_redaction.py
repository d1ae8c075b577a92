"""What is kept of requests and documents holds no password."""

from __future__ import annotations

import pytest

from hubbub.webhooks.exchange import of_request
from hubbub.webhooks.redaction import redacted
from hubbub.webhooks.requester import HttpReply, HttpRequest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://user:pass@host/path answered 503", "http://host/path answered 503"),
        ("wss://user:p@ss@host:1/x?y=z@w", "wss://host:1/x?y=z@w"),
        ("https://user@host", "https://host"),
        ("a=1&ErrorUrl=http%3A%2F%2Fuser%3Apass%40127.0.0.1%3A9%2Fdown&b=x%40y", "a=1&ErrorUrl=http%3A%2F%2F127.0.0.1%3A9%2Fdown&b=x%40y"),
        ("<Sip username='t' password='pass'>sip:a@b</Sip>", "<Sip username='t' password=\"***\">sip:a@b</Sip>"),
        ('<Gather fallbackPassword = "p w" gatherUrl="/x"/>', '<Gather fallbackPassword = "***" gatherUrl="/x"/>'),
        ('{"username": "t", "password": "pass", "to": "sip:a@b"}', '{"username": "t", "password": "***", "to": "sip:a@b"}'),
        ('{"body": "{\\"auth_token\\": \\"pass\\", \\"x\\": 1}"}', '{"body": "{\\"auth_token\\": \\"***\\", \\"x\\": 1}"}'),
        (
            "- connect:\n    to: sip:a@b\n    password: pass word\n    timeout: 5",
            "- connect:\n    to: sip:a@b\n    password: ***\n    timeout: 5",
        ),
        ("To=x&Password=pass&From=y", "To=x&Password=***&From=y"),
    ],
)
def test_secrets_are_hidden(text: str, expected: str) -> None:
    assert redacted(text) == expected
    assert redacted(redacted(text)) == expected


def test_nothing_of_an_answer_holds_secrets() -> None:
    """A redirect that is not followed is kept as it came, and its header may hold what its body must not."""
    headers = {"location": "https://user:pass@host/next", "set-cookie": "session=pass"}
    kept = of_request(HttpRequest("GET", "http://host/?password=pass"), HttpReply(302, headers, "", b"https://user:pass@host", "", 0.0, 1))
    assert "pass@" not in repr(kept)
    assert "pass'" not in repr(kept)
    assert "https://host/next" in repr(kept)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:alice@127.0.0.1:5060;transport=udp",
        "<Say>your password is not known</Say><Play>http://host/a@b.wav</Play>",
        "From=client%3Aalice%40host&Url=http%3A%2F%2Fhost%2Fx%40y",
        '{"passwords": 3, "secretary": "bob"}',
        "http://host/?next=http://other/",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert redacted(text) == text


def test_a_long_text_takes_no_long_time() -> None:
    """Texts come from strangers: 64 kB of what nearly matches."""
    for piece in ("://", "://a:", "%3A%2F%2Fa", "password", 'password="', '"password":', "password: ", "\\\\", "a@", "://a@"):
        redacted(piece * (65536 // len(piece)))
