"""Secrets are compared in constant time wherever they are: an answer that comes sooner tells how much of a guess was right."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import hubbub

ROOT = Path(hubbub.__file__).parent
PLACES = ("api", "calls", "dialects", "sip", "webhooks")
SECRET = re.compile(r"(^|_)(passwords?|secret|tokens?|signature|mac|hmac|response_digest)$")


def compared(tree: ast.AST) -> list[tuple[int, str]]:
    """Lines where something that is called a secret is compared with another value than a constant, as texts are."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
            continue
        sides = (node.left, *node.comparators)
        names = [side.attr if isinstance(side, ast.Attribute) else side.id if isinstance(side, ast.Name) else "" for side in sides]
        if any(SECRET.search(name) for name in names) and not any(isinstance(side, ast.Constant) for side in sides):
            found.append((node.lineno, ast.unparse(node)))
    return found


def test_no_secret_is_compared_as_texts_are() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}": text
        for place in PLACES
        for path in sorted((ROOT / place).rglob("*.py"))
        for line, text in compared(ast.parse(path.read_text()))
    }
    assert found == {}


def test_the_search_finds_such_comparisons() -> None:
    assert compared(ast.parse("if given == account.token: pass")) == [(1, "given == account.token")]
    assert compared(ast.parse("x = password != expected")) == [(1, "password != expected")]
    assert compared(ast.parse("if password == '': pass")) == []
