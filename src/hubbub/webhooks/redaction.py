"""Text without the secrets that stand in it: what is kept for an account's owner to read is read by more people than are told passwords."""

from __future__ import annotations

import re

HIDDEN = "***"
# Every repetition has a bound, or begins where the one before it ended: texts come from strangers.
_NAMES = r"[\w-]{0,40}(?:password|passwd|secret|bearer_token|auth_token|api_key|apikey)"
_RULES = (
    # user:password@ of a URL, also where the URL is a value of a form
    (re.compile(r"(://)[^\s/?#\"'<>\\&@]*(?:@[^\s/?#\"'<>\\&@]*)*@"), r"\1"),
    (re.compile(r"(%3A%2F%2F)(?:(?!%2F|%3F|%23)[^\s/&\"'<>])*%40", re.IGNORECASE), r"\1"),
    # an attribute, a member of a JSON object (also one inside a text), a line of YAML, a parameter of a form
    (re.compile(rf"\b({_NAMES}\s{{0,20}}=\s{{0,20}})(?:\"[^\"]*\"|'[^']*')", re.IGNORECASE), rf'\1"{HIDDEN}"'),
    (re.compile(rf"(\"{_NAMES}\\{{0,8}}\"\s{{0,20}}:\s{{0,20}}\\{{0,8}}\")[^\"\\]*", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(rf"^([ \t]{{0,100}}(?:- )?{_NAMES}:[ \t]{{1,20}})(?![\"{{\[ \t])[^\n]+$", re.IGNORECASE | re.MULTILINE), rf"\1{HIDDEN}"),
    (re.compile(rf"((?:^|[&?]){_NAMES}=)[^&\s\"'<>]+", re.IGNORECASE), rf"\1{HIDDEN}"),
)


def redacted(text: str) -> str:
    """The text with credentials of URLs left out, and values of what is called a password or a secret hidden."""
    for pattern, by in _RULES:
        text = pattern.sub(by, text)
    return text
