"""How the sample application's dialect spells things: a table beside its documents, so that the demo's code is neutral."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template
from typing import Any, Final
from urllib.parse import quote

DOCUMENTS: Final[Traversable] = files("hubbub.demo") / "documents"


def document(file: str, /, **filled: str) -> str:
    """A document of the sample application, with its `$names` filled in."""
    return Template((DOCUMENTS / file).read_text(encoding="utf-8")).safe_substitute(filled)


@dataclass(frozen=True)
class RestCall:
    """One request to the server's REST: method, path (without host) and form fields."""

    method: str
    path: str
    form: Mapping[str, str]


@dataclass(frozen=True)
class Vocabulary:
    """`fields` and `words` of webhooks, `answers` of REST; `signature` is the header that signs a webhook."""

    fields: Mapping[str, str]
    words: Mapping[str, str]
    answers: Mapping[str, str]
    signature: str
    rest: Mapping[str, Any]

    @classmethod
    def load(cls) -> Vocabulary:
        """Read `documents/vocabulary.toml`."""
        table = tomllib.loads((DOCUMENTS / "vocabulary.toml").read_text(encoding="utf-8"))
        return cls(table["fields"], table["words"], table["answers"], table["signature"]["header"], table["rest"])

    def request(self, name: str, user: str, **names: str) -> RestCall:
        """A REST request of the table; `names` are put into its path and its form."""
        row = self.rest[name]
        path = (self.rest["base"] + row["path"]).format(user=user, **{key: quote(value, safe="") for key, value in names.items()})
        return RestCall(row["method"], path, {key: value.format(**names) for key, value in row.get("form", {}).items()})
