"""The keys of the configuration, from their declarations."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from hubbub.dialects.registry import FACE_OF, FACES, OPTIONAL
from hubbub.docs.markdown import code, table
from hubbub.settings import Settings

HEAD = ("Key", "Default", "Environment", "Meaning")


def configuration_blocks() -> Mapping[str, str]:
    """The generated blocks of the page."""
    tables: list[tuple[str, type[BaseModel]]] = []
    lists: list[tuple[str, type[BaseModel]]] = []
    for name, declared in Settings.model_fields.items():
        item = _model(declared.annotation)
        if item is None:
            continue
        (lists if _is_list(declared.annotation) else tables).append((name, item))
    return {
        "sections": "\n\n".join(_section(name, model) for name, model in tables),
        "lists": "\n\n".join(_entries(name, model) for name, model in lists),
        "faces": _faces(),
    }


def _section(name: str, model: type[BaseModel]) -> str:
    rows = [
        (code(key), _default(declared), code(f"HUBBUB_{name}__{key}".upper()), declared.description or "")
        for key, declared in model.model_fields.items()
        if not _is_list_of_tables(declared)
    ]
    parts = [f"### `[{name}]`", _said(model), table(HEAD, rows)]
    for key, declared in model.model_fields.items():
        if _is_list_of_tables(declared):
            inner = _model(declared.annotation)
            assert inner is not None
            parts.append(_entries(f"{name}.{key}", inner, f"HUBBUB_{name}__{key}".upper()))
    return "\n\n".join(parts)


def _entries(name: str, model: type[BaseModel], variable: str = "") -> str:
    rows = [(code(key), _default(declared), _kind(declared), declared.description or "") for key, declared in model.model_fields.items()]
    note = f"As one environment variable: `{variable or f'HUBBUB_{name}'.upper()}`, a JSON list, which replaces the whole list of the file."
    return "\n\n".join([f"### `[[{name}]]`", _said(model), table(("Key", "Default", "Type", "Meaning"), rows), note])


def _faces() -> str:
    rows = []
    for face, keys in FACES.items():
        dialects = ", ".join(code(dialect) for dialect, needed in FACE_OF.items() if needed == face)
        optional = ", ".join(code(key) for key in OPTIONAL.get(face, ()))
        rows.append((code(face), dialects, ", ".join(code(key) for key in keys), optional))
    return table(("Face", "Dialects", "Keys", "Optional keys"), rows)


def _said(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


def _model(annotation: Any) -> type[BaseModel] | None:
    """The table behind a key: itself, or what its list holds."""
    for candidate in (annotation, *typing.get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _is_list(annotation: Any) -> bool:
    return typing.get_origin(annotation) is tuple


def _is_list_of_tables(declared: FieldInfo) -> bool:
    return _is_list(declared.annotation) and _model(declared.annotation) is not None


def _default(declared: FieldInfo) -> str:
    value = declared.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    return code(json.dumps(value if not isinstance(value, (tuple, Path)) else _plain(value)))


def _plain(value: Any) -> Any:
    return [str(item) for item in value] if isinstance(value, tuple) else str(value)


def _kind(declared: FieldInfo) -> str:
    annotation = declared.annotation
    if typing.get_origin(annotation) is Literal:
        return ", ".join(code(str(word)) for word in typing.get_args(annotation))
    return {str: "text", int: "whole number", bool: "true or false", Path: "path"}.get(annotation, "table")  # type: ignore[arg-type]
