"""OpenAPI 3.1 of the REST of every face, made from the same tables that serve it: what is not in a table is not in the description."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hubbub.api.face import RestFace
from hubbub.api.rest import OPERATIONS
from hubbub.dialects.tables import Operation, Param, allowed

FORM, JSON, XML = "application/x-www-form-urlencoded", "application/json", "application/xml"
NUMBER = re.compile(r"a (whole )?number(?:, (-?[\d.]+) to (-?[\d.]+)| from (-?[\d.]+))?")
WORDS = re.compile(r"`[^`]+`(?:, `[^`]+`)*")


def description(faces: Sequence[RestFace], version: str) -> dict[str, Any]:
    """All faces as one OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    for face in faces:
        if ":" in face.base:
            continue  # operations of another face, told apart by the form of the account's id: OpenAPI has no words for that
        for operation in face.operations:
            path = face.base + operation.path + face.suffixes[0]
            paths.setdefault(path, {})[operation.method.lower()] = _operation(face, operation, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "hubbub", "version": version, "description": "One server, several vocabularies; made from their tables."},
        "security": [{"basic": []}],
        "components": {"securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}},
        "paths": paths,
    }


def openapi_route(faces: Sequence[RestFace], version: str, allowed_to: Any) -> Route:
    """`GET /hubbub/openapi.json`."""
    made = description(faces, version)

    async def endpoint(request: Request) -> Response:
        if not allowed_to(request):
            return JSONResponse({"error": "authorization needed"}, 401, {"WWW-Authenticate": "Bearer"})
        return JSONResponse(made)

    return Route("/hubbub/openapi.json", endpoint, methods=["GET"])


def _operation(face: RestFace, operation: Operation, path: str) -> dict[str, Any]:
    text: dict[str, Any] = {"schema": {"type": "string", "minLength": 1}}
    named = [{"name": name, "in": "path", "required": True, **text} for name in re.findall(r"\{(\w+)\}", path)]
    reads = operation.method in ("GET", "DELETE")
    query = [_in_query(param) for param in operation.params] if reads else []
    found: dict[str, Any] = {
        "summary": operation.does.replace("_", " "),
        "tags": [face.base],
        "parameters": [*named, *query],
        "responses": {str(operation.status): _answer(face, operation), "default": {"description": "The face's own error."}},
    }
    if operation.params and not reads:
        found["requestBody"] = {"content": _body(face, operation)}
    return found


def _in_query(param: Param) -> dict[str, Any]:
    return {"name": param.name, "in": "query", "required": False, "schema": _schema(param), **_why(param)}


def _body(face: RestFace, operation: Operation) -> dict[str, Any]:
    if operation.body == "xml":
        return {XML: {"schema": {"type": "string"}}}
    if face.habits.own_bodies:
        return {JSON: {"schema": _object(operation.params)}}
    form: dict[str, Any] = {FORM: {"schema": {"type": "object", "properties": {p.name: _schema(p) for p in operation.params}}}}
    return {**form, JSON: form[FORM]} if face.json_bodies else form


def _object(params: Iterable[Param]) -> dict[str, Any]:
    """An object whose members have names; a name with a dot is of an object inside."""
    made: dict[str, Any] = {"type": "object", "properties": {}}
    for param in params:
        *outer, name = param.name.split(".")
        place = made
        for part in outer:
            place = place["properties"].setdefault(part, {"type": "object", "properties": {}})
        place["properties"][name] = _schema(param)
    return made


def _schema(param: Param) -> dict[str, Any]:
    """What a converter allows, as far as its own words say it in a way that a machine can read."""
    words = allowed(param.read)
    one: dict[str, Any] = {"type": "string"}
    number = NUMBER.fullmatch(words)
    if number is not None:
        one["type"] = "integer" if number[1] else "number"
        cast = int if number[1] else float
        one |= {key: cast(value) for key, value in (("minimum", number[2] or number[4]), ("maximum", number[3])) if value is not None}
    elif WORDS.fullmatch(words):
        one["enum"] = re.findall(r"`([^`]+)`", words)
    else:
        one["description"] = words
    return {"type": "array", "items": one} if param.many else one


def _why(param: Param) -> Mapping[str, Any]:
    return {"description": param.why} if param.why else {}


def _answer(face: RestFace, operation: Operation) -> dict[str, Any]:
    if not operation.shows:
        return {"description": "Done."}
    resource = face.resources[operation.shows]
    one: dict[str, Any] = {"type": "object", "properties": {out.name: {} for out in resource.fields}}
    if OPERATIONS[operation.does].__annotations__["return"] != "Page":
        return _told(face, operation.shows, one)
    items = {"type": "array", "items": one}
    page = {"type": "object", "properties": {resource.list_key: items}, "required": [resource.list_key]} if resource.list_key else items
    return _told(face, f"A page of {operation.shows}.", page)


def _told(face: RestFace, words: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {face.habits.content_type: {"schema": schema}}}
