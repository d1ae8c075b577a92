"""The OpenAPI description says what the tables say: each operation, each parameter, each resource, and nothing else."""

from __future__ import annotations

import re

from tests.support.facts import ACCOUNT

from hubbub.api.openapi import description
from hubbub.dialects.registry import rest_faces

FACES = [face for face in rest_faces("http://hubbub.test", [ACCOUNT], lambda: 0.0) if ":" not in face.base]
MADE = description(FACES, "1")


def test_every_operation_is_in_it_and_nothing_else() -> None:
    wanted = {(face.base + operation.path + face.suffixes[0], operation.method.lower()) for face in FACES for operation in face.operations}
    assert {(path, method) for path, methods in MADE["paths"].items() for method in methods} == wanted
    assert len(wanted) > 100


def test_every_parameter_is_in_it() -> None:
    for face in FACES:
        for operation in face.operations:
            found = MADE["paths"][face.base + operation.path + face.suffixes[0]][operation.method.lower()]
            text = str(found)
            for param in operation.params:
                assert f"'{param.name.split('.')[-1] if face.habits.own_bodies else param.name}'" in text or operation.body == "xml", (
                    operation.path,
                    param.name,
                )
            assert {one["name"] for one in found["parameters"] if one["in"] == "path"} == set(
                re.findall(r"\{(\w+)", face.base + operation.path)
            )


def test_values_are_described_as_converters_describe_themselves() -> None:
    create = MADE["paths"]["/2010-04-01/Accounts/{account}/Conferences/{room}/Participants.json"]["post"]
    form = create["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]["properties"]
    assert form["MaxParticipants"] == {"type": "integer", "minimum": 2, "maximum": 250}
    assert form["StatusCallbackMethod"]["type"] == "string"
    calls = MADE["paths"]["/api/v2/accounts/{account}/calls"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert calls["callTimeout"] == {"type": "number", "minimum": 1.0, "maximum": 300.0}
    assert "mode" in calls["machineDetection"]["properties"]
    listed = MADE["paths"]["/2010-04-01/Accounts/{account}/Calls.json"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert listed["required"] == ["calls"]
