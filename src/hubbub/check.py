"""Check: a document compiled for its author to read what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from hubbub.dialects.registry import all_dialects, guess
from hubbub.errors import ConfigurationError, DocumentError
from hubbub.verbs.model import Stage


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    level: str
    code: str
    message: str
    line: int | None = None


def check_document(body: bytes, dialect: str = "") -> list[Finding]:
    """What is wrong with a document. Raises ConfigurationError for a dialect that does not exist."""
    dialects = all_dialects("", lambda call: None)
    name = dialect or guess(body)
    if name not in dialects:
        raise ConfigurationError(f"unknown dialect {name!r}; there are: {', '.join(dialects)}")
    try:
        program = dialects[name].compile(body, "text/xml", "http://127.0.0.1/document", Stage.CALL)
    except DocumentError as error:
        return [Finding("error", error.code, error.message, error.line)]
    return [Finding(remark.level, remark.code, remark.message, remark.at.line) for remark in program.remarks]
