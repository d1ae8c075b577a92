"""Every path that the server answers comes from the tables of a face, or is in the list of those that are tried beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from starlette.routing import Route
from tests.support.facts import ACCOUNT
from tests.support.routes import BESIDE_TABLES

from hubbub.api.app import build_app
from hubbub.api.commands import Commands
from hubbub.api.links import Links
from hubbub.api.rest import METHODS, Rest
from hubbub.dialects.registry import command_faces, rest_faces

URL = "http://hubbub.test"
NOTHING = cast(Any, None)


class Anything:
    """Stands for what is asked only when a request comes."""

    def __getattr__(self, name: str) -> Any:
        return Anything()

    def __call__(self, *_: Any, **__: Any) -> Any:
        return Anything()


def test_no_route_is_forgotten() -> None:
    """ "Per-account isolation proven for every endpoint": `test_another_accounts_ids_do_not_exist` goes through the tables, and
    `test_paths_beside_the_tables_are_closed` through that list. So whoever adds a route writes down who may use it."""
    given = (NOTHING, NOTHING, Path(), NOTHING, NOTHING)
    rests = [Rest(face, *given) for face in rest_faces(URL, [ACCOUNT], lambda: 0.0)]
    commands = [Commands(face, *given) for face in command_faces(URL, [ACCOUNT])]
    anything = cast(Any, Anything())
    links = Links(anything, Path(), URL, lambda: 0.0)
    app = build_app([*rests, *commands], anything, dict, anything, anything, "", anything, anything, anything, links)
    tables, expected = set[tuple[str, str]](), set(BESIDE_TABLES)
    for rest in rests:
        face = rest.face
        tables |= {(method, face.base + one.path + suffix) for one in face.operations for suffix in face.suffixes for method in METHODS}
        tables |= {(method, f"{face.base}/{{rest:path}}") for method in METHODS}
        if face.habits.common_media:
            places = ("", "/Conferences/{room}", "/Calls/{call}")
            tables |= {("GET", f"{face.base}{place}/Recordings/{{recording}}{kind}") for place in places for kind in (".wav", ".mp3", "")}
        if face.habits.token_path:
            tables.add(("POST", face.habits.token_path))
    for face in (one.face for one in commands):
        tables |= {(method, f"{face.base}/{end}") for method in METHODS for end in ("calls", "rpc", "{rest:path}")}
    found = set[tuple[str, str]]()
    for route in app.routes:
        assert isinstance(route, Route), f"{route}: a socket, or another application, is no path of a table"
        found |= {(method, route.path) for method in route.methods or ["ANY"] if method != "HEAD"}
    assert found - tables == expected
    assert len(found & tables) > 300
