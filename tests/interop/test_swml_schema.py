"""The vendor's own JSON schema for SWML, as both agents SDKs ship it, against the tables: nothing in it is unknown to hubbub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubbub.dialects.swml import connecting
from hubbub.dialects.swml.document import ANYTHING, METHODS, steps_within
from hubbub.dialects.swml.expressions import spelled
from hubbub.dialects.tables import Attr

ROOT = Path(__file__).parents[2]
SCHEMAS = {"signalwire-sdk": "signalwire/schema.json", "signalwire-agents": "signalwire_agents/schema.json"}
OURS = {
    "execute_rpc": "emitted by FunctionResult.execute_rpc",
    **dict.fromkeys(("stream", "stop_stream"), "platform documentation names them (3.5), the schema does not"),
    ("join_conference", "stream"): "added to the platform in 2026-03 (3.6)",
    ("join_conference", "status_callback_event_type"): "not in SDK helper or schema (3.6)",
    ("join_conference", "recording_status_callback_event_type"): "not in SDK helper or schema (3.6)",
}
"""What the tables know beyond the schema, and why."""
DEFAULTS = {
    ("join_conference", "max_participants"): "schema 100000; the real default is 250 (3.6)",
    ("join_conference", "recording_status_callback_event"): "not set: the room's own default is completed (3.6)",
    **dict.fromkeys(
        ((method, f"say_{what}") for method in ("play", "prompt") for what in ("voice", "language", "gender")), "the voice is configured"
    ),
    ("connect", "call_state_events"): "None is `ended`",
    ("connect", "encryption"): "not said: what is configured (`dial.srtp`)",
    ("stop_record_call", "control_id"): "the last one begun; here all",
}
"""Defaults that differ, and why."""

pytestmark = pytest.mark.interop


class Schema:
    """The schema's methods, with references followed."""

    def __init__(self, path: Path) -> None:
        self._definitions = json.loads(path.read_text())["$defs"]
        self.methods: dict[str, dict[str, Any]] = {}
        for choice in self._resolved({"$ref": "#/$defs/SWMLMethod"})["anyOf"]:
            for name, body in self._resolved(choice)["properties"].items():
                self.methods.setdefault(name, {}).update(dict(self.properties(body)))

    def _resolved(self, node: Any) -> dict[str, Any]:
        while "$ref" in node:
            node = self._definitions[node["$ref"].rpartition("/")[2]]
        return dict(node)

    def properties(self, node: Any) -> Iterator[tuple[str, Any]]:
        """Every property of an object, in all its forms."""
        found = self._resolved(node)
        yield from found.get("properties", {}).items()
        for form in (*found.get("anyOf", ()), *found.get("oneOf", ()), *found.get("allOf", ())):
            yield from self.properties(form)

    def words(self, node: Any) -> Iterator[Any]:
        """The fixed words that a property allows."""
        found = self._resolved(node)
        yield from ([found["const"]] if "const" in found else found.get("enum", ()))
        for form in (*found.get("anyOf", ()), *found.get("oneOf", ())):
            yield from self.words(form)

    def default(self, node: Any) -> Any:
        """Its default."""
        return self._resolved(node).get("default")


@pytest.fixture(params=sorted(SCHEMAS))
def schema(request: pytest.FixtureRequest) -> Schema:
    found = sorted((ROOT / f".venv-{request.param}").glob(f"lib/python3*/site-packages/{SCHEMAS[request.param]}"))
    if not found:
        pytest.skip("the SDK's environment is missing: run `make peers`")
    return Schema(found[0])


def rows(method: str) -> dict[str, Attr]:
    return {row.name: row for row in METHODS[method].attributes}


def takes_anything(method: str) -> bool:
    return ANYTHING in rows(method)


def test_every_method_is_built_or_says_why_not(schema: Schema) -> None:
    """Each is mapped, or fails when it is reached with a reason; zero unclassified."""
    assert len(schema.methods) > 35
    assert set(schema.methods) - set(METHODS) == set()
    assert [name for name in schema.methods if METHODS[name].build is None and not METHODS[name].why] == []


def test_every_property_is_mapped_or_without_effect_for_a_reason(schema: Schema) -> None:
    """Of the methods that are built; those of the others are told with their method."""
    unclassified = []
    for method, properties in schema.methods.items():
        if METHODS[method].build is None or takes_anything(method):
            continue
        known = rows(method)
        unclassified += [f"{method}.{name}" for name in properties if name not in known or not (known[name].to or known[name].why)]
    assert unclassified == []


def test_devices_of_connect_are_known(schema: Schema) -> None:
    """Each device of `serial` and `parallel` has parameters of its own."""
    devices = {name for form in ("serial", "parallel") for name, _ in schema.properties(schema.methods["connect"][form].get("items", {}))}
    assert devices - {row.name for row in connecting.DEVICE} == set()


def test_every_word_that_the_schema_allows_is_read(schema: Schema) -> None:
    wrong = []
    for method, properties in schema.methods.items():
        for name, node in properties.items():
            row = rows(method).get(name)
            if METHODS[method].build is None or row is None or row.read is steps_within:
                continue
            for word in schema.words(node):
                try:
                    row.read(spelled(word))
                except ValueError as error:
                    wrong.append(f"{method}.{name}={word}: {error}")
    assert wrong == []


def test_defaults_are_those_of_the_schema(schema: Schema) -> None:
    wrong = []
    for method, properties in schema.methods.items():
        for name, node in properties.items():
            row, default = rows(method).get(name), schema.default(node)
            if METHODS[method].build is None or row is None or row.to is None or default is None or (method, name) in DEFAULTS:
                continue
            if row.read(spelled(default)) != row.default:
                wrong.append(f"{method}.{name}: {default!r} is not {row.default!r}")
    assert wrong == []


def test_what_goes_beyond_the_schema_has_a_reason(schema: Schema) -> None:
    beyond: set[Any] = set(METHODS) - set(schema.methods)
    for method in set(METHODS) & set(schema.methods):
        if METHODS[method].build is not None and not takes_anything(method):
            beyond |= {(method, name) for name in set(rows(method)) - set(schema.methods[method])}
    positional = {
        (method, name)
        for method, name in (key for key in beyond if isinstance(key, tuple))
        if rows(method)[name].required and not schema.methods[method]
    }
    assert beyond - positional - set(OURS) <= {"ai_sidecar"}  # the older schema does not know it
