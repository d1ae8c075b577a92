"""The official SDK's own source compared with our tables: no verb, attribute, parameter or field of it is unlisted here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.dialects.twiml import insights
from hubbub.dialects.twiml.document import TABLE
from hubbub.dialects.twiml.operations import OPERATIONS
from hubbub.dialects.twiml.resources import RESOURCES

ROOT = Path(__file__).parents[2]
FOUND = sorted((ROOT / ".venv-twilio").glob("lib/python3*/site-packages/twilio"))
SDK = FOUND[0] if FOUND else ROOT

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not FOUND, reason="the SDK's environment is missing: run `make peers`"),
]

PAGING = {"Page", "PageSize", "PageToken"}
ACCOUNT = SDK / "rest/api/v2010/account"
MODULES = {
    "queue/__init__.py": ("/Queues", "line"),
    "queue/member.py": ("/Queues/{line}/Members", "waiting"),
    "call/__init__.py": ("/Calls", "call"),
    "call/notification.py": ("/Calls/{call}/Notifications", "notification"),
    "call/event.py": ("/Calls/{call}/Events", "request"),
    "call/recording.py": ("/Calls/{call}/Recordings", "call-recording"),
    "conference/__init__.py": ("/Conferences", "room"),
    "conference/participant.py": ("/Conferences/{room}/Participants", "member"),
    "conference/recording.py": ("/Conferences/{room}/Recordings", "room-recording"),
    "recording/__init__.py": ("/Recordings", "recording"),
    "notification.py": ("/Notifications", "notification"),
    "incoming_phone_number/__init__.py": ("/IncomingPhoneNumbers", "number"),
    "application.py": ("/Applications", "application"),
    "new_key.py": ("/Keys", "new-key"),
    "key.py": ("/Keys", "key"),
}
ONE = re.compile(r"/\{\w+\}$")


# -- documents -------------------------------------------------------------------------------------------------


def built() -> Iterator[tuple[str, str, str]]:
    """Parent, element and attribute of everything that the builder makes."""
    if not FOUND:
        return
    tree = ast.parse((SDK / "twiml/voice_response.py").read_text())
    names = {cls.name: _element(cls) for cls in tree.body if isinstance(cls, ast.ClassDef)}
    for cls in tree.body:
        for call in ast.walk(cls):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names and isinstance(cls, ast.ClassDef):
                yield names[cls.name], names[call.func.id], ""
                for keyword in call.keywords:
                    if keyword.arg is not None:
                        yield names[cls.name], names[call.func.id], _camel(keyword.arg)


def _element(cls: ast.ClassDef) -> str:
    """`self.name = "Conference"`."""
    for node in ast.walk(cls):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute) and node.targets[0].attr == "name":
            assert isinstance(node.value, ast.Constant)
            return str(node.value.value)
    return cls.name


def _camel(name: str) -> str:
    first, *rest = name.strip("_").split("_")
    return first + "".join(part.capitalize() for part in rest)


TEXTS = {
    ("Say", "message"),
    ("Play", "url"),
    ("Sip", "sipUrl"),
    ("Enqueue", "name"),
    ("Dial", "number"),
    ("Client", "identity"),
    ("Application", "applicationSid"),
}
"""Arguments of the builder that become the element's text."""
SPOKEN = {"break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w"}


@pytest.mark.parametrize(("parent", "element", "attribute"), sorted(set(built())))
def test_every_attribute_of_the_builder_is_listed(parent: str, element: str, attribute: str) -> None:
    """Rule: "checked in the tests against the official SDK (attributes of the TwiML builder)"."""
    if element in SPOKEN or (element, attribute) in TEXTS:
        return  # what is inside <Say> is read by the voice
    outer = TABLE.elements.get(parent)
    if outer is not None and outer.build is None:
        assert outer.why
        return  # the whole verb is not built, and says why
    row = TABLE.elements.get(element) if parent == "Response" else TABLE.nested.get(f"{parent}/{element}")
    if row is None:
        assert outer is None or "*" in outer.children or element in outer.children, f"<{element}> in <{parent}>"
        assert parent != "Response", f"<{element}> is not listed"
        return
    if row.build is None and row.why and not row.attributes:
        return
    assert attribute == "" or attribute in {attr.name for attr in row.attributes}, f"<{element} {attribute}>"


# -- REST ------------------------------------------------------------------------------------------------------


def _functions(module: Path) -> Iterator[tuple[str, set[str]]]:
    """Name and parameters of every function that sends some."""
    for function in ast.walk(ast.parse(module.read_text())):
        if isinstance(function, ast.FunctionDef) and function.name in ("_create", "_update", "page"):
            names = {
                key.value
                for node in ast.walk(function)
                if isinstance(node, ast.Dict)
                for key in node.keys
                if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value[:1].isupper() and "-" not in key.value
            }
            yield function.name, names


def _fields(module: Path) -> set[str]:
    """What the instances read of an answer."""
    found = set()
    for cls in ast.walk(ast.parse(module.read_text())):
        if isinstance(cls, ast.ClassDef) and cls.name.endswith("Instance"):
            found |= set(re.findall(r'payload\.get\(\s*"(\w+)"', ast.get_source_segment(module.read_text(), cls) or ""))
    return found


def _params(path: str, method: str, operations: tuple = OPERATIONS) -> set[str]:  # type: ignore[type-arg]
    return {
        param.name
        for operation in operations
        for param in operation.params
        if operation.method == method and ONE.sub("/*", operation.path) == ONE.sub("/*", path)
    }


@pytest.mark.parametrize("name", MODULES)
def test_every_parameter_of_the_sdk_is_listed(name: str) -> None:
    """Rule: "parameters … of the REST classes"."""
    path, _ = MODULES[name]
    for function, wanted in _functions(ACCOUNT / name):
        listed = _params(path, "POST") if function == "_create" else _params(path, "GET")
        if function == "_update":
            listed = _params(path + "/{one}", "POST")
        assert wanted - PAGING - listed == set(), f"{function} of {path}"


@pytest.mark.parametrize("name", MODULES)
def test_every_field_of_the_sdk_is_shown(name: str) -> None:
    """Rule: "fields of the REST classes"."""
    _, resource = MODULES[name]
    assert _fields(ACCOUNT / name) - {out.name for out in RESOURCES[resource].fields} == set()


@pytest.mark.parametrize(
    ("name", "path", "resource"),
    [
        ("__init__.py", "/Conferences", insights.CONFERENCE),
        ("conference_participant.py", "/Conferences/{room}/Participants", insights.PARTICIPANT),
    ],
)
def test_insights_of_the_sdk_are_listed(name: str, path: str, resource: insights.Resource) -> None:
    """8.1, against the SDK's classes."""
    module = SDK / "rest/insights/v1/conference" / name
    assert _fields(module) - {out.name for out in resource.fields} == set()
    listed = _params(path, "GET", insights.OPERATIONS)
    assert set().union(*(names for function, names in _functions(module) if function == "page")) - PAGING - listed == set()
